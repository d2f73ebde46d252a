"""What the catalogue knows of a machine and a price list does not say, kept through a refresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from data.offers import Offer

Machine = tuple[str, str, str, int]


def with_known_facts(offers: Iterable[Offer], known: Mapping[str, Offer]) -> tuple[Offer, ...]:
    """Return the offers of a price list with the facts that it does not tell.

    The network of a node is a fact of the machine: it is taken from any known offer of the same
    machine, where these agree. Stock and the smallest purchase are taken from the offer of the
    same id.

    Parameters
    ----------
    known
        Offers of the catalogue by id.
    """
    networks: dict[Machine, set[float]] = {}
    for offer in known.values():
        if offer.instance_type and offer.network_gbps is not None:
            networks.setdefault(_machine(offer), set()).add(offer.network_gbps)
    return tuple(_filled(offer, known.get(offer.offer_id), networks) for offer in offers)


def _filled(offer: Offer, before: Offer | None, networks: Mapping[Machine, set[float]]) -> Offer:
    same = before is not None and _machine(before) == _machine(offer)
    network = before.network_gbps if same and before is not None else None
    found = networks.get(_machine(offer), set())
    if network is None and len(found) == 1:
        [network] = found
    if offer.network_gbps is None and network is not None:
        offer = replace(offer, network_gbps=network)
    if same and before is not None:
        stock = before.stock if offer.stock is None else offer.stock
        offer = replace(offer, stock=stock, min_nodes=max(offer.min_nodes, before.min_nodes))
    return offer


def _machine(offer: Offer) -> Machine:
    return offer.provider, offer.instance_type.lower(), offer.accelerator, offer.gpus_per_node
