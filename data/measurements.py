"""Measured benchmark rows: one schema for every source (``docs/measurements.md``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import CatalogError
from data.tables import parse_csv, read_text

NEEDED = ("model", "gpu")
"""Columns without which a file is not one of measured rows."""

SCENARIOS = (
    "closed-loop-agg",
    "closed-loop-disagg",
    "open-loop",
    "static-batch",
    "static-batch-ttft",
    "peak-throughput-static-batch",
    "max-throughput-offline",
)


class Unusable(ValueError):
    """A measured row cannot be used; the message says why, for the row's own ``refused`` cell."""


@dataclass(frozen=True)
class MeasurementRow:
    """One measured run.

    Attributes
    ----------
    place
        File and line.
    cells
        Every column as it was written, unknown ones too; empty means unknown.
    """

    place: str
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return a cell without surrounding space; empty where unknown."""
        return (self.cells.get(column) or "").strip()

    def number(self, column: str) -> float | None:
        """Return a cell as a number; None where unknown.

        Raises
        ------
        Unusable
            If the cell is not a finite number of zero or more.
        """
        cell = self.text(column)
        if not cell:
            return None
        try:
            value = float(cell)
        except ValueError:
            raise Unusable(f"{column} {cell[:40]!r} is not a number") from None
        if not math.isfinite(value) or value < 0:
            raise Unusable(f"{column} {cell[:40]!r} is not a finite number of zero or more")
        return value

    def positive(self, column: str) -> float:
        """Return a cell as a number above zero.

        Raises
        ------
        Unusable
            If it is unknown or zero.
        """
        value = self.number(column)
        if not value:
            raise Unusable(f"{column} is {'unknown' if value is None else 'zero'}")
        return value

    def latency_ms(self, figure: str) -> float | None:
        """Return a measured latency above zero: its mean where known, else its median.

        Predictions are means. Few sources give them; where outputs are long, medians are close.

        Parameters
        ----------
        figure
            ``ttft`` or ``tpot``.

        Raises
        ------
        Unusable
            If the cell is not a finite number of zero or more.
        """
        return self.number(f"{figure}_ms_mean") or self.number(f"{figure}_ms_median") or None

    @property
    def notes(self) -> Mapping[str, str]:
        """``name=value`` parts of the notes; parts without a sign map to an empty text."""
        parts = (p.strip() for p in self.text("notes").split("|"))
        return {k.strip(): v.strip() for k, _, v in (p.partition("=") for p in parts if p)}

    @property
    def scenario(self) -> str:
        """How the run was driven: as stated, else what its columns say.

        Raises
        ------
        Unusable
            If it is stated but not one of `SCENARIOS`, or nothing says it.
        """
        stated = self.text("scenario").lower()
        if stated in SCENARIOS:
            return stated
        if stated:
            raise Unusable(f"scenario {stated[:40]!r} is not one of {', '.join(SCENARIOS)}")
        if self.number("request_rate"):
            return "open-loop"
        if self.number("concurrency_or_batch"):
            return "closed-loop-agg"
        raise Unusable("neither scenario, request_rate nor concurrency_or_batch is known")


def load_measurements(path: str | Path) -> list[MeasurementRow]:
    """Read measured rows (CSV, gzip by its ending).

    Raises
    ------
    CatalogError
        If the file has no rows, or lacks a column without which nothing can be told.
    """
    path = Path(path)
    rows = [
        MeasurementRow(r.place, r.cells)
        for r in parse_csv(read_text(path, "measurement rows"), str(path))
    ]
    if not rows:
        raise CatalogError(f"{path}: has no rows; give at least a header and one measured run.")
    missing = [c for c in NEEDED if c not in rows[0].cells]
    if missing:
        raise CatalogError(
            f"{path}: column {missing[0]!r} is missing; measured rows need at least "
            f"{', '.join(NEEDED)} (see docs/measurements.md)."
        )
    return rows


def columns_of(rows: Iterable[MeasurementRow]) -> Sequence[str]:
    """Return the columns of rows, in the order in which they first appear."""
    return tuple(dict.fromkeys(c for row in rows for c in row.cells))
