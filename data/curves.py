"""Measured curves of throughput and tail latency against batch: the rows, and their CSV reader."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError, nearest
from data.tables import Row, parse_csv, read_text

COLUMNS = ("batch", "throughput_rps", "p99_ms")


@dataclass(frozen=True)
class CurvePoint:
    """One measured point: requests/s and 99th-percentile latency (ms) of a node at `batch`."""

    batch: int
    throughput_rps: float
    p99_ms: float


def load_curve(path: str | Path) -> tuple[CurvePoint, ...]:
    """Read a curve from a CSV file with the columns ``batch, throughput_rps, p99_ms``.

    Rows may come in any order and are returned by rising batch; further columns are left alone.
    The file may be gzipped (``.csv.gz``).

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or has no rows; if a cell is empty, not a
        number, not above 0 or not finite, or a batch not whole; or if a batch is there twice. The
        message names the file, the line and the column.
    """
    place = str(path)
    points: dict[int, tuple[CurvePoint, Row]] = {}
    for row in parse_csv(read_text(Path(path), "curve"), place):
        _check_columns(row, place)
        point = CurvePoint(
            batch=row.integer("batch", at_least=1),
            throughput_rps=row.number("throughput_rps", above=0, at_most=1e18),
            p99_ms=row.number("p99_ms", above=0, at_most=1e18),
        )
        if point.batch in points:
            earlier = points[point.batch][1].place
            raise row.fault(
                "batch", f"{point.batch} is already in {earlier}; keep one row for each batch."
            )
        points[point.batch] = (point, row)
    if not points:
        raise InputError(f"{place}: holds no rows; give one for each measured batch.")
    return tuple(points[batch][0] for batch in sorted(points))


def _check_columns(row: Row, place: str) -> None:
    """Raise if a column is missing, naming the header cell that may have been meant."""
    for name in COLUMNS:
        if name not in row.cells:
            near = nearest(name, [cell for cell in row.cells if cell not in COLUMNS])
            meant = f" (is it {near}?)" if near else ""
            raise InputError(
                f"{place}: column {name} is missing{meant}; the header must have "
                f"{', '.join(COLUMNS)}."
            )
