"""Subscriptions: who is told of which events, and where."""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from api.store.database import Database
from api.store.records import insert_new, new_id, now
from api.store.tables import deliveries, subscriptions

SUBSCRIPTION_KINDS = {
    "webhook": "a signed POST to a URL of yours",
    "slack": "an incoming webhook of Slack, Mattermost or another that takes the same JSON",
    "email": "e-mail through the SMTP server of an Apprise URL (mailto://, mailtos://)",
    "apprise": "any other service that Apprise has a URL for",
}
"""Kinds of subscriptions and what each does."""

SECRET_BYTES = 32
"""As Standard Webhooks has it: 24 to 64 random bytes, in base64 behind ``whsec_``."""


@dataclass(frozen=True)
class Subscription:
    """Who is told.

    Attributes
    ----------
    kind
        One of `SUBSCRIPTION_KINDS`.
    target
        URL, with whatever secrets it holds: show it through `api.notices.targets.masked` alone.
    secret
        What webhooks are signed with; None for other kinds.
    events
        Kinds of events; empty for all.
    """

    id: str
    name: str
    kind: str
    target: str = field(repr=False)
    secret: str | None = field(repr=False)
    events: tuple[str, ...]
    key_id: str | None
    created_at: dt.datetime
    removed_at: dt.datetime | None


class Subscriptions:
    """The subscriptions of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        kind: str,
        target: str,
        events: Sequence[str] = (),
        *,
        name: str = "",
        key_id: str | None = None,
    ) -> Subscription:
        """Return a new subscription to events from now on; a webhook's has a new secret.

        Parameters
        ----------
        target
            As `api.notices.targets.checked` returns it.
        """
        subscription_id = new_id("sub")
        values = {
            "id": subscription_id,
            "name": name,
            "kind": kind,
            "target": target,
            "secret": new_secret() if kind == "webhook" else None,
            "events": json.dumps(list(events)),
            "key_id": key_id,
            "created_at": now(),
        }
        self._database.write(lambda c: insert_new(c, subscriptions, **values))
        found = self.get(subscription_id)
        assert found is not None
        return found

    def get(self, subscription_id: str) -> Subscription | None:
        """Return a subscription that was not removed."""
        query = select(subscriptions).where(
            subscriptions.c.id == subscription_id, subscriptions.c.removed_at.is_(None)
        )
        row = self._database.read(lambda c: c.execute(query).first())
        return None if row is None else read_subscription(row)

    def list(self) -> list[Subscription]:
        """Return those that were not removed, the oldest first."""
        query = (
            select(subscriptions)
            .where(subscriptions.c.removed_at.is_(None))
            .order_by(subscriptions.c.created_at, subscriptions.c.id)
        )
        return [read_subscription(r) for r in self._database.read(lambda c: c.execute(query).all())]

    def remove(self, subscription_id: str) -> bool:
        """Tell it nothing more, and forget target and secret; whether it was there.

        What still waited for it is given up.
        """

        def work(connection: Any) -> bool:
            gone = connection.execute(
                update(subscriptions)
                .where(subscriptions.c.id == subscription_id, subscriptions.c.removed_at.is_(None))
                .values(removed_at=now(), target="", secret=None)
            )
            connection.execute(
                update(deliveries)
                .where(
                    deliveries.c.subscription_id == subscription_id,
                    deliveries.c.state == "waiting",
                )
                .values(state="cancelled")
            )
            return bool(gone.rowcount)

        return self._database.write(work)


def new_secret() -> str:
    """Return a secret that webhooks can be signed with."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"


def read_subscription(row: Any) -> Subscription:
    """Return a subscription from its row."""
    values = {name: getattr(row, name) for name in Subscription.__dataclass_fields__}
    return Subscription(**{**values, "events": tuple(json.loads(row.events))})
