"""Prices that fall with the number of nodes, as offers side by side.

An offer with price steps becomes one offer for each price, sold from as many nodes as the price
asks for. They need not exclude each other: prices fall, so nodes bought at several of them cost
no less than all of them at the lowest price that their number reaches. Only stock is shared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from data.offers import Offer


def tiers_of(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return the offers with those of several prices replaced by one offer a price."""
    found = []
    for offer in offers:
        flat = replace(offer, price_steps=()) if offer.price_steps else offer
        found.append(flat)
        found += [
            replace(
                flat,
                price_per_node_hour_usd=step.price_per_node_hour_usd,
                min_nodes=step.from_nodes,
            )
            for step in offer.price_steps
        ]
    return tuple(found)


def alike(offers: Sequence[Offer]) -> list[list[int]]:
    """Return the positions of offers that are prices of one offer, where there are several."""
    found: dict[str, list[int]] = defaultdict(list)
    for position, offer in enumerate(offers):
        found[offer.offer_id].append(position)
    return [group for group in found.values() if len(group) > 1]


def best_tiers(offers: Sequence[Offer], nodes: Mapping[int, int]) -> dict[int, int]:
    """Return, for each position bought, the position whose price all nodes of the offer reach.

    Parameters
    ----------
    nodes
        Position → nodes bought there.
    """
    target = {o: o for o in nodes}
    for group in alike(offers):
        total = sum(nodes.get(o, 0) for o in group)
        reached = [o for o in group if offers[o].min_nodes <= total]
        if total and reached:
            best = max(reached, key=lambda o: offers[o].min_nodes)
            target.update({o: best for o in group if o in nodes})
    return target
