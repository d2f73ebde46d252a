"""Refreshes of prices: every attempt, what became of it, and who decided on those held."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, func, select, update

from api.store.catalogs import (
    Catalogs,
    InForce,
    MovedOnError,
    bring_in_force,
    keep,
    last_in_force,
    take_turns,
)
from api.store.database import Database
from api.store.events import record_event
from api.store.records import insert_new, new_id, now
from api.store.refresh_records import (
    EVENTS,
    GOOD,
    OURSELVES,
    Counts,
    NoRefreshError,
    NotHeldError,
    Refresh,
    State,
    told_of,
)
from api.store.tables import refreshes
from data.catalog import Catalog


class Refreshes:
    """The attempts to refresh prices, and the snapshots that they bring in force."""

    def __init__(self, database: Database, catalogs: Catalogs) -> None:
        self._database, self._catalogs = database, catalogs

    def record(
        self,
        feed: str,
        name: str,
        place: str,
        state: State,
        report: Mapping[str, Any],
        *,
        base: InForce,
        catalog: Catalog | None = None,
        key_id: str | None = None,
    ) -> Refresh:
        """Store an attempt and tell of it; an accepted one comes in force in the same transaction.

        A held refresh of the same name, if any, is rejected: this one took its place. One that was
        refused takes nobody's.

        Parameters
        ----------
        base
            What was in force when it was compared.
        catalog
            What it makes, as `api.store.catalogs.as_stored` returns it; None where it was refused.

        Raises
        ------
        MovedOnError
            If something else is in force by now.
        """
        refresh_id = new_id("refresh")

        def work(connection: Connection) -> Refresh:
            take_turns(connection)
            there = _find(connection, refresh_id)
            if there is not None:  # the answer to the first try was lost
                return there
            if state != "refused":
                last = last_in_force(connection)
                if last is None or last.number != base.number:
                    raise MovedOnError(refresh_id)
                _supersede(connection, feed, name, refresh_id)
            if catalog is not None:
                keep(connection, catalog)
            insert_new(
                connection,
                refreshes,
                id=refresh_id,
                feed=feed,
                name=name,
                place=place,
                state=state,
                base_id=base.catalog_id,
                catalog_id=None if catalog is None else catalog.id,
                report=json.dumps(dict(report)),
                key_id=key_id,
                created_at=now(),
            )
            if state == "accepted":
                assert catalog is not None
                note = f"{name}: {refresh_id}"
                bring_in_force(connection, catalog, "refreshed", note, key_id)
            found = _found(connection, refresh_id)
            if state in EVENTS:
                record_event(connection, EVENTS[state], name, told_of(found))
            return found

        found = self._database.write(work)
        self._catalogs.forget()
        return found

    def approve(
        self,
        refresh_id: str,
        by: str,
        *,
        report: Mapping[str, Any],
        catalog: Catalog,
        base: InForce,
    ) -> Refresh:
        """Bring a held refresh in force.

        Parameters
        ----------
        by
            Who approves it.
        report, catalog, base
            As it was compared last; see `record`.

        Raises
        ------
        MovedOnError
            If something else than `base` is in force by now.
        NotHeldError
            If it is not held.
        """

        def work(connection: Connection) -> Refresh:
            take_turns(connection)
            there = _found(connection, refresh_id)
            if (there.state, there.decided_by, there.catalog_id) == ("accepted", by, catalog.id):
                return there
            if there.state != "held":
                raise NotHeldError(there.state)
            last = last_in_force(connection)
            if last is None or last.number != base.number:
                raise MovedOnError(refresh_id)
            keep(connection, catalog)
            _change(
                connection,
                refresh_id,
                state="accepted",
                report=json.dumps(dict(report)),
                base_id=base.catalog_id,
                catalog_id=catalog.id,
                decided_at=now(),
                decided_by=by,
            )
            note = f"{there.name}: {refresh_id}, approved by {by}"
            bring_in_force(connection, catalog, "refreshed", note, there.key_id)
            found = _found(connection, refresh_id)
            record_event(connection, EVENTS["accepted"], found.name, told_of(found))
            return found

        found = self._database.write(work)
        self._catalogs.forget()
        return found

    def compared_again(
        self, refresh_id: str, report: Mapping[str, Any], catalog: Catalog, base: InForce
    ) -> Refresh:
        """Store what a held refresh changes by now; parameters and errors as of `approve`."""

        def work(connection: Connection) -> Refresh:
            take_turns(connection)
            if _found(connection, refresh_id).state != "held":
                raise NotHeldError(_found(connection, refresh_id).state)
            keep(connection, catalog)
            _change(
                connection,
                refresh_id,
                report=json.dumps(dict(report)),
                base_id=base.catalog_id,
                catalog_id=catalog.id,
            )
            return _found(connection, refresh_id)

        return self._database.write(work)

    def reject(self, refresh_id: str, by: str) -> Refresh:
        """Decide that a held refresh does not come in force; raises as `approve`."""

        def work(connection: Connection) -> Refresh:
            there = _found(connection, refresh_id)
            if (there.state, there.decided_by) == ("rejected", by):
                return there
            if there.state != "held":
                raise NotHeldError(there.state)
            _change(connection, refresh_id, state="rejected", decided_at=now(), decided_by=by)
            return _found(connection, refresh_id)

        return self._database.write(work)

    def get(self, refresh_id: str) -> Refresh | None:
        """Return a refresh, or None."""
        return self._database.read(lambda connection: _find(connection, refresh_id))

    def last_good(self, feed: str, name: str) -> Refresh | None:
        """Return the last refresh of a name that was accepted or found unchanged."""
        query = (
            select(refreshes)
            .where(refreshes.c.feed == feed, refreshes.c.name == name)
            .where(refreshes.c.state.in_(GOOD))
            .order_by(refreshes.c.number.desc())
            .limit(1)
        )
        row = self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _refresh(row)

    def list(
        self,
        limit: int,
        before: int | None = None,
        *,
        name: str | None = None,
        state: str | None = None,
    ) -> list[Refresh]:
        """Return refreshes, the latest first.

        Parameters
        ----------
        before
            Only those of a lower number.
        """
        query = select(refreshes).order_by(refreshes.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(refreshes.c.number < before)
        if name is not None:
            query = query.where(refreshes.c.name == name)
        if state is not None:
            query = query.where(refreshes.c.state == state)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [_refresh(row) for row in rows]

    def counts(self) -> Counts:
        """Return how many refreshes ended how, and when each feed was good the last time."""
        t = refreshes.c
        by_state = select(t.feed, t.state, t.decided_at.is_not(None), func.count()).group_by(
            t.feed, t.state, t.decided_at.is_not(None)
        )
        good = (
            select(t.feed, t.name, func.max(t.number).label("number"))
            .where(t.state.in_(GOOD))
            .group_by(t.feed, t.name)
            .subquery()
        )
        last = select(t.feed, t.name, func.coalesce(t.decided_at, t.created_at).label("at")).join(
            good, t.number == good.c.number
        )

        def work(connection: Connection) -> Counts:
            ended: dict[tuple[str, str], int] = {}
            for feed, state, decided, count in connection.execute(by_state).all():
                for how in {state, "held"} if decided else {state}:
                    ended[feed, how] = ended.get((feed, how), 0) + count
            at = {(row.feed, row.name): row.at for row in connection.execute(last).all()}
            return Counts(ended, at)

        return self._database.read(work)


def _supersede(connection: Connection, feed: str, name: str, by_id: str) -> None:
    """Reject what is held under a name: newer prices of the same feed are there."""
    t = refreshes.c
    held = select(refreshes).where(t.feed == feed, t.name == name, t.state == "held")
    for row in connection.execute(held).all():
        report = {**json.loads(row.report), "superseded_by": by_id}
        _change(
            connection,
            row.id,
            state="rejected",
            report=json.dumps(report),
            decided_at=now(),
            decided_by=OURSELVES,
        )


def _change(connection: Connection, refresh_id: str, **values: Any) -> None:
    connection.execute(update(refreshes).where(refreshes.c.id == refresh_id).values(**values))


def _find(connection: Connection, refresh_id: str) -> Refresh | None:
    row = connection.execute(select(refreshes).where(refreshes.c.id == refresh_id)).first()
    return None if row is None else _refresh(row)


def _found(connection: Connection, refresh_id: str) -> Refresh:
    found = _find(connection, refresh_id)
    if found is None:
        raise NoRefreshError(refresh_id)
    return found


def _refresh(row: Any) -> Refresh:
    return Refresh(**{**row._mapping, "report": json.loads(row.report)})
