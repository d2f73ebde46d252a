"""A fleet that stands: nodes of offers, and the pools on them, whatever it was found by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from solver.candidates import Candidate
from solver.fleet import Fleet

Kind = tuple[object, ...]
"""What makes replicas alike: model, role and configuration, whatever classes are sent to them."""

PoolKey = tuple[Kind, str]
"""A kind on an offer (by id): a pool."""

Prices = Mapping[str, Decimal]
"""Offer → price of a node (USD/h); absent while it is not on sale."""


@dataclass(frozen=True)
class Standing:
    """Nodes bought, and replicas run.

    Attributes
    ----------
    nodes
        Offer → nodes.
    pools
        Kind and offer → replicas.
    """

    nodes: Mapping[str, int]
    pools: Mapping[PoolKey, int]

    @classmethod
    def of_plan(cls, document: Mapping[str, Any]) -> Standing:
        """Return the fleet of a plan document."""
        nodes: Counter[str] = Counter()
        pools: Counter[PoolKey] = Counter()
        for bought in document["purchases"]:
            nodes[bought["offer_id"]] += bought["nodes"]
        for pool in document["pools"]:
            pools[_of_pool(pool), pool["offer_id"]] += pool["replicas"]
        return cls(dict(nodes), dict(pools))

    @classmethod
    def of_fleet(cls, fleet: Fleet) -> Standing:
        """Return a fleet as it was read from a program."""
        offers, nodes = fleet.instance.offers, Counter[str]()
        pools: Counter[PoolKey] = Counter()
        for o, n in fleet.nodes.items():
            nodes[offers[o].offer_id] += n
        for placed in fleet.placements:
            kind = kind_of(fleet.instance.candidates[placed.candidate])
            pools[kind, offers[placed.offer].offer_id] += placed.replicas
        return cls(dict(nodes), dict(pools))

    def holds_in(self, prices: Prices) -> bool:
        """Whether all that it is bought from is on sale."""
        return all(o in prices for o in self.nodes)

    def usd_per_hour(self, prices: Prices) -> Decimal:
        """Return what it costs at some prices (USD/h); all of it must be on sale."""
        return sum((prices[o] * n for o, n in self.nodes.items()), Decimal(0))

    def to_dict(self) -> dict[str, Any]:
        """Return the fleet, ready for JSON."""
        return {
            "purchases": [{"offer_id": o, "nodes": n} for o, n in sorted(self.nodes.items())],
            "text": self.text,
        }

    @property
    def text(self) -> str:
        """The nodes in words."""
        return ", ".join(f"{n} × {o}" for o, n in sorted(self.nodes.items()))


def kind_of(candidate: Candidate) -> Kind:
    """Return what makes replicas of a candidate like others: not their tier, which is routing."""
    shape = candidate.shape
    return (
        candidate.model,
        candidate.role,
        shape.accelerator.name,
        shape.weights,
        shape.kv,
        shape.tp,
        shape.pp,
        shape.ep,
        shape.batch_cap,
        shape.network_gbps if shape.cross_node else 0.0,
    )


def _of_pool(pool: Mapping[str, Any]) -> Kind:
    return (
        pool["model"],
        pool["role"],
        pool["accelerator"],
        pool["weight_precision"],
        pool["kv_precision"],
        pool["tp"],
        pool["pp"],
        pool["ep"],
        pool["batch_cap"],
        pool["cross_node_gbps"],
    )
