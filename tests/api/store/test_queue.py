"""The queue from the side of the servers: claimed once, ended by their owner, never lost."""

from __future__ import annotations

import itertools
import threading

import pytest

from api.store.queue import MAX_ATTEMPTS


@pytest.fixture
def queue(store):
    return store.queue("server-a")


@pytest.fixture
def other(store):
    return store.queue("server-b")


@pytest.fixture
def put(store, new_job):
    def make(count: int = 1) -> list[str]:
        return [store.jobs.submit(new_job(n), 1000).id for n in range(count)]

    return make


ENDED = {"owner": "server-a", "worker_pid": 7, "ended": "the worker was killed"}


def test_first_come_first_served(queue, put):
    made = put(3)
    assert [queue.claim().id for _ in made] == made
    assert queue.claim() is None


def test_a_claimed_job_runs_under_its_owner(store, queue, put):
    (made,) = put()
    job = queue.claim()
    assert (job.id, job.state, job.owner) == (made, "running", "server-a")
    assert job.started_at is not None
    assert queue.running() == [job]
    assert store.jobs.get(made) == job


def test_many_claimers_never_share_a_job(store, put, at_once):
    made = put(24)
    together = threading.Barrier(8)

    def drain(owner: str) -> list[str]:
        queue = store.queue(owner)
        together.wait(10)
        found = []
        while (job := queue.claim()) is not None:
            assert job.owner == owner
            found.append(job.id)
        return found

    claimed = at_once([lambda n=n: drain(f"server-{n}") for n in range(8)])
    assert sorted(itertools.chain(*claimed)) == sorted(made)


def test_the_owner_ends_it_with_its_plan(store, queue, put, plan_of, storing):
    put()
    job = queue.claim()
    document = plan_of()
    assert queue.finish(
        job, "done", attempt=ENDED, result_id=document["id"], store_result=storing(document, "d")
    )
    found = store.jobs.get(job.id)
    assert (found.state, found.result_id, found.owner) == ("done", document["id"], None)
    assert found.attempts == [ENDED]
    assert found.finished_at >= found.started_at
    assert store.plans.answer_to("plan", "d")[0] == document["id"]


def test_ending_it_twice_stores_one_plan(store, queue, put, plan_of, storing):
    """A commit whose answer was lost is tried again."""
    put()
    job = queue.claim()
    document = plan_of()
    for _ in range(2):
        assert queue.finish(
            job, "done", result_id=document["id"], store_result=storing(document, "d")
        )
    assert len(store.plans.list(10)) == 1


def test_nobody_else_ends_it(store, queue, other, put, plan_of, storing):
    """A server that slept through its own burial finds the job taken over."""
    put()
    mine = queue.claim()
    assert store.queue("server-c").take_over(["server-a"], why="dead") == [mine.id]
    theirs = other.claim()
    late, right = plan_of(), plan_of()
    assert not queue.finish(mine, "done", result_id=late["id"], store_result=storing(late, "d"))
    assert not queue.finish(mine, "failed", problem={"detail": "late"})
    assert not queue.requeue(mine)
    queue.end_attempt(mine, ENDED)
    queue.note_progress(mine, {"stage": "late"})
    assert store.jobs.get(mine.id) == theirs
    assert other.finish(theirs, "done", result_id=right["id"], store_result=storing(right, "d"))
    assert [p.id for p in store.plans.list(10)] == [right["id"]]


def test_a_result_that_cannot_be_stored_leaves_the_job_running(store, queue, put):
    put()
    job = queue.claim()

    def broken(connection):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        queue.finish(job, "done", result_id="plan-1", store_result=broken)
    assert store.jobs.get(job.id).state == "running"


def test_a_job_put_back_keeps_its_place_and_loses_no_attempt(store, queue, other, put):
    made = put(3)
    job = queue.claim()
    queue.note_progress(job, {"stage": "solving"})
    assert store.jobs.get(job.id).progress == {"stage": "solving"}
    assert queue.requeue(job)
    waiting = store.jobs.get(job.id)
    assert (waiting.state, waiting.owner, waiting.progress) == ("queued", None, None)
    assert waiting.attempts == []
    again = other.claim()
    assert again.id == made[0]
    assert again.started_at == job.started_at


def test_a_dead_worker_is_replaced_once(store, queue, put):
    put()
    assert queue.end_attempt(queue.claim(), ENDED) == "queued"
    again = queue.claim()
    assert again.attempts == [ENDED]
    assert queue.end_attempt(again, ENDED) == "failed"
    found = store.jobs.get(again.id)
    assert len(found.attempts) == MAX_ATTEMPTS
    assert found.problem["type"].endswith("worker-died")
    assert "the worker was killed" in found.problem["detail"]
    assert found.finished_at is not None
    assert queue.claim() is None


def test_a_failed_job_makes_room_for_an_equal_one(store, queue, put, new_job):
    put()
    job = queue.claim()
    queue.finish(job, "failed", problem={"detail": "no"})
    assert store.jobs.get(job.id).problem == {"detail": "no"}
    assert store.jobs.submit(new_job(0), 10).id != job.id


def test_a_cancelled_job_whose_worker_dies_is_not_tried_again(store, queue, put):
    (made,) = put()
    job = queue.claim()
    store.jobs.cancel(made)
    assert queue.end_attempt(store.jobs.get(job.id), ENDED) == "cancelled"
    assert store.jobs.get(made).attempts == [ENDED]


def test_a_cancelled_job_ends_as_cancelled(store, queue, put):
    put()
    job = queue.claim()
    store.jobs.cancel(job.id)
    assert queue.finish(job, "cancelled", attempt=ENDED)
    assert store.jobs.get(job.id).state == "cancelled"


def test_beats_go_on_and_are_seen_by_all(queue, other):
    assert queue.beat() == {"server-a": 0}
    assert queue.beat() == {"server-a": 1}
    assert other.beat() == {"server-a": 1, "server-b": 0}


def test_who_claims_is_known_before_it_beats(queue, other, put):
    """Else nobody would notice that it died, and its job would run for ever."""
    put()
    queue.claim()
    assert other.beat() == {"server-a": 0, "server-b": 0}


def test_a_server_leaves_when_its_jobs_have_ended(queue, other, put):
    put()
    job = queue.claim()
    queue.leave()
    assert "server-a" in other.beat(), "the job must still be taken over"
    queue.requeue(job)
    queue.leave()
    assert "server-a" not in other.beat()


def test_the_jobs_of_a_dead_server_wait_again_and_those_of_others_go_on(store, queue, other, put):
    put(2)
    lost, kept = queue.claim(), other.claim()
    queue.beat()
    other.beat()
    assert other.take_over(["server-a"], why="died") == [lost.id]
    found = store.jobs.get(lost.id)
    assert found.state == "queued"
    assert found.attempts == [{"owner": "server-a", "worker_pid": None, "ended": "died"}]
    assert store.jobs.get(kept.id) == kept
    assert set(other.beat()) == {"server-b"}


def test_a_server_alone_takes_everything_over(store, queue, put):
    put(2)
    taken = {queue.claim().id, queue.claim().id}
    assert set(store.queue("").take_over(None, why="stopped")) == taken
    assert store.jobs.counts() == {"queued": 2, "running": 0}


def test_a_job_that_outlives_no_server_fails(store, queue, put):
    put()
    for _ in range(MAX_ATTEMPTS):
        assert queue.claim() is not None
        store.queue("").take_over(None, why="the server stopped")
    (job,) = store.jobs.list(10)
    assert job.state == "failed"
    assert "the server stopped" in job.problem["detail"]


def test_several_servers_take_over_at_once(store, queue, put, at_once):
    put(6)
    for _ in range(6):
        queue.claim()
    calls = [
        lambda n=n: store.queue(f"heir-{n}").take_over(["server-a"], why="died") for n in range(4)
    ]
    at_once(calls)
    jobs = store.jobs.list(10)
    assert {j.state for j in jobs} == {"queued"}
    assert {len(j.attempts) for j in jobs} == {1}


def test_claims_and_ends_of_many_servers_lose_nothing(store, put, at_once, plan_of, storing):
    """Some jobs are put back or die once; in the end each has one plan."""
    made = put(20)

    def work(owner: str) -> None:
        queue = store.queue(owner)
        while True:
            job = queue.claim()
            if job is None:
                if store.jobs.counts() == {"queued": 0, "running": 0}:
                    return
                continue
            if not job.attempts and job.number % 3 == 0:
                queue.end_attempt(job, ENDED)
                continue
            document = plan_of(id=f"plan-of-{job.id}")
            put_it = storing(document, job.digest)
            assert queue.finish(job, "done", result_id=document["id"], store_result=put_it)

    at_once([lambda n=n: work(f"server-{n}") for n in range(4)])
    assert {j.state for j in store.jobs.list(100)} == {"done"}
    assert {p.id for p in store.plans.list(100)} == {f"plan-of-{job_id}" for job_id in made}
