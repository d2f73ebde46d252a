"""What the cost may be set against: the limit that is moved, and the figure of a fleet for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from data.errors import InputError, UnknownNameError
from solver.sweep.point import Point
from solver.workload import Workload


@dataclass(frozen=True)
class Axis:
    """One thing that costs more the less of it there may be.

    Attributes
    ----------
    field
        The field of the workload that limits it.
    unit, label
        How it is written for people.
    latency
        Whether it is a target of the performance model: then its grid is even in ratios.
    whole
        Whether it is a number of things.
    """

    name: str
    field: str
    unit: str
    label: str
    latency: bool = False
    whole: bool = False

    def of_class(self, name: str, workload: Workload) -> Axis:
        """Return the axis of the target of one class.

        Raises
        ------
        InputError
            If it is no target, or there is no such class.
        """
        if not self.latency:
            raise InputError(
                f"{self.name} is of the whole fleet; only a latency target may be of one class."
            )
        if name not in [c.name for c in workload.classes]:
            raise UnknownNameError("class", name, [c.name for c in workload.classes], "of_class")
        return replace(self, field=f"classes.{name}.{self.field}")

    def figure(self, point: Point) -> float | None:
        """Return how much of it a fleet takes; None without a fleet."""
        if self.name == "providers":
            return float(len(point.providers)) if point.cost_usd is not None else None
        found: float | None = getattr(point, _FIGURES[self.name])
        return found


_FIGURES = {
    "tpot_ms": "tpot_ms",
    "ttft_ms": "ttft_ms",
    "quality_loss_pct": "quality_loss_pct",
    "power_kw": "power_kw",
}

AXES: Mapping[str, Axis] = {
    axis.name: axis
    for axis in (
        Axis("tpot_ms", "sla.tpot_ms", "ms", "TPOT target", latency=True),
        Axis("ttft_ms", "sla.ttft_ms", "ms", "TTFT target", latency=True),
        Axis("quality_loss_pct", "precision.max_quality_loss_pct", "%", "quality loss"),
        Axis("power_kw", "hardware.max_power_kw", "kW", "rated power"),
        Axis("providers", "hardware.max_providers", "", "providers", whole=True),
    )
}
"""What ``--of`` may name."""
