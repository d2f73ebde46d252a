"""``/v1/simulations``: a plan under load, request by request."""

from __future__ import annotations

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.schemas.jobs import JobDocument
from api.schemas.requests import SimulationRequest
from api.schemas.simulation import SimulationDocument
from api.service.access import Planner, Reader
from api.service.examples import SIMULATION_EXAMPLES
from api.service.openapi import component
from api.service.problems import ProblemError
from api.service.routes.common import answered, body, body_of, document, problems, service_of
from api.service.service import wish_of

router = APIRouter(prefix="/v1/simulations", tags=["simulations"])


@router.post(
    "",
    summary="Simulate a plan",
    responses={
        200: document(SimulationDocument, "What was predicted beside what was simulated."),
        202: document(JobDocument, "The job that will make it: asked for, or it takes longer."),
        **problems(
            "malformed", "not-found", "slow-body", "conflict", "too-large", "media-type",
            "invalid", "too-complex", "queue-full",
        ),
    },
    openapi_extra=body(
        component(SimulationRequest),
        examples=SIMULATION_EXAMPLES,
        text="A plan, and how it is loaded.",
    ),
)  # fmt: skip
async def make_simulation(request: Request, key: Planner) -> Response:
    """Simulate the pools of a plan request by request and hold them against its targets.

    Headers are those of `POST /v1/plans`.
    """
    service = service_of(request)
    found = await service.answer(
        "simulation",
        await body_of(request),
        service.intake.simulation,
        wish_of(request.headers, request.url.query),
        None if key is None else key.id,
    )
    return await answered(service, "simulation", found)


@router.get(
    "/{simulation_id}",
    summary="Read a simulation",
    responses={200: document(SimulationDocument, "The simulation."), **problems("not-found")},
)
async def read_simulation(request: Request, key: Reader, simulation_id: str) -> Response:
    """Return a simulation as it was made."""
    plans = service_of(request).store.plans
    found = await to_thread.run_sync(plans.result, "simulation", simulation_id[:100])
    if found is None:
        raise ProblemError("not-found", f"there is no simulation {simulation_id[:100]!r}.")
    return Response(found, media_type="application/json")
