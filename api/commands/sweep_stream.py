"""``minfleet sweep --out FILE.parquet``: rows written as they are solved."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.catalog_options import CatalogFiles

if TYPE_CHECKING:
    from api.parquet_parts import Parts
    from api.parts_run import Done
    from solver.sweep.factors import Factor
    from solver.sweep.stream import Row
    from solver.sweep.sweep import Mode
    from solver.workload import Workload

EXIT_INFEASIBLE, EXIT_UNPROVEN = 1, 3


def stream_sweep(
    workload: Workload,
    vary: Sequence[Factor],
    mode: Mode,
    out: Path,
    *,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    jobs: int | None,
    dask: str | None,
    restart: bool,
    as_json: bool,
) -> None:
    """Plan a workload at every point, into a Parquet file that is written part by part."""
    from api.parquet_parts import Parts, note_of, part_rows
    from api.parts_run import hash_of, inputs_of, run_in_parts
    from api.table_files import check_parquet
    from solver.crew.crew import Crew
    from solver.sweep.point import AT_POINTS
    from solver.sweep.stream import SweepRun, checked
    from solver.sweep.sweep import grounded

    check_parquet(out)
    catalog = files.load(strict=measured is None)
    before = None if restart else note_of(out)
    day = dt.date.today() if before is None else dt.date.fromisoformat(before["moment"])
    ground = grounded(workload, catalog, gap, time_limit_s, coefficients, measured, day)
    rows = checked(ground, vary, mode)
    run = SweepRun(ground, vary, mode, part_rows(rows))
    parts = Parts(out, run.columns(), run.part_rows)

    def solve(first: int, done: Done) -> Iterator[list[Row]]:
        with Crew(AT_POINTS, ground, jobs, dask) as crew:
            yield from run.parts(crew, run.base(crew), first, done)

    inputs = {
        "workload": hash_of(workload.to_dict()),
        "--vary": hash_of((tuple(vary), mode)),
        **inputs_of(catalog, ground.coefficients, ground.measured, gap, time_limit_s),
    }
    with run_in_parts(
        parts,
        rows,
        inputs,
        day.isoformat(),
        solve,
        label="solving",
        restart=restart,
        quiet=as_json,
    ):
        summary = _summary(parts, out)
    _show(summary, as_json=as_json)
    if any(status in summary["statuses"] for status in ("feasible", "unknown")):
        sys.exit(EXIT_UNPROVEN)
    if summary["least_cost_per_hour_usd"] is None:
        sys.exit(EXIT_INFEASIBLE)


def _summary(parts: Parts, out: Path) -> dict[str, Any]:
    statuses: Counter[str] = Counter()
    costs: list[float] = []
    for table in parts.tables():
        statuses.update(table["status"].to_pylist())
        known = [c for c in table["cost_per_hour_usd"].to_pylist() if c is not None]
        costs += [min(known), max(known)] if known else []
    return {
        "table": str(out),
        "rows": statuses.total(),
        "statuses": dict(sorted(statuses.items())),
        "least_cost_per_hour_usd": min(costs, default=None),
        "most_cost_per_hour_usd": max(costs, default=None),
    }


def _show(summary: dict[str, Any], *, as_json: bool) -> None:
    from api.lines import Lines
    from api.output import usd

    if as_json:
        click.echo(json.dumps(summary, indent=2, allow_nan=False))
        return
    out = Lines()
    out.text(f"{summary['rows']:,} points in {summary['table']}", style="bold")
    said = ", ".join(f"{count:,} {status}" for status, count in summary["statuses"].items())
    least, most = summary["least_cost_per_hour_usd"], summary["most_cost_per_hour_usd"]
    costs = "" if least is None else f"; from {usd(least)} to {usd(most)} an hour"
    out.text(f"{said}{costs}.")
