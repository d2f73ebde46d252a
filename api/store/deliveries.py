"""The outbox: which event is still to be told to whom, and which server is at it.

A delivery waits, is being sent by one server, and ends as delivered, failed or cancelled. Whoever
sends one has claimed it in a transaction; what a dead server had claimed waits again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select, update

from api.store.database import Database
from api.store.events import Event, read_event
from api.store.records import insert_new, now
from api.store.subscriptions import Subscription, read_subscription
from api.store.tables import deliveries, events, instances, subscriptions

STATES = ("waiting", "sending", "delivered", "failed", "cancelled")
"""States of a delivery; the last three are ends."""


@dataclass(frozen=True)
class Delivery:
    """An event on its way to a subscription.

    Attributes
    ----------
    attempts
        How often it was begun to be sent.
    due_at
        When it is sent next, while it waits.
    error
        Why the last attempt came to nothing; None where there was none.
    """

    number: int
    event_id: str
    event_kind: str
    subject: str
    subscription_id: str
    state: str
    attempts: int
    due_at: dt.datetime
    error: str | None
    delivered_at: dt.datetime | None


@dataclass(frozen=True)
class Claim:
    """A delivery that this server sends, and nobody else."""

    number: int
    attempts: int
    event: Event
    subscription: Subscription


class Deliveries:
    """The deliveries of a store, as people look at them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(
        self,
        subscription_id: str,
        limit: int,
        *,
        before: int | None = None,
        state: str | None = None,
    ) -> list[Delivery]:
        """Return deliveries to a subscription, the latest event first.

        Parameters
        ----------
        before
            Only those of a lower number.
        """
        query = (
            _shown()
            .where(deliveries.c.subscription_id == subscription_id)
            .order_by(deliveries.c.number.desc())
            .limit(limit)
        )
        if before is not None:
            query = query.where(deliveries.c.number < before)
        if state is not None:
            query = query.where(deliveries.c.state == state)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [Delivery(**row._mapping) for row in rows]

    def waiting(self) -> int:
        """Return how many wait or are being sent."""
        query = select(func.count()).where(deliveries.c.state.in_(("waiting", "sending")))
        return int(self._database.read(lambda c: c.execute(query).scalar_one()))

    def counts(self, subscription_id: str) -> dict[str, int]:
        """Return how many deliveries to a subscription are in each state."""
        query = (
            select(deliveries.c.state, func.count())
            .where(deliveries.c.subscription_id == subscription_id)
            .group_by(deliveries.c.state)
        )
        rows = self._database.read(lambda c: c.execute(query).all())
        return {str(state): int(number) for state, number in rows}

    def send_again(self, subscription_id: str, event_id: str | None = None) -> int:
        """Let deliveries be sent again now, as often as new ones; return how many.

        Parameters
        ----------
        event_id
            The event; one that was delivered, too. None for all that failed.
        """
        chosen = deliveries.c.state == "failed"
        if event_id is not None:
            number = select(events.c.number).where(events.c.id == event_id).scalar_subquery()
            chosen = (deliveries.c.event_number == number) & (deliveries.c.state != "sending")
        query = (
            update(deliveries)
            .where(deliveries.c.subscription_id == subscription_id, chosen)
            .values(state="waiting", attempts=0, due_at=now(), owner=None, delivered_at=None)
        )
        return self._database.write(lambda c: c.execute(query).rowcount)


class Outbox:
    """The deliveries of a store, from the side of one server.

    Parameters
    ----------
    owner
        Id of the server.
    longest_pause_s
        Longest time until which a delivery waits. One that is due later than that was put off by
        a clock that has been set back since, and is due at once.
    """

    def __init__(self, database: Database, owner: str, longest_pause_s: float) -> None:
        self._database, self.owner = database, owner
        self._longest = dt.timedelta(seconds=longest_pause_s)

    def claim(self, busy: Collection[str] = ()) -> Claim | None:
        """Return the delivery that is due longest, this server's from now on; None if none is.

        Parameters
        ----------
        busy
            Subscriptions that something is being sent to: each gets one message at a time.
        """

        def work(connection: Connection) -> Claim | None:
            while True:
                row = connection.execute(
                    self._due(busy).with_for_update(skip_locked=True, of=deliveries)
                ).first()
                if row is None:
                    return None
                subscription = _subscription(connection, row.subscription_id)
                if subscription.removed_at is None:
                    return self._taken(connection, row, subscription)
                _set(connection, deliveries.c.number == row.number, state="cancelled")

        # Most often nothing is due, and a reader holds nobody up.
        if self._database.read(lambda c: c.execute(self._due(busy)).first()) is None:
            return None
        return self._database.write(work)

    def _due(self, busy: Collection[str]) -> Select[Any]:
        moment = now()
        due = or_(deliveries.c.due_at <= moment, deliveries.c.due_at > moment + self._longest)
        query = select(deliveries).where(deliveries.c.state == "waiting", due)
        if busy:
            query = query.where(deliveries.c.subscription_id.not_in(list(busy)))
        return query.order_by(deliveries.c.due_at, deliveries.c.number).limit(1)

    def _taken(self, connection: Connection, row: Any, subscription: Subscription) -> Claim:
        # Known as a server before its first beat, so that its death is noticed.
        insert_new(connection, instances, id=self.owner, beat=0)
        attempts = row.attempts + 1
        _set(
            connection,
            deliveries.c.number == row.number,
            state="sending",
            owner=self.owner,
            attempts=attempts,
        )
        event = connection.execute(select(events).where(events.c.number == row.event_number)).one()
        return Claim(row.number, attempts, read_event(event), subscription)

    def delivered(self, claim: Claim) -> bool:
        """Record that the receiver has it; False if it is no longer this server's to tell."""
        return self._end(claim, state="delivered", error=None, delivered_at=now())

    def failed(self, claim: Claim, error: str) -> bool:
        """Record that it is given up."""
        return self._end(claim, state="failed", error=error)

    def put_off(self, claim: Claim, error: str | None, pause_s: float) -> bool:
        """Let it wait; without an error the attempt does not count, since it was broken off."""
        due_at = now() + dt.timedelta(seconds=pause_s)
        if error is None:
            attempts = claim.attempts - 1
            return self._end(claim, state="waiting", due_at=due_at, attempts=attempts)
        return self._end(claim, state="waiting", due_at=due_at, error=error)

    def _end(self, claim: Claim, **values: Any) -> bool:
        held = (
            (deliveries.c.number == claim.number)
            & (deliveries.c.state == "sending")
            & (deliveries.c.owner == self.owner)
            & (deliveries.c.attempts == claim.attempts)
        )
        return bool(self._database.write(lambda c: _set(c, held, owner=None, **values)))

    def own(self) -> set[int]:
        """Return the numbers of the deliveries that the store holds to be sent by this server."""
        query = select(deliveries.c.number).where(
            deliveries.c.state == "sending", deliveries.c.owner == self.owner
        )
        return set(self._database.read(lambda c: c.execute(query).scalars().all()))

    def release(self, numbers: Collection[int]) -> int:
        """Let deliveries of this server wait again that it claimed and knows nothing of."""
        lost = deliveries.c.number.in_(list(numbers)) & (deliveries.c.owner == self.owner)
        return self._released(lost) if numbers else 0

    def take_over(self) -> int:
        """Let wait again what servers were sending that are there no more; return how many."""
        alive = select(instances.c.id)
        gone = deliveries.c.owner.is_not(None) & deliveries.c.owner.not_in(alive)
        query = select(deliveries.c.number).where(deliveries.c.state == "sending", gone).limit(1)
        if self._database.read(lambda c: c.execute(query).first()) is None:
            return 0
        return self._released(gone)

    def _released(self, which: Any) -> int:
        sending = (deliveries.c.state == "sending") & which
        return int(
            self._database.write(
                lambda c: _set(c, sending, state="waiting", owner=None, due_at=now())
            )
        )


def _set(connection: Connection, which: Any, **values: Any) -> int:
    return connection.execute(update(deliveries).where(which).values(**values)).rowcount


def _subscription(connection: Connection, subscription_id: str) -> Subscription:
    query = select(subscriptions).where(subscriptions.c.id == subscription_id)
    return read_subscription(connection.execute(query).one())


def _shown() -> Select[Any]:
    return select(
        deliveries.c.number,
        events.c.id.label("event_id"),
        events.c.kind.label("event_kind"),
        events.c.subject,
        deliveries.c.subscription_id,
        deliveries.c.state,
        deliveries.c.attempts,
        deliveries.c.due_at,
        deliveries.c.error,
        deliveries.c.delivered_at,
    ).join(events, events.c.number == deliveries.c.event_number)
