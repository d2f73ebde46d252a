"""What is compared: an offer, moved by its price, or a subset, by one factor on its prices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction

from data.offers import Offer
from data.price_steps import PriceStep
from solver.comparison.bench import Bench, Bought

PRICE_STEP = Decimal("1e-12")
"""Prices on the way to a break-even are rounded to this (USD/h), as they must be decimals."""


@dataclass(frozen=True)
class Lever:
    """One offer or several, whose prices move together.

    At level t a fleet that buys the amount a of it costs C + t·a, with C the cost of its other
    purchases. Of one offer t is the price of a node, one for all nodes, and a the nodes; of a
    subset t is a factor on its prices, and a what its nodes cost at the prices as they are.

    Attributes
    ----------
    name
        The id of the offer, or the name of the subset.
    offers
        Its offers by id.
    is_subset
        Whether t is a factor.
    level
        The level of today's prices; that below the first step where the price has steps.
    """

    name: str
    offers: Mapping[str, Offer]
    is_subset: bool
    level: Fraction

    @classmethod
    def of_offer(cls, offer: Offer) -> Lever:
        """Return the lever of one offer: its price."""
        return cls(offer.offer_id, {offer.offer_id: offer}, False, Fraction(offer.hourly_usd))

    @classmethod
    def of_subset(cls, name: str, offers: Mapping[str, Offer]) -> Lever:
        """Return the lever of a subset: one factor on all its prices."""
        return cls(name, offers, True, Fraction(1))

    def amount(self, bought: Bought) -> Fraction:
        """Return the amount a of a fleet."""
        mine = [(o, bought.get(k, 0)) for k, o in self.offers.items()]
        return sum((_paid(o, n) if self.is_subset else Fraction(n) for o, n in mine), Fraction(0))

    def rest_usd(self, bought: Bought, bench: Bench) -> Fraction:
        """Return the cost C of a fleet's other purchases (USD/h)."""
        others = {o: n for o, n in bought.items() if o not in self.offers}
        return sum((_paid(bench.offers[o], n) for o, n in others.items()), Fraction(0))

    def inside(self, bench: Bench) -> tuple[Offer, ...]:
        """Return its offers."""
        return tuple(o for k, o in bench.offers.items() if k in self.offers)

    def outside(self, bench: Bench) -> tuple[Offer, ...]:
        """Return all other offers."""
        return tuple(o for k, o in bench.offers.items() if k not in self.offers)

    def at(self, level: Fraction, bench: Bench) -> tuple[Offer, ...]:
        """Return all offers with its own priced at a level."""
        return tuple(
            self._priced(o, level) if k in self.offers else o for k, o in bench.offers.items()
        )

    def _priced(self, offer: Offer, level: Fraction) -> Offer:
        """Return an offer of its own at a level, nothing of it paid upfront."""
        if not self.is_subset:
            price = _decimal(level)
            return replace(offer, price_per_node_hour_usd=price, upfront_usd=None, price_steps=())
        steps = tuple(
            PriceStep(n, _decimal(level * Fraction(offer.hourly_usd_at(n))))
            for n in (s.from_nodes for s in offer.price_steps)
        )
        price = _decimal(level * Fraction(offer.hourly_usd))
        return replace(offer, price_per_node_hour_usd=price, upfront_usd=None, price_steps=steps)


def _paid(offer: Offer, nodes: int) -> Fraction:
    """Return what so many nodes of an offer cost an hour (USD)."""
    return Fraction(offer.hourly_usd_at(nodes)) * nodes


def _decimal(usd: Fraction) -> Decimal:
    with localcontext(prec=40):
        return (Decimal(usd.numerator) / usd.denominator).quantize(PRICE_STEP)
