"""The frontier document, ``minfleet/frontier/v1``: where the cost falls, and by how much."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from solver.frontier.axes import Axis
from solver.frontier.ranges import NO_LIMIT, losses_of
from solver.sweep.changes import value_of
from solver.sweep.entries import catalog_entry, fleet_entry, in_one_cell, stale_warnings
from solver.sweep.point import Ground, Point

if TYPE_CHECKING:
    from solver.frontier.frontier import Climb

SCHEMA = "minfleet/frontier/v1"


@dataclass(frozen=True)
class Frontier:
    """A frontier; `to_dict` gives the contract ``minfleet/frontier/v1``.

    Attributes
    ----------
    of
        What the cost is set against, and the field of the workload that limits it.
    complete
        Whether every point is proven to the gap asked for.
    points
        Where the cost falls, tightest first: no fleet is cheaper and tighter.
    solved
        Every limit that was solved, in short, tightest first.
    infeasible_at
        The loosest limit that no fleet keeps; None without one.
    """

    of: Mapping[str, Any]
    complete: bool
    points: tuple[Mapping[str, Any], ...]
    solved: tuple[Mapping[str, Any], ...]
    infeasible_at: float | None
    search: Mapping[str, Any]
    catalog: Mapping[str, Any]
    warnings: tuple[str, ...]
    workload: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the frontier document, ready for JSON."""
        return {
            "schema": SCHEMA,
            "of": dict(self.of),
            "complete": self.complete,
            "infeasible_at": self.infeasible_at,
            "points": [dict(p) for p in self.points],
            "solved": [dict(s) for s in self.solved],
            "search": dict(self.search),
            "catalog": dict(self.catalog),
            "warnings": list(self.warnings),
            "workload": dict(self.workload),
        }

    def to_json(self) -> str:
        """Return the frontier document as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def written(ground: Ground, axis: Axis, climb: Climb, resolution: float) -> Frontier:
    """Return the document of a frontier that was climbed."""
    stairs = climb.stairs
    now = value_of(ground.workload, axis.field)
    loosest = NO_LIMIT.get(axis.name, math.inf)
    if axis.name == "quality_loss_pct":
        loosest = losses_of(ground.workload)[-1]
    entries = []
    for corner in stairs.corners():
        point = climb.points[corner.at]
        until, dearer = stairs.until(corner), stairs.dearer(corner)
        entries.append(
            {
                "value": corner.since,
                "dearer_at": dearer,
                "holds_until": None if until == loosest else until,
                "in_force": corner.since <= min(now or loosest, loosest) <= until,
                **fleet_entry(point),
            }
        )
    proven = all(p.status in ("optimal", "infeasible") for p in climb.points.values())
    return Frontier(
        of={"name": axis.name, "field": axis.field, "unit": axis.unit, "value": now},
        complete=proven,
        points=tuple(entries),
        solved=tuple(
            _in_short(None if at == loosest else at, point)
            for at, point in sorted(climb.points.items(), key=lambda p: p[0])
        ),
        infeasible_at=max(
            (at for at, p in climb.points.items() if p.status == "infeasible"), default=None
        ),
        search={
            "programs": climb.crew.solved,
            "gap_asked": ground.gap,
            "resolution": resolution,
        },
        catalog=catalog_entry(ground),
        warnings=stale_warnings(ground, (climb.points[c.at] for c in stairs.corners())),
        workload=ground.workload.to_dict(),
    )


def _in_short(at: float | None, point: Point) -> dict[str, Any]:
    return {
        "value": at,
        "status": point.status,
        "cost_per_hour_usd": point.cost_usd,
        "bound_per_hour_usd": point.bound_usd,
        "gap": point.gap,
    }


def table_rows(found: Frontier) -> list[dict[str, Any]]:
    """Return the points as rows of a table: figures and words, nothing nested."""
    return [
        {"of": found.of["name"], **{k: v for k, v in point.items() if not isinstance(v, list)}}
        | {"offers": in_one_cell(point["purchases"]), "providers": ";".join(point["providers"])}
        for point in found.points
    ]
