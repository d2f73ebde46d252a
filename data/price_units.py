"""Prices of one accelerator and of a whole node, mixed up: found by what the others charge.

A figure is doubted only where both hold: read as it is written it is far from every price known
of that accelerator, and read the other way it is one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

CHEAP_FACTOR = 6.0
"""A node is doubted where an accelerator of it costs less than this part of the median.

Among the shipped nodes of several accelerators the cheapest, on spot, costs 1/4.6 of the median of
the other providers. A usual price of one accelerator, taken for that of a node of eight, is 1/8.
"""

DEAR_FACTOR = 2.5
"""A price of one accelerator is doubted above this multiple of the median."""

PEERS = 3
"""Fewest known prices that have a median worth comparing with."""

BEYOND = 2.0
"""How far outside of the known prices the other reading may lie: offers get cheaper and dearer."""


@dataclass(frozen=True)
class KnownPrices:
    """What others charge for an accelerator (USD per accelerator-hour)."""

    cheapest: float
    middle: float
    dearest: float

    @classmethod
    def of(cls, prices: Sequence[float]) -> KnownPrices:
        """Sum prices up; at least one."""
        return cls(min(prices), median(prices), max(prices))

    def holds(self, price: float) -> bool:
        """Whether a price is one of these, or near them."""
        return self.cheapest / BEYOND <= price <= self.dearest * BEYOND

    def __str__(self) -> str:
        if self.cheapest == self.dearest:
            return f"${self.middle:.2f}"
        return f"${self.cheapest:.2f} to ${self.dearest:.2f}, median ${self.middle:.2f}"


def taken_for_node(node_usd: float, gpus: int, known: KnownPrices) -> bool:
    """Whether a price of a node (USD/h) looks like that of one of its accelerators."""
    each = node_usd / gpus
    too_cheap = each < known.cheapest and each < known.middle / CHEAP_FACTOR
    return gpus > 1 and too_cheap and known.holds(node_usd)


def taken_for_gpu(gpu_usd: float, gpus: int, known: KnownPrices) -> bool:
    """Whether a price of one accelerator (USD/h) looks like that of its node."""
    too_dear = gpu_usd > known.dearest and gpu_usd > known.middle * DEAR_FACTOR
    return gpus > 1 and too_dear and known.holds(gpu_usd / gpus)


def unit_problem(
    written: str, column: str, node_usd: float, gpus: int, accelerator: str, known: KnownPrices
) -> str:
    """Ask whether a price is per node or per accelerator, where it looks like the other; or "".

    Parameters
    ----------
    written
        The figure as the row gives it.
    column
        Where the row gives it; its name says for what.
    node_usd
        What a node costs an hour by it (USD).
    """
    each = node_usd / gpus
    if "_gpu_" not in column and taken_for_node(node_usd, gpus, known):
        other = column.replace("_node_", "_gpu_")
        return (
            f"{written} for a node of {gpus} is ${each:.3g} an hour for one "
            f"{accelerator}, below every known price ({known}); if it is the price of one "
            f"accelerator, write it as {other}, and if it is the node's, set confirmed to true."
        )
    if "_gpu_" in column and taken_for_gpu(each, gpus, known):
        other = column.replace("_gpu_", "_node_")
        return (
            f"{written} for one {accelerator} is ${node_usd:.4g} a node-hour, "
            f"above every known price ({known}); if it is the price of the node, write it as "
            f"{other}, and if it is one accelerator's, set confirmed to true."
        )
    return ""
