"""Registered workloads: what is planned again and again, over the fleet that runs now."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from api.schedules import PRICE_CHANGE, next_due
from api.store.database import Database
from api.store.jobs import NewJob, find_job
from api.store.records import digest_of, insert_new, now
from api.store.tables import catalog_history, jobs, registered

REPLANNING = "replanning"
"""Kind of the jobs that plan registered workloads again."""

JSON_COLUMNS = ("workload", "policy", "schedule", "basis", "fleet", "memory")

Expected = Callable[[int | None], bool]
"""Whether a change may go on where this revision stands; None for no such workload."""


@dataclass(frozen=True)
class Content:
    """What people say of a registered workload, checked and ready for JSON.

    Attributes
    ----------
    schedule
        `cron`, `timezone` and `on`; empty where only a request makes it due.
    basis
        `measured`, `coefficients`, `settings`: what else it is planned with.
    fleet
        Plan document of what runs; None to keep what is known, or to have one proposed.
    plan_id
        The stored plan that the fleet is, if it is one.
    memory
        What the next decision knows of that fleet; not used where the known one stays.
    paused
        Whether the schedule rests.
    """

    workload: dict[str, Any]
    policy: dict[str, Any]
    schedule: dict[str, Any]
    basis: dict[str, Any]
    fleet: dict[str, Any] | None
    plan_id: str | None
    memory: dict[str, Any]
    paused: bool


@dataclass(frozen=True)
class Registered:
    """A registered workload as it is stored.

    Attributes
    ----------
    revision
        Counts the changes that people make, acceptances among them.
    waiting
        Whether no fleet runs yet: the first proposal is to be accepted.
    fleet
        Plan document of what runs; None where none does, or where it was not read.
    due_at
        When the clock makes it due; None for never.
    planned_history
        Number of the catalogue it was last planned with; None where prices do not make it due.
    """

    name: str
    revision: int
    workload: dict[str, Any]
    policy: dict[str, Any]
    schedule: dict[str, Any]
    basis: dict[str, Any]
    waiting: bool
    fleet: dict[str, Any] | None
    plan_id: str | None
    memory: dict[str, Any]
    paused: bool
    due_at: dt.datetime | None
    planned_history: int | None
    key_id: str | None
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def digest(self) -> str:
        """Digest of the jobs that plan it again: one is open at a time."""
        return replanning_digest(self.name, self.revision)


class ExpectationError(Exception):
    """Another revision stands than the one that a change was made to; it is the argument."""


class _AgainError(Exception):
    """Another transaction registered the same name; from the start this one goes through."""


class Registrations:
    """The registered workloads of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self, name: str, content: Content, expected: Expected, key_id: str | None
    ) -> tuple[Registered, bool]:
        """Register a workload, or replace what is registered; return it, and whether it is new.

        The same content again changes nothing.

        Raises
        ------
        ExpectationError
            If another revision stands.
        """

        def work(connection: Connection) -> tuple[Registered, bool]:
            row = connection.execute(
                select(registered).where(registered.c.name == name).with_for_update()
            ).first()
            live = None if row is None or row.removed_at is not None else read_registered(row)
            if not expected(None if live is None else live.revision):
                raise ExpectationError(None if live is None else live.revision)
            if live is not None and _says(live, content):
                return live, False
            values = _values(connection, live, content)
            if row is None:
                made = {**values, "revision": 1, "created_at": now()}
                if not insert_new(connection, registered, name=name, key_id=key_id, **made):
                    raise _AgainError
            else:
                values |= {"revision": row.revision + 1, "removed_at": None}
                if live is None:
                    values |= {"created_at": now(), "key_id": key_id}
                connection.execute(
                    update(registered).where(registered.c.name == name).values(**values)
                )
            found = find_registered(connection, name)
            assert found is not None
            return found, live is None

        while True:
            try:
                return self._database.write(work)
            except _AgainError:
                continue

    def get(self, name: str) -> Registered | None:
        """Return a registered workload."""
        return self._database.read(lambda connection: find_registered(connection, name))

    def with_catalog(self, name: str) -> tuple[Registered | None, str]:
        """Return a registered workload and the id of the catalogue in force, of one moment."""
        return self._database.read(
            lambda connection: (find_registered(connection, name), newest_catalog(connection)[1])
        )

    def list(self, limit: int, *, after: str | None = None) -> list[Registered]:
        """Return registered workloads in the order of their names, those after a name.

        Without their fleets, which are large: `fleet` is None in all.
        """
        columns = [c for c in registered.c if c.name != "fleet"]
        query = (
            select(*columns, registered.c.fleet.is_(None).label("waiting"))
            .where(registered.c.removed_at.is_(None))
            .order_by(registered.c.name)
            .limit(limit)
        )
        if after is not None:
            query = query.where(registered.c.name > after)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [read_registered(row) for row in rows]

    def remove(self, name: str, expected: Expected) -> bool:
        """Forget a workload, and cancel what plans it; return whether it was there.

        Its decisions stay.

        Raises
        ------
        ExpectationError
            If another revision stands.
        """

        def work(connection: Connection) -> bool:
            live = find_registered(connection, name, lock=True)
            if not expected(None if live is None else live.revision):
                raise ExpectationError(None if live is None else live.revision)
            if live is None:
                return False
            gone = {"removed_at": now(), "due_at": None, "fleet": None, "plan_id": None}
            connection.execute(update(registered).where(registered.c.name == name).values(**gone))
            open_one = jobs.c.active_digest == live.digest
            queued = update(jobs).where(open_one, jobs.c.state == "queued")
            ended = {"state": "cancelled", "active_digest": None, "finished_at": now()}
            connection.execute(queued.values(**ended, cancel_requested=True))
            connection.execute(update(jobs).where(open_one).values(cancel_requested=True))
            return True

        return self._database.write(work)

    def open_job(self, found: Registered) -> str | None:
        """Return the job that plans a workload at the moment, if one does."""
        job = self._database.read(
            lambda connection: find_job(connection, jobs.c.active_digest == found.digest)
        )
        return None if job is None else job.id


def replanning_digest(name: str, revision: int) -> str:
    """Return what the jobs of a workload have in common, so that one is open at a time."""
    return digest_of([REPLANNING, name, revision])


def new_replanning(
    name: str, revision: int, trigger: str, due_at: dt.datetime | None, key_id: str | None
) -> NewJob:
    """Return the job that plans a workload again; what it works with is read when it begins."""
    task = {
        "workload": name,
        "revision": revision,
        "trigger": trigger,
        "due_at": None if due_at is None else due_at.isoformat(),
    }
    return NewJob(REPLANNING, replanning_digest(name, revision), task, True, key_id)


def find_registered(connection: Connection, name: str, *, lock: bool = False) -> Registered | None:
    """Return a workload that is registered, if it is."""
    query = select(registered).where(registered.c.name == name, registered.c.removed_at.is_(None))
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else read_registered(row)


def read_registered(row: Any) -> Registered:
    """Return a registered workload from its row."""
    fields = {n: getattr(row, n, None) for n in Registered.__dataclass_fields__}
    if fields["waiting"] is None:
        fields["waiting"] = row.fleet is None
    for name in JSON_COLUMNS:
        fields[name] = None if fields[name] is None else json.loads(fields[name])
    return Registered(**fields)


def newest_catalog(connection: Connection) -> tuple[int, str]:
    """Return number and id of the catalogue in force; 0 and "" before any is."""
    query = select(catalog_history.c.number, catalog_history.c.catalog_id)
    row = connection.execute(query.order_by(catalog_history.c.number.desc()).limit(1)).first()
    return (0, "") if row is None else (row.number, row.catalog_id)


def due_values(
    connection: Connection, content: Content | Registered, fleet: dict[str, Any] | None
) -> dict[str, Any]:
    """Return when a workload is due from now on: columns and their values.

    A workload without a fleet is due at once, for its first proposal, and then not until that is
    accepted. One whose fleet was planned with another catalogue than is in force has missed a
    change of prices.
    """
    if content.paused:
        return {"due_at": None, "planned_history": None}
    if fleet is None:
        return {"due_at": now(), "planned_history": None}
    seen = None
    if content.schedule.get("on") == PRICE_CHANGE:
        number, catalog_id = newest_catalog(connection)
        seen = number if fleet.get("catalog", {}).get("id") == catalog_id else 0
    return {"due_at": next_due(content.schedule, now()), "planned_history": seen}


def _says(live: Registered, content: Content) -> bool:
    """Whether content is what stands already."""
    names = ("workload", "policy", "schedule", "basis", "paused")
    same = all(getattr(live, name) == getattr(content, name) for name in names)
    return same and content.fleet in (None, live.fleet)


def _values(connection: Connection, live: Registered | None, content: Content) -> dict[str, Any]:
    """Return the columns of a registration."""
    fleet, plan_id, memory = content.fleet, content.plan_id, content.memory
    if live is not None and fleet in (None, live.fleet):
        fleet, plan_id, memory = live.fleet, live.plan_id, live.memory
    due = due_values(connection, content, fleet)
    if live is not None and live.fleet is not None and not (content.paused or live.paused):
        if live.schedule == content.schedule:  # what is due already stays due
            due["due_at"] = live.due_at
        if due["planned_history"] is not None and live.planned_history is not None:
            due["planned_history"] = live.planned_history
    return {
        **{n: json.dumps(getattr(content, n)) for n in ("workload", "policy", "schedule", "basis")},
        "fleet": None if fleet is None else json.dumps(fleet),
        "plan_id": plan_id,
        "memory": json.dumps(memory),
        "paused": content.paused,
        "updated_at": now(),
        **due,
    }


def count_due(connection: Connection, at: dt.datetime) -> int:
    """Return how many workloads are due."""
    number, _ = newest_catalog(connection)
    query = select(func.count()).select_from(registered).where(*is_due(at, number))
    return int(connection.execute(query).scalar() or 0)


def is_due(at: dt.datetime, newest: int) -> tuple[Any, ...]:
    """Return the condition that a workload is due: by the clock, or since prices changed."""
    by_clock = registered.c.due_at <= at
    by_price = registered.c.planned_history < newest
    return (registered.c.removed_at.is_(None), ~registered.c.paused, by_clock | by_price)
