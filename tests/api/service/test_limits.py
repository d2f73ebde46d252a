"""Hard limits: what needs more time or memory than a server gives fails, and it lives on."""

from __future__ import annotations

import pytest
from live_server import LiveServer, serving, slow, small, sqlite_url
from service_kit import checked, ended, families, is_answering, problem, submitted, until

TIME_S = 12
MEMORY_MB = 700


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limits")
    settings = {
        "workers": 1,
        "job_time_limit_s": TIME_S,
        "worker_memory_mb": MEMORY_MB,
        "max_simulated_requests": 5_000_000,
    }
    with serving(sqlite_url(folder), folder, **settings) as running:
        yield running


@pytest.fixture
def client(server):
    with checked(server) as connected:
        yield connected


@pytest.fixture
def plan(client):
    return client.post("/v1/plans", json=small()).json()


def test_a_job_that_takes_too_long_is_stopped(client):
    answer = client.post("/v1/plans", json=slow())
    assert f"stopped after {TIME_S} s" in problem(answer, "time-limit")
    job = client.get(answer.json()["instance"]).json()
    assert (job["state"], job["result_id"]) == ("failed", None)
    assert job["problem"]["type"].endswith("time-limit")
    (attempt,) = job["attempts"]
    assert f"stopped after {TIME_S} s" in attempt["ended"]
    assert attempt["worker_pid"] > 0
    assert families(client)['minfleet_jobs_total{kind="plan",state="failed"}'] >= 1


def test_it_is_not_tried_again_and_the_next_one_is_served(client):
    job = ended(client, submitted(client, small(5.0)))
    assert job["state"] == "done"


def test_a_job_that_needs_too_much_memory_says_so(client, plan):
    request = {"plan_id": plan["id"], "requests": 5_000_000}
    answer = client.post("/v1/simulations", json=request)
    said = problem(answer, "out-of-memory")
    assert f"more than {MEMORY_MB} MiB" in said
    assert "MINFLEET_WORKER_MEMORY_MB" in said
    job = client.get(answer.json()["instance"]).json()
    assert [a["ended"] for a in job["attempts"]] == ["failed"]
    small_one = {"plan_id": plan["id"], "requests": 500}
    assert client.post("/v1/simulations", json=small_one).status_code == 200
    assert client.post("/v1/plans", json=small(6.0)).status_code == 200


def test_too_little_memory_for_any_worker_is_told(tmp_path):
    """Not "starting" for ever: what is wrong, and which setting mends it."""
    settings = {"workers": 1, "worker_memory_mb": 100}
    server = LiveServer(sqlite_url(tmp_path), tmp_path, **settings)
    with checked_later(server) as client:
        until(lambda: "cannot be started" in client.get("/readyz").text, "the reason")
        assert "MINFLEET_WORKER_MEMORY_MB" in problem(client.get("/readyz"), "unavailable")
        assert client.get("/healthz").status_code == 200
    assert server.stop() == 0


def checked_later(server: LiveServer):
    until(lambda: is_answering(server), "the first answer")
    return checked(server)
