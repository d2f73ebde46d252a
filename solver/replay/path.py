"""A price path: what every offer costs in each stretch of time between two changes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from data.accelerators import Accelerator
from data.catalog import Catalog
from data.errors import CatalogError, InputError, UnknownNameError
from data.offers import Offer, price_problem
from data.price_changes import PriceChange, PriceChanges
from solver.market import offer_filters
from solver.workload import Hardware

HOURS_PER_DAY = 24

BEFORE = dt.timedelta(days=1)
"""How long before its first change a history begins, where nothing else is asked for: on that day
the opening prices are known to hold."""

AFTER = dt.timedelta(days=30)
"""How long the last prices are taken to hold, where nothing else is asked for."""


@dataclass(frozen=True)
class PricePath:
    """What offers cost over time.

    Attributes
    ----------
    catalog
        Accelerators, and every offer that is on sale at some time.
    dates
        First day of each stretch; the first is the start, the others are changes.
    prices
        For each stretch: offer → price of a node (USD/h); absent while it is not on sale.
    end
        First day that no longer counts.
    """

    catalog: Catalog
    dates: tuple[dt.date, ...]
    prices: tuple[Mapping[str, Decimal], ...]
    end: dt.date

    def __len__(self) -> int:
        return len(self.dates)

    def hours(self, t: int) -> int:
        """Hours of a stretch."""
        until = self.dates[t + 1] if t + 1 < len(self.dates) else self.end
        return (until - self.dates[t]).days * HOURS_PER_DAY

    @property
    def total_hours(self) -> int:
        """Hours of all stretches."""
        return sum(self.hours(t) for t in range(len(self)))

    @cached_property
    def offers(self) -> Mapping[str, Offer]:
        """Every offer by its id."""
        return {o.offer_id: o for o in self.catalog.offers}

    def since(self, t: int) -> PricePath:
        """Return the path from a stretch on."""
        return replace(self, dates=self.dates[t:], prices=self.prices[t:])

    @cached_property
    def last_prices(self) -> tuple[Mapping[str, Decimal], ...]:
        """For each stretch: the price of its day, or the last before, of every offer seen so far.

        What is no longer sold is still paid for while it overlaps with what takes its place.
        """
        found: list[dict[str, Decimal]] = []
        for prices in self.prices:
            found.append({**(found[-1] if found else {}), **prices})
        return tuple(found)

    def on_sale(self, t: int) -> tuple[Offer, ...]:
        """Return the offers of a stretch at their prices of it."""
        return tuple(
            priced(o, self.prices[t][o.offer_id], self.dates[t])
            for o in self.catalog.offers
            if o.offer_id in self.prices[t]
        )

    def catalog_at(self, t: int) -> Catalog:
        """Return the catalogue of a stretch."""
        return self.catalog.with_offers(self.on_sale(t))


def priced(offer: Offer, price_usd: Decimal, day: dt.date) -> Offer:
    """Return an offer at another price, seen on a day."""
    if price_usd == offer.price_per_node_hour_usd:
        return replace(offer, observed_at=day)
    # Discounts by number are of the listed price; a history states one price for any number.
    return replace(offer, price_per_node_hour_usd=price_usd, price_steps=(), observed_at=day)


def price_path(
    changes: PriceChanges,
    accelerators: Mapping[str, Accelerator],
    constant: Sequence[Offer] = (),
    *,
    providers: Collection[str] = (),
    regions: Collection[str] = (),
    hardware: Hardware | None = None,
    start: dt.date | None = None,
    end: dt.date | None = None,
) -> PricePath:
    """Return the price path of a history.

    Parameters
    ----------
    accelerators
        Those that offers are of, by name.
    constant
        Offers that a history in our own layout is of, and others that are to be had besides, at a
        price that does not change.
    providers, regions
        Whose offers count; empty means all.
    hardware
        Filters of a workload: other offers, and their changes, do not count.
    start, end
        First day, and the first that no longer counts; by default the day before the first change,
        and `AFTER` the last one.

    Raises
    ------
    InputError
        If the changes name an offer that is not known, or nothing is on sale in between.
    """
    if changes.described:
        changes = changes.only(providers, regions)
    else:
        _check_named(changes, {o.offer_id: o for o in constant}, accelerators)
    offers = _offers(changes, constant, providers, regions)
    if hardware is not None and offers:
        offers = _allowed(offers, accelerators, hardware)
    wanted = {o.offer_id for o in offers}
    moves = [c for c in changes.changes if c.offer_id in wanted]
    if not moves:
        raise InputError(
            "no price changes among the offers that are chosen; widen hardware, or choose other "
            "providers and regions."
        )
    first, last = start or moves[0].date - BEFORE, end or moves[-1].date + AFTER
    if first >= last:
        raise InputError(f"the replay begins on {first} and ends on {last}; give a later end.")
    days = sorted({first, *(d for d in _days(moves, offers) if first < d < last)})
    told = {c.offer_id for c in moves}
    opening = _opening(moves, {o.offer_id: o for o in offers}, described=changes.described)
    by_day: dict[dt.date, list[PriceChange]] = {}
    for move in moves:
        by_day.setdefault(move.date, []).append(move)
    current: dict[str, Decimal | None] = {
        o.offer_id: opening.get(o.offer_id) if o.offer_id in told else o.price_per_node_hour_usd
        for o in offers
    }
    pending = sorted(by_day)
    stretches = []
    for day in days:
        while pending and pending[0] <= day:
            for move in by_day[pending.pop(0)]:
                current[move.offer_id] = move.after
        # An offer of the catalogue may have dates of its own besides.
        stretches.append(
            {
                o.offer_id: price
                for o in offers
                if (price := current[o.offer_id]) is not None and o.on_sale(day)
            }
        )
    days, stretches = _from_first_sale(days, stretches, asked=start)
    some = set().union(*stretches)
    free = tuple(
        replace(o, available_from=None, available_until=None) for o in offers if o.offer_id in some
    )
    return PricePath(Catalog(accelerators, free), tuple(days), tuple(stretches), last)


def _offers(
    changes: PriceChanges,
    constant: Sequence[Offer],
    providers: Collection[str],
    regions: Collection[str],
) -> tuple[Offer, ...]:
    """Return the offers of the file and the constant ones, without commitments.

    What a commitment costs is sunk whatever is decided, so that a replay says nothing of it.
    """
    mine = {o.offer_id for o in changes.offers}
    chosen = [
        o
        for o in constant
        if o.offer_id not in mine
        and o.pricing != "committed"
        and (not providers or o.provider in providers)
        and (not regions or o.region in regions)
    ]
    for offer in chosen:
        if offer.price_steps:
            raise InputError(
                f"{offer.offer_id} has price_steps, and a history has one price for any number of "
                "nodes; leave the offer out, or give it one price."
            )
    return (*changes.offers, *chosen)


def _allowed(
    offers: Sequence[Offer], accelerators: Mapping[str, Accelerator], hardware: Hardware
) -> tuple[Offer, ...]:
    """Return the offers that pass the filters of a workload."""
    filters = offer_filters(Catalog(accelerators, tuple(offers)), hardware, strict=False)
    passing = tuple(o for o in offers if all(passes(o) for passes in filters.values()))
    if not passing:
        kinds = sorted({f"{o.accelerator} ({o.provider}, {o.pricing})" for o in offers})
        raise InputError(
            f"no offer of the history passes the filters of hardware; it has {', '.join(kinds)}."
        )
    return passing


def _check_named(
    changes: PriceChanges, known: Mapping[str, Offer], accelerators: Mapping[str, Accelerator]
) -> None:
    """Refuse changes of offers that no catalogue describes, and prices that cannot be real."""
    for change in changes.changes:
        offer = known.get(change.offer_id)
        place = f"{change.place}, column offer_id"
        if offer is None:
            raise UnknownNameError(
                "offer", change.offer_id, known, place, "add it with --offers or --add-offers"
            )
        if offer.pricing == "committed":
            raise CatalogError(
                f"{place}: {change.offer_id} is a commitment, whose price is fixed for its term; "
                "leave it out."
            )
        if change.after is not None:
            accelerator = accelerators.get(offer.accelerator)
            problem = price_problem(float(change.after), offer.gpus_per_node, accelerator)
            if problem:
                raise CatalogError(f"{change.place}, column price_per_node_hour_usd: {problem}")


def _days(moves: list[PriceChange], offers: tuple[Offer, ...]) -> set[dt.date]:
    """Return the days on which a price changes, or an offer comes or goes."""
    found = {c.date for c in moves}
    found |= {o.available_from for o in offers if o.available_from}
    found |= {o.available_until + dt.timedelta(days=1) for o in offers if o.available_until}
    return found


def _opening(
    moves: list[PriceChange], offers: Mapping[str, Offer], *, described: bool
) -> dict[str, Decimal | None]:
    """Return the price of each offer that changes before its first change; None: not on sale."""
    found: dict[str, Decimal | None] = {}
    for move in moves:
        listed = offers[move.offer_id].price_per_node_hour_usd
        found.setdefault(move.offer_id, move.before if described else listed)
    return found


def _from_first_sale(
    days: list[dt.date], stretches: list[dict[str, Decimal]], *, asked: dt.date | None
) -> tuple[list[dt.date], list[dict[str, Decimal]]]:
    """Leave out a beginning in which nothing is on sale, unless it was asked for."""
    first = next((i for i, prices in enumerate(stretches) if prices), None)
    if first is None:
        raise InputError(
            f"nothing is on sale from {days[0]} on; choose other dates, providers or regions."
        )
    if first and asked is not None:
        raise InputError(
            f"nothing is on sale on {asked}; the first offer appears on {days[first]}: begin there."
        )
    return days[first:], stretches[first:]
