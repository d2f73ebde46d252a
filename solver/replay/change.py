"""What it costs to change one fleet into another: one rule for policies, baselines and program."""

from __future__ import annotations

from dataclasses import dataclass

from solver.replay.standing import Prices, Standing


@dataclass(frozen=True)
class ChangeCost:
    """What changes cost.

    Attributes
    ----------
    overlap_h
        Hours that nodes which leave are still paid for.
    usd_per_pool
        Fixed cost of a pool that comes, goes or changes its replicas (USD).
    """

    overlap_h: float
    usd_per_pool: float

    def usd(self, before: Standing, after: Standing, prices: Prices) -> float:
        """Return overlap_h·Σ_o p_o·leaving_o + F·changed pools (USD).

        Parameters
        ----------
        prices
            Of the day; of an offer that is withdrawn, the last one.
        """
        leaving = sum(
            float(prices[o]) * max(n - after.nodes.get(o, 0), 0) for o, n in before.nodes.items()
        )
        return self.overlap_h * leaving + self.usd_per_pool * changed_pools(before, after)


def changed_pools(before: Standing, after: Standing) -> int:
    """Return how many pools come, go or change their replicas."""
    names = before.pools.keys() | after.pools.keys()
    return sum(before.pools.get(n, 0) != after.pools.get(n, 0) for n in names)
