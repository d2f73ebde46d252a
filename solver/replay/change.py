"""What it costs to change one fleet into another: one rule for policies, baselines and program."""

from __future__ import annotations

from dataclasses import dataclass

from solver.change import Change
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
        rule = Change(
            pools=before.pools,
            nodes=before.nodes,
            sunk={},
            price_usd={o: float(prices[o]) for o in before.nodes},
            payback_h=1.0,  # over which the program would spread it; of no matter here
            overlap_h=self.overlap_h,
            pool_usd=self.usd_per_pool,
        )
        return rule.bill(after.pools, after.nodes).total_usd
