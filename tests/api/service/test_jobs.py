"""Jobs over HTTP: accepted, followed, cancelled, refused, while the server goes on answering."""

from __future__ import annotations

import os
import threading
import time

import pytest
from live_server import serving, slow, small, sqlite_url
from service_kit import (
    LATER,
    at_once,
    at_work,
    checked,
    ended,
    events_of,
    families,
    job_of,
    problem,
    submitted,
    until,
)

QUEUE_LIMIT = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with one worker and little room to wait."""
    folder = tmp_path_factory.mktemp("jobs")
    settings = {"workers": 1, "queue_limit": QUEUE_LIMIT}
    with serving(sqlite_url(folder), folder, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with checked(server) as connected:
        yield connected


@pytest.fixture(scope="module")
def long_ones():
    """The jobs that kept the worker busy so far; killing one for each test takes too long."""
    return []


@pytest.fixture
def busy(client, long_ones):
    """The id of a job that keeps the worker busy; tests that need the worker come before."""
    if not long_ones or job_of(client, long_ones[-1])["state"] != "running":
        long_ones.append(submitted(client, slow(time.monotonic())))
    at_work(client, long_ones[-1])
    yield long_ones[-1]
    for job in client.get("/v1/jobs?state=queued").json()["jobs"]:
        client.post(f"/v1/jobs/{job['id']}/cancel")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_job_from_acceptance_to_its_plan(client):
    job_id = submitted(client, small(20.0))
    job = ended(client, job_id)
    assert (job["state"], job["kind"], job["problem"]) == ("done", "plan", None)
    assert job["result_url"] == f"/v1/plans/{job['result_id']}"
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert [a["ended"] for a in job["attempts"]] == ["answered"]
    document = client.get(job["result_url"]).json()
    assert document["id"] == job["result_id"]
    assert client.post("/v1/plans", json=small(20.0)).json() == document


def test_an_answer_that_is_stored_is_a_job_that_is_done(client):
    plan = client.post("/v1/plans", json=small(20.5)).json()
    job = job_of(client, submitted(client, small(20.5)))
    assert (job["state"], job["result_id"], job["attempts"]) == ("done", plan["id"], [])


def test_a_job_under_an_idempotency_key(client):
    key = {"Idempotency-Key": "later-1"}
    first = submitted(client, small(20.75), **key)
    assert submitted(client, small(20.75), **key) == first
    waited = client.post("/v1/plans", json=small(20.75), headers=key)
    assert waited.headers["minfleet-job"] == first


def test_waiting_following_and_cancelling(client):
    """Who waits a second gets the job; its events end with its last state; its worker dies."""
    begin = time.monotonic()
    answer = client.post("/v1/plans", json=slow(21.0), headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert time.monotonic() - begin >= 1
    job_id = answer.json()["id"]
    assert answer.json()["state"] in ("queued", "running")
    assert answer.headers["location"] == f"/v1/jobs/{job_id}"
    told, pid, asked_at = [], 0, 0.0
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        for job in events_of(stream):
            told.append(job)
            if not pid:
                pid = (job["progress"] or {}).get("worker_pid", 0)
                if pid:
                    asked_at = time.monotonic()
                    cancelled = client.delete(f"/v1/jobs/{job_id}").json()
    until(lambda: gone(pid), "the end of the worker", 5)
    assert time.monotonic() - asked_at < 10
    assert [t["id"] for t in told] == [job_id] * len(told)
    assert told[-1] == cancelled == job_of(client, job_id)
    assert (cancelled["state"], cancelled["cancel_requested"]) == ("cancelled", True)
    assert [a["worker_pid"] for a in cancelled["attempts"]] == [pid]
    assert [a["ended"] for a in cancelled["attempts"]] == ["cancelled"]
    assert (cancelled["result_id"], cancelled["problem"], cancelled["progress"]) == (None,) * 3
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        assert [e["state"] for e in events_of(stream)] == ["cancelled"]
    quick = client.post("/v1/plans", json=small(21.0), headers={"Prefer": "wait=60, foo"})
    assert quick.status_code == 200, "the next job gets another worker"
    assert client.post(f"/v1/jobs/{job_id}/cancel").json() == cancelled


def test_jobs_are_listed(client):
    made = [ended(client, submitted(client, small(31.0 + n)))["id"] for n in range(3)]
    page = client.get("/v1/jobs?limit=2").json()
    assert [j["id"] for j in page["jobs"]] == made[:0:-1]
    assert client.get(page["next"]).json()["jobs"][0]["id"] == made[0]
    everything = client.get("/v1/jobs?limit=200").json()
    assert everything["next"] is None
    done = client.get("/v1/jobs?limit=200&state=done").json()["jobs"]
    assert [j["id"] for j in done] == [j["id"] for j in everything["jobs"] if j["state"] == "done"]
    assert client.get("/v1/jobs?state=running").json() == {"jobs": [], "next": None}


@pytest.mark.parametrize("odd", ["job-nope", "x" * 3000, "%F0%9F%8E%88"])
def test_jobs_that_are_not_there(client, odd):
    for send in (
        lambda: client.get(f"/v1/jobs/{odd}"),
        lambda: client.get(f"/v1/jobs/{odd}/events"),
        lambda: client.delete(f"/v1/jobs/{odd}"),
        lambda: client.post(f"/v1/jobs/{odd}/cancel"),
    ):
        assert "no job" in problem(send(), "not-found")
    problem(client.get("/v1/jobs?after=job-nope"), "not-found")
    problem(client.get("/v1/jobs?state=lost"), "invalid")


def test_a_request_that_is_refused_by_the_worker_says_why_twice(client):
    """To who waits, and in the job."""
    request = {**small(32.0), "measured": [{"accelerator": "h100_sxm", "class": "chat"}]}
    refused = client.post("/v1/plans", json=request)
    said = problem(refused, "invalid")
    job = client.get(refused.json()["instance"]).json()
    assert job["state"] == "failed"
    assert job["problem"]["detail"] == said
    assert [a["ended"] for a in job["attempts"]] == ["refused"]


# While the worker is busy


def test_progress_tells_incumbent_bound_and_gap(client, busy):
    def look():
        told = job_of(client, busy)["progress"] or {}
        return told if told.get("gap") is not None else None

    told = until(look, "a gap")
    assert told["stage"]
    assert 0 < told["bound_usd_per_hour"] <= told["incumbent_usd_per_hour"] * (1 + 1e-6)


def test_whoever_waits_for_a_cancelled_job_hears_of_it(client, server, busy):
    answers = []

    def wait():
        with checked(server) as own:
            answers.append(own.post("/v1/plans", json=small(24.0)))

    waiting = threading.Thread(target=wait)
    waiting.start()
    (job,) = until(lambda: client.get("/v1/jobs?state=queued").json()["jobs"], "the job")
    client.post(f"/v1/jobs/{job['id']}/cancel")
    waiting.join(30)
    assert "was cancelled" in problem(answers[0], "conflict")
    assert answers[0].json()["instance"] == f"/v1/jobs/{job['id']}"


def test_the_server_answers_while_every_worker_is_busy(client, busy):
    def timed(path):
        begin = time.monotonic()
        assert client.get(path).status_code == 200
        return time.monotonic() - begin

    for path in ("/healthz", "/readyz", "/metrics", f"/v1/jobs/{busy}", "/v1/plans"):
        assert sorted(timed(path) for _ in range(9))[4] < 0.5, path
    assert max(timed("/healthz") for _ in range(20)) < 1
    estimate = {"model": "llama-3.1-8b-instruct", "accelerator": "h100_sxm"}
    assert client.post("/v1/estimates", json=estimate).status_code == 200
    told = families(client)
    assert told['minfleet_workers{state="busy"}'] == 1
    assert told['minfleet_workers{state="idle"}'] == 0


def test_equal_requests_share_a_job_that_runs(client, server, busy):
    def send():
        with checked(server) as own:
            return own.post("/v1/plans", json=small(30.0), headers=LATER).json()["id"]

    assert len(set(at_once([send] * 6))) == 1


def test_nobody_who_left_keeps_anything(client, server, busy):
    """Clients that close their streams leave no follower behind."""
    before = families(client)
    for _ in range(5):
        with (
            server.client() as own,
            own.stream("GET", f"/v1/jobs/{busy}/events") as stream,
        ):
            next(events_of(stream))
    route = 'minfleet_request_seconds_count{route="/v1/jobs/{job_id}/events"}'

    def all_over() -> bool:
        return families(client).get(route, 0) - before.get(route, 0) == 5

    until(all_over, "the end of the streams")


def test_the_queue_is_first_come_first_served_and_has_a_limit(client, busy):
    made = [submitted(client, small(25.0 + n)) for n in range(QUEUE_LIMIT)]
    assert [job_of(client, j)["queue_position"] for j in made] == [0, 1, 2]
    refused = client.post("/v1/plans", json=small(29.0), headers=LATER)
    assert f"{QUEUE_LIMIT} jobs wait" in problem(refused, "queue-full")
    assert int(refused.headers["retry-after"]) >= 1
    assert client.post("/v1/plans", json=small(29.0)).status_code == 429
    assert submitted(client, small(25.0)) == made[0], "an equal request takes no room"
    assert client.post(f"/v1/jobs/{made[1]}/cancel").json()["state"] == "cancelled"
    assert [job_of(client, j)["queue_position"] for j in made] == [0, None, 1]
    made.append(submitted(client, small(29.0)))
    client.post(f"/v1/jobs/{busy}/cancel")
    jobs = [ended(client, j) for j in made]
    assert [j["state"] for j in jobs] == ["done", "cancelled", "done", "done"]
    begun = [j["started_at"] for j in jobs if j["state"] == "done"]
    assert begun == sorted(begun)
    assert jobs[1]["attempts"] == []
    assert jobs[1]["started_at"] is None
