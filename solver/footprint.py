"""What a fleet draws and emits: the one place where energy and carbon are counted.

Energy of an hour = PUE · Σ over accelerators bought of TDP · (s + (1 − s) · utilisation), s the
share of its board power that an idle one draws. The utilisation of a replica is its load: the share
of what it admits within its targets that it is sent, so a replica at its admissible rate counts as
drawing all of its board power. Carbon is the energy in each region times what a kilowatt-hour emits
there. Hosts and switches are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from data.accelerators import Accelerator
from data.catalog import Catalog
from data.errors import UnknownNameError
from data.grid import GridFactors, GridZone
from data.offers import Offer
from solver.aim import ObjectiveSpec
from solver.power import WATTS_PER_KW, node_power_w

GRAMS_PER_KG = 1000


def check_regions(spec: ObjectiveSpec, catalog: Catalog) -> None:
    """Raise if a workload gives a figure for a region that no offer is in.

    Raises
    ------
    UnknownNameError
        With the name and the nearest that there is.
    """
    known = {f"{o.provider}/{o.region}" for o in catalog.offers}
    known |= {o.region for o in catalog.offers}
    for name in spec.grid_gco2e_per_kwh.by_region:
        if name not in known:
            raise UnknownNameError(
                "region",
                name,
                known,
                "objective.grid_gco2e_per_kwh.by_region",
                "list them with 'minfleet catalog list offers'",
            )


@dataclass(frozen=True)
class Footprint:
    """How the energy and the carbon of nodes are counted.

    Attributes
    ----------
    pue
        Energy of the building over that of the accelerators in it.
    idle_share
        Share of its board power that an idle accelerator draws.
    """

    pue: float
    idle_share: float
    accelerators: Mapping[str, Accelerator]
    grid: GridFactors

    @classmethod
    def of(cls, spec: ObjectiveSpec, accelerators: Mapping[str, Accelerator]) -> Footprint:
        """Return how a workload asks for energy and carbon to be counted."""
        given = spec.grid_gco2e_per_kwh
        return cls(
            spec.pue,
            spec.idle_power_share,
            accelerators,
            GridFactors(given.default, given.by_region),
        )

    def knows(self, offer: Offer) -> bool:
        """Whether the power of the accelerators of an offer is known."""
        return node_power_w(offer, self.accelerators) is not None

    def idle_kwh(self, offer: Offer) -> float:
        """Return what a node takes in an hour with nothing to do (kWh); its power must be known."""
        return self._rated_kwh(offer) * self.idle_share

    def busy_kwh(self, offer: Offer) -> float:
        """Return what one accelerator at full load takes in an hour above an idle one (kWh)."""
        return self._rated_kwh(offer) * (1 - self.idle_share) / offer.gpus_per_node

    def _rated_kwh(self, offer: Offer) -> float:
        watts = node_power_w(offer, self.accelerators)
        assert watts is not None, offer.accelerator
        return self.pue * watts / WATTS_PER_KW

    def zone(self, offer: Offer) -> GridZone:
        """Return the grid that an offer takes its power from."""
        return self.grid.at(offer.provider, offer.region)

    def kg_per_kwh(self, offer: Offer) -> float:
        """Return what a kilowatt-hour emits where an offer is (kg CO2e)."""
        return self.zone(offer).gco2e_per_kwh / GRAMS_PER_KG
