"""SIGTERM while a job runs that takes longer than the grace, and another waits.

Proves that a stop loses nothing and costs no attempt: what runs goes back in the queue, clients
that wait are told where their job is, the server ends in time and with success, and the next
server finishes everything. Fails if a client is left without an answer, or if a job is recorded
as a death or does not come back.
"""

from __future__ import annotations

import signal
import threading
import time

from faults_kit import assert_whole, ended, middling, started, submitted, until, worker_of
from live_server import small, sqlite_url

GRACE_S = 0.3


def test_the_next_server_finishes_what_the_grace_was_too_short_for(tmp_path):
    url, long = sqlite_url(tmp_path), middling(3.0, classes=2)
    answers = {}

    def wait_for(server, name, request):
        with server.client() as client:
            answers[name] = client.post("/v1/plans", json=request)

    with started(url, tmp_path, shutdown_grace_s=GRACE_S) as server, server.client() as client:
        running = submitted(client, long)
        worker_of(client, running)
        queued = submitted(client, small(3.0))
        waiters = [
            threading.Thread(target=wait_for, args=(server, name, request))
            for name, request in {"running": long, "queued": small(3.0)}.items()
        ]
        for waiter in waiters:
            waiter.start()
        accepted = 'minfleet_answers_total{source="solved"} 4.0'
        until(lambda: accepted in client.get("/metrics").text, "the waiting requests")
        with client.stream("GET", f"/v1/jobs/{running}/events") as events:
            lines = events.iter_lines()
            assert next(lines) == "event: job"
            begin = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert not [line for line in lines if '"done"' in line]
        assert server.process.wait(30) == 0
        took_s = time.monotonic() - begin
        print(f"stopped within {took_s:.1f} s")
        assert took_s < GRACE_S + 10
        for waiter in waiters:
            waiter.join(10)
    for name, job_id in {"running": running, "queued": queued}.items():
        assert answers[name].status_code == 202, answers[name].text
        assert answers[name].headers["Location"] == f"/v1/jobs/{job_id}"
        assert answers[name].json()["attempts"] == []

    with started(url, tmp_path) as server, server.client() as client:
        for job_id in (running, queued):
            job = ended(client, job_id)
            assert job["state"] == "done"
            assert [a["ended"] for a in job["attempts"]] == ["answered"]
    assert len(assert_whole(url)) == 2
