"""Jobs: what was accepted, who works on it, and how it ended. None is ever lost.

A job is ``queued``, then ``running`` under one owner (a server), then ``done``, ``failed`` or
``cancelled``. Each change is one transaction that asks for the state before it, so that two
servers never both win.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, update

from api.store.database import Database, Work
from api.store.idempotency import IdempotencyRaceError, IdempotencyUse, note_use, used
from api.store.plans import stored_answer
from api.store.records import insert_new, new_id, now
from api.store.tables import jobs

FINISHED = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Job:
    """A job as it is stored.

    Attributes
    ----------
    kind
        ``plan``, ``simulation``, ``comparison``, ``frontier`` or ``replanning``.
    digest
        Of the request: equal requests share a job while it is open.
    fresh
        Whether a stored answer was refused, so that this one takes its place.
    task
        What a worker is given.
    attempts
        One entry for each worker that took it up: when, which, and how that ended.
    """

    number: int
    id: str
    kind: str
    state: str
    digest: str
    fresh: bool
    task: dict[str, Any]
    owner: str | None
    attempts: list[dict[str, Any]]
    progress: dict[str, Any] | None
    cancel_requested: bool
    result_id: str | None
    problem: dict[str, Any] | None
    key_id: str | None
    created_at: dt.datetime
    started_at: dt.datetime | None
    finished_at: dt.datetime | None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINISHED


@dataclass(frozen=True)
class NewJob:
    """A request for a job."""

    kind: str
    digest: str
    task: dict[str, Any]
    fresh: bool = False
    key_id: str | None = None


class QueueFullError(Exception):
    """As many jobs wait as may; the number that do is the argument."""


class _AgainError(Exception):
    """Another transaction came between; from the start this one goes through."""


class Jobs:
    """The jobs of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def submit(self, new: NewJob, queue_limit: int, use: IdempotencyUse | None = None) -> Job:
        """Store a job, or return the open one for an equal request.

        An answer that was stored a moment ago makes a job that is done, unless a fresh one is
        wanted.

        Raises
        ------
        QueueFullError
            If as many jobs wait as may.
        IdempotencyError
            If the Idempotency-Key was used for another request.
        """
        made = new_id("job")

        def work(connection: Connection) -> Job:
            before = used(connection, use)
            if before is not None:
                return _job_of_use(connection, before, made, new)
            found = find_job(connection, jobs.c.active_digest == new.digest)
            if found is None:
                found = _new_job(connection, made, new, queue_limit)
            note_use(connection, use, job_id=found.id)
            return found

        return self._write(work)

    def _write(self, work: Work[Job]) -> Job:
        """Run a transaction that another one may come in between of."""
        while True:
            try:
                return self._database.write(work)
            except (_AgainError, IdempotencyRaceError):
                continue

    def record_done(self, new: NewJob, result_id: str, use: IdempotencyUse | None = None) -> Job:
        """Store a job that a stored answer has answered already."""
        made = new_id("job")

        def work(connection: Connection) -> Job:
            before = used(connection, use)
            if before is not None:
                return _job_of_use(connection, before, made, new)
            note_use(connection, use, job_id=made)
            return _insert(connection, made, new, state="done", result_id=result_id)

        return self._write(work)

    def used(self, use: IdempotencyUse) -> tuple[str | None, str | None]:
        """Return job and result that an Idempotency-Key was used for, None where it was not.

        Raises
        ------
        IdempotencyError
            If it was used for another request.
        """
        row = self._database.read(lambda connection: used(connection, use))
        return (None, None) if row is None else (row.job_id, row.result_id)

    def use_for_result(self, use: IdempotencyUse, result_id: str) -> None:
        """Note that an Idempotency-Key was answered from the store.

        Raises
        ------
        IdempotencyError
            If it was used for another request.
        """
        # The same request came twice at once: what the other one noted stands.
        with contextlib.suppress(IdempotencyRaceError):
            self._database.write(lambda c: note_use(c, use, result_id=result_id))

    def get(self, job_id: str) -> Job | None:
        """Return a job."""
        return self._database.read(lambda c: find_job(c, jobs.c.id == job_id))

    def list(self, limit: int, *, after: str | None = None, state: str | None = None) -> list[Job]:
        """Return jobs, the latest first.

        Raises
        ------
        LookupError
            If there is no job `after`.
        """

        def work(connection: Connection) -> list[Job]:
            query = select(jobs).order_by(jobs.c.number.desc()).limit(limit)
            if state is not None:
                query = query.where(jobs.c.state == state)
            if after is not None:
                mark = select(jobs.c.number).where(jobs.c.id == after)
                number = connection.execute(mark).scalar()
                if number is None:
                    raise LookupError(after)
                query = query.where(jobs.c.number < number)
            return [read_job(row) for row in connection.execute(query).all()]

        return self._database.read(work)

    def open(self, kind: str) -> list[Job]:
        """Return the jobs of a kind that wait or run, the oldest first."""
        query = (
            select(jobs)
            .where(jobs.c.kind == kind, jobs.c.state.in_(("queued", "running")))
            .order_by(jobs.c.number)
        )
        rows = self._database.read(lambda c: c.execute(query).all())
        return [read_job(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many jobs wait and run."""
        query = (
            select(jobs.c.state, func.count())
            .where(jobs.c.state.in_(("queued", "running")))
            .group_by(jobs.c.state)
        )
        found = dict(self._database.read(lambda c: [tuple(r) for r in c.execute(query)]))
        return {"queued": found.get("queued", 0), "running": found.get("running", 0)}

    def ahead_of(self, job: Job) -> int:
        """Return how many jobs wait before a queued one."""
        query = select(func.count()).where(jobs.c.state == "queued", jobs.c.number < job.number)
        return int(self._database.read(lambda c: c.execute(query).scalar()) or 0)

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job: at once if it waits, else as soon as its owner hears of it."""

        def work(connection: Connection) -> Job | None:
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.state == "queued")
                .values(
                    state="cancelled",
                    active_digest=None,
                    cancel_requested=True,
                    finished_at=now(),
                )
            )
            connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.state == "running")
                .values(cancel_requested=True)
            )
            return find_job(connection, jobs.c.id == job_id)

        return self._database.write(work)


def _job_of_use(connection: Connection, before: Any, made: str, new: NewJob) -> Job:
    """Return the job that an Idempotency-Key was used for, or one that has the result it gave."""
    if before.job_id is None:
        return _insert(connection, made, new, state="done", result_id=before.result_id)
    found = find_job(connection, jobs.c.id == before.job_id)
    assert found is not None
    return found


def _new_job(connection: Connection, made: str, new: NewJob, queue_limit: int) -> Job:
    """Store a job for which none was open a moment ago."""
    # Whoever ended an open one since then stored its answer in the same transaction.
    answer = None if new.fresh else stored_answer(connection, new.kind, new.digest)
    if answer is not None:
        return _insert(connection, made, new, state="done", result_id=answer)
    queued = waiting(connection)
    if queued >= queue_limit:
        raise QueueFullError(queued)
    return _insert(connection, made, new)


def open_jobs(connection: Connection, kind: str) -> set[str]:
    """Return the digests of the jobs of a kind that wait or run."""
    query = select(jobs.c.active_digest).where(
        jobs.c.kind == kind, jobs.c.state.in_(("queued", "running"))
    )
    return set(connection.execute(query).scalars())


def add_job(connection: Connection, new: NewJob) -> Job:
    """Store a job within a transaction, or return the open one for an equal request."""
    return _insert(connection, new_id("job"), new)


def _insert(
    connection: Connection,
    job_id: str,
    new: NewJob,
    *,
    state: str = "queued",
    result_id: str | None = None,
) -> Job:
    """Store a job and return it; an open one for an equal request is returned in its place."""
    done = state != "queued"
    insert_new(
        connection,
        jobs,
        id=job_id,
        kind=new.kind,
        state=state,
        digest=new.digest,
        active_digest=None if done else new.digest,
        fresh=new.fresh,
        task=json.dumps(new.task),
        attempts="[]",
        cancel_requested=False,
        result_id=result_id,
        key_id=new.key_id,
        created_at=now(),
        finished_at=now() if done else None,
    )
    stored = None if done else find_job(connection, jobs.c.active_digest == new.digest)
    if stored is None:  # it is done; or a run before stored it, and it has ended since
        stored = find_job(connection, jobs.c.id == job_id)
    if stored is None:  # the open one ended before it could be read
        raise _AgainError
    return stored


def waiting(connection: Connection) -> int:
    """Return how many jobs wait."""
    query = select(func.count()).where(jobs.c.state == "queued")
    return int(connection.execute(query).scalar() or 0)


def find_job(connection: Connection, where: Any) -> Job | None:
    """Return the job that a condition names, if there is one."""
    row = connection.execute(select(jobs).where(where)).first()
    return None if row is None else read_job(row)


def read_job(row: Any) -> Job:
    """Return a job from its row."""
    fields = {n: getattr(row, n) for n in Job.__dataclass_fields__}
    for name in ("task", "attempts", "progress", "problem"):
        fields[name] = None if fields[name] is None else json.loads(fields[name])
    return Job(**fields)
