"""Objectives: what a fleet is charged for each node, and for each accelerator's load.

Every objective is linear in the same variables: Σ_o a_o·m_o + Σ_wc b_c·(λ_w/μ_wc)·x_wc, where a_o
is what a node of offer o is charged, busy or idle, and b_c what a replica of candidate c is charged
at full load above that. Cost and accelerators charge nodes alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from data.offers import Offer
from solver.aim import Aim, ObjectiveSpec
from solver.footprint import Footprint

UNITS: dict[Aim, str] = {
    "cost": "USD/h",
    "gpus": "accelerators",
    "energy": "kWh/h",
    "carbon": "kg CO2e/h",
}


@dataclass(frozen=True)
class Objective:
    """One objective.

    Attributes
    ----------
    footprint
        How energy and carbon are counted; None for objectives that need neither.
    """

    name: Aim
    footprint: Footprint | None = None

    @property
    def unit(self) -> str:
        """Unit of its value."""
        return UNITS[self.name]

    def node(self, offer: Offer) -> float:
        """Return a_o: what a node is charged, whatever runs on it."""
        if self.name == "cost":
            return float(offer.hourly_usd)
        if self.name == "gpus":
            return float(offer.gpus_per_node)
        return self._counted.idle_kwh(offer) * self._per_kwh(offer)

    def busy(self, offer: Offer) -> float:
        """Return what an accelerator of an offer at full load is charged above an idle one."""
        if self.name in ("cost", "gpus"):
            return 0.0
        return self._counted.busy_kwh(offer) * self._per_kwh(offer)

    def _per_kwh(self, offer: Offer) -> float:
        return self._counted.kg_per_kwh(offer) if self.name == "carbon" else 1.0

    @property
    def _counted(self) -> Footprint:
        assert self.footprint is not None, self.name
        return self.footprint

    @property
    def charges_load(self) -> bool:
        """Whether what runs where matters, not only what is bought."""
        return self.footprint is not None and self.footprint.idle_share < 1

    @property
    def located(self) -> bool:
        """Whether a load is charged by where it runs."""
        return self.name == "carbon" and self.charges_load

    def knows(self, offer: Offer) -> bool:
        """Whether nodes of an offer can be charged: their power may not be published."""
        return self.footprint is None or self.footprint.knows(offer)

    def no_worse(self, better: Offer, worse: Offer) -> bool:
        """Whether a node of `better` is charged no more than the same node elsewhere."""
        if self.footprint is None or self.name != "carbon":
            return True
        return self.footprint.kg_per_kwh(better) <= self.footprint.kg_per_kwh(worse)

    def raised(self, bound: float) -> float:
        """Return the least value at or above a bound that a fleet can have."""
        if self.name != "gpus" or not math.isfinite(bound):
            return bound
        return float(math.ceil(bound - 1e-6))


COST = Objective("cost")


def objectives_of(spec: ObjectiveSpec, footprint: Footprint) -> tuple[Objective, ...]:
    """Return what a workload wants smallest, first things first."""
    counted = ("energy", "carbon")
    return tuple(
        COST if name == "cost" else Objective(name, footprint if name in counted else None)
        for name in spec.order
    )


Held = tuple[Objective, float]
"""An objective, and the most that a fleet may have of it."""


def charging_load(objectives: Iterable[Objective]) -> tuple[Objective, ...]:
    """Return the objectives that charge load."""
    return tuple(o for o in objectives if o.charges_load)
