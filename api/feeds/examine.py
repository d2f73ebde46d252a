"""A feed compared with a catalogue: what would change, and whether it may."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from api.store.catalogs import as_stored
from api.store.refresh_records import Refresh, State
from data.catalog import Catalog
from data.errors import CatalogError, InputError, RowsError
from data.feeds.gate import Change, Limits, Move, compare
from data.feeds.read import Wanted, read_feed
from data.feeds.reading import Reading

MOST_NAMED = 1000
"""Offers, or rows, that a report names of each kind; the counts are of all."""


@dataclass(frozen=True)
class Examined:
    """What became of a feed before anything is stored.

    Attributes
    ----------
    report
        See `api.schemas.refreshes.RefreshReport`.
    catalog
        The catalogue with the feed's prices; None where it was refused.
    reading
        What was read; None where it was refused.
    """

    state: State
    report: dict[str, Any]
    catalog: Catalog | None = None
    reading: Reading | None = None


@dataclass(frozen=True)
class LastTime:
    """What a feed was the last time it was accepted, or found unchanged.

    Attributes
    ----------
    providers
        Whom it had prices of.
    line_end
        Whether its lists ended with a line end.
    """

    providers: tuple[str, ...] = ()
    line_end: bool = False

    @classmethod
    def of(cls, good: Refresh | None) -> LastTime:
        """Return it of a refresh; None where there was none."""
        if good is None:
            return cls()
        providers = tuple(p["provider"] for p in good.report["providers"])
        return cls(providers, good.report["line_end"])


def examine(
    wanted: Wanted,
    catalog: Catalog,
    today: dt.date,
    *,
    limits: Limits,
    last: LastTime,
    partial: bool = False,
) -> Examined:
    """Read a feed and compare it with a catalogue.

    Parameters
    ----------
    last
        What the feed was the last time it was good.
    limits, partial
        See `data.feeds.gate.compare`.

    Raises
    ------
    InputError
        If it was asked for wrongly. A feed that cannot be read is `refused`, which is no error.
    """
    wanted.check()
    try:
        reading = read_feed(wanted, catalog.accelerators, catalog.offers, today)
        if last.line_end and not reading.line_end:
            raise CatalogError(
                f"{reading.place}: the last line has no line end, though it had one before; the "
                "file is cut short."
            )
    except InputError as error:
        return Examined("refused", _refusal(error))
    had = last.providers
    return examine_reading(reading, catalog, limits=limits, had=had, partial=partial)


def examine_reading(
    reading: Reading,
    catalog: Catalog,
    *,
    limits: Limits,
    had: Iterable[str] = (),
    partial: bool = False,
) -> Examined:
    """Compare what was read with a catalogue; parameters as of `data.feeds.gate.compare`."""
    change = compare(catalog.offers, reading, limits=limits, had=had, partial=partial)
    try:
        after = as_stored(catalog.with_offers(change.offers))
    except InputError as error:
        return Examined("refused", _refusal(error))
    state: State = "held" if change.held else "accepted"
    if after.id == catalog.id:
        state = "unchanged"
    return Examined(state, _report(reading, change, limits, partial), after, reading)


def _refusal(error: InputError) -> dict[str, Any]:
    faults = error.faults if isinstance(error, RowsError) else (str(error),)
    named = [" ".join(fault.splitlines()) for fault in faults[:MOST_NAMED]]
    return {"reasons": named, "faults": len(faults)}


def _report(reading: Reading, change: Change, limits: Limits, partial: bool) -> dict[str, Any]:
    """Return what was read and what changes, ready for JSON."""
    skipped = Counter(s.reason for s in reading.skipped)
    return {
        "reasons": list(change.held),
        "counts": {
            "rows": reading.rows,
            "offers": len(reading.offers),
            "without_accelerator": reading.without_accelerator,
            "skipped": len(reading.skipped),
            "compared": change.compared,
            "added": len(change.added),
            "removed": len(change.removed),
            "moved": len(change.moved),
            "kept": change.kept,
            "older": change.older,
        },
        "limits": dict(vars(limits)),
        "partial": partial,
        "line_end": reading.line_end,
        "pricing": list(reading.pricing),
        "providers": [
            {
                "provider": p.provider,
                "feed": p.feed,
                "sources": list(p.sources[:20]),
                "observed_at": {"oldest": p.oldest.isoformat(), "newest": p.newest.isoformat()},
                "offers": p.offers,
                "rows": p.rows,
            }
            for p in reading.provenance
        ],
        "missing": dict(reading.missing),
        "gone": dict(change.gone),
        "beyond": [_move(m) for m in change.beyond[:MOST_NAMED]],
        "added": list(change.added[:MOST_NAMED]),
        "removed": list(change.removed[:MOST_NAMED]),
        "moved": [_move(m) for m in change.moved[:MOST_NAMED]],
        "skipped": [
            {"place": s.place, "what": s.what, "reason": s.reason}
            for s in reading.skipped[:MOST_NAMED]
        ],
        "skipped_by_reason": dict(skipped.most_common(100)),
    }


def _move(move: Move) -> Mapping[str, Any]:
    return {
        "offer_id": move.offer_id,
        "old_usd": float(move.old_usd),
        "new_usd": float(move.new_usd),
        "change_pct": move.change_pct,
        "note": move.note,
    }
