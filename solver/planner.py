"""``plan``: a workload and a catalogue in, the cheapest fleet and its proof out."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
from solver.checker import PlanChecker
from solver.engines.result import EngineResult, Improved, Termination
from solver.explain.alone import costs_alone
from solver.explain.alternatives import alternatives
from solver.explain.binding import binding_limits
from solver.explain.effort import effort_for
from solver.explain.infeasible import explain_infeasible
from solver.explain.why_not import why_not
from solver.fleet import Fleet, Solved, cheapest_fleet
from solver.measured import MeasuredCapacity, load_measured
from solver.plan import Plan
from solver.problem import Problem, build_problem, tightened
from solver.simulate import LoadOptions
from solver.under_load import Held, hold_under_load
from solver.workload import Workload

TIGHTENING_ROUNDS = 8
"""How often a pool whose mix misses a target is tightened before the plan says so."""

SECOND_ENGINE_WORK = 0.15
"""CP-SAT's deterministic time for a second opinion."""

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
    """Return the cheapest fleet that serves a workload within its targets, with its proof.

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
    progress("evaluating candidates")
    problem = build_problem(
        workload,
        catalog or Catalog.load(),
        coefficients or shipped_coefficients(),
        measured=measured,
        prune=prune,
        as_of=as_of,
    )
    progress("solving")
    problem, solved, predicted = solve_problem(problem, options, improved)
    if solved.fleet is None:
        return _without_fleet(problem, solved, options, progress)
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
) -> tuple[Problem, Solved, dict[int, Prediction]]:
    """Solve; where the mix of a pool misses a target, tighten the pool and solve again.

    `improved` and `known_usd` are those of `cheapest_fleet`.
    """
    for round_ in range(TIGHTENING_ROUNDS + 1):
        solved = cheapest_fleet(
            problem.instance,
            gap=options.gap,
            time_limit_s=options.time_limit_s,
            screen=options.prune,
            known_usd=known_usd,
            improved=improved,
        )
        if improved is not None:
            improved(solved.result.objective, solved.result.bound)
        if solved.fleet is None:
            return problem, solved, {}
        predicted = predictions(problem, solved.fleet)
        factors = misses(problem, solved.fleet, predicted)
        if not factors or round_ == TIGHTENING_ROUNDS:
            return problem, solved, predicted
        problem = tightened(problem, factors)
    raise AssertionError("the loop returns in its last round")


def misses(
    problem: Problem, fleet: Fleet, predicted: dict[int, Prediction]
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


def _certificate(
    problem: Problem, solved: Solved, options: Options, document: dict[str, Any] | None
) -> dict[str, Any]:
    result = solved.result
    if solved.fleet is not None:  # nodes of the engine's solution that hold nothing are not bought
        result = replace(result, objective=float(solved.fleet.cost_usd))
    certificate: dict[str, Any] = {
        "engine": result.engine,
        "objective": result.objective,
        "bound": _finite(result.bound),
        "gap": _finite(result.gap),
        "gap_asked": options.gap,
        "termination": result.termination.value,
        "wall_s": round(sum(solved.seconds.values()), 4),
        "check": None,
        "second_engine": None,
    }
    if document is not None:
        check = PlanChecker(
            document,
            problem.workload,
            problem.catalog,
            problem.coefficients,
            measured=problem.measured,
        ).check()
        certificate["check"] = {
            "passed": check.passed,
            "rows_checked": check.rows_checked,
            "failures": list(check.failures),
        }
    return certificate


def _second_opinion(solved: Solved, options: Options) -> Future[dict[str, Any]] | None:
    """Ask the second engine on a thread of its own; None if it is not wanted."""
    program, cost = solved.program, solved.result.objective
    if not options.second_engine or program is None or cost is None:
        return None
    from solver.engines.cpsat import bound_cpsat

    def ask() -> dict[str, Any]:
        second = bound_cpsat(
            program,
            at_most_usd=cost,
            gap=options.gap / 2,
            work_limit=SECOND_ENGINE_WORK,
            time_limit_s=options.time_limit_s,
        )
        return _verdict(second, cost, options)

    pool = ThreadPoolExecutor(1)
    answer = pool.submit(ask)
    pool.shutdown(wait=False)
    return answer


def _verdict(second: EngineResult, cost: float, options: Options) -> dict[str, Any]:
    confirms = second.bound >= cost * (1 - options.gap) - 1e-9
    contradicts = second.termination is Termination.INFEASIBLE or second.bound > cost * (1 + 1e-6)
    return {
        "engine": second.engine,
        "objective": second.objective,
        "bound": _finite(second.bound),
        "agrees": False if contradicts else (True if confirms else None),
        "verdict": "contradicts" if contradicts else "confirmed" if confirms else "not certified",
    }


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None


def _search(problem: Problem, solved: Solved, seconds: dict[str, float]) -> dict[str, Any]:
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


def _without_fleet(problem: Problem, solved: Solved, options: Options, progress: Progress) -> Plan:
    infeasible = solved.result.termination is Termination.INFEASIBLE
    explanation, begin = None, time.perf_counter()
    if infeasible and options.explain != "none":
        progress("finding what to relax")
        limit = options.time_limit_s * EXPLAIN_SHARE
        explanation = explain_infeasible(problem, gap=options.gap, time_limit_s=limit)
    return Plan(
        status="infeasible" if infeasible else "unknown",
        workload=problem.workload.to_dict(),
        catalog=catalog_used(problem),
        certificate=_certificate(problem, solved, options, None),
        search=_search(problem, solved, {"explain": time.perf_counter() - begin}),
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
) -> Plan:
    """Return the plan of a fleet: checked, compared with the bound, and explained as asked."""
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
    )
    begin = time.perf_counter()
    second = _second_opinion(solved, options)
    certificate = _certificate(problem, solved, options, bare.to_dict())
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
        binding = binding_limits(problem, fleet, solved, gap=close, effort=effort)
        progress("comparing alternatives")
        alone = costs_alone(problem.instance)
        others = alternatives(problem, fleet, alone, gap=close, effort=effort)
        left_out = why_not(problem, fleet, alone)
    explained = time.perf_counter()
    certificate["second_engine"] = second.result() if second is not None else None
    seconds = {
        "certificate": certified - begin + time.perf_counter() - explained,
        "explain": explained - certified,
    }
    proven = (
        solved.result.termination is Termination.GAP_CLOSED
        and solved.result.gap <= options.gap
        and certificate["check"]["passed"]
        and all(c["meets"] for c in classes)
        and (certificate["second_engine"] or {}).get("agrees") is not False
    )
    return Plan(
        **{
            **vars(bare),
            "status": "optimal" if proven else "feasible",
            "certificate": certificate,
            "search": _search(problem, solved, seconds),
            "binding": binding,
            "why_not": left_out,
            "alternatives": others,
            "assumptions": assumptions_of(problem),
            "warnings": warnings_of(problem, fleet, classes, bare.pools),
        }
    )
