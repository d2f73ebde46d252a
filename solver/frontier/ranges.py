"""Which levels of a frontier are solved first, and how far its steps are narrowed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import InputError
from data.precision import precisions, weight_loss_pct
from solver.demand import demands_of
from solver.explain.size import POWER, fewest
from solver.frontier.axes import Axis
from solver.frontier.staircase import (
    Between,
    Level,
    halfway,
    in_the_middle,
    in_whole_steps,
    round_to,
)
from solver.layouts import weight_formats
from solver.power import WATTS_PER_KW
from solver.problem import build_problem
from solver.sweep.changes import changed_workload, value_of
from solver.sweep.point import Ground
from solver.workload import Workload

AROUND = 4.0
"""Where no range is given: from the target as it is over this factor, to it times this factor."""

NO_TARGET_MS = {"tpot_ms": 50.0, "ttft_ms": 1000.0}
"""Middle of the range where the workload has no target: what it has by default."""

NO_LIMIT = {"power_kw": 1e9, "providers": 10_000.0}
"""Loosest limits that a workload may set; what is not limited has no figure to keep them by."""

ONE_WATT_KW = 1 / WATTS_PER_KW


@dataclass(frozen=True)
class Range:
    """What was asked for.

    Attributes
    ----------
    points
        Levels to solve first, evenly spread.
    low, high
        The ends; None for those that fit.
    """

    points: int
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        if self.points < 2:
            raise InputError(f"points: is {self.points}; give at least 2, the ends of the range.")
        for end in (self.low, self.high):
            if end is not None and not 0 <= end < math.inf:
                raise InputError(f"the range of a frontier cannot end at {end:g}; give a number.")

    def ends(self, axis: Axis, ground: Ground) -> list[float]:
        """Return the tightest and the loosest level.

        Raises
        ------
        InputError
            If the range is empty.
        """
        low, high = self.low, self.high
        if axis.latency:
            now = value_of(ground.workload, axis.field)
            middle = NO_TARGET_MS[axis.name] if now is None else now
            low = middle / AROUND if low is None else low
            high = middle * AROUND if high is None else high
        elif axis.name == "quality_loss_pct":
            losses = losses_of(ground.workload)
            low, high = losses[0] if low is None else low, losses[-1] if high is None else high
        elif axis.whole:
            low = 1.0 if low is None else float(math.ceil(low))
            high = NO_LIMIT[axis.name] if high is None else float(math.floor(high))
        else:
            low = least_power_kw(ground) if low is None else low
            high = NO_LIMIT[axis.name] if high is None else high
        zero = axis.name == "quality_loss_pct" and low == 0
        if not (low > 0 or zero) or high < low:
            raise InputError(
                f"the range of {axis.name} from {low:g} to {high:g} is empty; let it begin above 0 "
                "and rise."
            )
        return sorted({low, high})

    def out_of_reach(self, axis: Axis, ends: Sequence[float]) -> list[float]:
        """Return the levels that are known to have no fleet, below the least one where there is."""
        least = axis.name == "power_kw" and self.low is None and ends[0] > ONE_WATT_KW
        return [round_to(ends[0] - ONE_WATT_KW, 12)] if least else []

    def inner(self, axis: Axis, ground: Ground, ends: Sequence[Level]) -> list[float]:
        """Return the levels between the ends, that of the workload among them.

        Parameters
        ----------
        ends
            The tightest and the loosest level, solved.
        """
        if axis.whole or not ends:
            return []
        now = value_of(ground.workload, axis.field)
        low, high = ends[0].at, max(ends[0].at, ends[-1].since)
        if axis.name == "quality_loss_pct":
            found = {loss for loss in losses_of(ground.workload) if low < loss < high}
        else:
            ratio = (high / low) ** (1 / (self.points - 1))
            found = {round_to(low * ratio**i) for i in range(1, self.points - 1)}
        if now is not None and low < now < high:
            found.add(now)
        return sorted(v for v in found if low < v < high)


def between(axis: Axis, ground: Ground, resolution: float) -> Between:
    """Return how steps are narrowed: ratios of latencies and power, differences of losses."""
    if axis.whole:
        return in_whole_steps
    if axis.name == "quality_loss_pct":
        return in_the_middle(max(resolution * losses_of(ground.workload)[-1], 1e-6))
    return halfway(resolution)


def losses_of(workload: Workload) -> list[float]:
    """Return the losses that allowed formats have, least first (percent)."""
    table, formats = precisions(), workload.precision
    found = {
        round(weight_loss_pct(w, d.architecture.native_precision) + table["kv", k].loss_pct, 4)
        for d in demands_of(workload)
        for w in weight_formats(d.architecture, formats)
        for k in formats.kv
    }
    return sorted(found)


def least_power_kw(ground: Ground) -> float:
    """Return the least rated power of any fleet, to the watt; that of one watt without one."""
    free = changed_workload(ground.workload, (("hardware.max_power_kw", NO_LIMIT["power_kw"]),))
    problem = build_problem(
        free,
        ground.catalog,
        ground.coefficients,
        measured=ground.measured,
        as_of=ground.as_of,
    )
    solved = fewest(problem.instance, POWER, time_limit_s=ground.time_limit_s)
    if solved.fleet is None or not math.isfinite(solved.result.bound):
        return ONE_WATT_KW
    return max(math.ceil(solved.result.bound - 1e-6), 1) / WATTS_PER_KW
