"""Plan, simulate, tighten, plan again: until the fleet holds its targets request by request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from model.predict import PERCENTILES, Prediction
from solver.assemble import pools_of
from solver.candidates import CandidateKey
from solver.fleet import Fleet, Solved
from solver.plan import Pool
from solver.problem import Problem, tightened
from solver.simulate import LoadOptions, PlanSimulation
from solver.simulation_document import FIGURES, simulation_document

ROUNDS = 16
"""Fleets that are simulated before giving up."""

ONE_BY_ONE = 4
"""Fleets after whose failure it is no longer taken for a fault of their configurations alone: from
then on all configurations are allowed less load."""

COMMON = 0.85
"""Factor by which they are, for each further fleet that fails."""

GENTLEST, HARSHEST = 0.98, 0.75
"""Ends of the factor by which the load of a replica that misses a target is lowered."""

Solution = tuple[Problem, Solved, dict[int, Prediction]]
Solve = Callable[[Problem], Solution]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Held:
    """What came of it.

    Attributes
    ----------
    solution
        The last fleet that was simulated, and the problem that it solves.
    record
        ``simulation`` of the plan document.
    """

    solution: Solution
    record: Mapping[str, Any]

    @property
    def holds(self) -> bool:
        """Whether every class met its targets at its percentile."""
        return bool(self.record["meets"])

    @property
    def cheapest(self) -> bool:
        """Whether only configurations that failed were lowered, so that the proof still counts."""
        return bool(self.record["all_lowered_to"] == 1)


def hold_under_load(
    first: Solution, load: LoadOptions, solve: Solve, progress: Progress = lambda stage: None
) -> Held:
    """Simulate the fleet of a solution; lower what its pools admit until one holds.

    Where a class misses a target, the pools that make it late are allowed less load than they had,
    and the program is solved again. Other configurations keep the rates of the formulas, so that
    each further fleet is the cheapest that has not failed yet. Where fleet after fleet fails, the
    load is not what the formulas were asked about (a burstier trace, say), and all configurations
    are allowed less: the fleet that then holds need not be the cheapest.

    Parameters
    ----------
    first
        A solution with a fleet.
    solve
        Solves a problem as the planner does.

    Raises
    ------
    InputError
        If the plan rests on measured capacities, or the load is wrong.
    """
    solution, tried, common = first, 0, 1.0
    cost_by_formulas = _cost(first)
    while True:
        tried += 1
        progress(f"simulating fleet {tried}")
        problem, solved, predicted = solution
        fleet = solved.fleet
        assert fleet is not None
        pools = pools_of(problem, fleet, predicted)
        answer = _simulated(problem, fleet, pools, load)
        counts_cost = problem.order[0].name == "cost"
        bound = first[1].result.bound if counts_cost else -math.inf
        record = _record(answer, tried, cost_by_formulas, bound, _cost(solution))
        record["all_lowered_to"] = round(common, 4)
        if answer["meets"] or tried == ROUNDS:
            return Held(solution, record)
        factors = _factors(fleet, pools, answer)
        easing = COMMON if tried >= ONE_BY_ONE else 1.0
        common *= easing
        progress("solving again")
        following = solve(tightened(problem, factors, easing))
        if following[1].fleet is None:
            return Held(solution, record)
        solution = following


def _cost(solution: Solution) -> float:
    fleet = solution[1].fleet
    assert fleet is not None
    return float(fleet.cost_usd)


def _simulated(
    problem: Problem, fleet: Fleet, pools: Sequence[Pool], load: LoadOptions
) -> dict[str, Any]:
    document = {
        "status": "feasible",
        "cost_per_hour_usd": float(fleet.cost_usd),
        "gpus": fleet.gpus,
        "pools": [dict(vars(pool)) for pool in pools],
    }
    prepared = PlanSimulation(
        document, problem.workload, problem.catalog.accelerators, problem.coefficients, load
    )
    run, wall_s = prepared.run()
    return simulation_document(prepared, run, wall_s)


def _record(
    answer: Mapping[str, Any], tried: int, by_formulas: float, bound: float, cost: float
) -> dict[str, Any]:
    kept = ("requests", "arrivals", "router", "seed", "meets")
    return {
        **{name: answer[name] for name in kept},
        "fleets_tried": tried,
        "cost_per_hour_usd": cost,
        "cost_by_formulas_usd": by_formulas,
        "bound_by_formulas_usd": round(bound, 6) if math.isfinite(bound) else None,
        "classes": [
            {
                "name": c["name"],
                "percentile": c["percentile"],
                "attainment": c["attainment"],
                "meets": c["meets"],
                **{figure: c[figure] for figure in FIGURES},
            }
            for c in answer["classes"]
        ],
        "warnings": list(answer["warnings"]),
    }


def _factors(
    fleet: Fleet, pools: Sequence[Pool], answer: Mapping[str, Any]
) -> dict[CandidateKey, float]:
    """Return by how much to lower what the candidates of late pools admit."""
    worst: dict[int, float] = {}
    for number, excess in _late(pools, answer):
        candidate = fleet.placements[number].candidate
        worst[candidate] = max(worst.get(candidate, 0.0), excess)
    factors = {}
    for c, excess in worst.items():
        eased = min(max(1 - excess / 2, HARSHEST), GENTLEST)
        factors[fleet.instance.candidates[c].key] = _used(fleet, c) * eased
    return factors


def _used(fleet: Fleet, c: int) -> float:
    """Share of what its replicas admit that a candidate is sent."""
    admits = fleet.instance.candidates[c].capacity_rps
    rates = fleet.instance.rates_rps
    load = sum(float(s) * rates[w] / admits[w] for (w, k), s in fleet.shares.items() if k == c)
    return min(load / fleet.replicas[c], 1.0)


def _late(pools: Sequence[Pool], answer: Mapping[str, Any]) -> Iterator[tuple[int, float]]:
    """Yield the pools that make a class late, and how late (share of the target).

    An aggregated pool is late by its own figures. Of a prefill and a decode pool, the one is late
    whose figure lies further beyond what was planned for it.
    """
    for c in answer["classes"]:
        for figure in FIGURES:
            if c[figure]["meets"]:
                continue
            target, name = c[figure]["target"], c["name"]
            late = c[figure]["simulated"] / target - 1 if c[figure]["simulated"] else 1.0
            serving = [n for n, pool in enumerate(pools) if name in pool.serves]
            beyond_plan = {
                n: _beyond_plan(answer["pools"][n], name, c["percentile"], figure) for n in serving
            }
            beyond = [
                n
                for n in serving
                if pools[n].role == "aggregated" and (_seen(answer, n, c, figure) or 0.0) > target
            ]
            apart = [n for n in serving if pools[n].role != "aggregated"]
            if not beyond and apart:
                beyond = [max(apart, key=lambda n: beyond_plan[n])]
            for n in beyond or serving:
                yield n, late


def _at(entry: Mapping[str, Any], name: str, percentile: float, figure: str) -> Mapping[str, Any]:
    """Return predicted, simulated and ratio of a class in a pool; empty without that figure."""
    own: Mapping[str, Any] = next((c for c in entry["classes"] if c["name"] == name), {})
    kept = min(PERCENTILES, key=lambda p: abs(p - percentile))
    found: Mapping[str, Any] = own.get(figure, {}).get(f"p{kept}", {})
    return found


def _beyond_plan(entry: Mapping[str, Any], name: str, percentile: float, figure: str) -> float:
    """Return by how many milliseconds a class got more in a pool than was planned for it."""
    at = _at(entry, name, percentile, figure)
    return float((at.get("simulated") or 0.0) - (at.get("predicted") or 0.0))


def _seen(
    answer: Mapping[str, Any], number: int, c: Mapping[str, Any], figure: str
) -> float | None:
    seen = _at(answer["pools"][number], c["name"], c["percentile"], figure).get("simulated")
    return None if seen is None else float(seen)
