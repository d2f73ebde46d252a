"""Rated power: what the accelerators of a node may draw, busy or idle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from data.accelerators import Accelerator
from data.offers import Offer

WATTS_PER_KW = 1000


def node_power_w(offer: Offer, accelerators: Mapping[str, Accelerator]) -> float | None:
    """Return the rated power of the accelerators of one node (W); None where it is not published.

    Their TDP, from the catalogue: idle ones count, and hosts, networks and cooling do not.
    """
    chip = accelerators.get(offer.accelerator)
    return None if chip is None or chip.tdp_w is None else chip.tdp_w * offer.gpus_per_node


def fleet_power_w(
    bought: Iterable[tuple[Offer, int]], accelerators: Mapping[str, Accelerator]
) -> float | None:
    """Return the rated power of all accelerators of a fleet (W); None if one's is not known.

    Parameters
    ----------
    bought
        Offers and how many nodes of each.
    """
    total_w = 0.0
    for offer, nodes in bought:
        each = node_power_w(offer, accelerators)
        if each is None:
            return None
        total_w += each * nodes
    return total_w
