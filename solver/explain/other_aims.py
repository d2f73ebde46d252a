"""What a plan that minimises something else than cost is compared with: the cheapest fleet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from solver.engines.result import Termination
from solver.explain.alternatives import pools_in_short
from solver.explain.effort import Effort
from solver.fleet import Fleet, cheapest_fleet
from solver.objective import COST
from solver.problem import Problem


def by_cost(problem: Problem) -> Problem:
    """Return the problem of the cheapest fleet over the same candidates and offers."""
    return replace(problem, order=(COST,), instance=replace(problem.instance, objective=COST))


def cheapest_instead(
    problem: Problem, fleet: Fleet, *, gap: float, effort: Effort
) -> tuple[dict[str, Any], ...]:
    """Return the cheapest fleet, whatever its objective; none where the plan is as cheap."""
    instance, objective = by_cost(problem).instance, problem.order[0]
    solved = cheapest_fleet(
        instance, gap=gap, time_limit_s=effort.time_limit_s, quick=not effort.solves
    )
    cost, other = float(fleet.cost_usd), solved.fleet
    if other is None or float(other.cost_usd) >= cost * (1 - gap):
        return ()
    extra, value = float(other.cost_usd) - cost, other.value(objective)
    return (
        {
            "kind": "cheapest",
            "sentence": f"cheapest, at {value:,.4g} {objective.unit}",
            "cost_per_hour_usd": float(other.cost_usd),
            "extra_per_hour_usd": round(extra, 6),
            "extra_pct": round(100 * extra / cost, 2),
            "objective_value": value,
            "gpus": other.gpus,
            "proven": solved.result.termination is Termination.GAP_CLOSED
            and solved.result.gap <= gap,
            "pools": pools_in_short(other),
        },
    )
