"""A transaction is committed, and the connection breaks before the store could say so.

The store then runs the transaction again. Proves that each change, run twice, does no more than
run once, even if somebody goes on with what the first run made. Fails if a job, a plan or a key is
stored twice, if a job that runs goes back in the queue, or if the second run never ends.
"""

from __future__ import annotations

import itertools

import pytest

from api.store.database import Database
from api.store.idempotency import IdempotencyUse
from api.store.jobs import NewJob
from api.store.store import Store

USE = IdempotencyUse("", "named", "fingerprint")
ATTEMPT = {"owner": "server-a", "worker_pid": 1, "ended": "the worker died"}


class TwiceDone:
    """Runs each write transaction twice, with something between the two."""

    def __init__(self, monkeypatch):
        self._monkeypatch, self._once = monkeypatch, Database.write

    def __call__(self, change, between=lambda: None):
        def twice(database, work):
            self._once(database, work)
            self._monkeypatch.setattr(Database, "write", self._once)
            between()
            return self._once(database, work)

        self._monkeypatch.setattr(Database, "write", twice)
        try:
            return change()
        finally:
            self._monkeypatch.setattr(Database, "write", self._once)


@pytest.fixture
def twice(monkeypatch):
    return TwiceDone(monkeypatch)


@pytest.fixture
def store(store_url):
    found = Store(store_url)
    found.migrate()
    yield found
    found.close()


def test_a_job_is_accepted_once(store, twice):
    queue = store.queue("server-a")
    cases = itertools.product((False, True), (False, True), ("running", "failed", "cancelled"))
    for number, (fresh, named, ending) in enumerate(cases):
        new = NewJob("plan", f"d{number}", {}, fresh)
        use = IdempotencyUse("", f"n{number}", "fingerprint") if named else None

        def goes_on(ending=ending):
            job = queue.claim()
            if ending != "running":
                assert queue.finish(job, ending, problem={"detail": "why"})

        job = twice(lambda new=new, use=use: store.jobs.submit(new, 1, use), goes_on)
        assert job.state == ending
        assert len(store.jobs.list(50)) == number + 1


def test_a_job_that_a_stored_answer_answers_is_recorded_once(store, twice):
    new = NewJob("plan", "d" * 64, {})
    job = twice(lambda: store.jobs.record_done(new, "plan-1", USE))
    assert [j.id for j in store.jobs.list(10)] == [job.id]


def test_a_job_is_claimed_by_one(store, twice):
    queue = store.queue("server-a")
    for n in range(2):
        store.jobs.submit(NewJob("plan", f"d{n}", {}), 9)
    claimed = twice(queue.claim)
    # The job of the first run is a stray: its server puts it back.
    assert len(queue.running()) == 2
    stray = next(j for j in queue.running() if j.id != claimed.id)
    assert twice(lambda: queue.requeue(stray)) is not None
    assert [j.id for j in queue.running()] == [claimed.id]
    assert queue.claim().id == stray.id


def test_a_job_ends_once(store, twice):
    queue = store.queue("server-a")
    store.jobs.submit(NewJob("plan", "d", {}), 9)
    job, stored = queue.claim(), []
    kept = twice(
        lambda: queue.finish(
            job, "done", attempt=ATTEMPT, result_id="plan-1", store_result=stored.append
        )
    )
    assert kept
    assert len(stored) == 1
    assert len(store.jobs.get(job.id).attempts) == 1


def test_a_death_counts_once_although_the_job_runs_again(store, twice):
    queue = store.queue("server-a")
    store.jobs.submit(NewJob("plan", "d", {}), 9)
    job = queue.claim()
    assert twice(lambda: queue.end_attempt(job, ATTEMPT), queue.claim) == "running"
    found = store.jobs.get(job.id)
    assert (found.state, found.owner) == ("running", "server-a")
    assert len(found.attempts) == 1


def test_the_dead_are_buried_once(store, twice):
    dead, living = store.queue("server-a"), store.queue("server-b")
    store.jobs.submit(NewJob("plan", "d", {}), 9)
    job = dead.claim()
    twice(lambda: living.take_over(["server-a"], why="it died"), living.claim)
    found = store.jobs.get(job.id)
    assert (found.state, found.owner) == ("running", "server-b")
    assert [a["ended"] for a in found.attempts] == ["it died"]


def test_a_key_is_made_once(store, twice):
    key, text = twice(lambda: store.keys.create("k", "plan", 60))
    assert store.keys.list() == [key]
    assert store.keys.find(text) == key
