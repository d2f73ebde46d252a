"""The sweep document, ``minfleet/sweep/v1``: what each change does to the cost and the fleet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solver.sweep.changes import Changes
from solver.sweep.entries import catalog_entry, fleet_entry, in_one_cell, stale_warnings
from solver.sweep.factors import Factor
from solver.sweep.point import Ground, Point

SCHEMA = "minfleet/sweep/v1"


@dataclass(frozen=True)
class Sweep:
    """A sweep; `to_dict` gives the contract ``minfleet/sweep/v1``.

    Attributes
    ----------
    mode
        ``grid``, ``one_at_a_time`` or ``sensitivity``.
    complete
        Whether every row is proven to the gap asked for.
    factors
        What is varied, in the order given.
    base
        The workload as it is.
    rows
        One for each point, in the order of the factors' values, the last factor fastest.
    ranking
        Of a sensitivity, the factors by their effect on the cost, largest first.
    """

    mode: str
    complete: bool
    factors: tuple[Mapping[str, Any], ...]
    base: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    ranking: tuple[Mapping[str, Any], ...]
    search: Mapping[str, Any]
    catalog: Mapping[str, Any]
    warnings: tuple[str, ...]
    workload: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the sweep document, ready for JSON."""
        return {
            "schema": SCHEMA,
            "mode": self.mode,
            "complete": self.complete,
            "factors": [dict(f) for f in self.factors],
            "base": dict(self.base),
            "rows": [dict(r) for r in self.rows],
            "ranking": [dict(r) for r in self.ranking],
            "search": dict(self.search),
            "catalog": dict(self.catalog),
            "warnings": list(self.warnings),
            "workload": dict(self.workload),
        }

    def to_json(self) -> str:
        """Return the sweep document as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def written(
    ground: Ground,
    mode: str,
    vary: Sequence[Factor],
    base: Point,
    changes: Sequence[Changes],
    points: Sequence[Point],
    ranking: Sequence[Mapping[str, Any]] = (),
) -> Sweep:
    """Return the document of points that were solved."""
    settled = ("optimal", "infeasible")
    return Sweep(
        mode=mode,
        complete=all(p.status in settled for p in (base, *points)),
        factors=tuple(
            {"name": f.name, "unit": f.unit, "base": f.base, "values": list(f.values)} for f in vary
        ),
        base=fleet_entry(base),
        rows=tuple(row_of(base, c, p) for c, p in zip(changes, points, strict=True)),
        ranking=tuple(ranking),
        search={"points": len(points) + 1, "gap_asked": ground.gap},
        catalog=catalog_entry(ground),
        warnings=stale_warnings(ground, (base, *points)),
        workload=ground.workload.to_dict(),
    )


def row_of(base: Point, changes: Changes, point: Point) -> dict[str, Any]:
    """Return the row of a point, beside the workload as it is."""
    return {"values": dict(changes), **_beside(base, point), **fleet_entry(point)}


def _beside(base: Point, point: Point) -> dict[str, Any]:
    """Return what changed against the workload as it is; None where either has no fleet."""
    return {"change_pct": change_pct(base, point), "fleet_changes": fleet_changes(base, point)}


def change_pct(base: Point, point: Point) -> float | None:
    """Return by how much a point costs more than the workload as it is (percent)."""
    if base.cost_usd is None or point.cost_usd is None:
        return None
    return round(100 * (point.cost_usd / base.cost_usd - 1), 4)


def fleet_changes(base: Point, point: Point) -> bool | None:
    """Return whether another fleet is bought; None where either has none."""
    if base.cost_usd is None or point.cost_usd is None:
        return None
    return _identity(base) != _identity(point)


def _identity(point: Point) -> list[list[tuple[str, str]]]:
    return sorted(sorted((k, str(v)) for k, v in pool.items()) for pool in point.pools)


def table_rows(found: Sweep) -> list[dict[str, Any]]:
    """Return the rows as those of a flat table: the varied values, figures and words."""
    names = [f["name"] for f in found.factors]
    return [table_row(names, row) for row in found.rows]


def table_row(names: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as one of a flat table.

    Parameters
    ----------
    names
        What is varied, in the order of the columns.
    """
    return (
        {name: row["values"].get(name) for name in names}
        | {k: v for k, v in row.items() if not isinstance(v, (list, dict))}
        | {"offers": in_one_cell(row["purchases"]), "providers": ";".join(row["providers"])}
    )


COLUMNS: Mapping[str, str] = {
    "change_pct": "number",
    "fleet_changes": "truth",
    "status": "text",
    "cost_per_hour_usd": "number",
    "cost_per_month_usd": "number",
    "cost_per_million_output_tokens_usd": "number",
    "bound_per_hour_usd": "number",
    "gap": "number",
    "gpus": "integer",
    "nodes": "integer",
    "gpu_power_kw": "number",
    "ttft_ms": "number",
    "tpot_ms": "number",
    "quality_loss_pct": "number",
    "fleet": "text",
    "offers": "text",
    "providers": "text",
}
"""Column of the flat table, after the varied values → what it holds."""
