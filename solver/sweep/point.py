"""One point of a frontier or a sweep: a workload with some values changed, planned with proof.

`solve_task` is a pure function of what it is given, and all of that can be pickled: points may be
solved one after the other, in worker processes or on other machines, with the same result.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from model.predict import Prediction
from solver.assemble import cost_per_million_output_tokens
from solver.assumptions import stale_prices
from solver.crew.work import Work
from solver.engines.result import Termination
from solver.explain.alternatives import pools_in_short
from solver.fleet import Fleet, Solved
from solver.measured import MeasuredCapacity
from solver.plan import Plan
from solver.planner import Options, plan_with_fleet, solve_problem
from solver.power import WATTS_PER_KW, fleet_power_w
from solver.problem import Problem, build_problem
from solver.sweep.changes import Changes, changed_catalog, changed_workload
from solver.workload import Workload

DIGITS = 6
"""Digits after the point of costs and power."""


@dataclass(frozen=True)
class Ground:
    """What all points of a frontier or a sweep have in common.

    Attributes
    ----------
    gap
        Relative gap at which a point counts as proven.
    time_limit_s
        Wall seconds for each program.
    as_of
        Day on which offers must be on sale.
    """

    workload: Workload
    catalog: Catalog
    coefficients: CoefficientTable
    measured: tuple[MeasuredCapacity, ...] | None
    gap: float
    time_limit_s: float
    as_of: dt.date


@dataclass(frozen=True)
class Task:
    """One point to solve.

    Attributes
    ----------
    changes
        What differs from the workload and the prices as they are.
    known_usd
        Cost of a fleet that is known to do here, too (USD/h): only a cheaper one is of interest.
    """

    changes: Changes
    known_usd: float | None = None


@dataclass(frozen=True)
class Point:
    """What a point came to; figures of the fleet are None without one.

    Attributes
    ----------
    status
        That of a plan: ``optimal``, ``feasible``, ``infeasible`` or ``unknown``.
    holds
        Whether nothing is cheaper than `Task.known_usd`, or nothing was found: the fleet of that
        cost is the answer, which the one who asked has.
    bound_usd, gap
        Proven lower bound on the cost (USD/h), and how far the cost is above it, relatively.
    power_kw
        Rated power of all accelerators bought; None if one's is not known.
    ttft_ms, tpot_ms, quality_loss_pct
        The worst of any class: latencies at its percentile, and the mean loss over its pools; None
        with measured capacities.
    purchases
        (offer id, provider, nodes), dearest first.
    pools
        What runs where, in short.
    warnings
        Those of a plan, but of old prices.
    """

    status: str
    holds: bool = False
    cost_usd: float | None = None
    bound_usd: float | None = None
    gap: float | None = None
    usd_per_million_tokens: float | None = None
    gpus: int | None = None
    nodes: int | None = None
    power_kw: float | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None
    quality_loss_pct: float | None = None
    purchases: tuple[tuple[str, str, int], ...] = ()
    pools: tuple[Mapping[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def providers(self) -> tuple[str, ...]:
        """Who is bought from, by name."""
        return tuple(sorted({provider for _, provider, _ in self.purchases}))


def solve_task(ground: Ground, task: Task) -> Point:
    """Plan the workload with the changes of a task; see `Point`.

    What a replica admits is remembered within a process as long as neither targets nor lengths
    change (see `solver.search`), so points that differ in prices, rates or limits alone are cheap.

    Raises
    ------
    InputError
        If a change does not do, or leaves no offer.
    """
    problem = build_problem(
        changed_workload(ground.workload, task.changes),
        changed_catalog(ground.catalog, task.changes),
        ground.coefficients,
        measured=ground.measured,
        as_of=ground.as_of,
    )
    options = Options(ground.gap, ground.time_limit_s, explain="none", second_engine=False)
    problem, solved, predicted = solve_problem(problem, options, known_usd=task.known_usd)
    fleet, known = solved.fleet, task.known_usd
    if fleet is not None and (known is None or float(fleet.cost_usd) < known):
        return _with_fleet(problem, solved, fleet, predicted, options)
    if known is not None:
        return _nothing_cheaper(solved, known, ground.gap)
    none = solved.result.termination is Termination.INFEASIBLE
    return Point("infeasible" if none else "unknown", bound_usd=_finite(solved.result.bound))


def _name(task: Task) -> str:
    changed = ", ".join(f"{name}={value}" for name, value in task.changes)
    return f"the point {changed}" if changed else "the workload as it is"


AT_POINTS = Work(solve_task, _name)
"""What a crew does with tasks of a frontier or a sweep."""


def _nothing_cheaper(solved: Solved, known_usd: float, gap: float) -> Point:
    bound = min(solved.result.bound, known_usd)  # without bound where nothing else is left
    found = known_at(Point("optimal"), known_usd, bound, gap)
    return replace(found, holds=True)


def known_at(point: Point, cost_usd: float, bound_usd: float, gap: float) -> Point:
    """Return the fleet of a point as the answer elsewhere, at another cost and bound (USD/h)."""
    left = max(0.0, (cost_usd - bound_usd) / cost_usd)
    status = point.status if left <= gap else "feasible"
    bound, gap_left = _finite(bound_usd), _finite(left)
    return replace(point, status=status, cost_usd=cost_usd, bound_usd=bound, gap=gap_left)


def _with_fleet(
    problem: Problem,
    solved: Solved,
    fleet: Fleet,
    predicted: dict[int, Prediction],
    options: Options,
) -> Point:
    plan = plan_with_fleet(problem, solved, fleet, predicted, options, lambda stage: None)
    bought = {fleet.instance.offers[o]: n for o, n in fleet.nodes.items()}
    power_w = fleet_power_w(bought.items(), problem.catalog.accelerators)
    cost, stale = float(fleet.cost_usd), set(stale_prices(bought, problem.as_of))
    return Point(
        status=plan.status,
        cost_usd=cost,
        bound_usd=_finite(min(solved.result.bound, cost)),
        gap=_finite(solved.result.gap),
        usd_per_million_tokens=cost_per_million_output_tokens(problem, cost),
        gpus=fleet.gpus,
        nodes=sum(bought.values()),
        power_kw=None if power_w is None else round(power_w / WATTS_PER_KW, DIGITS),
        ttft_ms=_worst(plan, "ttft_ms"),
        tpot_ms=_worst(plan, "tpot_ms"),
        quality_loss_pct=None if problem.measured is not None else quality_loss_pct(fleet),
        purchases=tuple(
            (o.offer_id, o.provider, n)
            for o, n in sorted(
                bought.items(), key=lambda b: (-b[0].hourly_usd * b[1], b[0].offer_id)
            )
        ),
        pools=tuple(pools_in_short(fleet)),
        warnings=tuple(w for w in plan.warnings if w not in stale),
    )


def _worst(plan: Plan, figure: str) -> float | None:
    return max((c[figure] for c in plan.classes if c[figure] is not None), default=None)


def quality_loss_pct(fleet: Fleet) -> float:
    """Return the mean loss of the class that loses most (percent, rounded up).

    See `solver.formulation.define_quality`.
    """
    lost = [0.0] * len(fleet.instance.class_names)
    for (w, c), share in fleet.shares.items():
        candidate = fleet.instance.candidates[c]
        part = 1.0 if candidate.role == "aggregated" else 0.5
        lost[w] += float(share) * candidate.loss_pct * part
    return math.ceil(max(lost) * 1e6 - 1e-3) / 1e6


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
