"""``compare``: offers side by side, each by what the cheapest fleet of a workload makes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable, load_coefficients, shipped_coefficients
from data.errors import UnknownNameError
from data.offers import PRICING, Offer
from solver.assumptions import stale_prices
from solver.comparison.bench import Answer
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
from solver.comparison.levers import (
    AT_LEVERS,
    AloneFound,
    AloneTask,
    CompareGround,
    LeverTask,
    RestFound,
    RestTask,
)
from solver.comparison.sentences import Findings
from solver.crew.crew import Crew
from solver.market import offer_filters
from solver.measured import MeasuredCapacity, load_measured
from solver.planner import Progress, catalog_used
from solver.steady import check_steady
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
    jobs: int | None = 1,
    dask: str | None = None,
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
    jobs, dask
        As in `solver.frontier.frontier.frontier`: what is solved of each offer waits for no other.

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
    check_steady(workload, "offers are compared")
    wanted = _named(catalog, offers)
    groups = {name: _members(name, ids, wanted) for name, ids in (subsets or {}).items()}
    ground = CompareGround(
        _allowing(workload, wanted.values()),
        catalog,
        coefficients or shipped_coefficients(),
        measured,
        as_of or dt.date.today(),
        tuple(wanted),
        gap,
        time_limit_s,
    )
    progress("evaluating candidates")
    with Crew(AT_LEVERS, ground, jobs, dask) as crew:
        return _Comparing(crew, progress).compare(wanted, groups)


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

    def __init__(self, crew: Crew[CompareGround, LeverTask, Any], progress: Progress) -> None:
        self.crew, self.ground, self.progress = crew, crew.ground, progress
        self.bench = crew.ground.desk.bench

    def compare(
        self, wanted: Mapping[str, Offer], groups: Mapping[str, Mapping[str, Offer]]
    ) -> Comparison:
        """Solve everything and write it down."""
        bench, desk = self.bench, self.ground.desk
        passing = {k: o for k, o in wanted.items() if k in bench.offers}
        self.progress("solving the joint optimum")
        joint = bench.solve(bench.offers.values())
        status, warnings = desk.judged(joint, within=self._within(joint))
        levers = {k: Lever.of_offer(o) for k, o in passing.items()}
        parts = {
            name: {k: o for k, o in members.items() if k in passing}
            for name, members in groups.items()
        }
        subsets = {name: Lever.of_subset(name, part) for name, part in parts.items() if part}
        each = [*levers.values(), *subsets.values()]
        alone = self._all("alone", [AloneTask(lever) for lever in each])
        known = [f.bought for f in (joint, *(a.alone.answer for a in alone)) if f.bought]
        rest = self._all(
            "break-even prices",
            [
                RestTask(lever, joint.found, a.alone.answer, tuple(known), _offer_of(lever))
                for lever, a in zip(each, alone, strict=True)
            ],
        )
        found = [
            self._findings(lever, joint, a, r)
            for lever, a, r in zip(each, alone, rest, strict=True)
        ]
        entries = self._offer_entries(wanted, joint, dict(zip(levers, found, strict=False)), alone)
        mine = slice(len(levers), None)
        ours = dict(zip(subsets, zip(found[mine], alone[mine], strict=True), strict=True))
        stale = stale_prices(passing.values(), bench.problem.as_of)
        programs = 1 + sum(solved.programs for solved in (*alone, *rest))
        return Comparison(
            status=status,
            complete=status in ("optimal", "infeasible") and all(map(proven, found)),
            joint=fleet_entry(bench, joint, status, warnings),
            offers=tuple(_ranked(entries, "offer_id")),
            subsets=tuple(_ranked(self._subset_entries(groups, parts, ours), "name")),
            search={"programs": programs, "gap_asked": self.ground.gap},
            catalog=catalog_used(bench.problem),
            warnings=(*warnings, *stale),
            workload=bench.problem.workload.to_dict(),
        )

    def _all(self, what: str, tasks: Sequence[LeverTask]) -> list[Any]:
        """Solve tasks that do not wait for each other."""
        solved = 0

        def done(count: int) -> None:
            nonlocal solved
            solved += count
            self.progress(f"{what}: {solved} of {len(tasks)}")

        self.progress(f"{what}: 0 of {len(tasks)}")
        return list(self.crew.solve(tasks, done))

    def _offer_entries(
        self,
        wanted: Mapping[str, Offer],
        joint: Answer,
        found: Mapping[str, Findings],
        alone: Sequence[AloneFound],
    ) -> list[Entry]:
        entries, left_out = [], self._reasons(wanted)
        by_name = dict(zip(found, alone, strict=False))
        for name, offer in wanted.items():
            one = found.get(name)
            if one is None:
                entry = _left_out(OFFER_FINDINGS, left_out[name])
            else:
                nodes = None if joint.bought is None else joint.bought.get(name, 0)
                entry = offer_findings(one, None if one.share is None else nodes)
            entries.append({**offer_facts(offer), "alone": self._alone(by_name.get(name)), **entry})
        return entries

    def _subset_entries(
        self,
        groups: Mapping[str, Mapping[str, Offer]],
        parts: Mapping[str, Mapping[str, Offer]],
        found: Mapping[str, tuple[Findings, AloneFound]],
    ) -> list[Entry]:
        entries = []
        for name, members in groups.items():
            one, alone = found.get(name, (None, None))
            if one is None:
                entry = _left_out(SUBSET_FINDINGS, "none of its offers passes")
            else:
                entry = subset_findings(one)
            facts = {
                "name": name,
                "offer_ids": list(members),
                "compared_offer_ids": list(parts[name]),
            }
            entries.append({**facts, "alone": self._alone(alone), **entry})
        return entries

    def _within(self, answer: Answer) -> bool:
        return answer.cost_usd is None or self.bench.affordable(answer.cost_usd)

    def _findings(
        self, lever: Lever, joint: Answer, alone: AloneFound, rest: RestFound
    ) -> Findings:
        """Return all that was found of a lever."""
        share = None
        if joint.bought is not None and joint.cost_usd is not None and self._within(joint):
            share = 1 - lever.rest_usd(joint.bought, self.bench) / joint.cost_usd
        return Findings(
            lever=lever,
            alone=alone.alone,
            status=alone.status,
            warnings=alone.warnings,
            gpus=alone.gpus,
            nodes=alone.nodes,
            share=share,
            enters=rest.enters,
            takes_over=rest.takes_over,
            worth=rest.worth,
            offer=_offer_of(lever),
        )

    def _alone(self, alone: AloneFound | None) -> Entry:
        return fleet_entry(self.bench, None, "filtered") if alone is None else dict(alone.entry)

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


def _offer_of(lever: Lever) -> Offer | None:
    """Return the offer that a lever is; None for a subset."""
    return None if lever.is_subset else next(iter(lever.offers.values()))


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
