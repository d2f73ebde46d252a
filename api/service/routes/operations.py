"""``/healthz``, ``/readyz`` and ``/metrics``, for those who run the service."""

from __future__ import annotations

from typing import Literal

import anyio
from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.schemas.base import Document
from api.service.access import Reader
from api.service.problems import ProblemError
from api.service.routes.common import document, json_response, problems, service_of
from data.errors import StoreError

router = APIRouter(tags=["operations"])

CHECK_S = 5.0
"""How long a store may take to answer and still be ready."""


class Health(Document):
    """The server answers."""

    status: Literal["ok"]
    """Always `ok`."""


class Readiness(Document):
    """The server can plan."""

    status: Literal["ready"]
    """Always `ready`; otherwise the answer is 503."""
    store: str
    """The store, without its password."""
    workers: int
    """Processes for jobs."""


@router.get("/healthz", responses={200: document(Health, "The server answers.")})
async def health() -> Response:
    """Tell that the server answers; it asks nobody."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz",
    responses={200: document(Readiness, "Store and workers answer."), **problems()},
)
async def readiness(request: Request) -> Response:
    """Tell whether store and workers answer."""
    service = service_of(request)
    if service.stopping:
        raise ProblemError("unavailable", "the server is stopping.")
    if not service.dispatcher.at_work:
        raise ProblemError("unavailable", "jobs are not worked off; restart the server.")
    if not service.workers.warm:
        why = service.trouble or "the workers are starting"
        raise ProblemError("unavailable", f"{why.rstrip('.')}.", {"Retry-After": "1"})
    trouble = service.dispatcher.trouble
    try:
        if trouble is None:
            with anyio.fail_after(CHECK_S):
                await to_thread.run_sync(service.store.check, abandon_on_cancel=True)
    except StoreError as error:
        trouble = str(error)
    except TimeoutError:
        trouble = f"the store has not answered for {CHECK_S:g} s."
    if trouble is not None:
        raise ProblemError("unavailable", trouble, {"Retry-After": "5"})
    found = {
        "status": "ready",
        "store": service.store.database.name,
        "workers": service.workers.count,
    }
    return json_response(found)


@router.get(
    "/metrics",
    responses={
        200: {
            "description": "Figures in Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(),
    },
    response_class=Response,
)
async def metrics(request: Request, key: Reader) -> Response:
    """Return what Prometheus reads."""
    from prometheus_client import CONTENT_TYPE_LATEST

    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)
