"""Errors as ``application/problem+json`` (RFC 9457): one sentence each, with a stable type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from data.errors import InputError, MinfleetError, RowsError, StoreError

MEDIA_TYPE = "application/problem+json"

PREFIX = "urn:minfleet:problem:"

KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "unauthorized": (401, "An API key is needed"),
    "forbidden": (403, "The request is not allowed"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "The method is not allowed here"),
    "slow-body": (408, "The body did not arrive in time"),
    "conflict": (409, "The state does not allow it"),
    "moved-on": (412, "Another revision stands"),
    "too-large": (413, "The body is too large"),
    "media-type": (415, "The media type is not read"),
    "invalid": (422, "The input is wrong"),
    "too-complex": (422, "The input is beyond the limits of this server"),
    "out-of-memory": (422, "The job needs more memory than this server gives it"),
    "time-limit": (422, "The job needs more time than this server gives it"),
    "idempotency-reused": (422, "The Idempotency-Key was used for another request"),
    "rate-limited": (429, "Too many requests"),
    "queue-full": (429, "Too many jobs wait"),
    "internal": (500, "A fault of the server's own"),
    "failed": (500, "minfleet gave up"),
    "worker-died": (500, "The worker died"),
    "unavailable": (503, "The service is not available"),
}
"""Last part of a problem's type → status and title."""

TASK_PROBLEMS = {
    "input": "invalid",
    "failed": "failed",
    "memory": "out-of-memory",
    "internal": "internal",
}
"""Kind of a `TaskError` → kind of problem."""

INTERNAL_DETAIL = "the server's log says more; please report it with the request."

MOST_FAULTS = 100
"""Wrong rows that one problem names."""

log = structlog.get_logger("minfleet.http")


class Problem(BaseModel):
    """What went wrong, and what would help."""

    type: str = Field(description="A URN that names the kind of problem; it is stable.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(ge=400, le=599, description="HTTP status.")
    detail: str = Field(description="One sentence: the place, the fault, the fix.")
    faults: list[str] | None = Field(
        default=None, description="Where several rows are wrong: a sentence for each."
    )
    instance: str | None = Field(default=None, description="The job or request it happened in.")


class ProblemError(Exception):
    """Ends a request with a problem.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    detail
        One sentence.
    """

    def __init__(
        self, kind: str, detail: str, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.document = problem(kind, detail, **more)
        self.headers = dict(headers or {})


def problem(kind: str, detail: str, **more: Any) -> dict[str, Any]:
    """Return a problem document; of a fault of our own it says no more than that."""
    status, title = KINDS[kind]
    shown = INTERNAL_DETAIL if kind == "internal" else detail
    return {"type": PREFIX + kind, "title": title, "status": status, "detail": shown, **more}


def problem_response(
    document: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return a problem as a response."""
    return JSONResponse(
        dict(document), int(document["status"]), headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def methods_of(app: FastAPI, path: str) -> list[str]:
    """Return the methods that a path allows; of several routes each knows only its own."""
    found = {
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path)
        for method in operations
    }
    return sorted(found)


def problem_of(error: MinfleetError) -> dict[str, Any]:
    """Return the problem that an error of minfleet's is."""
    if isinstance(error, InputError):
        more = {}
        if isinstance(error, RowsError):
            more["faults"] = [" ".join(f.splitlines()) for f in error.faults[:MOST_FAULTS]]
        return problem("invalid", " ".join(str(error).splitlines()), **more)
    if isinstance(error, StoreError):
        return problem("unavailable", str(error))
    return problem("failed", str(error))


def install(app: FastAPI) -> None:
    """Let every error of an application leave as a problem, and tell `Guard` its kind."""

    def ended(
        request: Request, document: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> JSONResponse:
        request.state.problem = str(document["type"]).removeprefix(PREFIX)
        return problem_response(document, headers)

    @app.exception_handler(ProblemError)
    async def known(request: Request, error: ProblemError) -> JSONResponse:
        return ended(request, error.document, error.headers)

    @app.exception_handler(MinfleetError)
    async def ours(request: Request, error: MinfleetError) -> JSONResponse:
        document = problem_of(error)
        headers = {"Retry-After": "5"} if document["status"] == 503 else {}
        return ended(request, document, headers)

    @app.exception_handler(RequestValidationError)
    async def parameters(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(p) for p in first["loc"][1:] if not isinstance(p, int))
        message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ")
        return ended(request, problem("invalid", f"{place or first['loc'][0]}: {message}."))

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> JSONResponse:
        kinds = {404: "not-found", 405: "method-not-allowed", 401: "unauthorized"}
        kind = kinds.get(error.status_code)
        if kind is None:
            title = HTTPStatus(error.status_code).phrase
            document = problem("internal", "") | {
                "type": "about:blank",
                "title": title,
                "status": error.status_code,
                "detail": str(error.detail),
            }
        else:
            document = problem(kind, f"{request.method} {request.url.path}: {error.detail}.")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(methods_of(app, request.url.path))
        return ended(request, document, headers)

    @app.exception_handler(Exception)
    async def unknown(request: Request, error: Exception) -> JSONResponse:
        log.error("fault", path=request.url.path, exc_info=error)
        # The server closes the connection after a fault: clients must not send on it again.
        return ended(request, problem("internal", ""), {"Connection": "close"})
