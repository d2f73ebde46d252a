"""What a catalogue should be questioned about: prices gone stale, odd, or contradicting others.

The loaders refuse what cannot be true. Here is what can be true and should be looked at
(warnings), and what makes a plan wrong although every row is well formed (errors).
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from data.catalog import Catalog
from data.offers import Offer

K = TypeVar("K")

STALE_DAYS = 90
"""Age at which a price is called stale: cloud list prices move a few times a year."""

STALE_RATE_DAYS = 30
"""Age at which an exchange rate is called stale: major ones move some percent in a month."""

OUTLIER_FACTOR = 5.0
"""A price this many times above or below its peers' median is questioned."""

OUTLIER_PEERS = 3
"""Fewest offers that have a median worth comparing with."""

LARGEST_NODE = 72
"""Most accelerators of any node sold: one NVL72 rack."""

LISTED = 5
"""Names that one finding lists before it counts the rest."""


@dataclass(frozen=True)
class Finding:
    """One thing to look at: ``error`` or ``warning``, where, and what."""

    level: str
    place: str
    message: str


def check_catalog(catalog: Catalog, as_of: dt.date) -> list[Finding]:
    """Return what is wrong or doubtful in a catalogue, errors first.

    Parameters
    ----------
    as_of
        Day that ages and ends of offers are counted to.
    """
    checks: tuple[Callable[[Catalog, dt.date], Iterator[Finding]], ...] = (
        _dates,
        _stale,
        _rates,
        _quantities,
        _outliers,
        _spot,
        _same_machine,
        _providers,
        _accelerators,
    )
    found = [finding for check in checks for finding in check(catalog, as_of)]
    return sorted(found, key=lambda f: f.level != "error")


def _dates(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Offers that have ended, end before they begin, or were seen in the future."""
    for offer in catalog.offers:
        start, end = offer.available_from, offer.available_until
        if start and end and end < start:
            yield Finding(
                "error", offer.offer_id, f"available_until {end} is before available_from {start}."
            )
        elif end and end < as_of:
            yield Finding("error", offer.offer_id, f"ended on {end}; it can no longer be rented.")
        # Somewhere it is already tomorrow; beyond that the date is a typing error.
        if offer.observed_at > as_of + dt.timedelta(days=1):
            yield Finding(
                "error", offer.offer_id, f"observed_at {offer.observed_at} is in the future."
            )


def _stale(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Prices seen long ago, one line a provider."""
    limit = as_of - dt.timedelta(days=STALE_DAYS)
    by_provider = _grouped(catalog.offers, lambda o: (o.provider,))
    for (provider,), offers in by_provider.items():
        old = [o.observed_at for o in offers if o.observed_at < limit]
        if old:
            yield Finding(
                "warning",
                provider,
                f"{len(old)} of {len(offers)} prices are more than {STALE_DAYS} days old "
                f"(from {min(old)}{f' to {max(old)}' if min(old) < max(old) else ''}); "
                "look them up again.",
            )


def _rates(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Exchange rates from long ago or the future, or that differ between offers."""
    by_currency = _grouped(
        [o for o in catalog.offers if o.usd_per_unit is not None], lambda o: o.currency
    )
    for currency, offers in by_currency.items():
        for offer in offers:
            if offer.rate_date and offer.rate_date > as_of + dt.timedelta(days=1):
                yield Finding(
                    "error", offer.offer_id, f"rate_date {offer.rate_date} is in the future."
                )
        old = [o for o in offers if stale_rate(o, as_of)]
        if old:
            yield Finding(
                "warning",
                currency,
                f"{len(old)} of {len(offers)} offers are converted at a rate more than "
                f"{STALE_RATE_DAYS} days old ({_names([o.offer_id for o in old])}); look it up "
                "again.",
            )
        rates = sorted({o.usd_per_unit for o in offers if o.usd_per_unit is not None})
        if len(rates) > 1:
            yield Finding(
                "warning",
                currency,
                f"is converted at {len(rates)} rates, {rates[0]:f} to {rates[-1]:f} dollars, so "
                "that equal prices differ; use one.",
            )


def stale_rate(offer: Offer, as_of: dt.date) -> bool:
    """Whether an offer was converted at a rate of more than `STALE_RATE_DAYS` days ago."""
    limit = as_of - dt.timedelta(days=STALE_RATE_DAYS)
    return offer.rate_date is not None and offer.rate_date < limit


def _quantities(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Node sizes, minimum orders and terms that do not fit together."""
    for offer in catalog.offers:
        if offer.gpus_per_node > LARGEST_NODE:
            yield Finding(
                "warning",
                offer.offer_id,
                f"a node of {offer.gpus_per_node} accelerators is larger than any sold "
                f"({LARGEST_NODE}); is it a whole cluster?",
            )
        if offer.stock is not None and offer.min_nodes > offer.stock:
            yield Finding(
                "error",
                offer.offer_id,
                f"min_nodes {offer.min_nodes} is more than the stock of {offer.stock}; "
                "it can never be bought.",
            )
        last = offer.price_steps[-1].from_nodes if offer.price_steps else 0
        if offer.stock is not None and last > offer.stock:
            yield Finding(
                "warning",
                offer.offer_id,
                f"the price from {last} nodes on is beyond the stock of {offer.stock}; it is "
                "never reached.",
            )
        if offer.pricing == "committed" and offer.term_months is None:
            yield Finding("warning", offer.offer_id, "is committed, but gives no term_months.")


def _outliers(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Prices far from the median of the same accelerator and pricing."""
    peers = _grouped(catalog.offers, lambda o: (o.accelerator, o.pricing))
    for (accelerator, pricing), offers in peers.items():
        if len(offers) < OUTLIER_PEERS:
            continue
        middle = median(o.price_per_gpu_hour_usd for o in offers)
        for offer in offers:
            ratio = offer.price_per_gpu_hour_usd / middle
            if not 1 / OUTLIER_FACTOR <= ratio <= OUTLIER_FACTOR:
                far = f"{ratio:.1f} times" if ratio > 1 else f"1/{1 / ratio:.1f} of"
                yield Finding(
                    "warning",
                    offer.offer_id,
                    f"${offer.price_per_gpu_hour_usd:,.2f} per accelerator-hour is {far} the "
                    f"median of {len(offers)} {pricing} offers of {accelerator} "
                    f"(${middle:,.2f}); check the figure.",
                )


def _spot(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Spot prices above the on-demand price of the same machine in the same region."""
    for offers in _grouped(catalog.offers, _machine).values():
        steady = [o for o in offers if o.pricing == "on_demand"]
        if not steady:
            continue
        cheapest = min(steady, key=lambda o: o.hourly_usd)
        for offer in offers:
            dearer = offer.hourly_usd > cheapest.hourly_usd
            if offer.pricing == "spot" and dearer:
                yield Finding(
                    "warning",
                    offer.offer_id,
                    f"${offer.hourly_usd} an hour on spot is more than the "
                    f"${cheapest.hourly_usd} of {cheapest.offer_id}.",
                )


def _same_machine(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """One machine, pricing and term under several ids, at different prices."""
    terms = _grouped(catalog.offers, lambda o: (*_machine(o), o.pricing, o.term_months or 0))
    for offers in terms.values():
        prices = {o.hourly_usd for o in offers}
        # Marketplaces sell one kind of machine at many prices, each host with its own stock.
        if len(prices) > 1 and offers[0].instance_type and any(o.stock is None for o in offers):
            yield Finding(
                "warning",
                offers[0].offer_id,
                f"the same machine costs ${min(prices)} to ${max(prices)} in "
                f"{_names([o.offer_id for o in offers])}; without a stock only the cheapest "
                "is ever bought.",
            )


def _providers(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Find provider names that differ in letter case only, so that a filter misses one."""
    for spelled in _grouped_names(catalog.providers):
        if len(spelled) > 1:
            yield Finding(
                "warning", spelled[0], f"is also spelled {_names(spelled[1:])}; use one spelling."
            )


def _accelerators(catalog: Catalog, as_of: dt.date) -> Iterator[Finding]:
    """Accelerators that nobody offers, and figures in use that no primary source confirms."""
    offered = {o.accelerator for o in catalog.offers}
    unknown = sorted(offered - set(catalog.accelerators))
    if unknown:
        yield Finding(
            "warning",
            "accelerators",
            f"the catalogue has no figures of {_names(unknown)}; their offers can only be planned "
            "with measured capacities.",
        )
    missing = sorted(set(catalog.accelerators) - offered)
    if missing:
        yield Finding(
            "warning",
            "accelerators",
            f"{len(missing)} of {len(catalog.accelerators)} have no offer and are in no plan: "
            f"{_names(missing)}.",
        )
    for name in sorted(offered & set(catalog.accelerators)):
        doubtful = catalog.accelerators[name].unverified
        if doubtful:
            yield Finding(
                "warning", name, f"no primary source confirms {_names(doubtful, len(doubtful))}."
            )


def _machine(offer: Offer) -> tuple[str, str, str, str, int]:
    return (
        offer.provider,
        offer.region,
        offer.instance_type,
        offer.accelerator,
        offer.gpus_per_node,
    )


def _grouped(offers: Iterable[Offer], key: Callable[[Offer], K]) -> dict[K, list[Offer]]:
    found: dict[K, list[Offer]] = defaultdict(list)
    for offer in offers:
        found[key(offer)].append(offer)
    return dict(found)


def _grouped_names(names: Iterable[str]) -> list[list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[name.lower()].append(name)
    return list(found.values())


def _names(names: Sequence[str], most: int = LISTED) -> str:
    """Join names with commas; more than `most` are counted."""
    more = len(names) - most
    listed = ", ".join(names[:most] if more > 1 else names)
    return f"{listed} and {more} more" if more > 1 else listed
