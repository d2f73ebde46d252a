"""What the store says of refreshes: their states, the record of one, and how many there were."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["accepted", "unchanged", "held", "refused", "rejected"]

STATES = {
    "accepted": "Its prices came in force.",
    "unchanged": "It holds what is in force already.",
    "held": "It waits for a person: the gate found too large a change.",
    "refused": "It could not be read, or not be believed.",
    "rejected": "A person rejected it, or a newer refresh took its place.",
}
"""States of a refresh and what they mean."""

GOOD = ("accepted", "unchanged")

EVENTS = {
    "accepted": "catalog.refreshed",
    "held": "catalog.held",
    "refused": "catalog.refused",
}
"""State of an attempt → the kind of event that it is."""

OURSELVES = "minfleet"
"""Who rejected a refresh whose place a newer one took."""


@dataclass(frozen=True)
class Refresh:
    """An attempt to refresh prices.

    Attributes
    ----------
    number
        Counts up.
    name
        Tells feeds of one kind apart.
    base_id
        Snapshot that it was compared with.
    catalog_id
        Snapshot that it made, in force or held; None where it was refused.
    report
        What was read and what changes; see `api.schemas.refreshes`.
    decided_at, decided_by
        When and by whom it was approved or rejected; None where nobody was asked.
    """

    number: int
    id: str
    feed: str
    name: str
    place: str
    state: State
    base_id: str | None
    catalog_id: str | None
    report: dict[str, Any]
    key_id: str | None
    created_at: dt.datetime
    decided_at: dt.datetime | None
    decided_by: str | None


class NoRefreshError(LookupError):
    """There is no refresh of that id."""


class NotHeldError(Exception):
    """A refresh that was decided on waits for nobody."""


@dataclass(frozen=True)
class Counts:
    """Refreshes so far, for metrics.

    Attributes
    ----------
    ended
        Feed and state → attempts that ended so; one that was held and decided on counts in both.
    last_good
        Feed and name → when it was accepted, or found unchanged, the last time.
    """

    ended: Mapping[tuple[str, str], int]
    last_good: Mapping[tuple[str, str], dt.datetime]


def told_of(refresh: Refresh) -> dict[str, Any]:
    """Return what an event says of a refresh."""
    shown = ("id", "feed", "name", "place", "state", "base_id", "catalog_id", "decided_by")
    facts = ("reasons", "providers", "counts", "beyond", "gone")
    return {
        **{name: getattr(refresh, name) for name in shown},
        **{name: refresh.report[name] for name in facts if name in refresh.report},
    }
