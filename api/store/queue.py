"""The queue as the servers work it off: claims, ends, and what becomes of the jobs of the dead."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from typing import Any

from sqlalchemy import Connection, delete, select, update

from api.store.database import Database
from api.store.decisions import REPLANNING, store_failure
from api.store.jobs import Job, find_job, read_job, waiting
from api.store.records import insert_new, now
from api.store.tables import deliveries, instances, jobs

MAX_ATTEMPTS = 2
"""A job whose worker or server died is tried once more; what kills twice would kill again."""


class Queue:
    """The jobs of a store, from the side of one server.

    Parameters
    ----------
    owner
        Id of the server.
    kinds
        Kinds of jobs that it takes; None for all.
    """

    def __init__(
        self, database: Database, owner: str, kinds: Collection[str] | None = None
    ) -> None:
        self._database, self.owner, self._kinds = database, owner, kinds

    def claim(self, *, look_first: bool = False) -> Job | None:
        """Return the job that has waited longest, running from now on; None if none waits.

        Whoever claims one is known as a server from then on, so that its death is noticed even
        before its first beat.

        Parameters
        ----------
        look_first
            Whether most likely none waits, so that no writer should be held up.
        """

        def work(connection: Connection) -> Job | None:
            query = (
                select(jobs)
                .where(jobs.c.state == "queued")
                .order_by(jobs.c.number)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if self._kinds is not None:
                query = query.where(jobs.c.kind.in_(self._kinds))
            row = connection.execute(query).first()
            if row is None:
                return None
            insert_new(connection, instances, id=self.owner, beat=0)
            started = row.started_at or now()
            connection.execute(
                update(jobs)
                .where(jobs.c.number == row.number)
                .values(state="running", owner=self.owner, started_at=started)
            )
            return find_job(connection, jobs.c.number == row.number)

        if look_first and not self._database.read(waiting):
            return None
        return self._database.write(work)

    def note_progress(self, job: Job, progress: dict[str, Any]) -> None:
        """Store how far a running job is."""
        self._change(job, progress=json.dumps(progress))

    def finish(
        self,
        job: Job,
        state: str,
        *,
        attempt: dict[str, Any] | None = None,
        result_id: str | None = None,
        problem: dict[str, Any] | None = None,
        store_result: Callable[[Connection], None] | None = None,
    ) -> bool:
        """End a job, its result stored in the same transaction.

        Returns
        -------
        bool
            False if the job is no longer the owner's to end; nothing was stored then.
        """

        def work(connection: Connection) -> bool:
            done = connection.execute(
                update(jobs)
                .where(*_held(job))
                .values(
                    state=state,
                    active_digest=None,
                    owner=None,
                    attempts=_with_attempt(job, attempt),
                    result_id=result_id,
                    problem=None if problem is None else json.dumps(problem),
                    finished_at=now(),
                )
            )
            if not done.rowcount:
                found = find_job(connection, jobs.c.id == job.id)
                return found is not None and found.state == state and found.result_id == result_id
            if store_result is not None:
                store_result(connection)
            return True

        return self._database.write(work)

    def requeue(self, job: Job, attempt: dict[str, Any] | None = None) -> bool:
        """Put a job that its owner ran back in the queue, at its old place."""
        return self._change(
            job, state="queued", owner=None, attempts=_with_attempt(job, attempt), progress=None
        )

    def to_cancel(self) -> list[str]:
        """Return the running jobs that someone wants cancelled."""
        query = select(jobs.c.id).where(
            jobs.c.owner == self.owner, jobs.c.state == "running", jobs.c.cancel_requested
        )
        return list(self._database.read(lambda c: c.execute(query).scalars().all()))

    def beat(self) -> dict[str, int]:
        """Tell that this server lives; return the beats of all servers."""

        def work(connection: Connection) -> dict[str, int]:
            alive = (
                update(instances)
                .where(instances.c.id == self.owner)
                .values(beat=instances.c.beat + 1)
            )
            if not connection.execute(alive).rowcount:
                insert_new(connection, instances, id=self.owner, beat=0)
            return {i: int(n) for i, n in connection.execute(select(instances)).all()}

        return self._database.write(work)

    def leave(self) -> None:
        """Be no server any more, unless a job or a delivery still stands as at work here."""
        runs = select(jobs.c.number).where(jobs.c.owner == self.owner, jobs.c.state == "running")
        sends = select(deliveries.c.number).where(
            deliveries.c.owner == self.owner, deliveries.c.state == "sending"
        )
        idle = ~runs.exists(), ~sends.exists()
        gone = delete(instances).where(instances.c.id == self.owner, *idle)
        self._database.write(lambda connection: connection.execute(gone))

    def take_over(self, dead: Iterable[str] | None, *, why: str) -> list[str]:
        """Put the running jobs of dead servers back in the queue; fail those that died twice.

        Parameters
        ----------
        dead
            Servers; None for all there are (this one is alone and has just begun).
        why
            How the attempt ended, for the job's record.

        Returns
        -------
        list[str]
            The jobs.
        """
        gone = None if dead is None else list(dead)

        def work(connection: Connection) -> list[str]:
            query = select(jobs).where(jobs.c.state == "running").with_for_update(skip_locked=True)
            if gone is not None:
                query = query.where(jobs.c.owner.in_(gone))
            found = [read_job(row) for row in connection.execute(query).all()]
            for job in found:
                attempt = {"owner": job.owner, "worker_pid": None, "ended": why}
                _end_attempt(connection, job, attempt)
            forget = delete(instances)
            connection.execute(forget if gone is None else forget.where(instances.c.id.in_(gone)))
            return [job.id for job in found]

        return self._database.write(work)

    def running(self) -> list[Job]:
        """Return the jobs that the store holds to be run by this server."""
        query = select(jobs).where(jobs.c.owner == self.owner, jobs.c.state == "running")
        return [read_job(r) for r in self._database.read(lambda c: c.execute(query).all())]

    def end_attempt(self, job: Job, attempt: dict[str, Any]) -> str:
        """Record that a worker died: the job waits again, or fails if it died as often as may.

        Returns
        -------
        str
            The state of the job from now on.
        """

        def work(connection: Connection) -> str:
            _end_attempt(connection, job, attempt)
            found = find_job(connection, jobs.c.id == job.id)
            assert found is not None
            return found.state

        return self._database.write(work)

    def _change(self, job: Job, **values: Any) -> bool:
        """Change a running job, if it is still its owner's."""
        query = update(jobs).where(*_held(job)).values(**values)
        return bool(self._database.write(lambda c: c.execute(query).rowcount))


def _end_attempt(connection: Connection, job: Job, attempt: dict[str, Any]) -> None:
    tried = len(job.attempts) + 1
    again = tried < MAX_ATTEMPTS and not job.cancel_requested
    problem = {
        "type": "urn:minfleet:problem:worker-died",
        "title": "The worker died",
        "status": 500,
        "detail": f"{tried} attempts ended early; the last: {attempt['ended']}.",
    }
    values: dict[str, Any] = {"owner": None, "attempts": _with_attempt(job, attempt)}
    if again:
        values |= {"state": "queued", "progress": None}
    elif job.cancel_requested:
        values |= {"state": "cancelled", "active_digest": None, "finished_at": now()}
    else:
        values |= {
            "state": "failed",
            "active_digest": None,
            "problem": json.dumps(problem),
            "finished_at": now(),
        }
    ended = connection.execute(update(jobs).where(*_held(job)).values(**values))
    if ended.rowcount and values["state"] == "failed" and job.kind == REPLANNING:
        store_failure(connection, job, problem)


def _held(job: Job) -> tuple[Any, ...]:
    """Return the condition that a job still runs as it was claimed, in the same attempt."""
    return (
        jobs.c.id == job.id,
        jobs.c.state == "running",
        jobs.c.owner == job.owner,
        jobs.c.attempts == _with_attempt(job, None),
    )


def _with_attempt(job: Job, attempt: dict[str, Any] | None) -> str:
    return json.dumps(job.attempts if attempt is None else [*job.attempts, attempt])
