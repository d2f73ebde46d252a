"""The most load that a budget serves: the largest factor on all rates that some fleet carries.

Whether a fleet exists at a factor f is the program itself, at the rates f·λ and within the limits.
The answer is monotone in f: a fleet that serves a load serves any part of it. So the largest f lies
between a factor that has a fleet and one that is proven to have none, and the search ends when
these are as close as the gap asked for. Three things make it short:

- no fleet within a budget B carries more than B over the cost of the rates in fractional replicas
  (`solver.screening.Prices.bound_usd`), which is where it begins; likewise for accelerators;
- a fleet found at f carries more than f, up to where its busiest pool is full: the search goes on
  from there, and most often ends there, since fleets are steps;
- candidates that no fleet within the budget can use are screened out before each program.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from data.errors import WorkloadError
from model.predict import Prediction
from solver.certify import second_opinions
from solver.engines.result import Termination
from solver.fleet import Fleet, Solved
from solver.objective import COST, Objective
from solver.plan import Plan
from solver.planner import Desk, plan_with_fleet, plan_without_fleet, solve_problem
from solver.problem import Problem
from solver.screening import fractional_prices
from solver.workload import Workload

LEAST_FACTOR = 1e-6
"""Part of the rates below which a budget serves nothing."""

FIRST = 0.9
"""Part of the highest factor that is tried first."""

MOST_TRIED = 60
"""Programs after which the search ends, closed or not."""

NEARLY_FULL = 1e-7
"""How far below the load of its busiest pool a fleet is asked for: tolerances of the engines."""


@dataclass(frozen=True)
class Tried:
    """What there is at one factor.

    Attributes
    ----------
    fits
        Whether a fleet was found; None where there is neither a fleet nor a proof of none.
    """

    factor: float
    problem: Problem
    solved: Solved
    predicted: dict[int, Prediction]
    fits: bool | None

    @property
    def fleet(self) -> Fleet:
        """The fleet of a factor that has one."""
        assert self.solved.fleet is not None
        return self.solved.fleet


@dataclass(frozen=True)
class MostLoad:
    """Where the search ended.

    Attributes
    ----------
    best
        The largest factor with a fleet; None without one.
    upper
        Every factor from here on is proven to have none; infinite without a proof.
    tried
        Programs solved.
    """

    best: Tried | None
    upper: float
    tried: int


def most_load(attempt: Callable[[float], Tried], highest: float, gap: float) -> MostLoad:
    """Return the largest factor that has a fleet, between two that are as close as `gap`.

    Parameters
    ----------
    attempt
        Solves the program at a factor.
    highest
        A factor that is proven to have no fleet.
    """
    best: Tried | None = None
    upper, tried = highest, 0
    factor, edge = highest * FIRST, False
    while tried < MOST_TRIED:
        found, tried = attempt(factor), tried + 1
        if found.fits is None:
            break
        if found.fits:
            best = found
        else:
            upper = factor
        if best is None:
            if upper <= LEAST_FACTOR:
                break
            factor = upper / 4
            continue
        # What the fleet found carries by itself needs no program, but that of its last step.
        own = min(best.factor * carries(best.fleet) * (1 - NEARLY_FULL), upper)
        if upper <= own * (1 + gap):
            if own <= best.factor * (1 + gap / 4):
                break
            factor = own
            continue
        # Beyond the edge of a fleet there is often nothing: ask there, then halve, in turn.
        edge = not edge
        factor = own * (1 + gap) if edge else math.sqrt(own * upper)
    return MostLoad(best, upper, tried)


def carries(fleet: Fleet) -> float:
    """Return by what factor all rates can grow on a fleet as its shares are."""
    instance = fleet.instance
    spare = instance.caps.spare_replicas
    used = 0.0
    for c, replicas in fleet.replicas.items():
        mine = [(w, float(s)) for (w, k), s in fleet.shares.items() if k == c]
        load = sum(s * (instance.load(w, c) or 0.0) for w, s in mine)
        traffic = sum(s * instance.link_load(w, c) for w, s in mine)
        used = max(used, load / (replicas - spare), traffic / replicas)
    return 1 / used


def plan_most_load(workload: Workload, desk: Desk) -> Plan:
    """Return the cheapest fleet of the largest load within the limits of a workload.

    Raises
    ------
    WorkloadError
        If no limit holds the load down, or the fleet is to be simulated.
    """
    hardware, options = workload.hardware, desk.options
    if hardware.max_cost_per_hour_usd is None and hardware.max_gpus is None:
        raise WorkloadError(
            "objective.maximize is load, but nothing limits the fleet; set "
            "hardware.max_cost_per_hour_usd (--budget) or hardware.max_gpus."
        )
    if options.simulate is not None:
        raise WorkloadError(
            "objective.maximize is load, which is not simulated while it is searched for; plan the "
            "rates it gives with --simulate."
        )
    desk.progress("evaluating candidates")
    asked = desk.problem(workload)
    desk.progress("searching for the most load")

    def attempt(factor: float) -> Tried:
        return _attempt(workload, desk, factor)

    found = most_load(attempt, highest_factor(asked), options.gap)
    if found.best is None:
        nothing = attempt(LEAST_FACTOR)
        return plan_without_fleet(nothing.problem, nothing.solved, options, desk.progress)
    best = found.best
    desk.progress("checking")
    quiet = replace(options, explain="none")
    answer = plan_with_fleet(
        best.problem,
        best.solved,
        best.fleet,
        best.predicted,
        quiet,
        desk.progress,
        load=_entry(workload, found, desk),
    )
    closed = found.upper <= best.factor * (1 + options.gap) * (1 + 1e-12)
    return answer if closed else replace(answer, status="feasible")


def highest_factor(problem: Problem) -> float:
    """Return a factor that no fleet within the budget or the number of accelerators carries.

    The charge of any fleet is at least that of the rates in fractional replicas, which grows in
    step with them.
    """
    hardware = problem.workload.hardware
    limits: list[tuple[Objective, float | None]] = [
        (COST, hardware.max_cost_per_hour_usd),
        (Objective("gpus"), hardware.max_gpus),
    ]
    factors = []
    for objective, most in limits:
        if most is not None:
            instance = replace(problem.instance, objective=objective)
            least = fractional_prices(instance).bound_usd
            factors.append(most / least if 0 < least < math.inf else 1.0)
    return min(factors) * (1 + 1e-6)


def _attempt(workload: Workload, desk: Desk, factor: float) -> Tried:
    """Look for the cheapest fleet at a factor within the limits."""
    problem, options = desk.problem(workload.at_rates(factor)), desk.options
    budget = problem.workload.hardware.max_cost_per_hour_usd
    # Above the budget by more than the gap, so that a fleet at the budget counts as cheaper.
    known = None if budget is None else budget * (1 + 2 * options.gap)
    problem, solved, predicted = solve_problem(problem, options, known_usd=known)
    result = solved.result
    if solved.fleet is not None:
        fits: bool | None = True
    else:
        none = result.termination is Termination.INFEASIBLE
        beyond = budget is not None and result.bound > budget
        fits = False if none or beyond else None
    return Tried(factor, problem, solved, predicted, fits)


def _entry(workload: Workload, found: MostLoad, desk: Desk) -> dict[str, Any]:
    """Return the block ``load`` of a plan."""
    best, options = found.best, desk.options
    assert best is not None
    gap = found.upper / best.factor - 1
    return {
        "factor": best.factor,
        "served_rps": {c.name: c.rate_rps for c in best.problem.workload.classes},
        "asked_rps": {c.name: c.rate_rps for c in workload.classes},
        "none_from_factor": found.upper if math.isfinite(found.upper) else None,
        "gap": gap if math.isfinite(gap) else None,
        "gap_asked": options.gap,
        "programs": found.tried,
        "next_step": _next_step(workload, found.upper, desk),
    }


def _next_step(workload: Workload, factor: float, desk: Desk) -> dict[str, Any] | None:
    """Return what the least load beyond the limits would cost; None where none can be had.

    The second engine bounds the cost at that load: above the budget, it confirms that no fleet
    within it serves that much.
    """
    free = workload.hardware.model_copy(update={"max_cost_per_hour_usd": None, "max_gpus": None})
    problem = desk.problem(workload.at_rates(factor).model_copy(update={"hardware": free}))
    problem, solved, _ = solve_problem(problem, desk.options)
    if solved.fleet is None:
        return None
    budget = workload.hardware.max_cost_per_hour_usd
    second = None
    if desk.options.second_engine and budget is not None:
        opinions = second_opinions(solved, desk.options.gap, desk.options.time_limit_s)
        word = opinions[0].result() if opinions else None
        if word is not None:
            bound = word["bound"]
            second = {
                "engine": word["engine"],
                "bound": bound,
                "agrees": True if bound is not None and bound > budget else None,
            }
    return {
        "factor": factor,
        "cost_per_hour_usd": float(solved.fleet.cost_usd),
        "gpus": solved.fleet.gpus,
        "bound": solved.result.bound,
        "second_engine": second,
    }
