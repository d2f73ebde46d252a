"""Events: what happened, written in the transaction of the change, and whom to tell of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

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
