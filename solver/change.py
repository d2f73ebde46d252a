"""The change from a running fleet: what is running, and what it costs to run something else.

During the overlap both fleets run: the nodes that arrive are part of the new fleet and are paid as
such from the first hour, so what the change costs beside is that the nodes that leave are paid for
`overlap_h` longer. Over H hours from the decision on, the old fleet costs H·C̄, a new one
H·C + overlap_h·Σ_o p_o·(nodes of o that leave) + F·(pools changed). Divided by H that is the
objective here, so its optimum differs from the running fleet only if what is saved in H hours is
more than what the change costs: it pays back within H.

Commitments are take-or-pay: as many nodes of an offer as are sunk are paid for whatever runs. To
leave them saves nothing (i_o charges them while idle), and costs no overlap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from solver.candidates import Candidate

Kind = tuple[Any, ...]
"""What makes replicas alike: model, role and configuration, whatever classes are sent to them."""

PoolKey = tuple[Kind, str]
"""A kind on an offer (by id): a pool."""


def kind_of(candidate: Candidate) -> Kind:
    """Return what makes replicas of a candidate like others: not their tier, which is routing."""
    return candidate.model, candidate.role, candidate.shape


@dataclass(frozen=True)
class WorthRules:
    """Rules of a policy that a fleet must keep; they are linear once the running cost is known.

    Attributes
    ----------
    most_usd
        Most that a fleet may cost an hour, idle commitments included; None for no rule.
    running_usd
        What the running fleet costs, likewise.
    per_replica_usd
        ρ: what must be saved for each running replica that does not run on; None for no rule.
    """

    most_usd: float | None
    running_usd: float
    per_replica_usd: float | None


@dataclass(frozen=True)
class Bill:
    """What the change to a fleet costs.

    Attributes
    ----------
    leaving
        Offer → nodes that leave and are paid during the overlap; commitments are not among them.
    idle
        Offer → nodes that are committed to and stay idle.
    idle_usd
        What these cost an hour.
    overlap_usd, fixed_usd
        One-time cost of the overlap, and of the pools changed.
    pools_changed
        Pools that appear, disappear or change their number of replicas.
    added, removed
        Replicas that start, and running ones that do not run on.
    payback_h
        H, over which the one-time cost is spread.
    """

    leaving: Mapping[str, int]
    idle: Mapping[str, int]
    idle_usd: float
    overlap_usd: float
    fixed_usd: float
    pools_changed: int
    added: int
    removed: int
    payback_h: float

    @property
    def total_usd(self) -> float:
        """One-time cost of the change."""
        return self.overlap_usd + self.fixed_usd

    @property
    def per_hour_usd(self) -> float:
        """The one-time cost, spread over H."""
        return self.total_usd / self.payback_h


@dataclass(frozen=True)
class Change:
    """What runs now, and what a change from it costs.

    Attributes
    ----------
    pools
        n̄_q: replicas of each running pool.
    nodes
        m̄_o: nodes of each offer (by id) that the running fleet has bought.
    sunk
        S_o: nodes of each offer that are paid for whatever runs; more than m̄_o where some are idle.
    price_usd
        p_o: what a node of these offers costs an hour.
    payback_h, overlap_h, pool_usd
        H, the overlap, and F: the fixed cost of a pool that changes.
    candidates
        Every tier of the running kinds, rated; they are never dropped as dominated.
    rules
        What else a fleet must keep; None for nothing.
    fixed
        Whether nothing may change: the program of the fleet as it is.
    """

    pools: Mapping[PoolKey, int]
    nodes: Mapping[str, int]
    sunk: Mapping[str, int]
    price_usd: Mapping[str, float]
    payback_h: float
    overlap_h: float
    pool_usd: float
    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    rules: WorthRules | None = None
    fixed: bool = False

    @cached_property
    def kinds(self) -> Mapping[Kind, int]:
        """Running kinds, and how many replicas of each run on all offers together."""
        found: dict[Kind, int] = defaultdict(int)
        for (kind, _), replicas in self.pools.items():
            found[kind] += replicas
        return dict(found)

    @cached_property
    def offers(self) -> tuple[str, ...]:
        """Offers that run or are committed to, in a fixed order."""
        return tuple(sorted({*self.nodes, *self.sunk}))

    @cached_property
    def running(self) -> tuple[PoolKey, ...]:
        """The running pools, in a fixed order."""
        return tuple(self.pools)

    def apart(self, candidate: Candidate) -> bool:
        """Whether replicas of a candidate must be told from others that ask the same of a node."""
        return self.pool_usd > 0 or kind_of(candidate) in self.kinds

    def leaving_usd(self, offer: str) -> float:
        """Return e_o: what a node that leaves costs, an hour of H; 0 where all are committed."""
        if self.sunk.get(offer, 0) >= self.nodes.get(offer, 0):
            return 0.0
        return self.price_usd[offer] * self.overlap_h / self.payback_h

    def idle_usd(self, offer: str) -> float:
        """Return i_o: what a committed node costs while idle, beside what leaving charges."""
        if not self.sunk.get(offer, 0):
            return 0.0
        return self.price_usd[offer] - self.leaving_usd(offer)

    @property
    def sunk_usd(self) -> float:
        """What is paid an hour for commitments, whatever runs."""
        return sum(self.price_usd[o] * n for o, n in self.sunk.items())

    def bill(self, pools: Mapping[PoolKey, int], nodes: Mapping[str, int]) -> Bill:
        """Return what the change to a fleet costs.

        Parameters
        ----------
        pools
            Its replicas by kind and offer.
        nodes
            Its nodes by offer.
        """
        leaving, idle = {}, {}
        for o in self.offers:
            stays = max(nodes.get(o, 0), self.sunk.get(o, 0))
            gone = self.nodes.get(o, 0) - stays
            if gone > 0:
                leaving[o] = gone
            unused = self.sunk.get(o, 0) - nodes.get(o, 0)
            if unused > 0:
                idle[o] = unused
        every = {*pools, *self.pools}
        steps = [pools.get(q, 0) - self.pools.get(q, 0) for q in every]
        changed = sum(1 for step in steps if step)
        return Bill(
            leaving=leaving,
            idle=idle,
            idle_usd=sum(self.price_usd[o] * n for o, n in idle.items()),
            overlap_usd=self.overlap_h * sum(self.price_usd[o] * n for o, n in leaving.items()),
            fixed_usd=self.pool_usd * changed,
            pools_changed=changed,
            added=sum(step for step in steps if step > 0),
            removed=-sum(step for step in steps if step < 0),
            payback_h=self.payback_h,
        )

    def without_copies(self, candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
        """Return candidates with those of the running kinds once: as they are held here."""
        own = {c.key for c in self.candidates}
        mine = {id(c) for c in self.candidates}
        return tuple(c for c in candidates if id(c) in mine or c.key not in own)
