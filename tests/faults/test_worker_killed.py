"""``kill -9`` of workers.

Proves that a worker's death costs one attempt of one job and no more: the job is tried once more
on a new worker and its record says why; a job that kills twice fails with the reason; jobs beside
it, later plans and the server itself never notice. Fails if a death ends the server, loses the
job, runs it a third time, or leaves a dead process in the pool.
"""

from __future__ import annotations

import os
import re
import signal

import psutil
from faults_kit import (
    asking,
    ended,
    job_of,
    middling,
    submitted,
    until,
    worker_of,
    workers_below,
)
from live_server import small

ESTIMATE = {"model": "llama-3.1-8b-instruct", "accelerator": "h100_sxm", "isl": 512, "osl": 64}


def deaths_of(client):
    """Return how many workers died, as the metrics say."""
    (line,) = re.findall(r"^minfleet_worker_deaths_total (.*)$", client.get("/metrics").text, re.M)
    return float(line)


def test_a_job_is_tried_once_more_and_its_neighbour_never_notices(server):
    with server.client() as client, asking(server, "/healthz") as health:
        deaths = deaths_of(client)
        job_id, beside = submitted(client, middling(3.0)), submitted(client, middling(4.0))
        first = worker_of(client, job_id)
        neighbour = worker_of(client, beside)
        os.kill(first, signal.SIGKILL)
        second = worker_of(client, job_id, attempt=2)
        assert second not in (first, neighbour)
        job = ended(client, job_id)
        assert job["state"] == "done"
        assert [a["worker_pid"] for a in job["attempts"]] == [first, second]
        died, answered = (a["ended"] for a in job["attempts"])
        assert died == f"worker process {first} was killed, or crashed for lack of memory"
        assert answered == "answered"
        assert client.get(job["result_url"]).json()["status"] == "optimal"
        other = ended(client, beside)
        assert [(a["worker_pid"], a["ended"]) for a in other["attempts"]] == [
            (neighbour, "answered")
        ]
        assert deaths_of(client) == deaths + 1
        assert client.post("/v1/plans", json=small(33.0)).status_code == 200
    assert set(health.statuses) == {200}
    assert health.longest_s < 5
    assert len(workers_below(server)) <= 3


def test_a_job_that_kills_two_workers_fails_with_the_reason(server):
    request = middling(5.0)
    with server.client() as client, asking(server, "/healthz") as health:
        job_id = submitted(client, request)
        for attempt in (1, 2):
            os.kill(worker_of(client, job_id, attempt), signal.SIGKILL)
        job = ended(client, job_id)
        assert job["state"] == "failed"
        assert len(job["attempts"]) == 2
        assert job["result_url"] is None
        last = job["attempts"][1]["worker_pid"]
        assert job["problem"]["type"] == "urn:minfleet:problem:worker-died"
        assert job["problem"]["detail"] == (
            f"2 attempts ended early; the last: worker process {last} was killed, or crashed for "
            "lack of memory."
        )
        # The failure is the job's, not the request's: sent again, it is planned.
        again = client.post("/v1/plans", json=request)
        assert again.status_code == 200
        assert again.headers["Minfleet-Job"] != job_id
        assert job_of(client, job_id)["state"] == "failed"
    assert set(health.statuses) == {200}


def test_idle_workers_are_replaced(server):
    with server.client() as client:
        until(lambda: 'minfleet_workers{state="busy"} 0.0' in client.get("/metrics").text, "idle")
        struck = workers_below(server)
        assert struck
        for worker in struck:
            worker.kill()
        # At once, while the server may not know yet.
        plan = client.post("/v1/plans", json=small(35.0))
        assert plan.status_code == 200
        estimate = client.post("/v1/estimates", json=ESTIMATE)
        assert estimate.status_code == 200, estimate.text
        psutil.wait_procs(struck, timeout=10)
        assert not {p.pid for p in struck} & {p.pid for p in workers_below(server)}
