"""What one more node of an offer's stock is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from data.offers import Offer
from solver.comparison.bench import Bench, Found

WorthReason = Literal["exact", "unlimited", "makes_possible", "no_fleet", "not_proven"]


@dataclass(frozen=True)
class Worth:
    """What a node is worth, or why that is no figure.

    Attributes
    ----------
    usd_per_hour
        V(stock) − V(stock + 1), V the cost of the joint optimum; None unless `reason` is ``exact``
        or ``unlimited``.
    reason
        ``unlimited``: there is no limit to relax, so 0. ``makes_possible``: without the node there
        is no fleet, with it there is one. ``no_fleet``: there is none either way.
        ``not_proven``: a program hit its time limit.
    """

    usd_per_hour: Fraction | None
    reason: WorthReason


def next_node_worth(bench: Bench, offer: Offer, joint: Found) -> Worth:
    """Return what one more node of stock saves an hour.

    Parameters
    ----------
    joint
        The cheapest fleet of all offers as they are.
    """
    if offer.stock is None:
        return Worth(Fraction(0), "unlimited")
    if not joint.proven:
        return Worth(None, "not_proven")
    possible = joint.cost_usd is not None and bench.affordable(joint.cost_usd)
    more = [
        replace(o, stock=(o.stock or 0) + 1) if o.offer_id == offer.offer_id else o
        for o in bench.offers.values()
    ]
    answer = bench.solve(more, below_usd=joint.cost_usd)
    if not answer.proven:
        return Worth(None, "not_proven")
    if possible:
        assert joint.cost_usd is not None
        less = joint.cost_usd if answer.cost_usd is None else min(answer.cost_usd, joint.cost_usd)
        return Worth(joint.cost_usd - less, "exact")
    found = answer.cost_usd is not None and bench.affordable(answer.cost_usd)
    return Worth(None, "makes_possible" if found else "no_fleet")
