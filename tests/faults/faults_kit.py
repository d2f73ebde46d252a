"""What the tests of faults share: jobs of some seconds, waits, watchers, and what is asserted."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from live_server import PATIENCE_S, LiveServer, slow, until
from sqlalchemy import select

from api.store.store import Store
from api.store.tables import jobs, plans

LATER = {"Prefer": "respond-async"}


def middling(rate_rps: float, classes: int = 1) -> dict[str, Any]:
    """Return a request for a plan of a second or two for each class, explained in full."""
    request = slow(rate_rps)
    workload = {**request["workload"], "classes": request["workload"]["classes"][:classes]}
    settings = {"explain": "full", "second_engine": False}
    return {"workload": workload, "settings": settings}


def submitted(client: httpx.Client, request: dict[str, Any], **headers: str) -> str:
    """Return the id of the job that a request was accepted as, with 202."""
    response = client.post("/v1/plans", json=request, headers={**LATER, **headers})
    assert response.status_code == 202, response.text
    return str(response.json()["id"])


def job_of(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Return a job as it is."""
    response = client.get(f"/v1/jobs/{job_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def ended(client: httpx.Client, job_id: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
    """Return a job once it has ended."""

    def look() -> dict[str, Any] | None:
        job = job_of(client, job_id)
        return job if job["state"] in ("done", "failed", "cancelled") else None

    return until(look, f"the end of {job_id}", within_s)


def worker_of(client: httpx.Client, job_id: str, attempt: int = 1) -> int:
    """Return the pid of the worker that is at a job, in its nth attempt."""

    def look() -> int | None:
        job = job_of(client, job_id)
        assert job["state"] in ("queued", "running"), job
        told = (job["progress"] or {}).get("worker_pid")
        return told if len(job["attempts"]) == attempt - 1 else None

    return until(look, f"a worker at {job_id}")


def workers_below(server: LiveServer) -> list[psutil.Process]:
    """Return the worker processes of a server."""
    return psutil.Process(server.process.pid).children(recursive=True)


@contextmanager
def started(store_url: str, folder: Path, **settings: object) -> Iterator[LiveServer]:
    """Serve while the context lasts, with one worker that may still load what it needs."""
    server = LiveServer(store_url, folder, **{"workers": 1, **settings})
    try:
        with server.client() as client:
            until(lambda: _is_well(server, client), "the first answer")
        yield server
    finally:
        if server.process.poll() is None:
            power_cut(server)


def _is_well(server: LiveServer, client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        assert server.process.poll() is None, server.log_path.read_text()
        return False


def power_cut(*servers: LiveServer) -> None:
    """End servers and all their workers at once, without a word."""
    struck = [p for server in servers for p in workers_below(server)]
    for server in servers:
        server.process.kill()
    for process in struck:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for server in servers:
        server.process.wait(10)
    psutil.wait_procs(struck, timeout=10)


@dataclass
class Answers:
    """What was answered while somebody asked again and again."""

    statuses: Counter[int | str] = field(default_factory=Counter)
    longest_s: float = 0.0


@contextmanager
def asking(server: LiveServer, path: str, every_s: float = 0.05) -> Iterator[Answers]:
    """Ask for a path again and again while the context lasts."""
    found, over = Answers(), threading.Event()

    def ask() -> None:
        with server.client() as client:
            while not over.wait(every_s):
                begin = time.monotonic()
                try:
                    status: int | str = client.get(path).status_code
                except httpx.TransportError as error:
                    status = type(error).__name__
                found.statuses[status] += 1
                found.longest_s = max(found.longest_s, time.monotonic() - begin)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join(60)


def assert_whole(store_url: str, accepted: dict[str, Any] | None = None) -> dict[str, Any]:
    """Assert that a store lost nothing and holds nothing twice; return its jobs by id.

    Every job that was accepted is there and has ended, with a plan of its own or with a reason;
    every plan belongs to a job, and no request has two.

    Parameters
    ----------
    accepted
        Jobs that clients were promised, by id.
    """
    store = Store(store_url)
    try:
        with store.database.engine.connect() as connection:
            found = {row.id: row for row in connection.execute(select(jobs))}
            stored = list(connection.execute(select(plans)))
    finally:
        store.close()
    lost = set(accepted or {}) - found.keys()
    assert not lost, f"accepted and gone: {lost}"
    for job in found.values():
        assert job.state in ("done", "failed", "cancelled"), f"{job.id} is {job.state}"
        assert job.active_digest is None
        assert (job.result_id is not None) == (job.state == "done")
        assert job.state != "failed" or json.loads(job.problem)["detail"]
    results = Counter(j.result_id for j in found.values() if j.state == "done")
    made = {p.id for p in stored}
    assert set(results) == made, "a plan without its job, or a job without its plan"
    requests = Counter(p.request for p in stored)
    assert max(requests.values(), default=1) == 1, "one request, two plans"
    digests = [p.digest for p in stored]
    assert None not in digests, "a plan took the place of another"
    assert len(set(digests)) == len(digests)
    return found
