"""The best way through known fleets: which of them runs in each stretch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from solver.replay.change import ChangeCost
from solver.replay.path import PricePath
from solver.replay.standing import Standing


def best_known(
    path: PricePath, change: ChangeCost, fleets: Sequence[Standing]
) -> tuple[float, tuple[Standing, ...]]:
    """Return the cheapest sequence of known fleets, one a stretch, and what it costs (USD).

    A shortest path: V_t(f) = hours_t·cost_t(f) + min_g V_t−1(g) + change(g, f). The cost is
    infinite if in some stretch none of the fleets can be had.
    """
    best = [0.0] * len(fleets)
    came_from: list[list[int]] = []
    for t, prices in enumerate(path.prices):
        reached, steps = [], []
        for f, fleet in enumerate(fleets):
            if not fleet.holds_in(prices):
                reached.append(math.inf)
                steps.append(f)
                continue
            if t == 0:
                start, before = 0.0, f
            else:
                ways = [
                    (best[g] + change.usd(other, fleet, path.last_prices[t]), g)
                    for g, other in enumerate(fleets)
                    if math.isfinite(best[g])
                ]
                start, before = min(ways, default=(math.inf, f))
            reached.append(start + path.hours(t) * float(fleet.usd_per_hour(prices)))
            steps.append(before)
        best = reached
        came_from.append(steps)
    usd, f = min((usd, f) for f, usd in enumerate(best))
    sequence = []
    for steps in reversed(came_from):
        sequence.append(fleets[f])
        f = steps[f]
    return usd, tuple(reversed(sequence))


def sequence_usd(path: PricePath, change: ChangeCost, sequence: Sequence[Standing]) -> float:
    """Return what a sequence of fleets, one a stretch, costs with its changes (USD)."""
    total = 0.0
    for t, (fleet, prices) in enumerate(zip(sequence, path.prices, strict=True)):
        total += path.hours(t) * float(fleet.usd_per_hour(prices))
        if t:
            total += change.usd(sequence[t - 1], fleet, path.last_prices[t])
    return total
