"""Branch and bound on commitments: nothing cheaper exists in any box of them.

Once commitments are fixed, periods have nothing in common (starts apart), and each is a small
program. Over a box l ≤ M ≤ u of commitments, any μ_ot ≥ 0 gives the bound

    Σ_k min_{M_k in the box} (P_k − Σ_t μ_ot)·M_k + Σ_t s_t·V_t,

V_t the cheapest fleet of period t where a committed node in use costs μ_ot/s_t and there are u_o
of them: M_ot ≥ m_ot, so that Σ_t μ_ot·M_k ≥ Σ_t μ_ot·m_ot. The duals of the linear relaxation over
the box are good multipliers; where l = u they are zero, and the bound is what the box costs.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from solver.horizon.apart import Answer, Apart
from solver.horizon.commitments import Commitments, Key, Nodes, best_known
from solver.horizon.prices import Multipliers

PART_OF_GAP = 0.5
"""Part of the gap asked for that each period's own program may leave open."""

Worth = Callable[[Nodes, Nodes], Multipliers]
"""What the use of committed nodes is worth over a box (low, high)."""


@dataclass(frozen=True)
class Closed:
    """What branching found: the cost of an average hour, its commitments, and a lower bound."""

    objective_usd: float
    bound_usd: float
    nodes: Nodes


@dataclass(order=True)
class _Box:
    bound_usd: float
    number: int
    low: Nodes = field(compare=False)
    high: Nodes = field(compare=False)
    multipliers: Multipliers = field(compare=False)
    answers: Sequence[Answer | None] = field(compare=False)

    @property
    def is_point(self) -> bool:
        return self.low == self.high


def least_usd(per_node_usd: float, low: int, high: int, min_nodes: int) -> float:
    """Return the least that a commitment of `low` to `high` nodes costs; infinite if none may be.

    Parameters
    ----------
    per_node_usd
        Cost of a node less what its use is charged for; may be negative.
    min_nodes
        Nodes that are committed to at least, if any.
    """
    choices = [] if low > 0 else [0.0]
    first = max(low, min_nodes, 1)
    if first <= high:
        choices += [per_node_usd * first, per_node_usd * high]
    return min(choices, default=np.inf)


class Branching:
    """A search for the cheapest commitments, in boxes of them.

    Parameters
    ----------
    parts
        The period programs, over all candidates that something cheaper may use.
    worth
        Gives multipliers for a box.
    pool
        Known fleets of each period; those that are found are added.
    """

    def __init__(
        self,
        commitments: Commitments,
        parts: Sequence[Apart],
        worth: Worth,
        pool: list[list[Answer]],
        *,
        gap: float,
        left_s: Callable[[], float],
    ) -> None:
        self._commitments = commitments
        self._parts = parts
        self._worth = worth
        self._pool = pool
        self._gap = gap
        self._left_s = left_s
        self._numbers = itertools.count()

    def close(self, known_usd: float, nodes: Nodes, floor_usd: float) -> Closed:
        """Search until the gap is closed or time is up.

        Parameters
        ----------
        known_usd, nodes
            Commitments that are known, and what they cost with the pool's fleets.
        floor_usd
            A bound on all commitments.
        """
        high = self.most()
        keys = self._commitments.keys
        boxes = [self._box(dict.fromkeys(keys, 0), high, None, known_usd)]
        points_usd = np.inf
        while boxes and self._left_s() > 0:
            box = heapq.heappop(boxes)
            if box.bound_usd >= known_usd * (1 - self._gap):
                heapq.heappush(boxes, box)
                break
            if box.is_point:
                points_usd = box.bound_usd
                continue
            chosen = best_known(
                self._commitments, self._pool, box.low, box.high, [nodes, box.low, box.high]
            )[1]
            for low, high in self._split(box, chosen):
                if self._left_s() <= 0:
                    heapq.heappush(boxes, box)
                    break
                target = known_usd * (1 - self._gap)
                child = self._box(low, high, box, target)
                if child.bound_usd >= target:
                    continue
                if child.is_point:
                    self._bound(low, low, {}, np.inf)
                    found = best_known(self._commitments, self._pool, low, low, [low])
                    known_usd, nodes = min((known_usd, nodes), found, key=lambda f: f[0])
                    points_usd = min(points_usd, child.bound_usd)
                else:
                    heapq.heappush(boxes, child)
        passed_by = known_usd * (1 - self._gap)
        lowest = min(passed_by, points_usd, *(b.bound_usd for b in boxes))
        return Closed(known_usd, max(min(lowest, known_usd), floor_usd), nodes)

    def most(self) -> Nodes:
        """Return the most nodes of each commitment that may be of use."""
        keys = self._commitments.keys
        high = {
            k: max(part.most(k[0]) for t, part in enumerate(self._parts) if self._is_in(k, t))
            for k in keys
        }
        for k in keys:
            offer = self._commitments.offers[k[0]]
            most = max(high[k], offer.min_nodes) if high[k] else 0
            high[k] = most if offer.stock is None else min(most, offer.stock)
        return high

    def _is_in(self, key: Key, t: int) -> bool:
        return self._commitments.key_in(key[0], t) == key

    def _box(self, low: Nodes, high: Nodes, parent: _Box | None, target_usd: float) -> _Box:
        """Return a box with its bound, which is sharpened until it reaches the target."""
        floor = parent.bound_usd if parent else 0.0
        commitments, number = self._commitments, next(self._numbers)
        if low == high and not commitments.may_be(low):
            return _Box(np.inf, number, low, high, {}, ())
        if parent:
            floor = max(floor, self._floor_usd(low, high, parent.multipliers))
        if floor >= target_usd:
            return _Box(floor, number, low, high, {}, ())
        multipliers = {} if low == high else self._worth(low, high)
        bound, answers = self._bound(low, high, multipliers, target_usd)
        return _Box(max(bound, floor), number, low, high, multipliers, answers)

    def _fixed_usd(self, low: Nodes, high: Nodes, multipliers: Multipliers) -> float:
        """Return the least that commitments cost beyond what their use is charged."""
        fixed = 0.0
        for k in self._commitments.keys:
            charged = sum(
                multipliers.get((k[0], t), 0.0)
                for t in range(len(self._parts))
                if self._is_in(k, t)
            )
            per_node = self._commitments.price(k) - charged
            fixed += least_usd(per_node, low[k], high[k], self._commitments.offers[k[0]].min_nodes)
        return fixed

    def _floors(self, high: Nodes, multipliers: Multipliers) -> NDArray[np.float64]:
        """Return what is known of each period, in USD an hour of the horizon."""
        found = []
        for t, period in enumerate(self._commitments.periods):
            there = self._commitments.available(high, t)
            floor = self._parts[t].floor_usd(self._charges(multipliers, t), there)
            found.append(period.share * floor)
        return np.array(found)

    def _floor_usd(self, low: Nodes, high: Nodes, multipliers: Multipliers) -> float:
        floors = self._floors(high, multipliers)
        return self._fixed_usd(low, high, multipliers) + float(floors.sum())

    def _charges(self, multipliers: Multipliers, t: int) -> dict[int, float]:
        share = self._commitments.periods[t].share
        return {o: usd / share for (o, at), usd in multipliers.items() if at == t}

    def _bound(
        self, low: Nodes, high: Nodes, multipliers: Multipliers, target_usd: float
    ) -> tuple[float, list[Answer | None]]:
        """Return a bound on a box, and the periods that were solved for it."""
        fixed = self._fixed_usd(low, high, multipliers)
        answers: list[Answer | None] = [None] * len(self._parts)
        if not np.isfinite(fixed):
            return np.inf, answers
        floors = self._floors(high, multipliers)
        shares = [p.share for p in self._commitments.periods]
        for t in sorted(range(len(shares)), key=lambda t: -shares[t]):
            if fixed + floors.sum() >= target_usd:
                break
            answers[t] = answer = self._solve(t, multipliers, high)
            floors[t] = max(floors[t], shares[t] * answer.bound_usd)
        return fixed + float(floors.sum()), answers

    def _solve(self, t: int, multipliers: Multipliers, nodes: Mapping[Key, int]) -> Answer:
        """Solve a period; the fleet that is found joins the pool."""
        answer = self._parts[t].solve(
            self._charges(multipliers, t),
            self._commitments.available(nodes, t),
            gap=self._gap * PART_OF_GAP,
            time_limit_s=max(self._left_s(), 0.1),
        )
        if answer.source is not None and not any(answer is known for known in self._pool[t]):
            self._pool[t].append(answer)
        return answer

    def improve(self, low: Nodes, high: Nodes) -> tuple[float, Nodes]:
        """Return good commitments in a box and what they cost.

        Fleets are solved where use is charged what it is worth, for no commitments, for the best
        commitments known until these stay the best, and then for one node more and one less of
        each, as long as that is cheaper.
        """
        answers = self._bound(low, high, self._worth(low, high), np.inf)[1]
        used = {
            k: max(
                a.committed.get(k[0], 0) if a is not None and self._is_in(k, t) else 0
                for t, a in enumerate(answers)
            )
            for k in low
        }
        tried: list[Nodes] = []
        waiting = [low, self._allowed(used, low, high)]
        while waiting and self._left_s() > 0:
            chosen = waiting.pop(0)
            if chosen not in tried:
                self._bound(chosen, chosen, {}, np.inf)
                tried.append(chosen)
            if not waiting:
                best = best_known(self._commitments, self._pool, low, high, [*tried, high])[1]
                around = [best, *self._beside(best, low, high)]
                waiting = [n for n in around if n not in tried][:1]
        return best_known(self._commitments, self._pool, low, high, [*tried, high])

    def _allowed(self, nodes: Nodes, low: Nodes, high: Nodes) -> Nodes:
        """Return commitments moved into a box, and up to the minimum that is sold."""
        least = {k: self._commitments.offers[k[0]].min_nodes for k in nodes}
        sold = {k: n if n == 0 else max(n, least[k]) for k, n in nodes.items()}
        found = {k: min(max(n, low[k]), high[k]) for k, n in sold.items()}
        return found if self._commitments.may_be(found) else low

    def _beside(self, nodes: Nodes, low: Nodes, high: Nodes) -> Iterator[Nodes]:
        """Yield the commitments next to some: one offer's nodes more or less by one step."""
        for k in sorted(nodes, key=lambda k: -nodes[k]):
            least = self._commitments.offers[k[0]].min_nodes
            down = nodes[k] - 1 if nodes[k] - 1 >= least else 0
            for n in (down, max(nodes[k] + 1, least)):
                if n != nodes[k] and low[k] <= n <= high[k]:
                    other = {**nodes, k: n}
                    if self._commitments.may_be(other):
                        yield other

    def _split(self, box: _Box, nodes: Nodes) -> list[tuple[Nodes, Nodes]]:
        """Cut a box below, at and above the commitment that the bound errs on most."""
        wide = [k for k in self._commitments.keys if box.low[k] < box.high[k]]
        worst = max(wide, key=lambda k: (self._error_usd(box, nodes, k), box.high[k] - box.low[k]))
        at = nodes[worst]
        cuts = [(box.low[worst], at - 1), (at, at), (at + 1, box.high[worst])]
        return [
            ({**box.low, worst: low}, {**box.high, worst: high})
            for low, high in cuts
            if low <= high
        ]

    def _error_usd(self, box: _Box, nodes: Nodes, key: Key) -> float:
        """Return how much more a commitment costs than the bound of a box counts for it."""
        o, charged, error = key[0], 0.0, 0.0
        for t, answer in enumerate(box.answers):
            if answer is not None and self._is_in(key, t):
                usd = box.multipliers.get((o, t), 0.0)
                charged += usd
                error += usd * abs(nodes[key] - answer.committed.get(o, 0))
        per_node = self._commitments.price(key) - charged
        least = self._commitments.offers[o].min_nodes
        return (
            error + per_node * nodes[key] - least_usd(per_node, box.low[key], box.high[key], least)
        )
