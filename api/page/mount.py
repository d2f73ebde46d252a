"""Puts the page into the application: NiceGUI below the service's own routes."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import nicegui
from fastapi import FastAPI
from starlette.routing import Match, Mount
from starlette.staticfiles import StaticFiles

from api.page import downloads, login
from api.page.sessions import Sessions
from api.service.service import Service

ASSETS = Path(__file__).parent / "assets"

VIEWS = (
    *("/", "/compare", "/pareto", "/history", "/diff", "/workloads", "/prices"),
    "/favicon.ico",
)

BELOW = ("/plans/", "/workloads/", "/compare/", "/pareto/", "/_nicegui/", "/_nicegui_ws/")
"""Beginnings of further paths that the page answers."""

RECONNECT_S = 20.0
"""How long a browser that lost its connection finds its page as it was."""


class _Pages(Mount):
    """NiceGUI's application, at the page's own paths only: all others stay with the service."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, dict[str, Any]]:
        """Match paths of the page."""
        path = scope["path"]
        if path not in VIEWS and not path.startswith(BELOW):
            return Match.NONE, {}
        return super().matches(scope)  # type: ignore[arg-type]


def install(app: FastAPI, service: Service) -> None:
    """Serve the page at ``/``.

    Parameters
    ----------
    app
        The application; its lifespan is wrapped, so that NiceGUI starts and ends with it.
    service
        What the page asks.
    """
    from api.page.views import (  # noqa: F401  registers
        compare,
        diff,
        history,
        pareto,
        plan,
        prices,
        stored,
        workloads,
    )

    nicegui.app.state.service = service
    app.state.sessions = nicegui.app.state.sessions = Sessions()
    app.include_router(login.router)
    app.include_router(downloads.router)
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
    logging.getLogger("nicegui").setLevel(logging.WARNING)
    nicegui.ui.run_with(
        app,
        title="minfleet",
        favicon=ASSETS / "icon.svg",
        dark=None,
        language="en-GB",
        tailwind=False,
        reconnect_timeout=RECONNECT_S,
        show_welcome_message=False,
    )
    everywhere = app.router.routes.pop()
    assert isinstance(everywhere, Mount)
    app.router.routes.append(_Pages("", app=everywhere.app, name="page"))
