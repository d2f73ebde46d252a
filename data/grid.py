"""What a kilowatt-hour emits: grams of CO2 equivalent by region of a provider.

Figures are yearly averages of the grid that a region takes its power from, life cycle, whatever
certificates its provider buys. A region without a figure counts at that of the world.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from data.tables import shipped_rows

WORLD = "world"
"""Zone whose figure stands in for regions without one."""


@dataclass(frozen=True)
class GridZone:
    """A grid, and what a kilowatt-hour from it emits.

    Attributes
    ----------
    gco2e_per_kwh
        Yearly average (g CO2e/kWh).
    year
        Year of the average; None for a figure that a workload states.
    """

    zone: str
    gco2e_per_kwh: float
    year: int | None
    source: str


@dataclass(frozen=True)
class GridFactors:
    """Figures by region, those a user states over the shipped ones.

    Attributes
    ----------
    default
        For regions without a figure (g CO2e/kWh); None for that of the world.
    by_region
        Over the shipped ones: ``region`` or ``provider/region`` → g CO2e/kWh.
    """

    default: float | None = None
    by_region: Mapping[str, float] = field(default_factory=dict)

    def at(self, provider: str, region: str) -> GridZone:
        """Return the figure of a region, and where it comes from."""
        for name in (f"{provider}/{region}", region):
            if name in self.by_region:
                return GridZone(name, self.by_region[name], None, "the workload")
        known = _regions().get((provider, region))
        if known is not None:
            return grid_zones()[known]
        if self.default is not None:
            return GridZone("default", self.default, None, "the workload")
        return grid_zones()[WORLD]

    def is_default(self, provider: str, region: str) -> bool:
        """Whether a region has no figure of its own."""
        return self.at(provider, region).zone in ("default", WORLD)


@cache
def grid_zones() -> Mapping[str, GridZone]:
    """Return the shipped grids by name."""
    return {
        row.text("zone"): GridZone(
            zone=row.text("zone"),
            gco2e_per_kwh=row.number("gco2e_per_kwh", above=0, at_most=2000),
            year=row.integer("year", at_least=2000),
            source=row.text("source"),
        )
        for row in shipped_rows("grid_zones")
    }


@cache
def _regions() -> Mapping[tuple[str, str], str]:
    """Return the grid of each region, (provider, region) → zone."""
    return {
        (row.text("provider"), row.text("region")): row.choice("zone", tuple(grid_zones()))
        for row in shipped_rows("grid_regions")
    }
