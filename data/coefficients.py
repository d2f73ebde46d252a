"""Coefficients of the performance model, each with its value, bounds and source.

A coefficient is looked up for an (engine, accelerator family) pair; the most specific row
wins: engine and family, then family, then engine, then the general one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data.errors import CatalogError
from data.tables import Row, read_table, shipped_rows

UNMEASURED_FAMILY_BAND_PCT = 50.0
"""Error band of a family that no coefficient row names (percent)."""

MEASURED_FAMILIES = ("ampere", "hopper", "blackwell")
"""Families whose serving rows the general coefficients were fitted on."""

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


class CoefficientTable:
    """Coefficients by engine and accelerator family.

    Parameters
    ----------
    rows
        The coefficients; a later row replaces an earlier one of the same key.
    """

    def __init__(self, rows: Iterable[Coefficient]) -> None:
        self._by_key = {(c.engine, c.family, c.name): c for c in rows}
        self.names = tuple(sorted({name for _, _, name in self._by_key}))

    def find(self, engine: str, family: str, name: str) -> Coefficient:
        """Return the most specific coefficient `name` for `engine` on `family`.

        Raises
        ------
        CatalogError
            If no row, not even a general one, gives it.
        """
        for key in ((engine, family), ("*", family), (engine, "*"), ("*", "*")):
            hit = self._by_key.get((*key, name))
            if hit is not None:
                return hit
        raise CatalogError(f"coefficients: no row gives {name!r} for engine {engine!r}.")

    def values(self, engine: str, family: str) -> Mapping[str, float]:
        """Return every coefficient that applies to `engine` on `family`, by name."""
        found = {n: self.find(engine, family, n).value for n in self.names}
        band = self.find(engine, family, "error_band_pct")
        if band.family == "*" and family not in MEASURED_FAMILIES:
            found["error_band_pct"] = UNMEASURED_FAMILY_BAND_PCT
        return found


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
        )
        for r in rows
    ]


@cache
def shipped_coefficients() -> CoefficientTable:
    """Return the coefficients that ship with minfleet."""
    return CoefficientTable(parse_coefficients(shipped_rows("coefficients")))


def load_coefficients(path: Path) -> CoefficientTable:
    """Return the shipped coefficients with those of a user's file over them."""
    shipped = parse_coefficients(shipped_rows("coefficients"))
    return CoefficientTable([*shipped, *parse_coefficients(read_table(path, "coefficients"))])
