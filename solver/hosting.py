"""What a replica asks of the nodes that hold it."""

from __future__ import annotations

from dataclasses import dataclass

from data.offers import Offer
from solver.market import Location, location_of


@dataclass(frozen=True)
class HostKey:
    """Replicas that ask the same of a node: they are placed together.

    Attributes
    ----------
    group_size, groups
        Accelerators that must share a node, and how many such groups a replica takes.
    cross_node_gbps
        Network its groups need between nodes (0: they do not talk across nodes).
    """

    accelerator: str
    group_size: int
    groups: int
    location: Location | None
    cross_node_gbps: float

    def accepts(self, offer: Offer) -> bool:
        """Whether nodes of `offer` can hold such replicas."""
        return (
            offer.accelerator == self.accelerator
            and offer.gpus_per_node >= self.group_size
            and (
                self.location is None
                or (location_of(offer) == self.location and offer.network_gbps is not None)
            )
            and (
                self.cross_node_gbps == 0
                or (offer.network_gbps is not None and offer.network_gbps >= self.cross_node_gbps)
            )
        )
