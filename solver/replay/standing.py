"""A fleet that stands: nodes of offers, and the pools on them, whatever it was found by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from solver.candidates import Candidate
from solver.fleet import Fleet

Configuration = tuple[object, ...]
"""What tells a pool's configuration from all others, wherever it runs."""

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
        Configuration → replicas.
    """

    nodes: Mapping[str, int]
    pools: Mapping[Configuration, int]

    @classmethod
    def of_plan(cls, document: Mapping[str, Any]) -> Standing:
        """Return the fleet of a plan document."""
        nodes: Counter[str] = Counter()
        pools: Counter[Configuration] = Counter()
        for bought in document["purchases"]:
            nodes[bought["offer_id"]] += bought["nodes"]
        for pool in document["pools"]:
            pools[_of_pool(pool)] += pool["replicas"]
        return cls(dict(nodes), dict(pools))

    @classmethod
    def of_fleet(cls, fleet: Fleet) -> Standing:
        """Return a fleet as it was read from a program."""
        nodes: Counter[str] = Counter()
        for o, n in fleet.nodes.items():
            nodes[fleet.instance.offers[o].offer_id] += n
        pools = {
            _of_candidate(fleet.instance.candidates[c], fleet.instance.class_names): n
            for c, n in fleet.replicas.items()
        }
        return cls(dict(nodes), pools)

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


def _of_candidate(candidate: Candidate, class_names: tuple[str, ...]) -> Configuration:
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
        shape.cross_node,
        shape.batch_cap,
        tuple(class_names[w] for w in candidate.classes),
        candidate.location,
    )


def _of_pool(pool: Mapping[str, Any]) -> Configuration:
    apart = pool["role"] != "aggregated"
    return (
        pool["model"],
        pool["role"],
        pool["accelerator"],
        pool["weight_precision"],
        pool["kv_precision"],
        pool["tp"],
        pool["pp"],
        pool["ep"],
        pool["cross_node"],
        pool["batch_cap"],
        tuple(pool["tier"]),
        (pool["provider"], pool["region"]) if apart else None,
    )
