"""``/diff``: two plans side by side."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.output import usd
from api.page.ask import Asker, RefusedError
from api.page.frame import admitted, fault_box, frame
from api.page.show.difference import differences
from api.page.show.html import link, links


@ui.page("/diff")
async def diff_view(request: Request, a: str = "", b: str = "") -> Response | None:
    """Show where two stored plans differ, and let the user choose them."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "/history", "Two plans"), ui.element("div").classes("details"):
        try:
            known = await asker.plans()
            found = [await _plan(asker, name) for name in (a, b)]
        except RefusedError as error:
            ui.html(fault_box(str(error)))
            return None
        with ui.element("section").classes("part"):
            _choice(known, a, b)
            for name, plan in ((a, found[0]), (b, found[1])):
                if name and plan is None:
                    ui.html(fault_box(f"There is no plan {name[:100]!r} on this server."))
            if found[0] and found[1]:
                query = urlencode({"a": a, "b": b})
                files = (("JSON", "json"), ("CSV", "csv"))
                urls = {name: f"/download/diff.{ending}?{query}" for name, ending in files}
                ui.html(links(link(url, name, download=True) for name, url in urls.items()))
        if found[0] and found[1]:
            ui.html(differences(found[0], found[1])).classes("details")
    return None


async def _plan(asker: Asker, name: str) -> dict[str, Any] | None:
    return await asker.stored("plan", name) if name else None


def _choice(known: list[dict[str, Any]], a: str, b: str) -> None:
    options = {p["id"]: _label(p) for p in known}
    for name in (a, b):
        if name:
            options.setdefault(name, name[:100])
    with ui.element("div").classes("pair filters"):
        chosen = [
            ui.select(options, value=name or None, label=label, with_input=True)
            for name, label in ((a, "First plan"), (b, "Second plan"))
        ]

    def go() -> None:
        given = {k: c.value for k, c in zip("ab", chosen, strict=True) if c.value}
        ui.navigate.to(f"/diff?{urlencode(given)}")

    for choice in chosen:
        choice.props("outlined dense options-dense")
        choice.on_value_change(go)


def _label(plan: dict[str, Any]) -> str:
    cost = plan["cost_per_hour_usd"]
    shown = "no fleet" if cost is None else f"{usd(cost)}/h"
    return f"{plan['model']}, {shown}, {plan['created_at'][:16].replace('T', ' ')}"
