"""Coefficients of the performance model, each with its value, bounds and source.

A coefficient is looked up for an (engine, accelerator family) pair; the most specific row
wins: engine and family, then family, the same of its forerunner, then engine, then the general one.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data.errors import CatalogError
from data.tables import Row, read_table, shipped_rows

UNMEASURED_FAMILY_BAND_PCT = 50.0
"""Error band of a family that no coefficient row names (percent)."""

LEAST_BAND_PCT = 10.0
"""Error band below which no fit is believed."""

FORERUNNERS = {
    "blackwell_ultra": "blackwell",
    "blackwell_gb202": "blackwell",
    "ampere": "hopper",
    "ada": "hopper",
}
"""Family → the measured one whose coefficients it inherits where it has none of its own."""

INHERITED_BAND = 1.5
"""How much wider the error band of an inheriting family is."""

OUTSIDE_BAND = 1.5
"""How much wider it is outside of the range that was measured."""

ENGINES = ("vllm", "sglang", "trtllm")


@dataclass(frozen=True)
class Coefficient:
    """One coefficient with where it comes from."""

    engine: str
    family: str
    name: str
    value: float
    unit: str
    source: str
    notes: str
    low: float | None = None
    high: float | None = None


RECORD = "fit_"
"""Begin the names of rows that record a fit, and are no coefficients: ``fit_rows`` (measured runs),
``fit_tpot_error`` and ``fit_ttft_error`` (percent; value the median, high the 90th percentile), and
a row for each of `RANGES` (value the median run, low and high the ends)."""

RANGES = {
    "tp": "accelerators a replica",
    "active_params_b": "billion active parameters",
    "isl": "prompt tokens",
    "batch": "sequences at once",
}
"""Quantities whose range a fit records, and what they count."""


@dataclass(frozen=True)
class Fitted:
    """What the coefficients of an engine on a family were fitted on.

    Attributes
    ----------
    rows
        Measured runs.
    ranges
        Quantity of `RANGES` → smallest and largest that was measured.
    tpot_error_pct
        90th percentile of the absolute TPOT error; None where none was measured.
    """

    rows: int
    ranges: Mapping[str, tuple[float, float]]
    tpot_error_pct: float | None

    def outside(self, **values: float) -> list[str]:
        """Return a phrase for each value that lies outside of what was measured.

        A batch smaller than any measured one is no reason for doubt.
        """
        found = []
        for name, value in values.items():
            low, high = self.ranges.get(name, (-math.inf, math.inf))
            few = name != "batch" and value < low * (1 - SLACK)
            if few or value > high * (1 + SLACK):
                found.append(f"{value:.4g} {RANGES[name]} (measured {low:.4g} to {high:.4g})")
        return found


SLACK = 0.25
"""How far beyond the measured range counts as within it."""


class CoefficientTable:
    """Coefficients by engine and accelerator family.

    Parameters
    ----------
    rows
        The coefficients; a later row replaces an earlier one of the same key.
    """

    def __init__(self, rows: Iterable[Coefficient]) -> None:
        self._by_key = {(c.engine, c.family, c.name): c for c in rows}
        names = {name for _, _, name in self._by_key}
        self.names = tuple(sorted(n for n in names if not n.startswith(RECORD)))

    @property
    def rows(self) -> tuple[Coefficient, ...]:
        """Every coefficient, in a fixed order."""
        return tuple(self._by_key[key] for key in sorted(self._by_key))

    def over(self, rows: Iterable[Coefficient]) -> CoefficientTable:
        """Return a table with `rows` over those of this one."""
        return CoefficientTable([*self._by_key.values(), *rows])

    def find(self, engine: str, family: str, name: str) -> Coefficient:
        """Return the most specific coefficient `name` for `engine` on `family`.

        Raises
        ------
        CatalogError
            If no row, not even a general one, gives it.
        """
        lineage = [family, FORERUNNERS[family]] if family in FORERUNNERS else [family]
        for of_family, of_engine in itertools.product([*lineage, "*"], (engine, "*")):
            hit = self._by_key.get((of_engine, of_family, name))
            if hit is not None:
                return hit
        raise CatalogError(f"coefficients: no row gives {name!r} for engine {engine!r}.")

    def fitted(self, engine: str, family: str) -> Fitted | None:
        """Return what the coefficients of `engine` on `family` were fitted on; None if on nothing.

        A record of another family does not count: its coefficients are inherited, not measured.
        """
        records = {
            name.removeprefix(RECORD): c
            for (e, f, name), c in self._by_key.items()
            if (e, f) == (engine, family) and name.startswith(RECORD)
        }
        if "rows" not in records:
            return None
        error = records.get("tpot_error")
        return Fitted(
            rows=int(records["rows"].value),
            ranges={
                name: (c.low, c.high)
                for name, c in records.items()
                if name in RANGES and c.low is not None and c.high is not None
            },
            tpot_error_pct=None if error is None else error.high,
        )

    def values(self, engine: str, family: str) -> Mapping[str, float]:
        """Return every coefficient that applies to `engine` on `family`, by name."""
        found = {n: self.find(engine, family, n).value for n in self.names}
        band = self.find(engine, family, "error_band_pct")
        if band.family == "*":
            found["error_band_pct"] = self._band(engine, family)
        return found

    def _band(self, engine: str, family: str) -> float:
        """Return the error band that fits tell: of the family, of its forerunner, or of none."""
        own = self.fitted(engine, family)
        if own is not None and own.tpot_error_pct is not None:
            return max(own.tpot_error_pct, LEAST_BAND_PCT)
        if family in FORERUNNERS:
            return INHERITED_BAND * self._band(engine, FORERUNNERS[family])
        return UNMEASURED_FAMILY_BAND_PCT


COLUMNS = (
    "engine", "family", "coefficient", "value", "unit", "low", "high", "observed_at", "source",
    "notes",
)  # fmt: skip


def as_csv(rows: Iterable[Coefficient], observed_at: dt.date) -> str:
    """Return coefficients as a file that `load_coefficients` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for c in rows:
        low, high = ("" if v is None else f"{v:.4g}" for v in (c.low, c.high))
        value = f"{c.value:.4g}"
        writer.writerow(
            (c.engine, c.family, c.name, value, c.unit, low, high, observed_at, c.source, c.notes)
        )
    return text.getvalue()


def parse_coefficients(rows: Iterable[Row]) -> list[Coefficient]:
    """Return the coefficients of `rows`."""
    return [
        Coefficient(
            engine=r.text("engine"),
            family=r.text("family"),
            name=r.text("coefficient"),
            value=r.number("value", above=-1e-12),
            unit=r.text("unit"),
            source=r.text("source"),
            notes=r.cells.get("notes", ""),
            low=r.optional_number("low"),
            high=r.optional_number("high"),
        )
        for r in rows
    ]


@cache
def shipped_coefficients() -> CoefficientTable:
    """Return the coefficients that ship with minfleet."""
    return CoefficientTable(parse_coefficients(shipped_rows("coefficients")))


def load_coefficients(path: Path) -> CoefficientTable:
    """Return the shipped coefficients with those of a user's file over them."""
    return shipped_coefficients().over(parse_coefficients(read_table(path, "coefficients")))
