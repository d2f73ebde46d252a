"""``/v1/plans``: workloads in, plans out."""

from __future__ import annotations

import datetime as dt
import json
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from api.difference_words import difference_document
from api.schemas.difference import DifferenceDocument
from api.schemas.explanation import ExplanationDocument, explanation_of
from api.schemas.jobs import JobDocument
from api.schemas.plan import PlanDocument
from api.schemas.plan_list import PlanList
from api.schemas.requests import Day
from api.schemas.words import Status
from api.service.access import Planner, Reader
from api.service.examples import PLAN_EXAMPLES
from api.service.openapi import PLAN_BODY
from api.service.problems import ProblemError
from api.service.routes.common import (
    answered,
    body,
    body_of,
    document,
    json_response,
    problems,
    service_of,
)
from api.service.service import wish_of

router = APIRouter(prefix="/v1/plans", tags=["plans"])

PAGE = 50


@router.post(
    "",
    summary="Plan a workload",
    responses={
        200: document(PlanDocument, "The plan. A workload that no fleet can serve has one, too."),
        202: document(JobDocument, "The job that will make it: asked for, or it takes longer."),
        **problems(
            "malformed", "not-found", "slow-body", "conflict", "too-large", "media-type",
            "invalid", "too-complex", "queue-full",
        ),
    },
    openapi_extra=body(
        PLAN_BODY,
        examples=PLAN_EXAMPLES,
        text="A workload, or a mapping of `workload` and what belongs to it.",
    ),
)  # fmt: skip
async def make_plan(
    request: Request,
    key: Planner,
    gap: Annotated[
        float | None, Query(ge=0, le=1, description="Over `settings.gap` of the body.")
    ] = None,
    time_limit_s: Annotated[
        float | None,
        Query(ge=0.1, le=86_400, description="Over `settings.time_limit_s` of the body."),
    ] = None,
    explain: Annotated[
        Literal["none", "auto", "full"] | None,
        Query(description="Over `settings.explain` of the body."),
    ] = None,
    second_engine: Annotated[
        bool | None, Query(description="Over `settings.second_engine` of the body.")
    ] = None,
    simulate: Annotated[
        bool | None, Query(description="Over `settings.simulate` of the body.")
    ] = None,
    as_of: Annotated[Day | None, Query(description="Over `settings.as_of` of the body.")] = None,
) -> Response:
    """Find the cheapest fleet for a workload, with its proof.

    Equal requests (workload, catalogue, settings, day) are answered from the store; send
    `Cache-Control: no-cache` for a new plan. With `Prefer: respond-async` the answer is 202 and
    a job; with `Prefer: wait=10` that happens after ten seconds. An `Idempotency-Key` makes it
    safe to send a request again.
    """
    given = {
        "gap": gap,
        "time_limit_s": time_limit_s,
        "explain": explain,
        "second_engine": second_engine,
        "simulate": simulate,
        "as_of": as_of,
    }
    query = {name: value for name, value in given.items() if value is not None}
    service = service_of(request)
    found = await service.answer(
        "plan",
        await body_of(request),
        lambda content: service.intake.plan(content, query),
        wish_of(request.headers, request.url.query),
        None if key is None else key.id,
    )
    return await answered(service, "plan", found)


@router.get(
    "",
    summary="List plans",
    responses={200: document(PlanList, "The plans."), **problems("not-found", "invalid")},
)
async def list_plans(
    request: Request,
    key: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="Plans a page.")] = PAGE,
    after: Annotated[
        str | None, Query(max_length=40, description="Last plan of the page before.")
    ] = None,
    status: Annotated[Status | None, Query(description="Only plans of this status.")] = None,
    model: Annotated[
        str | None, Query(max_length=400, description="Only plans of this model.")
    ] = None,
    workload_id: Annotated[
        str | None, Query(max_length=64, description="Only plans of this workload.")
    ] = None,
) -> Response:
    """Return stored plans, the latest first."""
    service = service_of(request)
    try:
        found = await to_thread.run_sync(
            lambda: service.store.plans.list(
                limit + 1, after=after, status=status, model=model, workload_id=workload_id
            )
        )
    except LookupError:
        raise ProblemError("not-found", f"after: there is no plan {after!r}.") from None
    more, found = len(found) > limit, found[:limit]
    following = request.url.include_query_params(after=found[-1].id) if more else None
    entries = [
        {**{k: v for k, v in vars(p).items() if k != "number"}, "created_at": _iso(p.created_at)}
        for p in found
    ]
    path = None if following is None else f"{following.path}?{following.query}"
    return json_response({"plans": entries, "next": path})


@router.get(
    "/{plan_id}",
    summary="Read a plan",
    responses={200: document(PlanDocument, "The plan."), **problems("not-found")},
)
async def read_plan(request: Request, key: Reader, plan_id: str) -> Response:
    """Return a plan as it was made."""
    return Response(await _document(request, plan_id), media_type="application/json")


@router.get(
    "/{plan_id}/explanation",
    summary="Explain a plan",
    responses={
        200: document(ExplanationDocument, "Why the plan is what it is."),
        **problems("not-found", "conflict"),
    },
)
async def explain_plan(request: Request, key: Reader, plan_id: str) -> Response:
    """Return what binds, what was left out and why, what else there is, and what to relax."""
    plan: dict[str, Any] = json.loads(await _document(request, plan_id))
    service = service_of(request)
    made_from = await to_thread.run_sync(service.store.plans.request, plan_id)
    if made_from is not None and made_from["settings"]["explain"] == "none":
        raise ProblemError(
            "conflict",
            f"{plan_id} was made with explain=none; send its workload again with explain=auto.",
        )
    return json_response(explanation_of(plan_id, plan))


@router.get(
    "/{plan_id}/difference/{other_id}",
    summary="Tell where two plans differ",
    responses={
        200: document(DifferenceDocument, "Where the other plan differs."),
        **problems("not-found"),
    },
)
async def plan_difference(request: Request, key: Reader, plan_id: str, other_id: str) -> Response:
    """Return where another plan differs from this one: as figures, and in words."""
    first, second = [json.loads(await _document(request, p)) for p in (plan_id, other_id)]
    return json_response(difference_document(first, second))


async def _document(request: Request, plan_id: str) -> str:
    found = await to_thread.run_sync(service_of(request).store.plans.document, plan_id[:100])
    if found is None:
        raise ProblemError("not-found", f"there is no plan {plan_id[:100]!r}.")
    return found


def _iso(moment: dt.datetime) -> str:
    return moment.isoformat()
