"""Solving a horizon: a fleet for each period, and the commitments under them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from solver.engines.highs import row_duals, solve_highs
from solver.engines.result import EngineResult, Termination
from solver.fleet import Fleet, cheapest_fleet, read_fleet
from solver.horizon.linked import Linked, link
from solver.horizon.periods import Period, Start, block_of, block_share
from solver.horizon.prices import priced
from solver.instance import Instance
from solver.price_tiers import best_tiers
from solver.screening import fractional_prices, nearly_cheapest, within_reach

FIRST_GAP = 5e-3
"""Gap at which the first fleets are good enough to screen with."""

FIRST_SHARE = 0.2
"""Share of the time limit that the first fleets may take."""


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
    linked
        The program that was solved last.
    """

    instance: Instance
    periods: tuple[Period, ...]
    start: Start | None
    fleets: tuple[Fleet, ...]
    committed: Mapping[tuple[int, int], int]
    kept: Mapping[tuple[int, int], int]
    result: EngineResult
    linked: Linked | None

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


def cheapest_over_time(
    instance: Instance,
    periods: Sequence[Period],
    *,
    gap: float,
    time_limit_s: float,
    start: Start | None = None,
    screen: bool = True,
) -> OverTime:
    """Return the cheapest commitments and fleets of a horizon.

    First fleets come from the candidates that are nearly the cheapest in some period. Their
    duals say what a commitment is worth in each period (`solver.horizon.prices`), which bounds
    the cost of every period apart; a candidate stays in a period only where a fleet with it may
    be part of something cheaper. What remains is solved to the gap as one program.

    Parameters
    ----------
    gap
        Relative gap to close.
    time_limit_s
        Wall seconds for everything.
    screen
        If False, the whole program is solved at once (to test that screening changes nothing).
    """
    begin = time.monotonic()

    def left() -> float:
        return max(time_limit_s - (time.monotonic() - begin), 0.1)

    times = tuple(periods)
    alike = priced(instance, times)
    if not screen:
        rated = instance.rated()
        whole = [replace(i, candidates=rated.candidates) for i in alike]
        linked = link(whole, times, instance.offers, start=start)
        result = solve_highs(linked.program, gap=gap, time_limit_s=left())
        return _read(instance, times, start, whole, linked, result)
    few = _promising(instance, alike)
    if few is None:
        return _none(instance, times, start)
    first = link(few, times, instance.offers, start=start)
    first_result = solve_highs(
        first.program, gap=max(gap, FIRST_GAP), time_limit_s=time_limit_s * FIRST_SHARE
    )
    charged = priced(instance, times, _worth(first))
    bounds = []
    for i in charged:
        solved = cheapest_fleet(i, gap=gap, time_limit_s=left())
        if solved.result.termination is Termination.INFEASIBLE:
            return _none(instance, times, start)
        bounds.append(solved.result.bound)
    shares = np.array([p.share for p in times])
    floor = float(shares @ np.array(bounds))
    known = first_result.objective
    if known is not None and known - floor <= gap * known:
        best = replace(first_result, bound=floor, termination=Termination.GAP_CLOSED)
        return _read(instance, times, start, few, first, best)
    rest = []
    for i, share, bound in zip(charged, shares, bounds, strict=True):
        if known is None:
            rest.append(i.rated())
        else:
            rest.append(within_reach(i, (known - floor) / share + bound)[0])
    last = link(rest, times, instance.offers, start=start)
    result = solve_highs(last.program, gap=gap, time_limit_s=left())
    if known is not None and (result.objective is None or known < result.objective):
        bound = min(max(result.bound, floor), known)
        best = _closed(replace(first_result, bound=bound), gap)
        return _read(instance, times, start, few, first, best)
    result = _closed(replace(result, bound=max(result.bound, floor)), gap)
    return _read(instance, times, start, rest, last, result)


def _closed(result: EngineResult, gap: float) -> EngineResult:
    """Say that the gap is closed where it is."""
    if result.objective is not None and result.gap <= gap:
        return replace(result, termination=Termination.GAP_CLOSED)
    return result


def _promising(instance: Instance, alike: Sequence[Instance]) -> list[Instance] | None:
    """Return the periods with candidates nearly the cheapest in some period; None if one has none.

    The peak may be cheapest on other offers than the base, so that they are looked at alone too.
    """
    near = np.zeros((len(instance.class_names), len(instance.candidates)), dtype=bool)
    flexible = tuple(o for o in instance.offers if o.pricing != "committed")
    for i in alike:
        prices = fractional_prices(i)
        if not np.isfinite(prices.class_usd).all():
            return None
        near |= nearly_cheapest(prices)
        near |= nearly_cheapest(fractional_prices(replace(i, offers=flexible).keep()))
    kept = np.asarray(near.any(axis=0))
    chosen = instance.keep(kept).rated(near[:, kept].T).candidates
    return [replace(i, candidates=chosen) for i in alike]


def _worth(linked: Linked) -> dict[tuple[int, int], float]:
    """Return what the use of a committed node is worth in each period, from the relaxation."""
    program = linked.program
    duals = row_duals(replace(program, integer=np.zeros(program.columns, dtype=bool)))
    if duals is None:
        return {}
    return {key: float(-duals[row]) for key, row in linked.uses.items()}


def _none(instance: Instance, times: tuple[Period, ...], start: Start | None) -> OverTime:
    nothing = EngineResult("highs", Termination.INFEASIBLE, None, np.inf, None, 0.0)
    return OverTime(instance, times, start, (), {}, {}, nothing, None)


def _read(
    instance: Instance,
    times: tuple[Period, ...],
    start: Start | None,
    parts: Sequence[Instance],
    linked: Linked,
    result: EngineResult,
) -> OverTime:
    """Read the fleets of a solution, and the commitments that they use."""
    if result.values is None:
        return OverTime(instance, times, start, (), {}, {}, result, linked)
    fleets = tuple(
        read_fleet(part, block, replace(result, values=linked.part(result.values, t)))
        for t, (part, block) in enumerate(zip(parts, linked.blocks, strict=True))
    )
    committed: dict[tuple[int, int], int] = {}
    for fleet, period in zip(fleets, times, strict=True):
        for o, n in fleet.nodes.items():
            offer = instance.offers[o]
            term = block_of(offer, period)
            if term is not None:
                most = max(committed.get((o, term), offer.min_nodes), n)
                committed[o, term] = most
    kept = _read_kept(linked, fleets, result.values)
    return OverTime(instance, times, start, fleets, committed, kept, result, linked)


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
