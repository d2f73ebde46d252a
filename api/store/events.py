"""Events: what happened, written in the transaction of the change, and whom to tell of it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from api.store.database import Database
from api.store.records import new_id, now
from api.store.tables import deliveries, events, subscriptions

KINDS = {
    "catalog.refreshed": "New prices came in force.",
    "catalog.held": "A refresh of prices waits for a person: it drops offers, or moves prices far.",
    "catalog.refused": "A price feed could not be read or believed; the last good prices hold.",
    "decision.keep": "A registered workload was planned again, and keeps its fleet.",
    "decision.switch": "A cheaper fleet is worth the change.",
    "decision.must_switch": "The fleet of a registered workload cannot stay as it is.",
    "decision.failed": "A registered workload could not be planned again.",
}
"""Kinds of events and what they tell."""


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes
    ----------
    number
        Counts up in the order of the transactions that wrote them.
    subject
        What it is about, such as the name of a workload or of a feed.
    document
        What happened.
    """

    number: int
    id: str
    kind: str
    subject: str
    created_at: dt.datetime
    document: dict[str, Any]


class Events:
    """The events of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self,
        limit: int,
        *,
        before: int | None = None,
        kind: str | None = None,
        subject: str | None = None,
    ) -> list[Event]:
        """Return events, the latest first.

        Parameters
        ----------
        before
            Only those of a lower number.
        """
        query = select(events).order_by(events.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(events.c.number < before)
        if kind is not None:
            query = query.where(events.c.kind == kind)
        if subject is not None:
            query = query.where(events.c.subject == subject)
        return [read_event(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def get(self, event_id: str) -> Event | None:
        """Return an event."""
        query = select(events).where(events.c.id == event_id)
        row = self._database.read(lambda c: c.execute(query).first())
        return None if row is None else read_event(row)


def read_event(row: Any) -> Event:
    """Return an event from its row."""
    return Event(**{**row._mapping, "document": json.loads(row.document)})


def record_event(
    connection: Connection, kind: str, subject: str, document: Mapping[str, Any]
) -> str:
    """Write an event and a delivery to everyone who wants it; return the event's id.

    Part of the transaction of what it tells of: either both are stored or neither.

    Parameters
    ----------
    kind
        One of `KINDS`.
    subject
        What it is about, such as the name of a workload or of a feed.
    document
        What happened, ready for JSON.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event")
    moment, event_id = now(), new_id("event")
    made = connection.execute(
        events.insert().values(
            id=event_id,
            kind=kind,
            subject=subject,
            document=json.dumps(dict(document)),
            created_at=moment,
        )
    )
    primary = made.inserted_primary_key
    assert primary is not None
    active = select(subscriptions.c.id, subscriptions.c.events).where(
        subscriptions.c.removed_at.is_(None)
    )
    for row in connection.execute(active).all():
        wanted = json.loads(row.events)
        if not wanted or kind in wanted:
            connection.execute(
                deliveries.insert().values(
                    event_number=primary[0],
                    subscription_id=row.id,
                    state="waiting",
                    attempts=0,
                    due_at=moment,
                )
            )
    return event_id
