"""``kill -9`` of whole servers with their workers, while jobs run and wait.

Proves that a 202 is a promise: every job that was accepted ends on the next server, or on another
one of the same store, with one plan each; a request that is sent again under its Idempotency-Key,
before, during and after the fault, means the same job and the same plan. Fails if a job stays
behind as running, vanishes, or is planned twice.
"""

from __future__ import annotations

import threading

import httpx
from faults_kit import (
    assert_whole,
    ended,
    job_of,
    middling,
    power_cut,
    started,
    submitted,
    until,
    worker_of,
    workers_below,
)
from live_server import small, sqlite_url

STOPPED = "the server stopped before it was done"
DIED = "the server that ran it died"

DEAD_AFTER_S = 5
"""The least that can be set."""


def how_ended(job):
    return [attempt["ended"] for attempt in job["attempts"]]


def new(name):
    """Return headers by which nothing but its name makes a request the same as another."""
    return {"Idempotency-Key": name, "Cache-Control": "no-cache"}


def at_work(server, client, accepted):
    """Return the name of the job that a server's own worker is at."""
    workers = {p.pid for p in workers_below(server)}
    for name, job_id in accepted.items():
        progress = job_of(client, job_id)["progress"] or {}
        if progress.get("worker_pid") in workers:
            return name
    return None


def test_the_next_server_finishes_what_was_accepted(tmp_path):
    url = sqlite_url(tmp_path)
    broken: list[str] = []
    long, named = middling(3.0, classes=2), new("waited-for")

    def wait_for_a_plan(server):
        with server.client(**named) as client:
            try:
                client.post("/v1/plans", json=small(5.0))
            except httpx.TransportError as error:
                broken.append(type(error).__name__)

    with started(url, tmp_path) as before, before.client() as client:
        answered = client.post("/v1/plans", json=small(3.0))
        assert answered.status_code == 200
        requests = {f"r{n}": small(10.0 + n) for n in range(4)}
        first = submitted(client, long, **new("first"))
        struck = worker_of(client, first)
        accepted = {
            name: submitted(client, request, **new(name)) for name, request in requests.items()
        }
        waiter = threading.Thread(target=wait_for_a_plan, args=(before,))
        waiter.start()
        until(lambda: len(client.get("/v1/jobs").json()["jobs"]) == 7, "the waiting request")
        workers = workers_below(before)
        before.kill()
        # Nothing tells them, but they do not go on for nobody.
        until(lambda: not any(w.is_running() for w in workers), "the end of the workers", 2)
    waiter.join(10)
    assert broken

    with started(url, tmp_path) as after, after.client() as client:
        assert submitted(client, long, **new("first")) == first
        job = ended(client, first)
        assert how_ended(job) == [STOPPED, "answered"]
        assert job["attempts"][1]["worker_pid"] != struck
        for name, request in requests.items():
            job = ended(client, accepted[name])
            assert how_ended(job) == ["answered"]
            plan = client.get(job["result_url"])
            again = client.post("/v1/plans", json=request, headers=new(name))
            assert again.content == plan.content
        assert client.post("/v1/plans", json=small(5.0), headers=named).status_code == 200
        kept = client.get(answered.headers["Content-Location"])
        assert kept.content == answered.content
    found = assert_whole(url, dict.fromkeys([first, *accepted.values()]))
    assert len(found) == 7


def test_another_server_of_the_store_takes_over_and_so_does_the_next(postgres_url, tmp_path):
    settings = {"dead_after_s": DEAD_AFTER_S}
    long = {f"l{n}": middling(float(n), classes=3) for n in (3, 4)}
    with (
        started(postgres_url, tmp_path, **settings) as second,
        started(postgres_url, tmp_path, **settings) as first,
        first.client() as client,
        second.client() as other,
    ):
        first.until_ready()
        second.until_ready()
        accepted = {n: submitted(client, r, **new(n)) for n, r in long.items()}
        taken = until(lambda: at_work(first, client, accepted), "a job of the first")
        kept = until(lambda: at_work(second, other, accepted), "a job of the second")
        short = [submitted(client, small(10.0 + n)) for n in range(3)]
        power_cut(first)
        # The other server knows the job, and that it has an owner that may yet live.
        again = submitted(other, long[taken], **new(taken))
        assert again == accepted[taken]
        assert job_of(other, again)["state"] == "running"
        for job in (accepted[kept], *short):
            assert how_ended(ended(other, job)) == ["answered"]
        job = ended(other, accepted[taken])
        assert how_ended(job) == [DIED, "answered"]
        owners = [attempt["owner"] for attempt in job["attempts"]]
        assert owners[0] != owners[1]
        assert owners[1] == job_of(other, accepted[kept])["attempts"][0]["owner"]

        last = submitted(other, middling(5.0))
        worker_of(other, last)
        waiting = submitted(other, small(20.0))
        power_cut(second)
    with started(postgres_url, tmp_path, **settings) as third, third.client() as client:
        assert how_ended(ended(client, waiting)) == ["answered"]
        assert how_ended(ended(client, last)) == [DIED, "answered"]
    found = assert_whole(postgres_url, dict.fromkeys([*accepted.values(), *short, last, waiting]))
    assert len(found) == 7
