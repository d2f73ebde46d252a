"""Due workloads become jobs: each due time once, whoever looks, and however many do.

One transaction moves the due time on and puts the job in the queue. Who claims may die at any
moment: before the commit nothing has happened, and after it the job is any server's.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, update

from api.schedules import next_due
from api.store.database import Database
from api.store.jobs import add_job, open_jobs, waiting
from api.store.records import now
from api.store.registered import (
    REPLANNING,
    count_due,
    is_due,
    new_replanning,
    newest_catalog,
    replanning_digest,
)
from api.store.tables import registered

QUEUE_SHARE = 0.5
"""Part of the queue that due workloads may fill, so that people's requests find room."""

TURN = 7_236_461
"""Number of the lock that claimers of a PostgreSQL store take in turns."""


@dataclass(frozen=True)
class Claimed:
    """What one look at the due workloads came to.

    Attributes
    ----------
    jobs
        Workload → the job that plans it.
    left
        How many are due still: the queue has no room, or a job of theirs is open.
    """

    jobs: dict[str, str]
    left: int


class DueWorkloads:
    """The due workloads of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self) -> int:
        """Return how many are due."""
        return self._database.read(lambda connection: count_due(connection, now()))

    def claim(self, queue_limit: int, at: dt.datetime | None = None) -> Claimed:
        """Turn due workloads into jobs, the longest due first, as far as the queue has room.

        A workload that is planned at the moment stays due until that has ended. However many times
        were missed, it is planned once; the next time is the first one after now.

        Parameters
        ----------
        queue_limit
            Jobs that may wait; see `QUEUE_SHARE`.
        at
            The time; now by default.
        """
        moment = now() if at is None else at
        if not self._database.read(lambda connection: count_due(connection, moment)):
            return Claimed({}, 0)  # no writer is held up where nothing is due

        def work(connection: Connection) -> Claimed:
            if not _has_turn(connection):
                return Claimed({}, count_due(connection, moment))
            room = max(int(queue_limit * QUEUE_SHARE), 1) - waiting(connection)
            made = _claim(connection, moment, room) if room > 0 else {}
            return Claimed(made, count_due(connection, moment))

        return self._database.write(work)


def _has_turn(connection: Connection) -> bool:
    """Whether no other server is claiming: two at once would fill the queue twice."""
    if connection.dialect.name != "postgresql":  # SQLite has one writer in any case
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(TURN))).scalar())


def _claim(connection: Connection, moment: dt.datetime, room: int) -> dict[str, str]:
    newest, _ = newest_catalog(connection)
    busy = open_jobs(connection, REPLANNING)
    columns = ("name", "revision", "schedule", "due_at", "planned_history")
    query = (
        select(*(registered.c[name] for name in columns), registered.c.fleet.is_(None))
        .where(*is_due(moment, newest))
        .order_by(registered.c.due_at.is_(None), registered.c.due_at, registered.c.name)
        .limit(room + len(busy))
        .with_for_update(skip_locked=True)
    )
    made: dict[str, str] = {}
    for name, revision, schedule, due_at, planned, no_fleet in connection.execute(query).all():
        if len(made) == room:
            break
        if replanning_digest(name, revision) in busy:
            continue
        by_clock = due_at is not None and due_at <= moment
        trigger = "first" if no_fleet else "schedule" if by_clock else "price_change"
        following = due_at
        if by_clock:
            following = None if no_fleet else next_due(json.loads(schedule), moment)
        moved = connection.execute(
            update(registered)
            .where(
                registered.c.name == name,
                registered.c.revision == revision,
                registered.c.due_at.is_not_distinct_from(due_at),
            )
            .values(due_at=following, planned_history=None if planned is None else newest)
        )
        if moved.rowcount:
            since = due_at if by_clock else None
            made[name] = add_job(
                connection, new_replanning(name, revision, trigger, since, None)
            ).id
    return made
