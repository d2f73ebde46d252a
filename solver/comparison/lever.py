"""What is compared: an offer, moved by its price, or a subset, by one factor on its prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction

from data.offers import Offer
from solver.comparison.bench import Bench, Bought

PRICE_STEP = Decimal("1e-12")
"""Prices on the way to a break-even are rounded to this (USD/h), as they must be decimals."""


@dataclass(frozen=True)
class Lever:
    """One offer or several, whose prices move together.

    At level t a node of offer o costs t·weight_o an hour. A fleet that buys m_o nodes has the
    amount a = Σ_o weight_o·m_o and costs C + t·a, with C the cost of its other purchases.

    Attributes
    ----------
    name
        The id of the offer, or the name of the subset.
    weights
        Offer id → weight: 1 for a single offer, so that t is its price; the prices as they are
        for a subset, so that t is a factor on them.
    level
        The level of today's prices.
    """

    name: str
    weights: Mapping[str, Fraction]
    level: Fraction

    @classmethod
    def of_offer(cls, offer: Offer) -> Lever:
        """Return the lever of one offer: its price."""
        return cls(offer.offer_id, {offer.offer_id: Fraction(1)}, Fraction(offer.hourly_usd))

    @classmethod
    def of_subset(cls, name: str, offers: Mapping[str, Offer]) -> Lever:
        """Return the lever of a subset: one factor on all its prices."""
        return cls(name, {k: Fraction(o.hourly_usd) for k, o in offers.items()}, Fraction(1))

    def amount(self, bought: Bought) -> Fraction:
        """Return the amount a of a fleet."""
        return sum((w * bought.get(o, 0) for o, w in self.weights.items()), Fraction(0))

    def rest_usd(self, bought: Bought, bench: Bench) -> Fraction:
        """Return the cost C of a fleet's other purchases (USD/h)."""
        others = {o: n for o, n in bought.items() if o not in self.weights}
        return sum(
            (Fraction(bench.offers[o].hourly_usd) * n for o, n in others.items()), Fraction(0)
        )

    def inside(self, bench: Bench) -> tuple[Offer, ...]:
        """Return its offers."""
        return tuple(o for k, o in bench.offers.items() if k in self.weights)

    def outside(self, bench: Bench) -> tuple[Offer, ...]:
        """Return all other offers."""
        return tuple(o for k, o in bench.offers.items() if k not in self.weights)

    def at(self, level: Fraction, bench: Bench) -> tuple[Offer, ...]:
        """Return all offers with its own priced at a level."""
        return tuple(
            _priced(o, level * self.weights[k]) if k in self.weights else o
            for k, o in bench.offers.items()
        )


def _priced(offer: Offer, hourly_usd: Fraction) -> Offer:
    """Return an offer at another price, nothing of it paid upfront."""
    with localcontext(prec=40):
        price = (Decimal(hourly_usd.numerator) / hourly_usd.denominator).quantize(PRICE_STEP)
    return replace(offer, price_per_node_hour_usd=price, upfront_usd=None)
