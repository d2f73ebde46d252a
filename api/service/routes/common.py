"""What the routes share: bodies that are read whole, documented responses, raw JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from anyio import to_thread
from fastapi import Request, Response
from pydantic import BaseModel

from api.service.problems import KINDS, MEDIA_TYPE, ProblemError
from api.service.service import Answer, Service, job_document, job_url, result_url
from api.store.jobs import Job

JSON = "application/json"

PROBLEM = {"$ref": "#/components/schemas/Problem"}

REFUSED_MEDIA = ("multipart/",)

USUAL = ("malformed", "unauthorized", "forbidden", "rate-limited", "internal", "unavailable")
"""Kinds of problems that any request may end with."""


def service_of(request: Request) -> Service:
    """Return the service that a request reached."""
    found: Service = request.app.state.service
    return found


async def body_of(request: Request) -> bytes:
    """Return the body of a request: JSON or YAML, under whatever type curl gives it.

    Raises
    ------
    ProblemError
        If it is a form of files, empty, too large or too slow.
    """
    given = request.headers.get("content-type", "").lower()
    if given.startswith(REFUSED_MEDIA):
        raise ProblemError("media-type", "send the body itself as application/json or yaml.")
    body = await request.body()
    if not body.strip():
        raise ProblemError("malformed", "body: is empty; send JSON or YAML.")
    return body


def problems(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the problems that a route may end with, besides the usual ones.

    The usual are `USUAL`.
    """
    found: dict[int | str, dict[str, Any]] = {}
    for kind in dict.fromkeys((*kinds, *USUAL)):
        status, title = KINDS[kind]
        before = found.get(status)
        description = title if before is None else f"{before['description']}; or: {title}"
        found[status] = {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": PROBLEM}},
        }
    return found


def document(model: type[BaseModel], description: str, **more: Any) -> dict[str, Any]:
    """Return the documentation of a response that is sent as it was stored."""
    return {"model": model, "description": description, **more}


def body(schema: Mapping[str, Any], *, examples: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the documentation of a body that is read as JSON or YAML.

    Parameters
    ----------
    schema
        Its JSON schema, or the reference to it.
    examples
        Name → value; each can be sent as it is.
    """
    shown = {name: {"summary": name, "value": value} for name, value in examples.items()}
    content = {"schema": dict(schema), "examples": shown}
    return {
        "requestBody": {
            "required": True,
            "description": text,
            "content": {JSON: content, "application/yaml": content},
        }
    }


async def shown_job(service: Service, job: Job) -> dict[str, Any]:
    """Return a job as `api.schemas.jobs.JobDocument`."""
    ahead = None
    if job.state == "queued":
        ahead = await to_thread.run_sync(service.store.jobs.ahead_of, job)
    return job_document(job, service.dispatcher.progress_of(job), ahead)


async def answered(service: Service, kind: str, answer: Answer) -> Response:
    """Return a result as it is stored, or 202 and its job."""
    if answer.document is None:
        assert answer.job is not None
        shown = await shown_job(service, answer.job)
        return json_response(
            shown, 202, {"Location": job_url(answer.job.id), "Preference-Applied": "respond-async"}
        )
    assert answer.result_id is not None
    headers = {
        "Content-Location": result_url(kind, answer.result_id),
        "Minfleet-Cache": "hit" if answer.reused else "miss",
    }
    if answer.job is not None:
        headers["Minfleet-Job"] = answer.job.id
    return Response(answer.document, 200, headers, JSON)


def json_response(content: Any, status: int = 200, headers: Any = None) -> Response:
    """Return JSON."""
    return Response(json.dumps(content, allow_nan=False), status, headers, JSON)
