"""``/v1/decisions``: what was decided on registered workloads, and who accepted it."""

from __future__ import annotations

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.schemas.registered import ReplanningBatch, StoredDecisionDocument
from api.service.access import Planner, Reader
from api.service.problems import ProblemError
from api.service.routes.catalog import shown
from api.service.routes.common import document, problems, service_of
from api.store.decisions import NotAcceptableError, StoredDecision

router = APIRouter(prefix="/v1", tags=["workloads"])


@router.get(
    "/decisions/{decision_id}",
    summary="Read a decision",
    responses={200: document(StoredDecisionDocument, "The decision."), **problems("not-found")},
)
async def read_decision(request: Request, key: Reader, decision_id: str) -> Response:
    """Return a decision as it was made, and what became of it."""
    store = service_of(request).store.decisions
    found = await to_thread.run_sync(store.get, decision_id[:100])
    if found is None:
        raise _unknown(decision_id)
    return shown(found.to_dict())


@router.post(
    "/decisions/{decision_id}/acceptance",
    summary="Accept a decision",
    responses={
        200: document(StoredDecisionDocument, "The decision; its proposal is the fleet that runs."),
        **problems("not-found", "conflict"),
    },
)
async def accept_decision(request: Request, key: Planner, decision_id: str) -> Response:
    """Let the proposed plan of a decision be the fleet that runs.

    Refused with 409 where the workload was changed since, or a newer decision stands. Accepting it
    again changes nothing.
    """
    store, by = service_of(request).store.decisions, None if key is None else key.id
    try:
        found = await to_thread.run_sync(lambda: store.accept(decision_id[:100], by))
    except NotAcceptableError as error:
        raise ProblemError("conflict", str(error)) from None
    if found is None:
        raise _unknown(decision_id)
    return shown(found.to_dict())


@router.post(
    "/replannings",
    summary="Plan what is due",
    responses={200: document(ReplanningBatch, "The jobs that plan it."), **problems()},
)
async def plan_due(request: Request, key: Planner) -> Response:
    """Put the jobs of due workloads in the queue now, as far as it has room for them.

    The server does so by itself every second, unless `MINFLEET_SCHEDULER` is false. Each due time
    is planned once, whoever looks.
    """
    scheduler = service_of(request).scheduler
    claimed = await scheduler.look()
    return shown({"jobs": {**await scheduler.planned(), **claimed.jobs}, "left": claimed.left})


def decision_entry(found: StoredDecision) -> dict[str, Any]:
    """Return a decision without its parts, as `api.schemas.registered.DecisionEntry`."""
    names = (
        "id", "workload", "revision", "trigger", "outcome", "job_id", "catalog_id",
        "accepted_at", "accepted_by", "created_at",
    )  # fmt: skip
    proposed = found.document["proposed"]
    return {
        **{name: getattr(found, name) for name in names},
        "reasons": found.document["reasons"],
        "saving": found.document.get("saving"),
        "proposed_plan_id": None if proposed is None else proposed["id"],
    }


def _unknown(decision_id: str) -> ProblemError:
    return ProblemError("not-found", f"there is no decision {decision_id[:100]!r}.")
