"""Periods: stretches of the horizon in which the load is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from data.offers import Offer


@dataclass(frozen=True)
class Period:
    """Hours of the horizon that one fleet serves.

    Attributes
    ----------
    month
        Month of the horizon, from 0.
    factor
        What the rates of all classes are multiplied by.
    share
        Share of the horizon's hours; those of all periods sum to 1.
    """

    month: int
    factor: float
    share: float


def block_of(offer: Offer, period: Period) -> int | None:
    """Return which of its successive terms a period of a committed offer falls in.

    A commitment is renewed, or not, at the end of each term, counted from the first month; one
    without a term lasts for the whole horizon. None for offers that are no commitment.
    """
    if offer.pricing != "committed":
        return None
    return 0 if offer.term_months is None else period.month // offer.term_months


def block_share(offer: Offer, block: int, periods: Sequence[Period]) -> float:
    """Return the share of the horizon's hours that a term of a committed offer covers."""
    return sum(p.share for p in periods if block_of(offer, p) == block)


@dataclass(frozen=True)
class Start:
    """What it costs to start a node.

    Attributes
    ----------
    hours
        Hours that a node is paid for before it serves.
    cycle_hours
        Hours after which the periods of a month come again: 24 for days, 168 for weeks.
    """

    hours: float
    cycle_hours: float

    def steps(self, periods: Sequence[Period]) -> Iterator[tuple[int, int]]:
        """Yield each period with the one before it in the cycle of its month."""
        for month in sorted({p.month for p in periods}):
            cycle = [t for t, p in enumerate(periods) if p.month == month]
            if len(cycle) > 1:
                yield from zip(cycle, [cycle[-1], *cycle[:-1]], strict=True)

    def share_of(self, periods: Sequence[Period], t: int) -> float:
        """Return the hours that one start in a period costs, for each hour of the horizon."""
        month = sum(p.share for p in periods if p.month == periods[t].month)
        return month * self.hours / self.cycle_hours
