"""Refreshing the catalogue in force, and deciding on what the gate held."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from api.feeds.examine import Examined, LastTime, examine, examine_reading
from api.store.catalogs import InForce, MovedOnError
from api.store.refresh_records import NoRefreshError, NotHeldError, Refresh
from api.store.store import Store
from data.catalog import Catalog
from data.errors import InputError, StoreError
from data.feeds.gate import DEFAULT_LIMITS, Limits
from data.feeds.read import Wanted
from data.feeds.reading import Reading

LONGEST_NAME = 100

TRIES = 10
"""How often a refresh is compared again because something else came in force meanwhile."""


def refresh(
    store: Store,
    wanted: Wanted,
    *,
    name: str = "",
    limits: Limits = DEFAULT_LIMITS,
    partial: bool = False,
    today: dt.date | None = None,
    key_id: str | None = None,
) -> Refresh:
    """Read a feed and bring its prices in force, or hold or refuse them; every attempt is stored.

    Parameters
    ----------
    wanted
        What to read.
    name
        Tells feeds of one kind apart; "" for `default_name`.
    limits, partial
        See `data.feeds.gate.compare`.
    today
        Day that dates are held against; None for today's.
    key_id
        Of the API key that asks; None where there is none.

    Raises
    ------
    InputError
        If it was asked for wrongly. A feed that cannot be read is a refused refresh.
    StoreError
        If the store cannot be used, or other changes came in force before it, again and again.
    """
    wanted.check()
    day = today or dt.date.today()
    name = checked_name(name) or default_name(wanted)
    last = LastTime.of(store.refreshes.last_good(wanted.feed, name))
    reading: Reading | None = None
    for _ in range(TRIES):
        base = store.catalogs.in_force()
        catalog = store.catalogs.load(base.catalog_id)
        if reading is None:
            found = examine(wanted, catalog, day, limits=limits, last=last, partial=partial)
            reading = found.reading
        else:
            found = examine_reading(
                reading, catalog, limits=limits, had=last.providers, partial=partial
            )
        try:
            return store.refreshes.record(
                wanted.feed,
                name,
                wanted.place,
                found.state,
                found.report,
                base=base,
                catalog=found.catalog,
                key_id=key_id,
            )
        except MovedOnError:
            continue
    raise _too_busy()


def approve(store: Store, refresh_id: str, by: str) -> Refresh:
    """Bring a held refresh in force, in the name of a person.

    Where something else came in force since it was compared, it is compared again; it stays held,
    with a new report, where that shows what the person has not seen.

    Raises
    ------
    NoRefreshError
        If there is no such refresh.
    NotHeldError
        If it is not held.
    InputError
        If its offers cannot stand in the catalogue any more, since an accelerator changed.
    StoreError
        See `refresh`.
    """
    for _ in range(TRIES):
        held = _held(store, refresh_id)
        base = store.catalogs.in_force()
        assert held.catalog_id is not None
        candidate = store.catalogs.load(held.catalog_id)
        try:
            if base.catalog_id == held.base_id:
                return store.refreshes.approve(
                    refresh_id, by, report=held.report, catalog=candidate, base=base
                )
            again = _compared_again(store, held, candidate, base)
            assert again.catalog is not None
            report = {**again.report, "compared_again": True}
            if _was_seen(held, again):
                return store.refreshes.approve(
                    refresh_id, by, report=report, catalog=again.catalog, base=base
                )
            return store.refreshes.compared_again(refresh_id, report, again.catalog, base)
        except MovedOnError:
            continue
    raise _too_busy()


def reject(store: Store, refresh_id: str, by: str) -> Refresh:
    """Decide that a held refresh does not come in force; raises as `approve`."""
    _held(store, refresh_id)
    return store.refreshes.reject(refresh_id, by)


def checked_name(name: str) -> str:
    """Return a name of a feed.

    Raises
    ------
    InputError
        If it is too long, or holds what cannot be printed.
    """
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"name: must be at most {LONGEST_NAME} printable characters.")
    return name


def default_name(wanted: Wanted) -> str:
    """Return the name of a feed that was given none: its kind, with the clouds of SkyPilot lists.

    A feed that loses a provider is held, so that lists of other providers need other names.
    """
    providers = "+".join(dict.fromkeys(x.provider for x in wanted.listings if x.provider))
    return f"{wanted.feed}/{providers}"[:LONGEST_NAME] if providers else wanted.feed


def _held(store: Store, refresh_id: str) -> Refresh:
    found = store.refreshes.get(refresh_id)
    if found is None:
        raise NoRefreshError(refresh_id)
    if found.state != "held":
        raise NotHeldError(found.state)
    return found


def _compared_again(store: Store, held: Refresh, candidate: Catalog, base: InForce) -> Examined:
    """Compare the prices of a held refresh with what is in force by now."""
    report = held.report
    providers = {p["provider"] for p in report["providers"]}
    assert held.base_id is not None
    before = {o.offer_id: o for o in store.catalogs.load(held.base_id).offers}
    offers = tuple(
        o
        for o in candidate.offers
        if before.get(o.offer_id) != o
        or (not report["partial"] and o.provider in providers and o.pricing in report["pricing"])
    )
    reading = Reading(
        feed=held.feed,
        place=held.place,
        offers=offers,
        skipped=(),
        rows=report["counts"]["rows"],
        pricing=tuple(report["pricing"]),
    )
    found = examine_reading(
        reading,
        store.catalogs.load(base.catalog_id),
        limits=Limits(**report["limits"]),
        had=report["gone"],
        partial=report["partial"],
    )
    if found.catalog is None:
        raise InputError(f"{held.id} fits the catalogue no more: {found.report['reasons'][0]}")
    read = ("providers", "line_end", "missing", "skipped", "skipped_by_reason")
    counts = {**found.report["counts"]}
    for count in ("rows", "offers", "without_accelerator", "skipped"):
        counts[count] = report["counts"][count]
    told = {**found.report, **{k: report[k] for k in read}, "counts": counts}
    return replace(found, report=told)


def _was_seen(held: Refresh, again: Examined) -> bool:
    """Whether what goes and what moves too far was in the report that a person approved."""
    removed, beyond = set(held.report["removed"]), {m["offer_id"] for m in held.report["beyond"]}
    return removed >= set(again.report["removed"]) and beyond >= {
        m["offer_id"] for m in again.report["beyond"]
    }


def _too_busy() -> StoreError:
    return StoreError(
        "other changes came in force before this one, again and again; try it once more."
    )
