"""The OpenAPI document: every schema by name, every field with its unit, examples that run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.schemas.comparison_request import ComparisonRequest
from api.schemas.estimate_request import EstimateRequest
from api.schemas.export import say_units
from api.schemas.frontier_request import FrontierRequest
from api.schemas.notices import SubscriptionRequest
from api.schemas.refreshes import RefreshRequest
from api.schemas.registration import Registration
from api.schemas.requests import CatalogRows, ModelImport, PlanRequest, SimulationRequest
from api.service.problems import Problem
from solver.workload import Workload

COMPONENTS = "#/components/schemas/"

REQUESTS: tuple[type[BaseModel], ...] = (
    Workload,
    PlanRequest,
    EstimateRequest,
    SimulationRequest,
    ComparisonRequest,
    FrontierRequest,
    Registration,
    ModelImport,
    CatalogRows,
    SubscriptionRequest,
    RefreshRequest,
    Problem,
)
"""Models that no route declares, since their bodies are read as JSON or YAML."""

DESCRIPTION = """\
Finds the cheapest fleet of accelerators that serves an LLM workload within its latency targets,
and proves that nothing cheaper exists.

Bodies are JSON or YAML. Errors are `application/problem+json` (RFC 9457), one sentence each that
names the place and the fix; their `type` is stable. A workload that no fleet can serve is an
answer (200, `status: infeasible`), not an error.
"""


def component(model: type[BaseModel]) -> dict[str, str]:
    """Return the reference to a model's schema."""
    return {"$ref": COMPONENTS + model.__name__}


NEVER_SENT = ("HTTPValidationError", "ValidationError")

PLAN_BODY = {"anyOf": [component(PlanRequest), component(Workload)]}


def install(app: FastAPI, *, keys_needed: bool) -> None:
    """Let an application describe itself.

    Parameters
    ----------
    keys_needed
        Whether requests without an API key are refused.
    """

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app, keys_needed=keys_needed)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI, *, keys_needed: bool) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    _, requests = models_json_schema(
        [(model, "validation") for model in REQUESTS], ref_template=COMPONENTS + "{model}"
    )
    schemas = found["components"]["schemas"]
    for name, schema in requests["$defs"].items():
        schemas.setdefault(name, schema)
    for name in NEVER_SENT:
        schemas.pop(name, None)
    for operation in _operations(found):
        # FastAPI's own description of wrong parameters; here they are problems like any other.
        if NEVER_SENT[0] in str(operation["responses"].get("422")):
            del operation["responses"]["422"]
    say_units(schemas.values())
    if not keys_needed:
        for operation in _operations(found):
            if "security" in operation:
                operation["security"].append({})
    return found


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (o for o in path.values() if isinstance(o, dict))
