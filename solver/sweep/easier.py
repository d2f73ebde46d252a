"""Changes that a fleet is known to serve as well, without solving anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from solver.sweep.changes import LOADS, PRICE, TARGETS, Changes, Value, value_of
from solver.sweep.point import Point
from solver.workload import Workload


def still_serves(workload: Workload, point: Point, changes: Changes) -> bool:
    """Whether the fleet of a workload surely serves it with some changes, too, at whatever price.

    Fewer requests, looser targets, and limits that the fleet keeps; of all else nothing is known.
    Whether it keeps a budget depends on the prices, so that is left to the one who asks.
    """
    if point.cost_usd is None:
        return False
    return all(_no_harder(workload, point, name, value) for name, value in changes)


def _no_harder(workload: Workload, point: Point, name: str, value: Value) -> bool:
    if name.startswith(PRICE) or name == "hardware.max_cost_per_hour_usd":
        return True
    if name in LIMITS:
        figure = LIMITS[name](point)
        return value is None or (
            isinstance(value, float) and figure is not None and value >= figure
        )
    if not isinstance(value, float):
        return False
    if name in LOADS:
        return name == "rate" and value <= 1
    if name in TARGETS:
        return value >= 1
    if name in {f"sla.{target}" for target in TARGETS.values()}:
        now = value_of(workload, name)
        return now is not None and value >= now
    return False


LIMITS: Mapping[str, Callable[[Point], float | None]] = {
    "hardware.max_gpus": lambda point: point.gpus,
    "hardware.max_power_kw": lambda point: point.power_kw,
    "hardware.max_providers": lambda point: len(point.providers),
    "precision.max_quality_loss_pct": lambda point: point.quality_loss_pct,
}
"""Limit of a workload → the figure of a fleet that it limits."""
