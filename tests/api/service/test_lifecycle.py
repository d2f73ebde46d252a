"""Starting, stopping and starting again: nothing accepted is lost, nobody is left hanging."""

from __future__ import annotations

import threading
import time

from live_server import LiveServer, slow, small, sqlite_url
from service_kit import (
    at_work,
    checked,
    ended,
    events_of,
    is_answering,
    problem,
    submitted,
    until,
)

from api.store.store import Store

ONE_KEY = {"Idempotency-Key": "across-a-restart"}


def middling(rate_rps: float) -> dict:
    """Return a request for a plan of a second or a few."""
    return {**slow(rate_rps), "settings": {"explain": "none", "second_engine": False}}


def stored_job(store_url: str, job_id: str):
    store = Store(store_url)
    try:
        return store.jobs.get(job_id)
    finally:
        store.close()


def test_stopped_at_work_and_started_again(tmp_path):
    """A stream, a waiting client and two jobs when SIGTERM comes; the next server goes on."""
    url = sqlite_url(tmp_path)
    server = LiveServer(url, tmp_path, workers=1, shutdown_grace_s=1)
    until(lambda: is_answering(server), "the first answer")
    with server.client() as plain:
        starting = plain.get("/readyz")
        assert "workers are starting" in problem(starting, "unavailable")
        assert starting.headers["retry-after"] == "1"
    server.until_ready()
    with checked(server) as client:
        answered = client.post("/v1/plans", json=small(), headers=ONE_KEY).json()
        running = submitted(client, slow())
        pid = at_work(client, running)
        told, waited = [], []

        def follow() -> None:
            with checked(server) as own, own.stream("GET", f"/v1/jobs/{running}/events") as stream:
                told.extend(events_of(stream))

        def wait() -> None:
            with checked(server) as own:
                waited.append(own.post("/v1/plans", json=small(5.0)))

        threads = [threading.Thread(target=f) for f in (follow, wait)]
        for thread in threads:
            thread.start()
        queued = until(lambda: client.get("/v1/jobs?state=queued").json()["jobs"], "the job")
        until(lambda: told, "the first event")
    begin = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begin < 15
    for thread in threads:
        thread.join(10)
    assert told[-1]["state"] == "running"
    assert waited[0].status_code == 202, "whoever waits is told where to look later"
    assert waited[0].json()["id"] == queued[0]["id"]
    job = stored_job(url, running)
    assert (job.state, job.owner, job.attempts) == ("queued", None, [])

    after = LiveServer(url, tmp_path, workers=1, shutdown_grace_s=60)
    after.until_ready()
    with checked(after) as client:
        again = client.post("/v1/plans", json=small(), headers=ONE_KEY)
        assert again.json() == answered
        assert at_work(client, running) != pid
        assert client.delete(f"/v1/jobs/{running}").json()["state"] == "cancelled"
        assert ended(client, queued[0]["id"])["state"] == "done"
        last = submitted(client, middling(7.0))
        left = submitted(client, middling(8.0))
        at_work(client, last)
    assert after.stop() == 0
    done = stored_job(url, last)
    assert done.state == "done", "what runs when the server is told to stop is finished"
    store = Store(url)
    assert store.plans.document(done.result_id) is not None
    store.close()
    assert stored_job(url, left).state == "queued"


def test_a_stop_before_the_workers_are_warm(tmp_path):
    server = LiveServer(sqlite_url(tmp_path), tmp_path, workers=1)
    until(lambda: is_answering(server), "the first answer")
    begin = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begin < 15
