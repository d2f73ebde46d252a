"""``/v1/frontiers``: the least cost for each level of a target or a limit."""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.schemas.frontier import FrontierDocument
from api.schemas.frontier_request import FrontierRequest
from api.schemas.jobs import JobDocument
from api.service.access import Planner, Reader
from api.service.examples import FRONTIER_EXAMPLES
from api.service.intake_frontier import frontier_job
from api.service.openapi import component
from api.service.problems import ProblemError
from api.service.routes.common import answered, body, body_of, document, problems, service_of
from api.service.service import wish_of

router = APIRouter(prefix="/v1/frontiers", tags=["frontiers"])


@router.post(
    "",
    summary="Set the cost against a target or limit",
    responses={
        200: document(FrontierDocument, "The least cost for each level."),
        202: document(JobDocument, "The job that will make it: asked for, or it takes longer."),
        **problems(
            "malformed", "not-found", "slow-body", "conflict", "too-large", "media-type",
            "invalid", "too-complex", "queue-full",
        ),
    },
    openapi_extra=body(
        component(FrontierRequest),
        examples=FRONTIER_EXAMPLES,
        text="A workload, and what its cost is set against.",
    ),
)  # fmt: skip
async def make_frontier(request: Request, key: Planner) -> Response:
    """Return the least cost for each level of a latency target or a limit, with proof.

    Levels are solved over a range, and then wherever the cost falls between two of them; the whole
    takes some seconds to minutes. Headers are those of `POST /v1/plans`.
    """
    service = service_of(request)
    found = await service.answer(
        "frontier",
        await body_of(request),
        partial(frontier_job, service.intake),
        wish_of(request.headers, request.url.query),
        None if key is None else key.id,
    )
    return await answered(service, "frontier", found)


@router.get(
    "/{frontier_id}",
    summary="Read a frontier",
    responses={200: document(FrontierDocument, "The frontier."), **problems("not-found")},
)
async def read_frontier(request: Request, key: Reader, frontier_id: str) -> Response:
    """Return a frontier as it was made."""
    plans = service_of(request).store.plans
    found = await to_thread.run_sync(plans.result, "frontier", frontier_id[:100])
    if found is None:
        raise ProblemError("not-found", f"there is no frontier {frontier_id[:100]!r}.")
    return Response(found, media_type="application/json")
