"""Solving a horizon: a fleet for each period, and the commitments under them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solver.engines.highs import row_duals, solve_highs
from solver.engines.result import EngineResult, Termination
from solver.fleet import cheapest_fleet
from solver.horizon.apart import Answer, Apart, Source, answer_of
from solver.horizon.branching import PART_OF_GAP, Branching, Closed, Worth
from solver.horizon.commitments import Commitments, Nodes, best_known
from solver.horizon.linked import Linked, link
from solver.horizon.over_time import OverTime, commitments_of, no_fleets, read_linked
from solver.horizon.periods import Period, Start, block_of, block_share
from solver.horizon.prices import priced
from solver.instance import Instance
from solver.screening import fractional_prices, nearly_cheapest, within_reach

NEARLY = 0.99
"""Part of the gap that the search may use up; the rest is for rounding in sums over periods."""

ROUNDING = 1e-12
"""Gap that is none: sums over periods are rounded."""

FIRST_SHARE = 0.25
"""Share of the time left that the search among promising candidates may take."""


AS_ONE = 4
"""Periods up to which these are solved as one program."""

FEW = 150
"""Candidates of a period up to which its program is compiled once and solved whole."""


@dataclass
class _Search:
    """A horizon, with what is known of each period apart.

    Attributes
    ----------
    charged
        The periods, where committed nodes cost what their use is worth.
    floors
        Least cost of each of them, shape (periods,).
    worth
        Gives multipliers for a box of commitments.
    pool
        Known fleets of each period.
    """

    instance: Instance
    times: tuple[Period, ...]
    charged: Sequence[Instance]
    floors: NDArray[np.float64]
    worth: Worth
    pool: list[list[Answer]]
    gap: float

    @property
    def floor_usd(self) -> float:
        """Lower bound on the cost of an average hour."""
        return float(sum(p.share * f for p, f in zip(self.times, self.floors, strict=True)))

    def near(self, few: Sequence[Instance], used: set[int], left_s: Callable[[], float]) -> Closed:
        """Return good commitments of the promising candidates; the bound holds for all."""
        commitments = Commitments.of(self.instance.offers, self.times, used)
        branching = self._branching(commitments, few, left_s, few=True)
        low, most = dict.fromkeys(commitments.keys, 0), branching.most()
        known, nodes = best_known(commitments, self.pool, low, most, [low, most])
        if known - self.floor_usd <= self.gap * known:
            return Closed(known, min(self.floor_usd, known), nodes)
        known, nodes = branching.improve(low, most)
        return Closed(known, min(self.floor_usd, known), nodes)

    def ask_each(self, left_s: Callable[[], float]) -> bool:
        """Bound every period apart, over all candidates; return whether each may have a fleet."""
        for t, i in enumerate(self.charged):
            limit = max(left_s() * (1 - FIRST_SHARE) / (len(self.times) - t), 0.1)
            solved = cheapest_fleet(i, gap=self.gap * PART_OF_GAP, time_limit_s=limit)
            if solved.result.termination is Termination.INFEASIBLE:
                return False
            self.floors[t] = max(solved.result.bound, 0.0)
            if solved.fleet is not None and solved.program is not None:
                source = Source(solved.fleet.instance, solved.program, solved.result)
                self.pool[t].append(answer_of(source, self.instance.offers))
        return True

    def whole(self, found: Closed, left_s: Callable[[], float]) -> Closed:
        """Search over all candidates that something cheaper may use."""
        known = found.objective_usd
        if known - found.bound_usd <= self.gap * known or left_s() <= 0:
            return found
        rest = self.within_reach(known)
        if len(rest) <= AS_ONE:
            return self._as_one(found, rest, left_s)
        offers = _committed_in(self.charged)
        commitments = Commitments.of(self.instance.offers, self.times, offers)
        nodes = {k: found.nodes.get(k, 0) for k in commitments.keys}
        small = max(len(i.candidates) for i in rest) <= FEW
        parts = rest if small else self.charged
        branching = self._branching(commitments, parts, left_s, few=small)
        return branching.close(known, nodes, self.floor_usd)

    def _as_one(
        self, found: Closed, rest: Sequence[Instance], left_s: Callable[[], float]
    ) -> Closed:
        """Solve all periods as one program."""
        linked = link(rest, self.times, self.instance.offers)
        result = solve_highs(linked.program, gap=self.gap, time_limit_s=max(left_s(), 0.1))
        known, nodes = found.objective_usd, found.nodes
        if result.values is not None and result.objective is not None and result.objective < known:
            known = result.objective
            nodes = {
                key: round(float(result.values[column]))
                for key, column in linked.commitments.items()
            }
            for t, (part, block) in enumerate(zip(rest, linked.blocks, strict=True)):
                own = replace(result, values=linked.part(result.values, t))
                self.pool[t].append(answer_of(Source(part, block, own), self.instance.offers))
        bound = min(max(result.bound, self.floor_usd), known)
        return Closed(known, bound, nodes)

    def _branching(
        self,
        commitments: Commitments,
        parts: Sequence[Instance],
        left_s: Callable[[], float],
        *,
        few: bool,
    ) -> Branching:
        programs = [Apart(i, few=few) for i in parts]
        return Branching(commitments, programs, self.worth, self.pool, gap=self.gap, left_s=left_s)

    def within_reach(self, known_usd: float) -> list[Instance]:
        """Return the periods with the candidates that a horizon of at most a cost can use."""
        if not np.isfinite(known_usd):
            return [i.rated() for i in self.charged]
        room = known_usd - self.floor_usd
        return [
            within_reach(i, room / period.share + floor)[0]
            for i, period, floor in zip(self.charged, self.times, self.floors, strict=True)
        ]

    def fleets(self, nodes: Nodes) -> list[Answer] | None:
        """Return the cheapest known fleets under commitments; None if some period has none."""
        chosen = []
        for t, period in enumerate(self.times):
            fits = [
                a
                for a in self.pool[t]
                if all(
                    n <= nodes.get((o, block_of(self.instance.offers[o], period) or 0), 0)
                    for o, n in a.committed.items()
                )
            ]
            if not fits:
                return None
            chosen.append(min(fits, key=lambda a: a.flexible_usd))
        return chosen

    def read(self, found: Closed) -> OverTime:
        """Return the fleets of what was found."""
        answers = self.fleets(found.nodes)
        if answers is None:
            result = EngineResult("highs", Termination.LIMIT, None, found.bound_usd, None, 0.0)
            return OverTime(self.instance, self.times, None, (), {}, {}, result)
        fleets = tuple(a.fleet for a in answers)
        committed = commitments_of(self.instance, self.times, fleets)
        result = EngineResult(
            "highs", Termination.LIMIT, found.objective_usd, found.bound_usd, None, 0.0
        )
        result = _closed(result, self.gap)
        return OverTime(self.instance, self.times, None, fleets, committed, {}, result)

    def with_starts(
        self,
        found: Closed,
        few: Sequence[Instance],
        start: Start,
        left_s: Callable[[], float],
    ) -> OverTime:
        """Solve the whole as one program; what was found without the cost of starts is a bound."""
        answers = self.fleets(found.nodes) or []
        few = _with_candidates(few, [a.source for a in answers if a.source is not None])
        offers, gap = self.instance.offers, self.gap
        linked = link(few, self.times, offers, start=start)
        first = solve_highs(linked.program, gap=gap, time_limit_s=max(left_s() / 2, 0.1))
        first = _closed(replace(first, bound=min(found.bound_usd, first.objective or np.inf)), gap)
        if first.termination is Termination.GAP_CLOSED or left_s() <= 0:
            return read_linked(self.instance, self.times, start, few, linked, first)
        rest = self.within_reach(np.inf if first.objective is None else first.objective)
        whole = link(rest, self.times, offers, start=start)
        last = solve_highs(whole.program, gap=gap, time_limit_s=max(left_s(), 0.1))
        bound = max(last.bound, found.bound_usd)
        if first.objective is not None and (last.objective or np.inf) > first.objective:
            first = _closed(replace(first, bound=min(bound, first.objective)), gap)
            return read_linked(self.instance, self.times, start, few, linked, first)
        last = _closed(replace(last, bound=bound), gap)
        return read_linked(self.instance, self.times, start, rest, whole, last)


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
    be part of something cheaper. Over those, `solver.horizon.branching` closes the gap. Where
    starting nodes costs something, periods have more in common than commitments: what is found
    without that cost is a bound, and the whole is solved as one program.

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
        return max(time_limit_s - (time.monotonic() - begin), 0.0)

    times = tuple(periods)
    alike = priced(instance, times)
    if not screen:
        rated = instance.rated()
        whole = [replace(i, candidates=rated.candidates) for i in alike]
        linked = link(whole, times, instance.offers, start=start)
        result = solve_highs(linked.program, gap=gap, time_limit_s=left())
        return read_linked(instance, times, start, whole, linked, result)
    few = _promising(instance, alike)
    if few is None:
        return no_fleets(instance, times, start)
    first = link(few, times, instance.offers)
    search = _Search(
        instance,
        times,
        priced(instance, times, _worth(first)),
        np.zeros(len(times)),
        _worth_in(first, instance, times),
        [[] for _ in times],
        gap * NEARLY,
    )
    used = {o for o, _ in first.commitments}
    if not search.ask_each(left):
        return no_fleets(instance, times, start)
    few = _with_candidates(few, [a.source for fleets in search.pool for a in fleets if a.source])
    found = search.near(few, used, _part_of(left, FIRST_SHARE))
    if start is None:
        found = search.whole(found, left)
        return search.read(found)
    found = search.whole(found, _part_of(left, FIRST_SHARE))
    return search.with_starts(found, few, start, left)


def _part_of(left_s: Callable[[], float], share: float) -> Callable[[], float]:
    """Return the seconds left of a share of the time that is left now."""
    until = left_s() * (1 - share)
    return lambda: left_s() - until


def _closed(result: EngineResult, gap: float) -> EngineResult:
    """Say whether the gap to the bound is closed: an engine means that of its own program."""
    closed = result.objective is not None and result.gap <= gap + ROUNDING
    return replace(result, termination=Termination.GAP_CLOSED if closed else Termination.LIMIT)


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
    for offer in instance.offers:
        # What a commitment is worth is known only with the candidates that would use it.
        if offer.pricing == "committed":
            alone = fractional_prices(replace(instance, offers=(offer,)).keep())
            if np.isfinite(alone.class_usd).any():
                near |= np.isfinite(alone.share_usd) & nearly_cheapest(alone, 0.02)
    kept = np.asarray(near.any(axis=0))
    chosen = instance.keep(kept).rated(near[:, kept].T).candidates
    return [replace(i, candidates=chosen) for i in alike]


def _with_candidates(few: Sequence[Instance], sources: Sequence[Source]) -> list[Instance]:
    """Return the periods with the candidates that solutions use as well."""
    chosen = {c.key: c for c in few[0].candidates}
    for source in sources:
        values = source.result.values
        assert values is not None
        for j in source.program.find("n"):
            if values[j] > 0.5:
                found = source.instance.candidates[source.program.key[j][0]]
                chosen.setdefault(found.key, found)
    return [replace(i, candidates=tuple(chosen.values()), ceilings=None) for i in few]


def _committed_in(instances: Sequence[Instance]) -> set[int]:
    """Return the committed offers that some candidate can be on."""
    return {
        o
        for i in instances
        for key in i.hosts
        for o in i.hosts[key][1]
        if i.offers[o].pricing == "committed"
    }


def _worth(linked: Linked) -> dict[tuple[int, int], float]:
    """Return what the use of a committed node is worth in each period, from the relaxation."""
    program = linked.program
    duals = row_duals(replace(program, integer=np.zeros(program.columns, dtype=bool)))
    if duals is None:
        return {}
    return {key: max(float(-duals[row]), 0.0) for key, row in linked.uses.items()}


def _worth_in(linked: Linked, instance: Instance, times: Sequence[Period]) -> Worth:
    """Return what gives the worth of committed nodes over a box of commitments.

    What the relaxation says nothing of is worth its price, alike in every hour of its term.
    """

    def worth(low: Nodes, high: Nodes) -> dict[tuple[int, int], float]:
        col_low, col_high = linked.program.col_low.copy(), linked.program.col_high.copy()
        for key, column in linked.commitments.items():
            col_low[column] = min(low[key], col_high[column])
            col_high[column] = max(min(high[key], col_high[column]), col_low[column])
        boxed = replace(linked, program=replace(linked.program, col_low=col_low, col_high=col_high))
        found = _worth(boxed)
        for (o, term), most in high.items():
            offer = instance.offers[o]
            inside = [t for t, p in enumerate(times) if block_of(offer, p) == term]
            total = sum(found.get((o, t), 0.0) for t in inside)
            due = float(offer.hourly_usd) * block_share(offer, term, times)
            if low[o, term] == 0 and most and total < due:
                for t in inside:
                    even = times[t].share * float(offer.hourly_usd)
                    found[o, t] = found.get((o, t), 0.0) * due / total if total else even
        return found

    return worth
