"""Jobs from the side of those who ask: shared, limited, cancelled, listed, never doubled."""

from __future__ import annotations

import threading

import pytest

from api.store.idempotency import IdempotencyError, IdempotencyUse
from api.store.jobs import QueueFullError


def use(name: str = "once", fingerprint: str = "f", key_id: str = "") -> IdempotencyUse:
    return IdempotencyUse(key_id, name, fingerprint)


def everything(store) -> list:
    return store.jobs.list(1000)


def test_a_job_is_stored_whole(store, new_job):
    job = store.jobs.submit(new_job(1, fresh=True, key_id="key-1"), 10)
    found = store.jobs.get(job.id)
    assert found == job
    assert (found.state, found.kind, found.task, found.fresh) == ("queued", "plan", {"n": 1}, True)
    assert (found.key_id, found.attempts, found.owner) == ("key-1", [], None)
    assert not found.finished
    assert found.created_at.tzinfo is not None
    assert store.jobs.get("job-nope") is None


def test_equal_requests_share_an_open_job(store, new_job):
    first = store.jobs.submit(new_job(1), 10)
    assert store.jobs.submit(new_job(1), 10).id == first.id
    assert store.jobs.submit(new_job(2), 10).id != first.id
    store.queue("s").claim()
    assert store.jobs.submit(new_job(1), 10).id == first.id


def test_equal_requests_at_once_make_one_job(store, new_job, at_once):
    jobs = at_once([lambda: store.jobs.submit(new_job(1), 10) for _ in range(10)])
    assert len({j.id for j in jobs}) == 1
    assert len(everything(store)) == 1


def test_an_ended_job_is_not_shared(store, new_job):
    first = store.jobs.submit(new_job(1), 10)
    store.jobs.cancel(first.id)
    assert store.jobs.submit(new_job(1), 10).id != first.id


def test_an_answer_that_came_meanwhile_is_not_made_again(store, new_job, put_plan):
    """The answer was looked for, then stored by another job, then this one was submitted."""
    plan_id = put_plan("digest-1")
    job = store.jobs.submit(new_job(1), 10)
    assert (job.state, job.result_id) == ("done", plan_id)
    assert store.queue("s").claim() is None
    assert store.jobs.submit(new_job(1, fresh=True), 10).state == "queued"


def test_the_queue_has_a_limit(store, new_job, put_plan):
    for n in range(3):
        store.jobs.submit(new_job(n), 3)
    with pytest.raises(QueueFullError) as full:
        store.jobs.submit(new_job(3), 3)
    assert full.value.args == (3,)
    assert store.jobs.submit(new_job(1), 3).digest == "digest-1"
    put_plan("digest-9")
    assert store.jobs.submit(new_job(9), 3).state == "done"
    store.queue("s").claim()
    assert store.jobs.submit(new_job(3), 3).state == "queued"


def test_a_full_queue_stores_nothing(store, new_job):
    store.jobs.submit(new_job(0), 1)
    with pytest.raises(QueueFullError):
        store.jobs.submit(new_job(1), 1, use())
    assert len(everything(store)) == 1
    assert store.jobs.used(use()) == (None, None)


def test_how_many_wait_before_it(store, new_job):
    jobs = [store.jobs.submit(new_job(n), 10) for n in range(4)]
    store.queue("s").claim()
    assert [store.jobs.ahead_of(j) for j in jobs[1:]] == [0, 1, 2]
    assert store.jobs.counts() == {"queued": 3, "running": 1}


def test_a_waiting_job_is_cancelled_at_once(store, new_job):
    job = store.jobs.submit(new_job(1), 10)
    found = store.jobs.cancel(job.id)
    assert (found.state, found.cancel_requested) == ("cancelled", True)
    assert found.finished_at is not None
    assert store.queue("s").claim() is None


def test_a_running_job_is_asked_to_stop(store, new_job):
    store.jobs.submit(new_job(1), 10)
    queue = store.queue("s")
    job = queue.claim()
    found = store.jobs.cancel(job.id)
    assert (found.state, found.cancel_requested) == ("running", True)
    assert queue.to_cancel() == [job.id]
    assert store.queue("other").to_cancel() == []


def test_an_ended_job_stays_as_it_ended(store, new_job, put_plan):
    put_plan("digest-1")
    job = store.jobs.submit(new_job(1), 10)
    assert store.jobs.cancel(job.id) == job
    assert store.jobs.cancel("job-nope") is None


def test_jobs_are_listed_page_by_page(store, new_job):
    made = [store.jobs.submit(new_job(n), 10).id for n in range(5)]
    store.jobs.cancel(made[2])
    first = [j.id for j in store.jobs.list(2)]
    assert first == made[:2:-1]
    assert [j.id for j in store.jobs.list(9, after=first[-1])] == made[2::-1]
    assert [j.id for j in store.jobs.list(9, state="cancelled")] == [made[2]]
    with pytest.raises(LookupError):
        store.jobs.list(9, after="job-nope")


# Idempotency keys


def test_the_same_key_finds_the_same_job(store, new_job):
    job = store.jobs.submit(new_job(1), 10, use())
    store.jobs.cancel(job.id)
    assert store.jobs.used(use()) == (job.id, None)
    assert store.jobs.submit(new_job(2), 10, use()).id == job.id


def test_another_request_under_the_same_key_is_refused(store, new_job):
    store.jobs.submit(new_job(1), 10, use())
    for call in (
        lambda: store.jobs.used(use(fingerprint="g")),
        lambda: store.jobs.submit(new_job(2), 10, use(fingerprint="g")),
        lambda: store.jobs.record_done(new_job(2), "plan-1", use(fingerprint="g")),
        lambda: store.jobs.use_for_result(use(fingerprint="g"), "plan-1"),
    ):
        with pytest.raises(IdempotencyError):
            call()
    assert len(everything(store)) == 1


def test_each_api_key_has_names_of_its_own(store, new_job):
    first = store.jobs.submit(new_job(1), 10, use(key_id="a"))
    second = store.jobs.submit(new_job(2), 10, use(fingerprint="g", key_id="b"))
    assert first.id != second.id
    assert store.jobs.used(use(key_id="a")) == (first.id, None)


def test_a_key_answered_from_the_store_stays_so(store, new_job):
    store.jobs.use_for_result(use(), "plan-7")
    store.jobs.use_for_result(use(), "plan-7")
    store.jobs.use_for_result(use(), "plan-8")
    assert store.jobs.used(use()) == (None, "plan-7")
    job = store.jobs.submit(new_job(1), 10, use())
    assert (job.state, job.result_id) == ("done", "plan-7")
    assert store.jobs.record_done(new_job(1), "plan-9", use()).result_id == "plan-7"


def test_a_done_job_is_recorded_once(store, new_job):
    first = store.jobs.record_done(new_job(1), "plan-7", use())
    assert (first.state, first.result_id) == ("done", "plan-7")
    assert store.jobs.record_done(new_job(1), "plan-7", use()).id == first.id
    assert store.jobs.record_done(new_job(1), "plan-7").id != first.id


def test_one_key_at_once_for_one_request(store, new_job, at_once):
    jobs = at_once([lambda: store.jobs.submit(new_job(1), 10, use()) for _ in range(8)])
    assert len({j.id for j in jobs}) == 1


def test_one_key_at_once_for_several_requests_serves_one(store, new_job, at_once):
    """None but the first is done, and the others leave no job behind."""
    together = threading.Barrier(6)

    def attempt(n: int) -> str | None:
        together.wait(10)
        try:
            return store.jobs.submit(new_job(n), 10, use(fingerprint=str(n))).id
        except IdempotencyError:
            return None

    served = [i for i in at_once([lambda n=n: attempt(n) for n in range(6)]) if i]
    assert len(served) == 1
    assert [j.id for j in everything(store)] == served


def test_one_key_while_the_catalogue_changes(store, new_job, at_once):
    """Two tries of a request may come to two digests; they share what was first noted."""
    together = threading.Barrier(6)

    def attempt(n: int) -> str:
        together.wait(10)
        return store.jobs.submit(new_job(n), 10, use()).id

    assert len(set(at_once([lambda n=n: attempt(n) for n in range(6)]))) == 1
    assert len(everything(store)) == 1
