"""What the tests of the service share: a client that holds every answer against OpenAPI."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx
from jsonschema import Draft202012Validator, FormatChecker
from live_server import LiveServer, until

T = TypeVar("T")

LATER = {"Prefer": "respond-async"}

PROBLEM = "application/problem+json"


class Contract:
    """The OpenAPI document of a server, to hold responses against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = {"components": document["components"]}
        self._operations = {
            (method, template): operation
            for template, operations in document["paths"].items()
            for method, operation in operations.items()
        }
        self._validators: dict[tuple[str, str, str, str], Draft202012Validator] = {}

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        """Return template and description of what a path leads to; None if it is hidden."""
        found = [
            (template, operation)
            for (known, template), operation in self._operations.items()
            if known == method.lower()
            and re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        ]
        # A path without a parameter stands before one with: /offers/history is no /offers/{id}.
        return min(found, key=lambda f: f[0].count("{"), default=None)

    def check(self, response: httpx.Response) -> None:
        """Assert that a response is what the document says of it."""
        request = response.request
        found = self.operation(request.method, request.url.path)
        media = response.headers.get("content-type", "").split(";")[0]
        if found is None or media not in ("application/json", PROBLEM):
            return
        template, operation = found
        status = str(response.status_code)
        where = f"{request.method} {template} {status}"
        assert status in operation["responses"], f"{where} is not documented"
        contents = operation["responses"][status].get("content", {})
        assert media in contents, f"{where}: {media} is not documented"
        name = (request.method, template, status, media)
        if name not in self._validators:
            schema = {**contents[media]["schema"], **self._components}
            self._validators[name] = Draft202012Validator(schema, format_checker=FormatChecker())
        response.read()
        faults = [
            f"{where}: {'/'.join(map(str, fault.absolute_path))}: {fault.message[:300]}"
            for fault in self._validators[name].iter_errors(response.json())
        ]
        assert not faults, faults


def checked(server: LiveServer, **headers: str) -> httpx.Client:
    """Return a client of a server whose every answer is held against the contract."""
    with server.client(**headers) as plain:
        contract = Contract(plain.get("/openapi.json").json())
    client = server.client(**headers)
    client.event_hooks = {"response": [contract.check]}
    return client


def problem(response: httpx.Response, kind: str) -> str:
    """Return the sentence of a problem of that kind."""
    from api.service.problems import KINDS

    status, title = KINDS[kind]
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"] == PROBLEM
    assert response.headers["x-request-id"]
    found = response.json()
    assert (found["type"], found["title"]) == (f"urn:minfleet:problem:{kind}", title)
    assert found["status"] == status
    assert found["detail"].endswith((".", "?"))
    assert len(found["detail"].splitlines()) == 1
    return str(found["detail"])


def submitted(client: httpx.Client, request: Any, path: str = "/v1/plans", **headers: str) -> str:
    """Return the id of the job that a request was accepted as, with 202."""
    response = client.post(path, json=request, headers={**LATER, **headers})
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    return str(job["id"])


def job_of(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Return a job as it is."""
    response = client.get(f"/v1/jobs/{job_id}")
    assert response.status_code == 200, response.text
    return dict(response.json())


def in_state(client: httpx.Client, job_id: str, *states: str) -> dict[str, Any]:
    """Return a job once it is in one of some states."""

    def look() -> dict[str, Any] | None:
        job = job_of(client, job_id)
        return job if job["state"] in states else None

    return until(look, f"{job_id} {' or '.join(states)}") or {}


def at_work(client: httpx.Client, job_id: str) -> int:
    """Return the pid of the worker that is at a job."""

    def look() -> int | None:
        return (job_of(client, job_id)["progress"] or {}).get("worker_pid")

    return until(look, f"a worker at {job_id}") or 0


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """Return a job once it has ended."""
    return in_state(client, job_id, "done", "failed", "cancelled")


def events_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """Yield the jobs that a stream of events tells, as they come."""
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def at_once(calls: list[Callable[[], T]]) -> list[T]:
    """Call functions in threads at the same time; return what they return."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def families(client: httpx.Client) -> dict[str, float]:
    """Return the samples of ``/metrics``: name with labels → value."""
    text = client.get("/metrics").text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def is_answering(server: LiveServer) -> bool:
    """Whether a server answers; its workers may still be starting."""
    with server.client() as plain:
        try:
            return plain.get("/healthz").status_code == 200
        except httpx.TransportError:
            assert server.process.poll() is None, server.log_path.read_text()
            return False
