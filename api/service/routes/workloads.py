"""``/v1/workloads``: what is planned again and again, over the fleet that runs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Path, Query, Request, Response

from api.schemas.jobs import JobDocument
from api.schemas.registered import (
    DecisionList,
    Outcome,
    RegisteredDocument,
    RegisteredList,
    StoredDecisionDocument,
)
from api.schemas.registration import Registration
from api.service.access import Planner, Reader
from api.service.bodies import parse_body
from api.service.examples import REGISTRATION_EXAMPLES
from api.service.intake_registration import checked_name, registration
from api.service.openapi import component
from api.service.problems import ProblemError
from api.service.replanning import request_body
from api.service.routes.catalog import shown
from api.service.routes.common import answered, body, body_of, document, problems, service_of
from api.service.routes.decisions import decision_entry
from api.service.service import Service, wish_of
from api.store.jobs import NewJob
from api.store.registered import (
    REPLANNING,
    ExpectationError,
    Expected,
    Registered,
    new_replanning,
)
from data.models import reference_name

router = APIRouter(prefix="/v1/workloads", tags=["workloads"])

Name = Annotated[str, Path(description="Name of the registered workload.")]

IfMatch = Annotated[
    str | None,
    Header(
        max_length=1000,
        description='The revision that the change is made to, as the ETag said it: `"3"`.',
    ),
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=100, description="`*`: only if the name is not registered.")
]

TAG = re.compile(r'(?:W/)?"(\d{1,9})"')


@router.put(
    "/{name}",
    summary="Register a workload",
    responses={
        200: document(RegisteredDocument, "The workload, replaced, or as it was already."),
        201: document(RegisteredDocument, "The workload, registered."),
        **problems(
            "malformed", "not-found", "slow-body", "moved-on", "too-large", "media-type",
            "invalid", "too-complex",
        ),
    },
    openapi_extra=body(
        component(Registration),
        examples=REGISTRATION_EXAMPLES,
        text="A workload, the fleet that runs for it, and when and how it is planned again.",
    ),
)  # fmt: skip
async def register_workload(
    request: Request,
    key: Planner,
    name: Name,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Register a workload, or replace all of it but a fleet that the body does not name.

    The answer's ETag is its revision. Sent back as `If-Match`, it lets a change go on only where
    nobody else changed the workload since (412 otherwise).
    """
    service = service_of(request)
    raw = await body_of(request)
    expected = _expected(if_match, if_none_match)

    def work() -> tuple[Registered, bool]:
        content = registration(service.intake, parse_body(raw))
        key_id = None if key is None else key.id
        return service.store.registered.put(checked_name(name), content, expected, key_id)

    try:
        found, new = await to_thread.run_sync(work)
    except ExpectationError as error:
        raise _moved_on(name, error) from None
    return await _shown(service, found, 201 if new else 200)


@router.get(
    "",
    summary="List registered workloads",
    responses={200: document(RegisteredList, "The workloads."), **problems("invalid")},
)
async def list_workloads(
    request: Request,
    key: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="Workloads a page.")] = 50,
    after: Annotated[
        str | None, Query(max_length=100, description="Last name of the page before.")
    ] = None,
) -> Response:
    """Return the registered workloads in the order of their names."""
    store = service_of(request).store
    found = await to_thread.run_sync(lambda: store.registered.list(limit + 1, after=after))
    more, found = len(found) > limit, found[:limit]
    following = request.url.include_query_params(after=found[-1].name) if more else None
    path = None if following is None else f"{following.path}?{following.query}"
    return shown({"workloads": [_entry(f) for f in found], "next": path})


@router.get(
    "/{name}",
    summary="Read a registered workload",
    responses={200: document(RegisteredDocument, "The workload."), **problems("not-found")},
)
async def read_workload(request: Request, key: Reader, name: Name) -> Response:
    """Return a registered workload: what it says, the fleet that runs, and when it is due."""
    service = service_of(request)
    return await _shown(service, await _registered(service, name))


@router.delete(
    "/{name}",
    status_code=204,
    summary="Remove a registered workload",
    responses={
        204: {"description": "It is registered no more."},
        **problems("not-found", "moved-on", "invalid"),
    },
    response_class=Response,
)
async def remove_workload(
    request: Request, key: Planner, name: Name, if_match: IfMatch = None
) -> Response:
    """Plan a workload no more; a job that does so at the moment is cancelled.

    Its decisions, and the plans they proposed, stay.
    """
    service = service_of(request)
    await _registered(service, name)
    expected = _expected(if_match, None)
    try:
        await to_thread.run_sync(lambda: service.store.registered.remove(name, expected))
    except ExpectationError as error:
        raise _moved_on(name, error) from None
    return Response(status_code=204)


@router.post(
    "/{name}/replanning",
    summary="Plan a registered workload now",
    responses={
        200: document(StoredDecisionDocument, "The decision."),
        202: document(JobDocument, "The job that will make it: asked for, or it takes longer."),
        **problems("not-found", "conflict", "invalid", "too-complex", "queue-full"),
    },
)  # fmt: skip
async def replan_workload(request: Request, key: Planner, name: Name) -> Response:
    """Decide now whether a workload keeps its fleet, whatever its schedule says.

    A decision on it that is being made already is joined. Headers are those of `POST /v1/plans`,
    but that an answer is never of before.
    """
    service = service_of(request)

    def prepare(content: Any) -> NewJob:
        found = service.store.registered.get(name)
        if found is None:
            raise _unknown(name)
        return new_replanning(name, found.revision, "request", None, None)

    found = await service.answer(
        REPLANNING,
        request_body(name),
        prepare,
        replace(wish_of(request.headers, request.url.query), fresh=True),
        None if key is None else key.id,
    )
    return await answered(service, REPLANNING, found)


@router.get(
    "/{name}/decisions",
    summary="List the decisions on a workload",
    responses={200: document(DecisionList, "The decisions."), **problems("not-found", "invalid")},
)
async def list_decisions(
    request: Request,
    key: Reader,
    name: Name,
    limit: Annotated[int, Query(ge=1, le=200, description="Decisions a page.")] = 50,
    after: Annotated[
        str | None, Query(max_length=40, description="Last decision of the page before.")
    ] = None,
    outcome: Annotated[
        Outcome | None, Query(description="Only decisions that came to this.")
    ] = None,
) -> Response:
    """Return the decisions on a workload, the latest first; those of a removed one stay."""
    service = service_of(request)
    store = service.store.decisions
    try:
        found = await to_thread.run_sync(
            lambda: store.list(limit + 1, workload=name[:100], outcome=outcome, after=after)
        )
    except LookupError:
        raise ProblemError("not-found", f"after: there is no decision {after!r}.") from None
    if not found:
        ever = await to_thread.run_sync(lambda: store.list(1, workload=name[:100]))
        if not ever:
            await _registered(service, name)
    more, found = len(found) > limit, found[:limit]
    following = request.url.include_query_params(after=found[-1].id) if more else None
    path = None if following is None else f"{following.path}?{following.query}"
    return shown({"decisions": [decision_entry(f) for f in found], "next": path})


async def _registered(service: Service, name: str) -> Registered:
    found = await to_thread.run_sync(service.store.registered.get, name[:101])
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> ProblemError:
    return ProblemError("not-found", f"no workload {name[:100]!r} is registered.")


def _moved_on(name: str, error: ExpectationError) -> ProblemError:
    revision = error.args[0]
    stands = "is not registered" if revision is None else f"is at revision {revision}"
    return ProblemError(
        "moved-on", f"{name!r} {stands} by now; read it, and send the change with its ETag."
    )


def _expected(if_match: str | None, if_none_match: str | None) -> Expected:
    """Return the condition that the headers of a change set (RFC 9110, 13.1)."""
    if if_none_match is not None and if_none_match.strip() != "*":
        raise ProblemError("invalid", "If-None-Match: only * is read; leave it out otherwise.")
    tags = None if if_match is None else [t.strip() for t in if_match.split(",")]
    known = None if tags is None else {int(m[1]) for t in tags if (m := TAG.fullmatch(t))}

    def expected(revision: int | None) -> bool:
        if if_none_match is not None and revision is not None:
            return False
        if tags is None or known is None:
            return True
        return revision is not None and (tags == ["*"] or revision in known)

    return expected


def _entry(found: Registered) -> dict[str, Any]:
    names = ("name", "revision", "due_at", "plan_id", "created_at", "updated_at")
    return {
        **{name: getattr(found, name) for name in names},
        "paused": found.paused or found.waiting,
        "model": reference_name(found.workload["model"])[:400],
        "schedule": found.schedule or None,
    }


async def _shown(service: Service, found: Registered, status: int = 200) -> Response:
    job_id = await to_thread.run_sync(service.store.registered.open_job, found)
    parts = ("workload", "policy", "fleet", "memory", "basis")
    head = {"schema": "minfleet/registered/v1", **_entry(found)}
    content = {**head, **{p: getattr(found, p) for p in parts}, "job_id": job_id}
    answer = shown(content)
    answer.status_code = status
    answer.headers["ETag"] = f'"{found.revision}"'
    if status == 201:
        answer.headers["Location"] = f"/v1/workloads/{found.name}"
    return answer
