"""Objectives one after another: the best fleet by the first, of equal ones the best by the next.

The first program gives a fleet and a bound L. Every fleet whose value is at most L/(1 − gap) is
equal to the best within the gap asked for; the second program minimises the next objective among
these, with the first one held to that value. Both are proven by their own bounds. Candidates that
the screening of the first program excludes from any fleet of that value are left out of the second.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from solver.engines.result import Improved
from solver.fleet import Fleet, Solved, cheapest_fleet
from solver.instance import Instance
from solver.objective import Objective
from solver.screening import within_reach

NEARLY = 0.99
"""Part of the gap that a later objective may use up: the rest is for the engines' tolerances."""

LEAST_TIME_S = 0.1
"""What a later program gets at least, when the first has used up its time."""


def best_fleet(
    instance: Instance,
    order: Sequence[Objective],
    *,
    gap: float,
    time_limit_s: float,
    screen: bool = True,
    known_usd: float | None = None,
    improved: Improved | None = None,
) -> Solved:
    """Return the best fleet of an instance by objectives in order; see `cheapest_fleet`.

    Parameters
    ----------
    order
        What counts, first things first.
    known_usd, improved
        See `cheapest_fleet`; only for cost.
    """
    begin = time.perf_counter()

    def solve(instance: Instance, known: float | None) -> Solved:
        cost = instance.objective.name == "cost"
        return cheapest_fleet(
            instance,
            gap=gap,
            time_limit_s=max(time_limit_s - (time.perf_counter() - begin), LEAST_TIME_S),
            screen=screen,
            known_usd=known,
            improved=improved if cost else None,
        )

    first = solve(replace(instance, objective=order[0]), known_usd)
    if first.fleet is None or len(order) == 1:
        return first
    fleet = first.fleet
    first = _settled(first, fleet, order[0])
    held = (order[0], _most(first, order[0], gap))
    caps = replace(instance.caps, held=(*instance.caps.held, held))
    rest = replace(instance, objective=order[0])
    if screen:
        rest, _ = within_reach(rest, held[1])
        rest = replace(rest, ceilings=None)
    rest = replace(rest, objective=order[1], caps=caps)
    known = fleet.value(order[1])
    second = solve(rest, known if screen else None)
    return _joined(first, fleet, second, known, order)


def _settled(solved: Solved, fleet: Fleet, objective: Objective) -> Solved:
    """Return what was solved with the value of its fleet, and the bound no fleet falls short of."""
    value = fleet.value(objective)
    bound = min(objective.raised(solved.result.bound), value)
    return replace(solved, result=replace(solved.result, objective=value, bound=bound))


def _most(solved: Solved, objective: Objective, gap: float) -> float:
    """Return the most of an objective that is equal to the best within the gap."""
    value, bound = solved.result.objective, solved.result.bound
    assert value is not None
    if objective.name == "gpus":
        return value
    return max(value, bound / (1 - gap * NEARLY)) if gap < 1 else value


def _joined(
    first: Solved, fleet: Fleet, second: Solved, known: float, order: Sequence[Objective]
) -> Solved:
    """Return the fleet of the second program, or the first's where that finds nothing better."""
    if second.fleet is not None:
        fleet = second.fleet
        then = _settled(second, fleet, order[1])
    else:
        bound = min(second.result.bound, known)
        then = replace(second, result=replace(second.result, objective=known, bound=bound))
    value = fleet.value(order[0])
    result = replace(first.result, objective=value, bound=min(first.result.bound, value))
    seconds = {
        name: first.seconds.get(name, 0.0) + second.seconds.get(name, 0.0)
        for name in {**first.seconds, **second.seconds}
    }
    return replace(first, fleet=fleet, result=result, then=then, seconds=seconds)
