"""Plans for rates that change: commitments for the base, other offers for the peak."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from data.errors import WorkloadError
from data.offers import Offer
from model.predict import Prediction
from solver.assemble import class_figures, predictions
from solver.assumptions import assumptions_of, warnings_of
from solver.candidates import CandidateKey
from solver.certify import certificate_of, proven
from solver.demand import demands_of
from solver.demand_spec import DemandSpec, Slice, outlasting
from solver.fleet import Fleet, Solved, cheapest_fleet
from solver.horizon.fleets import cheapest_over_time
from solver.horizon.over_time import OverTime
from solver.market import allowed_offers
from solver.plan import Plan
from solver.planner import (
    TIGHTENING_ROUNDS,
    Desk,
    catalog_used,
    misses,
    plan_without_fleet,
    search_figures,
)
from solver.problem import Problem, tightened
from solver.schedule_document import Served, schedule_of, totals_of
from solver.workload import Workload

LEAST_S = 5.0
"""Seconds that solving again after tightening has at least."""

ALWAYS_SHARE = 0.1
"""Part of the time limit for the fleet that holds the highest load all the time."""


def plan_schedule(workload: Workload, desk: Desk) -> Plan:
    """Return the commitments and the fleets that serve changing rates at least cost.

    Raises
    ------
    WorkloadError
        If the fleets are to be simulated.
    """
    demand, options = workload.demand, desk.options
    assert demand is not None
    if options.simulate is not None:
        raise WorkloadError("demand: fleets of several periods are not simulated; plan without.")
    desk.progress("evaluating candidates")
    problem = desk.problem(workload)
    strict = problem.measured is None
    offers = allowed_offers(problem.catalog, workload.hardware, strict=strict, as_of=problem.as_of)
    months = demand.months_over(offers)
    slices = demand.slices(months)
    desk.progress(f"solving {len(slices)} periods")
    begin = time.perf_counter()
    problem, found, served = _solve(problem, demand, slices, desk)
    solved = Solved(None, found.result, None)
    solved.seconds = {"solve": time.perf_counter() - begin}
    peak = max(range(len(slices)), key=lambda t: slices[t].period.factor)
    if not found.fleets:
        highest = _at(problem, slices[peak].period.factor)
        nothing = plan_without_fleet(highest, solved, options, desk.progress)
        return replace(nothing, workload=workload.to_dict())
    always = cheapest_fleet(
        _at(problem, slices[peak].period.factor).instance,
        gap=options.gap,
        time_limit_s=max(options.time_limit_s * ALWAYS_SHARE, 1.0),
    )
    desk.progress("checking")
    return _plan(
        problem, found, served, solved, always, months, outlasting(demand, offers), peak, desk
    )


def _at(problem: Problem, factor: float) -> Problem:
    """Return a problem with every rate multiplied."""
    workload = problem.workload.at_rates(factor)
    rates = tuple(c.rate_rps for c in workload.classes)
    return replace(
        problem,
        workload=workload,
        demands=demands_of(workload) if problem.measured is None else (),
        instance=replace(problem.instance.keep(), rates_rps=rates),
    )


def _solve(
    problem: Problem, demand: DemandSpec, slices: Sequence[Slice], desk: Desk
) -> tuple[Problem, OverTime, list[Served]]:
    """Solve; where the mix of a pool misses a target in a period, tighten it and solve again."""
    options, begin = desk.options, time.monotonic()
    for round_ in range(TIGHTENING_ROUNDS + 1):
        found = cheapest_over_time(
            problem.instance,
            [s.period for s in slices],
            gap=options.gap,
            time_limit_s=max(options.time_limit_s - (time.monotonic() - begin), LEAST_S),
            start=demand.start(),
            screen=options.prune,
        )
        served = [
            _served(problem, s, fleet) for s, fleet in zip(slices, found.fleets, strict=False)
        ]
        factors: dict[CandidateKey, float] = {}
        for one in served:
            for key, factor in misses(one.problem, one.fleet, one.predicted).items():
                factors[key] = min(factors.get(key, 1.0), factor)
        if not factors or round_ == TIGHTENING_ROUNDS:
            return problem, found, served
        problem = tightened(problem, factors)
    raise AssertionError("the loop returns in its last round")


def _served(problem: Problem, slice_: Slice, fleet: Fleet) -> Served:
    """Return a period with its fleet at the offers' own prices, and what it does."""
    at = _at(problem, slice_.period.factor)
    # The search charges committed nodes for their use; here they have their price again.
    own = replace(fleet, instance=fleet.instance.keep(offers=problem.instance.offers))
    predicted: dict[int, Prediction] = predictions(at, own)
    return Served(slice_, at, own, predicted)


def _plan(
    problem: Problem,
    found: OverTime,
    served: Sequence[Served],
    solved: Solved,
    always: Solved,
    months: int,
    longer: Sequence[Offer],
    peak: int,
    desk: Desk,
) -> Plan:
    gap = desk.options.gap
    schedule = schedule_of(found, served, months, problem.catalog)
    schedule["peak_always_usd_per_hour"] = always.result.objective
    cost = schedule["cost_per_hour_usd"]
    top = served[peak]
    classes = class_figures(top.problem, top.fleet, top.predicted)
    bare = Plan(
        status="feasible",
        workload=problem.workload.to_dict(),
        catalog=catalog_used(problem),
        objective={
            "minimize": "cost",
            "unit": "USD/h",
            "value": cost,
            "then": None,
            "maximize": None,
        },
        classes=classes,
        schedule=schedule,
        **totals_of(schedule, top, problem),
    )
    solved.result = replace(solved.result, objective=cost)
    begin = time.perf_counter()
    certificate = certificate_of(problem, solved, gap, bare.to_dict())
    seconds = {"certificate": time.perf_counter() - begin, "explain": 0.0}
    late = sorted(
        {
            str(c["name"])
            for one in served
            for c in class_figures(one.problem, one.fleet, one.predicted)
            if not c["meets"]
        }
    )
    done = proven(certificate) and not late
    warnings = [
        *warnings_of(top.problem, top.fleet, classes, bare.pools),
        *_left_out(longer, months),
    ]
    return replace(
        bare,
        status="optimal" if done else "feasible",
        certificate=certificate,
        search=search_figures(problem, solved, seconds),
        assumptions={
            **assumptions_of(problem, top.fleet),
            "commitments": (
                "paid in every hour of their term, used or not, and renewed or not at its end; "
                "what a term lasts beyond the horizon is not counted"
            ),
        },
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _left_out(longer: Sequence[Offer], months: int) -> list[str]:
    if not longer:
        return []
    names = [o.offer_id for o in longer]
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [
        f"left out, because they bind for longer than the {months} months planned for: {shown}; "
        "see demand.horizon_months"
    ]
