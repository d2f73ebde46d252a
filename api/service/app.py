"""The application: routes, guards, errors and documentation put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.middleware.cors import CORSMiddleware

from api.service import openapi, problems
from api.service.guard import Guard
from api.service.routes import (
    catalog,
    catalog_history,
    catalog_imports,
    catalog_refreshes,
    comparisons,
    decisions,
    estimates,
    events,
    frontiers,
    jobs,
    operations,
    plans,
    simulations,
    subscriptions,
    workloads,
)
from api.service.service import Service
from api.service.settings import Settings

ROUTERS = (
    plans,
    estimates,
    simulations,
    comparisons,
    frontiers,
    workloads,
    decisions,
    jobs,
    catalog_history,
    catalog_imports,
    catalog_refreshes,
    catalog,
    subscriptions,
    events,
    operations,
)

LOOPBACK = ["localhost", "127.0.0.1", "[::1]", "testserver"]


def create_app(settings: Settings) -> FastAPI:
    """Return the service as an ASGI application.

    Raises
    ------
    InputError
        If the store's URL is wrong, or OpenTelemetry is wanted and not installed.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app: FastAPI = FastAPIOffline(
        title="minfleet",
        version=version("minfleet"),
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        swagger_ui_parameters={"tryItOutEnabled": True, "persistAuthorization": False},
    )
    app.state.service = service
    problems.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    openapi.install(app, keys_needed=settings.asks_for_keys)
    if settings.page:
        from api.page.mount import install  # takes a second to load

        install(app, service)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["*"],
            allow_headers=["*"],
        )
    app.add_middleware(Guard, settings=settings, metrics=service.metrics)
    if settings.otel:
        from api.service.tracing import trace

        trace(app)
    return app
