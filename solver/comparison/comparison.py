"""``compare``: offers side by side, each by what the cheapest fleet of a workload makes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable, load_coefficients, shipped_coefficients
from data.errors import UnknownNameError, WorkloadError
from data.offers import PRICING, Offer
from solver.assumptions import stale_prices
from solver.comparison.alone import Alone, cheapest_alone
from solver.comparison.bench import Answer, Bench
from solver.comparison.break_even import enters_at, takes_over_at
from solver.comparison.document import (
    OFFER_FINDINGS,
    SUBSET_FINDINGS,
    Comparison,
    fleet_entry,
    offer_facts,
    offer_findings,
    proven,
    subset_findings,
)
from solver.comparison.lever import Lever
from solver.comparison.sentences import Findings
from solver.comparison.stock import next_node_worth
from solver.market import offer_filters
from solver.measured import MeasuredCapacity, load_measured
from solver.plan import Plan
from solver.planner import Progress, catalog_used, plan_with_fleet
from solver.problem import Problem, build_problem
from solver.workload import Workload

Entry = dict[str, Any]


def compare(
    workload: Workload,
    catalog: Catalog | None = None,
    *,
    offers: Sequence[str] | None = None,
    subsets: Mapping[str, Sequence[str]] | None = None,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | str | Path | None = None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None = None,
    as_of: dt.date | None = None,
    progress: Progress = lambda stage: None,
) -> Comparison:
    """Compare offers by the cheapest fleets with them, without them, and of them alone.

    Parameters
    ----------
    workload
        From ``Workload.load`` or ``Workload.parse``.
    catalog
        Accelerators and offers; the shipped catalogue by default. All its offers compete in the
        joint optimum.
    offers
        Ids of the offers to compare; all of the catalogue's by default.
    subsets
        Name → ids of compared offers that are reported together.
    gap
        Relative gap at which a fleet counts as proven. Break-even prices ask for
        `solver.comparison.bench.EXACT_GAP`, whatever this is.
    time_limit_s
        Wall seconds for each program.
    coefficients, measured, as_of, progress
        As in `solver.planner.plan`.

    Raises
    ------
    InputError
        If the input is wrong. An offer that does not pass the workload's filters is not an error.
    """
    if isinstance(coefficients, (str, Path)):
        coefficients = load_coefficients(Path(coefficients))
    if isinstance(measured, (str, Path)):
        measured = load_measured(measured)
    catalog = catalog or Catalog.load()
    _check_aim(workload)
    wanted = _named(catalog, offers)
    groups = {name: _members(name, ids, wanted) for name, ids in (subsets or {}).items()}
    progress("evaluating candidates")
    problem = build_problem(
        _allowing(workload, wanted.values()),
        catalog,
        coefficients or shipped_coefficients(),
        measured=measured,
        as_of=as_of,
        movable=tuple(wanted),
    )
    return _Comparing(problem, gap, time_limit_s, progress).compare(wanted, groups)


def _allowing(workload: Workload, wanted: Iterable[Offer]) -> Workload:
    """Return the workload with every way of buying that is compared, unless it names its own."""
    hardware = workload.hardware
    if "pricing" in hardware.model_fields_set:
        return workload
    sold = {"on_demand", *(o.pricing for o in wanted)}
    allowed = [kind for kind in PRICING if kind in sold]
    return workload.model_copy(
        update={"hardware": hardware.model_copy(update={"pricing": allowed})}
    )


def content_to_compare(workload: Workload, content: Entry) -> Entry:
    """Return the content of a workload such that comparing it elsewhere is the same.

    Parameters
    ----------
    content
        Of the workload, every default filled in. Ways of buying that it did not name are left out,
        since named ones are a limit to a comparison.
    """
    if "pricing" in workload.hardware.model_fields_set:
        return content
    hardware = {k: v for k, v in content["hardware"].items() if k != "pricing"}
    return {**content, "hardware": hardware}


def _check_aim(workload: Workload) -> None:
    """Raise if a workload wants something else than the cheapest fleet for its rates."""
    objective = workload.objective
    if objective.order != ("cost",) or objective.maximize is not None:
        raise WorkloadError(
            f"objective asks for {objective.maximize or objective.minimize}, but offers are "
            "compared by what they cost; leave minimize, maximize and then out to compare them."
        )
    if workload.batch is not None:
        raise WorkloadError(
            "offers are compared for requests that arrive; give classes a rate_rps, and no batch."
        )


def _named(catalog: Catalog, offers: Sequence[str] | None) -> dict[str, Offer]:
    """Return the offers to compare by id."""
    known = {o.offer_id: o for o in catalog.offers}
    if offers is None:
        return known
    for i, name in enumerate(offers):
        if name not in known:
            raise UnknownNameError("offer", name, known, f"offers[{i}]")
    return {name: known[name] for name in offers}


def _members(name: str, ids: Sequence[str], wanted: Mapping[str, Offer]) -> dict[str, Offer]:
    for given in ids:
        if given not in wanted:
            hint = "a subset is made of offers that are compared"
            raise UnknownNameError("offer", given, wanted, f"subset {name!r}", hint)
    return {given: wanted[given] for given in ids}


class _Comparing:
    """One comparison on its way."""

    def __init__(
        self, problem: Problem, gap: float, time_limit_s: float, progress: Progress
    ) -> None:
        self.bench, self.progress = Bench(problem, time_limit_s), progress
        self.options = replace(self.bench.options, gap=gap)

    def compare(
        self, wanted: Mapping[str, Offer], groups: Mapping[str, Mapping[str, Offer]]
    ) -> Comparison:
        """Solve everything and write it down."""
        bench = self.bench
        passing = {k: o for k, o in wanted.items() if k in bench.offers}
        self.progress("solving the joint optimum")
        joint = bench.keep(bench.solve(bench.offers.values()))
        status, warnings = self._judged(joint, within=self._within(joint))
        levers = {k: Lever.of_offer(o) for k, o in passing.items()}
        parts = {
            name: {k: o for k, o in members.items() if k in passing}
            for name, members in groups.items()
        }
        subsets = {name: Lever.of_subset(name, part) for name, part in parts.items() if part}
        alone: dict[int, Alone] = {}
        for lever in (*levers.values(), *subsets.values()):
            self.progress(f"{lever.name} alone")
            alone[id(lever)] = cheapest_alone(bench, lever)
        entries, found = [], []
        left_out = self._reasons(wanted)
        for name, offer in wanted.items():
            if name in levers:
                one = self._findings(levers[name], joint, alone[id(levers[name])], offer)
                found.append(one)
                nodes = None if joint.bought is None else joint.bought.get(name, 0)
                entry = offer_findings(one, None if one.share is None else nodes)
            else:
                one = None
                entry = _left_out(OFFER_FINDINGS, left_out[name])
            entries.append({**offer_facts(offer), "alone": self._alone(one), **entry})
        grouped = []
        for name, members in groups.items():
            if name in subsets:
                one = self._findings(subsets[name], joint, alone[id(subsets[name])], None)
                found.append(one)
                entry = subset_findings(one)
            else:
                one = None
                entry = _left_out(SUBSET_FINDINGS, "none of its offers passes")
            facts = {
                "name": name,
                "offer_ids": list(members),
                "compared_offer_ids": list(parts[name]),
            }
            grouped.append({**facts, "alone": self._alone(one), **entry})
        stale = stale_prices(passing.values(), bench.problem.as_of)
        return Comparison(
            status=status,
            complete=status in ("optimal", "infeasible") and all(map(proven, found)),
            joint=fleet_entry(bench, joint, status, warnings),
            offers=tuple(_ranked(entries, "offer_id")),
            subsets=tuple(_ranked(grouped, "name")),
            search={"programs": bench.programs, "gap_asked": self.options.gap},
            catalog=catalog_used(bench.problem),
            warnings=(*warnings, *stale),
            workload=bench.problem.workload.to_dict(),
        )

    def _within(self, answer: Answer) -> bool:
        return answer.cost_usd is None or self.bench.affordable(answer.cost_usd)

    def _findings(self, lever: Lever, joint: Answer, alone: Alone, offer: Offer | None) -> Findings:
        """Solve what remains to be known of a lever."""
        bench = self.bench
        self.progress(f"break-even of {lever.name}")
        if joint.bought is None or lever.amount(joint.bought) > 0:
            without = bench.keep(bench.solve(lever.outside(bench)))
        else:
            without = joint
        share = None
        if joint.bought is not None and joint.cost_usd is not None and self._within(joint):
            share = 1 - lever.rest_usd(joint.bought, bench) / joint.cost_usd
        fleet = alone.answer.solved.fleet if alone.within_budget else None
        status, warnings = self._judged(alone.answer, within=alone.within_budget)
        return Findings(
            lever=lever,
            alone=alone,
            status=status,
            warnings=warnings,
            gpus=None if fleet is None else fleet.gpus,
            nodes=None if fleet is None else sum(fleet.nodes.values()),
            share=share,
            enters=enters_at(bench, lever, joint, without),
            takes_over=takes_over_at(bench, lever, alone.answer),
            worth=None if offer is None else next_node_worth(bench, offer, joint),
            offer=offer,
        )

    def _judged(self, answer: Answer, *, within: bool) -> tuple[str, tuple[str, ...]]:
        """Return what is proven of a fleet once it is checked, and what to know of it.

        That prices are old is said once for all offers.
        """
        fleet = answer.solved.fleet
        if fleet is None or not within:
            return "infeasible" if answer.proven else "unknown", ()
        plan = self._plan(answer)
        bought = (fleet.instance.offers[o] for o in fleet.nodes)
        stale = set(stale_prices(bought, self.bench.problem.as_of))
        return plan.status, tuple(w for w in plan.warnings if w not in stale)

    def _plan(self, answer: Answer) -> Plan:
        """Return the plan of a fleet, checked apart from the solver."""
        assert answer.solved.fleet is not None
        return plan_with_fleet(
            answer.problem,
            answer.solved,
            answer.solved.fleet,
            answer.predicted,
            self.options,
            lambda stage: None,
        )

    def _alone(self, found: Findings | None) -> Entry:
        if found is None:
            return fleet_entry(self.bench, None, "filtered")
        return fleet_entry(self.bench, found.alone.answer, found.status, found.warnings)

    def _reasons(self, wanted: Mapping[str, Offer]) -> dict[str, str]:
        """Return why each offer that is not compared was left out."""
        problem = self.bench.problem
        hardware = problem.workload.hardware
        filters = offer_filters(problem.catalog, hardware, strict=problem.measured is None)
        found = {}
        for name, offer in wanted.items():
            if name in self.bench.offers:
                continue
            failed = [field for field, passes in filters.items() if not passes(offer)]
            found[name] = _why_filtered(offer, failed, problem.as_of)
        return found


def _why_filtered(offer: Offer, failed: Sequence[str], day: dt.date) -> str:
    """Say which filters an offer does not pass, as half a sentence."""
    fields = {"accelerator": "accelerators", "provider": "providers", "region": "regions"}
    said = []
    for field in failed:
        if field == "stock":
            said.append("it has none in stock")
        else:
            value = getattr(offer, field) or "unknown"
            said.append(f"its {field} {value} is not in hardware.{fields.get(field, field)}")
    if not offer.on_sale(day):
        said.append(f"it is not on sale on {day}")
    return " and ".join(said)


def _left_out(fields: Sequence[str], reason: str) -> Entry:
    return {**dict.fromkeys(fields), "sentence": f"Left out: {reason}."}


def _ranked(entries: Sequence[Entry], name: str) -> list[Entry]:
    """Return entries by the cost of their fleets alone, then by name; each with its rank."""
    last = ("optimal", "feasible", "infeasible", "unknown", "filtered")

    def order(entry: Entry) -> tuple[float, int, str]:
        alone = entry["alone"]
        cost = alone["cost_per_hour_usd"]
        return (float("inf") if cost is None else cost, last.index(alone["status"]), entry[name])

    return [{"rank": i, **e} for i, e in enumerate(sorted(entries, key=order), 1)]
