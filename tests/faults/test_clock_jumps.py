"""The wall clock of server and workers jumps by hours, forward and backward, while jobs run.

Proves that no decision hangs on it: a job that runs is neither timed out nor run twice, requests
wait as long as they asked to, the rates of keys count on, and what is listed last came last,
whatever its time says. Fails if an age, a timeout or an order is taken from the wall clock.
"""

from __future__ import annotations

import datetime as dt
import struct
import threading
import time
from pathlib import Path

import pytest
from faults_kit import assert_whole, ended, middling, started, submitted, worker_of
from live_server import small, sqlite_url

from api.store.store import Store

HOUR_S = 3600.0
FORWARD, BACKWARD = 30 * HOUR_S, -30 * HOUR_S
"""More than a day: offers and requests of another day are not the same."""

RATE = 1
"""Requests a minute."""


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """Set by how many seconds the clocks of servers started from now on are wrong."""
    path = tmp_path / "clock"
    path.write_bytes(bytes(8))
    monkeypatch.setenv("MINFLEET_TEST_CLOCK", str(path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent / "shifted_clock"))

    def jump(shift_s: float) -> None:
        with path.open("r+b") as file:
            file.write(struct.pack("d", shift_s))

    return jump


def told_ahead_s(response) -> float:
    """Return by how much the server's clock is ahead of ours, from its jobs."""
    created = dt.datetime.fromisoformat(response["created_at"])
    return (created - dt.datetime.now(dt.UTC)).total_seconds()


def test_jobs_and_rates_do_not_notice(clock, tmp_path):
    url = sqlite_url(tmp_path)
    store = Store(url)
    store.migrate()
    _, text = store.keys.create("counted", "plan", RATE)
    store.close()
    settings = {"job_time_limit_s": 120}
    with started(url, tmp_path, **settings) as server, server.client() as client:
        request = middling(3.0, classes=2)
        named = {"Idempotency-Key": "named"}
        at_work = submitted(client, request, **named)
        worker_of(client, at_work)

        with server.client(Authorization=f"Bearer {text}") as counted:
            assert [counted.get("/v1/plans").status_code for _ in range(2)] == [200, 429]
            order = [at_work]
            for number, shift_s in enumerate((FORWARD, BACKWARD, 0.0, BACKWARD, FORWARD)):
                clock(shift_s)
                order.append(submitted(client, small(10.0 + number)))
                ahead_s = told_ahead_s(client.get(f"/v1/jobs/{order[-1]}").json())
                assert ahead_s == pytest.approx(shift_s, abs=60), "the clock did not jump"
                refused = counted.get("/v1/plans")
                assert refused.status_code == 429
                assert refused.headers["Retry-After"] == "60"
                # Another day is another request, but not under the same name.
                assert submitted(client, request, **named) == at_work

        # A request waits as long as it asked to, although the clock jumps meanwhile.
        jump = threading.Timer(0.3, clock, [BACKWARD])
        jump.start()
        begin = time.monotonic()
        waited = client.post(
            "/v1/plans", json=middling(4.0, classes=2), headers={"Prefer": "wait=1"}
        )
        assert waited.status_code == 202
        assert 1 <= time.monotonic() - begin < 30
        jump.join()
        order.append(waited.json()["id"])

        for job_id in order:
            job = ended(client, job_id)
            assert job["state"] == "done"
            assert [a["ended"] for a in job["attempts"]] == ["answered"]
        listed = client.get("/v1/jobs").json()["jobs"]
        assert [j["id"] for j in listed] == order[::-1]
        times = [j["created_at"] for j in listed]
        assert times != sorted(times, reverse=True)
    assert len(assert_whole(url)) == len(order)
