"""Fleets of a horizon, what they cost, and how they are read from solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from solver.engines.result import EngineResult, Termination
from solver.fleet import Fleet, read_fleet
from solver.horizon.linked import Linked
from solver.horizon.periods import Period, Start, block_of, block_share
from solver.instance import Instance
from solver.price_tiers import best_tiers


@dataclass(frozen=True)
class OverTime:
    """Fleets of a horizon.

    Attributes
    ----------
    fleets
        One a period; empty if there are none.
    committed
        (offer, term) → nodes committed to.
    kept
        (offer, period) → nodes that stay on though nothing needs them, because to start them
        again would cost more.
    result
        The engine's word: objective and bound are the cost of an average hour (USD/h).
    """

    instance: Instance
    periods: tuple[Period, ...]
    start: Start | None
    fleets: tuple[Fleet, ...]
    committed: Mapping[tuple[int, int], int]
    kept: Mapping[tuple[int, int], int]
    result: EngineResult

    @property
    def committed_usd(self) -> Decimal:
        """What commitments cost in an average hour, used or not."""
        offers = self.instance.offers
        return sum(
            (
                offers[o].hourly_usd * n * _exact(block_share(offers[o], b, self.periods))
                for (o, b), n in self.committed.items()
            ),
            Decimal(0),
        )

    @property
    def flexible_usd(self) -> Decimal:
        """What the other offers cost in an average hour, starts left out."""
        return self._used_usd(committed=False) + self._kept_usd

    @property
    def idle_usd(self) -> Decimal:
        """What is paid in an average hour for nodes while they hold nothing."""
        return self.committed_usd - self._used_usd(committed=True) + self._kept_usd

    @property
    def _kept_usd(self) -> Decimal:
        offers, times = self.instance.offers, self.periods
        return sum(
            (offers[o].hourly_usd * n * _exact(times[t].share) for (o, t), n in self.kept.items()),
            Decimal(0),
        )

    def _used_usd(self, *, committed: bool) -> Decimal:
        offers = self.instance.offers
        return sum(
            (
                offers[o].hourly_usd * n * _exact(p.share)
                for fleet, p in zip(self.fleets, self.periods, strict=True)
                for o, n in fleet.nodes.items()
                if (offers[o].pricing == "committed") is committed
            ),
            Decimal(0),
        )

    @property
    def start_usd(self) -> Decimal:
        """What starting nodes costs in an average hour."""
        if self.start is None:
            return Decimal(0)
        offers, total = self.instance.offers, Decimal(0)
        for t, before in self.start.steps(self.periods):
            hours = _exact(self.start.share_of(self.periods, t))
            for o, n in self.running(t).items():
                grown = n - self.running(before).get(o, 0)
                if offers[o].pricing != "committed" and grown > 0:
                    total += offers[o].hourly_usd * grown * hours
        return total

    def running(self, t: int) -> dict[int, int]:
        """Return the nodes that run in a period: those in use, and those that stay on."""
        found = dict(self.fleets[t].nodes)
        for (o, at), n in self.kept.items():
            if at == t:
                found[o] = found.get(o, 0) + n
        return found

    @property
    def cost_usd(self) -> Decimal:
        """The cost of an average hour of the horizon."""
        return self.committed_usd + self.flexible_usd + self.start_usd


def _exact(share: float) -> Decimal:
    return Decimal(share)


def no_fleets(instance: Instance, times: tuple[Period, ...], start: Start | None) -> OverTime:
    """Return the verdict that some period has no fleet."""
    nothing = EngineResult("highs", Termination.INFEASIBLE, None, np.inf, None, 0.0)
    return OverTime(instance, times, start, (), {}, {}, nothing)


def commitments_of(
    instance: Instance, times: Sequence[Period], fleets: Sequence[Fleet]
) -> dict[tuple[int, int], int]:
    """Return the commitments that fleets of all periods need: (offer, term) → nodes."""
    committed: dict[tuple[int, int], int] = {}
    for fleet, period in zip(fleets, times, strict=True):
        for o, n in fleet.nodes.items():
            offer = instance.offers[o]
            term = block_of(offer, period)
            if term is not None:
                most = max(committed.get((o, term), offer.min_nodes), n)
                committed[o, term] = most
    return committed


def read_linked(
    instance: Instance,
    times: tuple[Period, ...],
    start: Start | None,
    parts: Sequence[Instance],
    linked: Linked,
    result: EngineResult,
) -> OverTime:
    """Read the fleets of a solution, and the commitments that they use."""
    if result.values is None:
        return OverTime(instance, times, start, (), {}, {}, result)
    fleets = tuple(
        read_fleet(part, block, replace(result, values=linked.part(result.values, t)))
        for t, (part, block) in enumerate(zip(parts, linked.blocks, strict=True))
    )
    committed = commitments_of(instance, times, fleets)
    kept = _read_kept(linked, fleets, result.values)
    return OverTime(instance, times, start, fleets, committed, kept, result)


def _read_kept(
    linked: Linked, fleets: Sequence[Fleet], values: NDArray[np.float64]
) -> dict[tuple[int, int], int]:
    """Return what a solution buys beyond the fleets: nodes that stay on without need.

    A fleet holds the nodes that something is on; the rest that the solution counts as in use
    stays on as well.
    """
    if not linked.kept:
        return {}
    found = {}
    for t, fleet in enumerate(fleets):
        bought: dict[int, int] = {}
        for j in linked.blocks[t].find("m"):
            o = linked.blocks[t].key[j][0]
            kept = linked.kept.get((o, t))
            if kept is None:
                continue
            on = values[linked.starts[t] + int(j)] + values[kept]
            bought[o] = round(float(on))
        for (o, at), column in linked.kept.items():
            if at == t:
                bought.setdefault(o, round(float(values[column])))
        target = best_tiers(fleet.instance.offers, bought)
        on_at: dict[int, int] = {}
        for o, n in bought.items():
            on_at[target[o]] = on_at.get(target[o], 0) + n
        for o, n in on_at.items():
            if n > fleet.nodes.get(o, 0):
                found[o, t] = n - fleet.nodes.get(o, 0)
    return found
