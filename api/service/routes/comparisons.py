"""``/v1/comparisons``: offers side by side."""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.schemas.comparison import ComparisonDocument
from api.schemas.comparison_request import ComparisonRequest
from api.schemas.jobs import JobDocument
from api.service.access import Planner, Reader
from api.service.examples import COMPARISON_EXAMPLES
from api.service.intake_comparison import comparison_job
from api.service.openapi import component
from api.service.problems import ProblemError
from api.service.routes.common import answered, body, body_of, document, problems, service_of
from api.service.service import wish_of

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"])


@router.post(
    "",
    summary="Compare offers",
    responses={
        200: document(ComparisonDocument, "The offers side by side."),
        202: document(JobDocument, "The job that will make it: asked for, or it takes longer."),
        **problems(
            "malformed", "not-found", "slow-body", "conflict", "too-large", "media-type",
            "invalid", "too-complex", "queue-full",
        ),
    },
    openapi_extra=body(
        component(ComparisonRequest),
        examples=COMPARISON_EXAMPLES,
        text="A workload, and the offers to compare for it.",
    ),
)  # fmt: skip
async def make_comparison(request: Request, key: Planner) -> Response:
    """Return, for each offer, the cheapest fleet of it alone and its share in the joint optimum.

    Beside them stand the exact prices at which it enters and takes over that optimum, and what one
    more node of its stock is worth. An offer takes some seconds. Headers are those of
    `POST /v1/plans`.
    """
    service = service_of(request)
    found = await service.answer(
        "comparison",
        await body_of(request),
        partial(comparison_job, service.intake),
        wish_of(request.headers, request.url.query),
        None if key is None else key.id,
    )
    return await answered(service, "comparison", found)


@router.get(
    "/{comparison_id}",
    summary="Read a comparison",
    responses={200: document(ComparisonDocument, "The comparison."), **problems("not-found")},
)
async def read_comparison(request: Request, key: Reader, comparison_id: str) -> Response:
    """Return a comparison as it was made."""
    plans = service_of(request).store.plans
    found = await to_thread.run_sync(plans.result, "comparison", comparison_id[:100])
    if found is None:
        raise ProblemError("not-found", f"there is no comparison {comparison_id[:100]!r}.")
    return Response(found, media_type="application/json")
