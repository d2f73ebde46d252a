"""Reading a feed, and refusing what cannot be believed whatever was there before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from data.accelerators import Accelerator
from data.errors import CatalogError, RowsError
from data.faults import Faults
from data.feeds.focus_json import Machines, read_focus
from data.feeds.gpuhunt_catalog import read_gpuhunt
from data.feeds.reading import Listing, Reading
from data.importers import Skipped, read_skypilot
from data.offers import Offer, parse_offers
from data.tables import check_columns, parse_csv

FEEDS = {
    "gpuhunt": "gpuhunt's catalogue of clouds, read from GPUHUNT_CATALOG_URL (extra feeds)",
    "skypilot-csv": "a vms.csv of SkyPilot's catalogue, of one cloud",
    "csv": "offers in minfleet's own columns",
    "focus-json": "FOCUS rows (FinOps Foundation) as JSON",
}
"""Feeds and what each reads."""

MAX_IMPOSSIBLE_PCT = 5.0
"""Part of the prices that may be impossible before a feed is not believed at all: real lists have
a few (a B200 at $0.01), a list in another unit has nothing else."""


@dataclass(frozen=True)
class Wanted:
    """What to read.

    Attributes
    ----------
    feed
        A key of `FEEDS`.
    listings
        The price lists; none for gpuhunt.
    observed_at
        Day of the prices, where the list does not say; None for today.
    source
        Who published them, where the list does not say.
    max_impossible_pct
        See `MAX_IMPOSSIBLE_PCT`.
    """

    feed: str
    listings: tuple[Listing, ...] = ()
    observed_at: dt.date | None = None
    source: str = ""
    max_impossible_pct: float = MAX_IMPOSSIBLE_PCT

    @property
    def place(self) -> str:
        """Where it is read."""
        return ", ".join(x.place for x in self.listings) or self.feed

    def check(self) -> None:
        """Refuse what was asked for wrongly.

        Raises
        ------
        CatalogError
            If there is no such feed, or it is given too little or too much.
        """
        if self.feed not in FEEDS:
            raise CatalogError(f"feed: {self.feed!r} is not one of {', '.join(FEEDS)}.")
        if self.feed == "gpuhunt" and self.listings:
            raise CatalogError(
                "gpuhunt reads no file; name the folder of its catalogue as "
                "GPUHUNT_CATALOG_URL=file:///FOLDER."
            )
        if self.feed != "gpuhunt" and not self.listings:
            raise CatalogError(f"{self.feed} reads files; give at least one.")
        named = [x.provider for x in self.listings]
        if self.feed == "skypilot-csv" and not all(named):
            raise CatalogError(
                "a SkyPilot list does not name its cloud; give a provider for each file."
            )
        if self.feed != "skypilot-csv" and any(named):
            raise CatalogError(f"provider belongs to skypilot-csv; rows of {self.feed} name it.")
        if self.source and self.feed != "skypilot-csv":
            raise CatalogError(f"source belongs to skypilot-csv; {self.feed} names it.")
        if self.observed_at and self.feed not in ("skypilot-csv", "gpuhunt"):
            raise CatalogError(f"observed_at belongs to lists without a day; {self.feed} has it.")


def read_feed(
    wanted: Wanted,
    known: Mapping[str, Accelerator],
    offers: Iterable[Offer],
    today: dt.date,
) -> Reading:
    """Return what a feed holds.

    Parameters
    ----------
    known
        Accelerators by name.
    offers
        What the catalogue offers, to look machines up.

    Raises
    ------
    InputError
        If it cannot be read, or cannot be believed: no offers, impossible prices, prices seen in
        the future.
    """
    wanted.check()
    if wanted.feed == "gpuhunt":
        found = read_gpuhunt(known, wanted.observed_at)
    elif wanted.feed == "skypilot-csv":
        found = _skypilot(wanted, known, wanted.observed_at or today)
    elif wanted.feed == "csv":
        found = _own(wanted, known)
    else:
        found = read_focus(wanted.listings, known, machines_of(offers))
    _check_prices(found, wanted.max_impossible_pct)
    _check_days(found.offers, today)
    return found


def machines_of(offers: Iterable[Offer]) -> Machines:
    """Return what is in the machines that are offered; those of two kinds are left out."""
    found: dict[tuple[str, str], tuple[str, int]] = {}
    unclear = set()
    for offer in offers:
        key = offer.provider, offer.instance_type.lower()
        if found.setdefault(key, (offer.accelerator, offer.gpus_per_node)) != (
            offer.accelerator,
            offer.gpus_per_node,
        ):
            unclear.add(key)
    return {k: v for k, v in found.items() if k[1] and k not in unclear}


def _skypilot(wanted: Wanted, known: Mapping[str, Accelerator], day: dt.date) -> Reading:
    offers: list[Offer] = []
    skipped: list[Skipped] = []
    rows: dict[str, int] = {}
    bare, line_end = 0, True
    for listing in wanted.listings:
        name = listing.place.replace("\\", "/").rpartition("/")[2]
        source = wanted.source or f"SkyPilot catalogue, {name}"
        text, place, provider = listing.text(), listing.place, listing.provider
        line_end = line_end and text.endswith("\n")
        found = read_skypilot(text, place, provider, day, known, source=source)
        offers += found.offers
        skipped += found.skipped
        rows[provider] = rows.get(provider, 0) + found.rows
        bare += found.without_accelerator
    _check_ids(offers)
    return Reading(
        feed=wanted.feed,
        place=wanted.place,
        offers=tuple(offers),
        skipped=tuple(skipped),
        rows=sum(rows.values()),
        without_accelerator=bare,
        rows_by_provider=rows,
        pricing=("on_demand", "spot"),
        prices_only=True,
        line_end=line_end,
    )


def _own(wanted: Wanted, known: Mapping[str, Accelerator]) -> Reading:
    faults, line_end = Faults(), True
    rows = []
    for listing in wanted.listings:
        text = listing.text()
        line_end = line_end and text.endswith("\n")
        found = list(parse_csv(text, listing.place, faults))
        if not found:
            faults.check()
            raise CatalogError(f"{listing.place}: holds no rows of offers.")
        check_columns(found, "offers", listing.place)
        rows += found
    offers = parse_offers(rows, known, faults=faults)
    counts: dict[str, int] = {}
    for offer in offers:
        counts[offer.provider] = counts.get(offer.provider, 0) + 1
    return Reading(
        feed=wanted.feed,
        place=wanted.place,
        offers=offers,
        skipped=(),
        rows=len(rows),
        rows_by_provider=counts,
        line_end=line_end,
    )


def _check_ids(offers: Iterable[Offer]) -> None:
    seen = set()
    for offer in offers:
        if offer.offer_id in seen:
            raise CatalogError(
                f"{offer.offer_id!r} is in two of the files; give each cloud one file."
            )
        seen.add(offer.offer_id)


def _check_prices(found: Reading, max_impossible_pct: float) -> None:
    """Refuse a feed that gave no offer, or too many prices that cannot be real."""
    impossible = [s for s in found.skipped if s.impossible_price]
    prices = len(found.offers) + len(impossible)
    if impossible and 100 * len(impossible) > max_impossible_pct * prices:
        head = (
            f"{found.place}: {len(impossible)} of {prices} prices cannot be real, more than "
            f"{max_impossible_pct:g} %; is it another unit?"
        )
        _refuse([head, *(f"{s.place}, {s.what}: {s.reason}" for s in impossible)])
    if not found.offers:
        first = [f" ({s.place}: {s.reason})" for s in found.skipped[:1]]
        raise CatalogError(
            f"{found.place}: none of {found.rows} rows gave an offer{''.join(first)}; is it the "
            "right list?"
        )


def _check_days(offers: Iterable[Offer], today: dt.date) -> None:
    """Refuse prices, and rates, that were seen in the future."""
    latest = today + dt.timedelta(days=1)  # somewhere it is already tomorrow
    faults = [
        f"{o.offer_id}: {column} {day} is in the future; check the figure, and the clock."
        for o in offers
        for column, day in (("observed_at", o.observed_at), ("rate_date", o.rate_date))
        if day is not None and day > latest
    ]
    if faults:
        _refuse(faults)


def _refuse(faults: list[str]) -> None:
    raise CatalogError(faults[0]) if len(faults) == 1 else RowsError(faults)
