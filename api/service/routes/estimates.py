"""``/v1/estimates``: one replica, term by term."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.schemas.estimate import EstimateDocument
from api.schemas.estimate_request import EstimateRequest
from api.service.access import Planner
from api.service.bodies import parse_body
from api.service.examples import ESTIMATE_EXAMPLES
from api.service.openapi import component
from api.service.routes.common import (
    body,
    body_of,
    document,
    json_response,
    problems,
    service_of,
)

router = APIRouter(prefix="/v1/estimates", tags=["estimates"])


@router.post(
    "",
    summary="Estimate a replica",
    responses={
        200: document(EstimateDocument, "What the replica does."),
        **problems(
            "malformed", "slow-body", "too-large", "media-type", "invalid", "too-complex",
            "queue-full",
        ),
    },
    openapi_extra=body(
        component(EstimateRequest),
        examples=ESTIMATE_EXAMPLES,
        text="The replica, and the requests it gets.",
    ),
)  # fmt: skip
async def make_estimate(request: Request, key: Planner) -> Response:
    """Return memory, TTFT, TPOT and the admissible rate of one replica. Nothing is stored."""
    service = service_of(request)
    raw = await body_of(request)
    task = await to_thread.run_sync(lambda: service.intake.estimate(parse_body(raw)))
    return json_response(await service.quick("estimate", task))
