"""``sensitivity``: which of rate, lengths, targets and prices the cost hangs on most."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.errors import InputError
from solver.crew.crew import Crew
from solver.demand import merged_sla
from solver.market import allowed_offers
from solver.measured import MeasuredCapacity
from solver.sweep.changes import PRICE, TARGETS, Changes
from solver.sweep.document import Sweep, change_pct, fleet_changes, written
from solver.sweep.factors import Factor
from solver.sweep.point import AT_POINTS, Ground, Point
from solver.sweep.sweep import Progress, grounded, solve_around
from solver.workload import Workload

BY = 0.2
"""How far each factor is moved both ways, relatively."""


def sensitivity(
    workload: Workload,
    catalog: Catalog | None = None,
    *,
    by: float = BY,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | str | Path | None = None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None = None,
    as_of: dt.date | None = None,
    jobs: int | None = 1,
    dask: str | None = None,
    progress: Progress = lambda solved, total: None,
) -> Sweep:
    """Move each thing that the cost hangs on up and down alone, and rank them by what it does.

    Moved are the rate, the lengths, every latency target that is set, and the prices of each
    accelerator on offer.

    Parameters
    ----------
    by
        How far each is moved, relatively: 0.2 is times 0.8 and times 1.2.
    workload, catalog, gap, time_limit_s, coefficients, measured, as_of, jobs, dask, progress
        As in `solver.sweep.sweep.sweep`.

    Raises
    ------
    InputError
        If the input is wrong.
    """
    if not 0 < by < 1:
        raise InputError(f"by: is {by:g}; give a share above 0 and below 1, 0.2 for 20 %.")
    ground = grounded(workload, catalog, gap, time_limit_s, coefficients, measured, as_of)
    ends = (round(1 - by, 10), round(1 + by, 10))
    vary = [Factor(name, ends) for name in moved(ground)]
    points: list[Changes] = [((f.name, value),) for f in vary for value in f.values]
    with Crew(AT_POINTS, ground, jobs, dask) as crew:
        base, found = solve_around(crew, points, progress)
    ranking = ranked(base, vary, found)
    return written(ground, "sensitivity", vary, base, points, found, ranking)


def moved(ground: Ground) -> Iterator[str]:
    """Yield the names of the factors that a sensitivity moves."""
    workload = ground.workload
    yield "rate"
    strict = ground.measured is None
    if strict:
        yield from ("isl", "osl")
        slas = [merged_sla(spec, workload.sla) for spec in workload.classes]
        for name, target in TARGETS.items():
            if any(getattr(sla, target) is not None for sla in slas):
                yield name
    offers = allowed_offers(ground.catalog, workload.hardware, strict=strict, as_of=ground.as_of)
    yield from (f"{PRICE}{chip}" for chip in sorted({o.accelerator for o in offers}))


def ranked(base: Point, vary: Sequence[Factor], points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the factors by the larger of their two effects, largest first; equal ones by name.

    A factor that leaves no fleet at one end comes before all that do not.
    """
    entries = []
    for number, factor in enumerate(vary):
        low, high = points[2 * number], points[2 * number + 1]
        entries.append(
            {
                "name": factor.name,
                "effect_usd_per_hour": _effect(base, (low, high)),
                "low": _end(base, factor.values[0], low),
                "high": _end(base, factor.values[1], high),
            }
        )
    return sorted(entries, key=_order)


def _order(entry: Mapping[str, Any]) -> tuple[bool, float, str]:
    effect = entry["effect_usd_per_hour"]
    return effect is not None, -(effect or 0.0), entry["name"]


def _effect(base: Point, ends: Sequence[Point]) -> float | None:
    """Return the larger change of the cost (USD/h); None where an end has no fleet."""
    costs = [p.cost_usd for p in ends if p.cost_usd is not None]
    if base.cost_usd is None or len(costs) < len(ends):
        return None
    return round(max(abs(cost - base.cost_usd) for cost in costs), 6)


def _end(base: Point, factor: object, point: Point) -> dict[str, Any]:
    return {
        "factor": factor,
        "status": point.status,
        "cost_per_hour_usd": point.cost_usd,
        "change_pct": change_pct(base, point),
        "fleet_changes": fleet_changes(base, point),
    }
