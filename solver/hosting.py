"""What a replica asks of the nodes that hold it."""

from __future__ import annotations

from collections.abc import Hashable
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
    kv_gbps
        Network each of its accelerators needs for KV caches (0: none travel).
    owner
        The candidate whose replicas they are, where those of others are placed apart.
    grid
        Locations they may be placed in; None for anywhere.
    """

    accelerator: str
    group_size: int
    groups: int
    location: Location | None
    cross_node_gbps: float
    kv_gbps: float = 0.0
    owner: Hashable = None
    grid: frozenset[Location] | None = None

    def accepts(self, offer: Offer) -> bool:
        """Whether nodes of `offer` can hold such replicas."""
        network = offer.network_gbps or 0.0
        return (
            offer.accelerator == self.accelerator
            and offer.gpus_per_node >= self.group_size
            and (
                self.location is None
                or (location_of(offer) == self.location and offer.network_gbps is not None)
            )
            and (self.grid is None or location_of(offer) in self.grid)
            and network >= self.cross_node_gbps
            and network / offer.gpus_per_node >= self.kv_gbps * (1 - 1e-9)
        )
