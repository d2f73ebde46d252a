"""Due workloads become jobs: each due time once, whoever looks, and however many do.

One transaction moves the due time on and puts the job in the queue. Who claims may die at any
moment: before the commit nothing has happened, and after it the job is any server's.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field, replace

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
from data.errors import InputError

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
    broken
        Workload → why its schedule cannot be read any more, so that it was its last time.
    """

    jobs: dict[str, str] = field(default_factory=dict)
    left: int = 0
    broken: dict[str, str] = field(default_factory=dict)


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
            return Claimed()  # no writer is held up where nothing is due

        def work(connection: Connection) -> Claimed:
            if not _has_turn(connection):
                return Claimed(left=count_due(connection, moment))
            room = max(int(queue_limit * QUEUE_SHARE), 1) - waiting(connection)
            claimed = _claim(connection, moment, room) if room > 0 else Claimed()
            return replace(claimed, left=count_due(connection, moment))

        return self._database.write(work)


def _has_turn(connection: Connection) -> bool:
    """Whether no other server is claiming: two at once would fill the queue twice."""
    if connection.dialect.name != "postgresql":  # SQLite has one writer in any case
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(TURN))).scalar())


def _claim(connection: Connection, moment: dt.datetime, room: int) -> Claimed:
    newest, _ = newest_catalog(connection)
    busy = open_jobs(connection, REPLANNING)
    columns = ("name", "revision", "schedule", "due_at", "planned_history")
    query = (
        select(*(registered.c[n] for n in columns), registered.c.fleet.is_(None).label("first"))
        .where(*is_due(moment, newest))
        .order_by(registered.c.due_at.is_(None), registered.c.due_at, registered.c.name)
        .limit(room + len(busy))  # so many at most are planned at the moment
        .with_for_update(skip_locked=True)
    )
    claimed = Claimed()
    for row in connection.execute(query).all():
        if len(claimed.jobs) == room:
            break
        if replanning_digest(row.name, row.revision) in busy:
            continue
        by_clock = row.due_at is not None and row.due_at <= moment
        following = row.due_at
        if by_clock:
            try:
                following = None if row.first else next_due(json.loads(row.schedule), moment)
            except InputError as error:  # a time zone that was given up, or a newer CronSim
                following, claimed.broken[row.name] = None, str(error)
        seen = None if row.planned_history is None else newest
        same = (registered.c.name == row.name, registered.c.revision == row.revision)
        connection.execute(
            update(registered).where(*same).values(due_at=following, planned_history=seen)
        )
        trigger = "first" if row.first else "schedule" if by_clock else "price_change"
        since = row.due_at if by_clock else None
        new = new_replanning(row.name, row.revision, trigger, since, None)
        claimed.jobs[row.name] = add_job(connection, new).id
    return claimed
