"""What to commit to, given fleets of each period that are already known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from data.offers import Offer
from solver.horizon.apart import Answer
from solver.horizon.periods import Period, block_of, block_share
from solver.price_tiers import alike

Key = tuple[int, int]
"""(offer, which of its successive terms)."""

Nodes = dict[Key, int]


@dataclass(frozen=True)
class Commitments:
    """The commitments that may be made, and what they cost in an average hour."""

    offers: tuple[Offer, ...]
    periods: tuple[Period, ...]
    keys: tuple[Key, ...]

    @classmethod
    def of(cls, offers: Sequence[Offer], periods: Sequence[Period], used: set[int]) -> Commitments:
        """Return the commitments to the offers `used` (by position), in each of their terms."""
        keys = sorted(
            {
                (o, term)
                for o in used
                for term in {block_of(offers[o], p) for p in periods}
                if term is not None
            }
        )
        return cls(tuple(offers), tuple(periods), tuple(keys))

    def price(self, key: Key) -> float:
        """Return what a committed node costs in an average hour of the horizon."""
        o, term = key
        return float(self.offers[o].hourly_usd) * block_share(self.offers[o], term, self.periods)

    def key_in(self, o: int, t: int) -> Key | None:
        """Return the commitment that an offer's nodes in a period belong to."""
        term = block_of(self.offers[o], self.periods[t])
        return None if term is None else (o, term)

    def available(self, nodes: Mapping[Key, int], t: int) -> dict[int, int]:
        """Return the committed nodes that a period has, by offer."""
        return {o: n for (o, term), n in nodes.items() if self.key_in(o, t) == (o, term)}

    def cost_usd(self, nodes: Mapping[Key, int]) -> float:
        """Return what commitments cost in an average hour."""
        return sum(self.price(key) * n for key, n in nodes.items())

    def may_be(self, nodes: Mapping[Key, int]) -> bool:
        """Return whether minimum purchases and shared stock are kept."""
        for (o, _), n in nodes.items():
            if 0 < n < self.offers[o].min_nodes:
                return False
        for group in alike(self.offers):
            stock = self.offers[group[0]].stock
            for term in {b for o, b in nodes if o in group}:
                if stock is not None and sum(nodes.get((o, term), 0) for o in group) > stock:
                    return False
        return True


Pool = Sequence[Sequence[Answer]]
"""Known fleets of each period."""


def best_known(
    commitments: Commitments, pool: Pool, low: Nodes, high: Nodes, starts: Sequence[Nodes]
) -> tuple[float, Nodes]:
    """Return commitments within a box that are good with known fleets, and what they then cost.

    One commitment after the other is set to the best of the numbers that a known fleet uses,
    from each of the `starts`, until none improves: it finds good ones, not surely the best.
    """
    priced = Priced(commitments, pool)
    best: tuple[float, Nodes] = (np.inf, {})
    for start in starts:
        nodes = {k: int(min(max(start.get(k, 0), low[k]), high[k])) for k in commitments.keys}
        cost = priced.cost_usd(nodes)
        improved = True
        while improved:
            improved = False
            for key in commitments.keys:
                for n in priced.numbers(key, low[key], high[key]):
                    other = {**nodes, key: n}
                    found = priced.cost_usd(other)
                    if found < cost - 1e-12:
                        nodes, cost, improved = other, found, True
        if cost < best[0] or not best[1]:
            best = (cost, nodes)
    return best


class Priced:
    """Known fleets as arrays: what a horizon costs with the cheapest of them that fit."""

    def __init__(self, commitments: Commitments, pool: Pool) -> None:
        self._commitments = commitments
        self._keys = [
            [k for k in commitments.keys if commitments.key_in(k[0], t) == k]
            for t in range(len(pool))
        ]
        self._uses = [
            np.array([[a.committed.get(o, 0) for o, _ in keys] for a in fleets]).reshape(
                len(fleets), len(keys)
            )
            for fleets, keys in zip(pool, self._keys, strict=True)
        ]
        self._usd = [
            period.share * np.array([a.flexible_usd for a in fleets])
            for fleets, period in zip(pool, commitments.periods, strict=True)
        ]

    def numbers(self, key: Key, low: int, high: int) -> Iterator[int]:
        """Yield the numbers of nodes worth committing to: what some known fleet uses."""
        found = {low, high}
        for keys, uses in zip(self._keys, self._uses, strict=True):
            if key in keys:
                found |= set(uses[:, keys.index(key)].tolist())
        least = self._commitments.offers[key[0]].min_nodes
        found = {n if n == 0 else max(n, least) for n in found}
        yield from sorted(n for n in found if low <= n <= high)

    def cost_usd(self, nodes: Mapping[Key, int]) -> float:
        """Return the cost of an average hour; infinite where no known fleet fits."""
        if not self._commitments.may_be(nodes):
            return np.inf
        total = self._commitments.cost_usd(nodes)
        for keys, uses, usd in zip(self._keys, self._uses, self._usd, strict=True):
            fits = (uses <= np.array([nodes[k] for k in keys])).all(axis=1)
            total += float(usd[fits].min(initial=np.inf))
        return total
