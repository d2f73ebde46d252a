"""``plan``: a workload and a catalogue in, the cheapest fleet and its proof out."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from data.catalog import Catalog
from data.coefficients import CoefficientTable, load_coefficients, shipped_coefficients
from data.errors import InputError
from model.predict import Prediction
from solver.assemble import (
    class_figures,
    cost_per_million_output_tokens,
    pools_of,
    predictions,
    purchases_of,
)
from solver.assumptions import assumptions_of, warnings_of
from solver.candidates import CandidateKey
from solver.certify import certificate_of, proven, second_opinions, with_opinions
from solver.charges import charges_of, objective_entry
from solver.engines.result import Improved, Termination
from solver.explain.alone import costs_alone
from solver.explain.alternatives import alternatives
from solver.explain.binding import binding_limits
from solver.explain.effort import effort_for
from solver.explain.infeasible import explain_infeasible
from solver.explain.other_aims import by_cost, cheapest_instead
from solver.explain.why_not import why_not
from solver.fleet import Fleet, Solved
from solver.footprint import Footprint, check_regions
from solver.in_order import best_fleet
from solver.measured import MeasuredCapacity, load_measured
from solver.objective import objectives_of
from solver.plan import Plan
from solver.problem import Problem, build_problem, tightened
from solver.simulate import LoadOptions
from solver.under_load import Held, hold_under_load
from solver.workload import Workload

TIGHTENING_ROUNDS = 8
"""How often a pool whose mix misses a target is tightened before the plan says so."""

EXPLAIN_SHARE = 0.1
"""Share of the time limit that each further solve for an explanation may take."""

EXPLAIN_GAP = 2e-3
"""Gap that is close enough for an explanation; the plan itself closes the gap asked for."""

Progress = Callable[[str], None]

Explain = Literal["none", "auto", "full"]


@dataclass(frozen=True)
class Options:
    """How hard to try, and how much to say.

    Attributes
    ----------
    gap
        Relative gap that counts as proven.
    time_limit_s
        Wall seconds for the main program.
    explain
        How far to find out what binds, why not, and alternatives: ``none``, ``auto`` (solved
        where the program is small, else bounds and first fleets) or ``full`` (all solved).
    second_engine
        Whether CP-SAT is asked for an independent bound.
    prune
        If False, nothing is dropped before the program is solved (for tests).
    simulate
        How the fleet is loaded in a simulation that it must hold; None for none.
    """

    gap: float = 1e-4
    time_limit_s: float = 60.0
    explain: Explain = "auto"
    second_engine: bool = True
    prune: bool = True
    simulate: LoadOptions | None = None


def plan(
    workload: Workload,
    catalog: Catalog | None = None,
    *,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | str | Path | None = None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None = None,
    explain: Explain | bool = "auto",
    second_engine: bool = True,
    prune: bool = True,
    as_of: dt.date | None = None,
    simulate: LoadOptions | bool = False,
    progress: Progress = lambda stage: None,
    improved: Improved | None = None,
) -> Plan:
    """Return the best fleet that serves a workload within its targets, with its proof.

    The best is the cheapest, unless the workload's ``objective`` says otherwise.

    Parameters
    ----------
    workload
        From ``Workload.load`` or ``Workload.parse``.
    catalog
        Accelerators and offers; the shipped catalogue by default.
    gap
        Relative gap that counts as proven.
    time_limit_s
        Wall seconds for the main program.
    coefficients
        Coefficients of the performance model, or a CSV of them; the shipped ones by default.
    measured
        Measured capacities (or their CSV) in place of the performance model.
    explain
        See `Options`; True stands for ``auto``, False for ``none``.
    second_engine, prune
        See `Options`.
    as_of
        Day of the plan: offers must be on sale then, and the age of prices is counted to it;
        None for today.
    simulate
        Whether (or how) the fleet must hold in a simulation: pools that miss a target there are
        allowed less load and the program is solved again; ``Plan.simulation`` has both costs.
    progress
        Called with the name of each stage as it begins.
    improved
        Told of better fleets and bounds (USD/h) while the main program is solved.

    Raises
    ------
    InputError
        If the input is wrong. An infeasible workload is not an error but a plan of that status.
    """
    if isinstance(coefficients, (str, Path)):
        coefficients = load_coefficients(Path(coefficients))
    if isinstance(measured, (str, Path)):
        measured = load_measured(measured)
    if isinstance(explain, bool):
        explain = "auto" if explain else "none"
    load = LoadOptions() if simulate is True else simulate or None
    if load is not None and measured is not None:
        raise InputError(
            "measured capacities say nothing of single requests; plan without them to simulate."
        )
    options = Options(gap, time_limit_s, explain, second_engine, prune, load)
    catalog = catalog or Catalog.load()
    check_regions(workload.objective, catalog)
    desk = Desk(
        catalog,
        coefficients or shipped_coefficients(),
        measured,
        as_of,
        options,
        progress,
        improved,
    )
    if workload.objective.maximize is not None:
        from solver.most_load import plan_most_load

        return plan_most_load(workload, desk)
    if workload.batch is not None:
        from solver.batch import plan_batch

        return plan_batch(workload, desk)
    if workload.demand is not None:
        from solver.schedule import plan_schedule

        return plan_schedule(workload, desk)
    return _plan_best(workload, desk)


@dataclass(frozen=True)
class Desk:
    """All that a plan is made with besides the workload; see `plan`."""

    catalog: Catalog
    coefficients: CoefficientTable
    measured: tuple[MeasuredCapacity, ...] | None
    as_of: dt.date | None
    options: Options
    progress: Progress
    improved: Improved | None

    def problem(self, workload: Workload) -> Problem:
        """Return a workload, evaluated for its objective and ready to be solved."""
        return build_problem(
            workload,
            self.catalog,
            self.coefficients,
            measured=self.measured,
            prune=self.options.prune,
            as_of=self.as_of,
            order=objectives_of(
                workload.objective, Footprint.of(workload.objective, self.catalog.accelerators)
            ),
        )


def _plan_best(workload: Workload, desk: Desk) -> Plan:
    """Return the best fleet for the rates of a workload."""
    options, progress, improved = desk.options, desk.progress, desk.improved
    progress("evaluating candidates")
    problem = desk.problem(workload)
    progress("solving")
    problem, solved, predicted = solve_problem(problem, options, improved)
    if solved.fleet is None:
        return plan_without_fleet(problem, solved, options, progress)
    if options.simulate is None:
        progress("checking")
        return plan_with_fleet(problem, solved, solved.fleet, predicted, options, progress)
    held = hold_under_load(
        (problem, solved, predicted),
        options.simulate,
        lambda p: solve_problem(p, options, improved),
        progress,
    )
    problem, solved, predicted = held.solution
    assert solved.fleet is not None
    progress("checking")
    answer = plan_with_fleet(problem, solved, solved.fleet, predicted, options, progress)
    return replace(
        answer,
        status=answer.status if held.holds and held.cheapest else "feasible",
        simulation=held.record,
        warnings=(*answer.warnings, *_said_by(held)),
    )


def _said_by(held: Held) -> Iterator[str]:
    """Yield what a reader should know of the simulation."""
    if not held.holds:
        late = [c["name"] for c in held.record["classes"] if not c["meets"]]
        yield (
            f"in simulation {', '.join(late)} miss a target, and no fleet that was tried holds; "
            "the plan is not proven"
        )
    elif not held.cheapest:
        share = held.record["all_lowered_to"]
        yield (
            f"in simulation fleet after fleet missed a target, so all configurations were allowed "
            f"{share:.0%} of what the formulas admit: this fleet holds, and a cheaper one may, too"
        )
    yield from held.record["warnings"]


def solve_problem(
    problem: Problem,
    options: Options,
    improved: Improved | None = None,
    known_usd: float | None = None,
    *,
    only_below: float = math.inf,
) -> tuple[Problem, Solved, dict[int, Prediction]]:
    """Solve; where the mix of a pool misses a target, tighten the pool and solve again.

    `improved` and `known_usd` are those of `cheapest_fleet`; a fleet whose objective is not below
    `only_below` is of no interest, and not looked into further.
    """
    for round_ in range(TIGHTENING_ROUNDS + 1):
        solved = best_fleet(
            problem.instance,
            problem.order,
            gap=options.gap,
            time_limit_s=options.time_limit_s,
            screen=options.prune,
            known_usd=known_usd,
            improved=improved,
        )
        if improved is not None and problem.order[0].name == "cost":
            improved(solved.result.objective, solved.result.bound)
        if solved.fleet is None or solved.fleet.value(problem.order[0]) >= only_below:
            return problem, solved, {}
        predicted = predictions(problem, solved.fleet)
        factors = misses(problem, solved.fleet, predicted)
        if not factors or round_ == TIGHTENING_ROUNDS:
            return problem, solved, predicted
        problem = tightened(problem, factors)
    raise AssertionError("the loop returns in its last round")


def misses(
    problem: Problem, fleet: Fleet, predicted: Mapping[int, Prediction]
) -> dict[CandidateKey, float]:
    """Return, for candidates whose mix misses a target, the factor to tighten them by."""
    figures = class_figures(problem, fleet, predicted)
    late = {str(f["name"]): f for f in figures if not f["meets"]}
    factors: dict[CandidateKey, float] = {}
    for w, c in fleet.shares:
        name = fleet.instance.class_names[w]
        if name not in late:
            continue
        own = predicted[c].classes[name]
        targets = late[name]["targets"]
        ratios = [
            getattr(own, k) / v for k, v in targets.items() if v is not None and getattr(own, k)
        ]
        worst = max(ratios, default=0.0)
        if worst > 1 + 1e-6:
            key = fleet.instance.candidates[c].key
            factor = max(0.75, 1 - 2.5 * (worst - 1)) - 0.002
            factors[key] = min(factors.get(key, 1.0), factor)
    return factors


def search_figures(problem: Problem, solved: Solved, seconds: dict[str, float]) -> dict[str, Any]:
    """Return the block ``search`` of a plan: what was looked at, and how long it took."""
    counts = problem.search
    return {
        "offers_considered": problem.considered_offers,
        "offers_undominated": len(problem.instance.offers),
        "candidates_considered": counts.considered,
        "candidates_fitting": counts.fitting,
        "candidates_feasible": counts.feasible,
        "candidates_undominated": solved.rated,
        "candidates_in_program": solved.screened_to,
        "columns": 0 if solved.program is None else solved.program.columns,
        "rows": 0 if solved.program is None else len(solved.program.row_low),
        "seconds": {
            k: round(v, 4) for k, v in {**problem.seconds, **solved.seconds, **seconds}.items()
        },
    }


def catalog_used(problem: Problem) -> dict[str, Any]:
    """Return which catalogue a problem was made from."""
    catalog = problem.catalog
    return {
        "id": catalog.id,
        "as_of": problem.as_of.isoformat(),
        "observed_at": {k: v.isoformat() for k, v in catalog.observed_at.items()},
        "offers": len(catalog.offers),
    }


def plan_without_fleet(
    problem: Problem, solved: Solved, options: Options, progress: Progress
) -> Plan:
    """Return the plan that there is none, or none was found, and why."""
    infeasible = solved.result.termination is Termination.INFEASIBLE
    explanation, begin = None, time.perf_counter()
    if infeasible and options.explain != "none":
        progress("finding what to relax")
        limit = options.time_limit_s * EXPLAIN_SHARE
        explanation = explain_infeasible(by_cost(problem), gap=options.gap, time_limit_s=limit)
    return Plan(
        status="infeasible" if infeasible else "unknown",
        objective=objective_entry(problem, None),
        workload=problem.workload.to_dict(),
        catalog=catalog_used(problem),
        certificate=certificate_of(problem, solved, options.gap, None),
        search=search_figures(problem, solved, {"explain": time.perf_counter() - begin}),
        why_not=why_not(problem, None) if options.explain != "none" else (),
        infeasibility=explanation,
        assumptions=assumptions_of(problem),
        warnings=warnings_of(problem, None),
    )


def plan_with_fleet(
    problem: Problem,
    solved: Solved,
    fleet: Fleet,
    predicted: dict[int, Prediction],
    options: Options,
    progress: Progress,
    *,
    load: Mapping[str, Any] | None = None,
    batch: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the plan of a fleet: checked, compared with the bound, and explained as asked.

    Parameters
    ----------
    load, batch
        Blocks of the document for the most load, or for a batch.
    """
    cost = float(fleet.cost_usd)
    pools = pools_of(problem, fleet, predicted)
    classes = class_figures(problem, fleet, predicted)
    bare = Plan(
        status="feasible",
        workload=problem.workload.to_dict(),
        catalog=catalog_used(problem),
        cost_per_hour_usd=cost,
        gpus=fleet.gpus,
        gpus_idle=fleet.gpus - sum(p.gpus for p in pools),
        cost_per_million_output_tokens_usd=cost_per_million_output_tokens(problem, cost),
        pools=pools,
        purchases=purchases_of(fleet),
        classes=classes,
        **charges_of(problem, fleet),
        load=load,
        batch=batch,
    )
    begin = time.perf_counter()
    opinions = (
        second_opinions(solved, options.gap, options.time_limit_s) if options.second_engine else []
    )
    certificate = certificate_of(problem, solved, options.gap, bare.to_dict())
    certified = time.perf_counter()
    limit = options.time_limit_s * EXPLAIN_SHARE
    binding: tuple[dict[str, Any], ...] = ()
    others: tuple[dict[str, Any], ...] = ()
    left_out: tuple[dict[str, Any], ...] = ()
    if options.explain != "none":
        progress("finding what binds")
        close = max(options.gap, EXPLAIN_GAP)
        columns = 0 if solved.program is None else solved.program.columns
        full = options.explain == "full"
        effort = effort_for(columns, full=full, time_limit_s=limit)
        alone = costs_alone(problem.instance)
        if problem.order[0].name == "cost":
            binding = binding_limits(problem, fleet, solved, gap=close, effort=effort)
            progress("comparing alternatives")
            others = alternatives(problem, fleet, alone, gap=close, effort=effort)
        else:
            others = cheapest_instead(problem, fleet, gap=close, effort=effort)
        left_out = why_not(problem, fleet, alone)
    explained = time.perf_counter()
    certificate = with_opinions(certificate, opinions)
    in_time = all(c["meets"] for c in classes)
    seconds = {
        "certificate": certified - begin + time.perf_counter() - explained,
        "explain": explained - certified,
    }
    return Plan(
        **{
            **vars(bare),
            "status": "optimal" if proven(certificate) and in_time else "feasible",
            "certificate": certificate,
            "search": search_figures(problem, solved, seconds),
            "binding": binding,
            "why_not": left_out,
            "alternatives": others,
            "assumptions": assumptions_of(problem, fleet),
            "warnings": warnings_of(problem, fleet, classes, bare.pools),
        }
    )
