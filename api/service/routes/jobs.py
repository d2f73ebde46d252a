"""``/v1/jobs``: what was accepted, how far it is, and how to stop it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from api.schemas.jobs import JobDocument, JobList
from api.service.access import Planner, Reader
from api.service.openapi import component
from api.service.problems import ProblemError
from api.service.routes.common import document, json_response, problems, service_of, shown_job
from api.service.service import Service
from api.store.jobs import Job

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

EVENTS = "text/event-stream"

EVENT = {
    "type": "object",
    "properties": {
        "event": {"const": "job"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": component(JobDocument),
        },
    },
    "required": ["event", "data"],
}


@router.get(
    "",
    summary="List jobs",
    responses={200: document(JobList, "The jobs."), **problems("not-found", "invalid")},
)
async def list_jobs(
    request: Request,
    key: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs a page.")] = 50,
    after: Annotated[
        str | None, Query(max_length=40, description="Last job of the page before.")
    ] = None,
    state: Annotated[
        Literal["queued", "running", "done", "failed", "cancelled"] | None,
        Query(description="Only jobs in this state."),
    ] = None,
) -> Response:
    """Return jobs, the latest first."""
    service = service_of(request)
    try:
        found = await to_thread.run_sync(
            lambda: service.store.jobs.list(limit + 1, after=after, state=state)
        )
    except LookupError:
        raise ProblemError("not-found", f"after: there is no job {after!r}.") from None
    more, found = len(found) > limit, found[:limit]
    shown = [await shown_job(service, job) for job in found]
    following = request.url.include_query_params(after=found[-1].id) if more else None
    path = None if following is None else f"{following.path}?{following.query}"
    return json_response({"jobs": shown, "next": path})


@router.get(
    "/{job_id}",
    summary="Read a job",
    responses={200: document(JobDocument, "The job."), **problems("not-found")},
)
async def read_job(request: Request, key: Reader, job_id: str) -> Response:
    """Return a job: its state, how far it is, and where its result is or why there is none."""
    service = service_of(request)
    return json_response(await shown_job(service, await _job(service, job_id)))


@router.get(
    "/{job_id}/events",
    summary="Follow a job",
    responses={
        200: {
            "description": "Server-sent events `job`, each the job as it is then; the last one "
            "is final. The stream ends with it.",
            "content": {EVENTS: {"schema": EVENT}},
        },
        **problems("not-found"),
    },
    response_class=Response,
)
async def follow_job(request: Request, key: Reader, job_id: str) -> Response:
    """Send a job whenever it changes: incumbent, bound and gap as they improve."""
    service = service_of(request)
    job = await _job(service, job_id)

    async def events() -> AsyncIterator[str]:
        async for change in service.dispatcher.follow(job.id):
            if change is None:
                yield ": nothing new\n\n"
            else:
                yield f"event: job\ndata: {json.dumps(await shown_job(service, change))}\n\n"

    return StreamingResponse(events(), media_type=EVENTS, headers={"Cache-Control": "no-cache"})


@router.delete("/{job_id}", include_in_schema=False)
@router.post(
    "/{job_id}/cancel",
    summary="Cancel a job",
    responses={
        200: document(JobDocument, "The job, cancelled, or as it had ended before."),
        **problems("not-found"),
    },
)
async def cancel_job(request: Request, key: Planner, job_id: str) -> Response:
    """Cancel a job that waits or runs; its worker is killed. Ended jobs stay as they are.

    Equal requests share a job: it is cancelled for all of them.
    """
    service = service_of(request)
    await _job(service, job_id)
    job = await service.dispatcher.cancel(job_id)
    assert job is not None
    return json_response(await shown_job(service, job))


async def _job(service: Service, job_id: str) -> Job:
    found = await to_thread.run_sync(service.store.jobs.get, job_id[:100])
    if found is None:
        raise ProblemError("not-found", f"there is no job {job_id[:100]!r}.")
    return found
