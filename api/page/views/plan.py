"""``/``: a form beside the live plan."""

from __future__ import annotations

import copy
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.page import address
from api.page.ask import RefusedError, service
from api.page.form import content as contents
from api.page.form.form import Form
from api.page.frame import admitted, fault_box, frame
from api.page.live import Live
from api.page.names import names
from api.page.show.headline import headline
from api.page.show.plan import plan_details, plan_links
from data.errors import InputError


@ui.page("/")
async def plan_view(request: Request, w: str = "") -> Response | None:
    """Show the form, with the workload of the address, and its plan."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    content, fault = contents.start(), ""
    if w:
        try:
            content = workload_of(w)
        except InputError as error:
            fault = str(error)
    known = await names()
    client = ui.context.client
    with frame(asker, "/", "Plan"), ui.element("div").classes("beside"):
        with ui.element("section").classes("head").props('aria-label="Plan"'):
            ui.html(fault_box(fault) if fault else "")
            top = ui.html("").classes("headline")
            ways = ui.html("")
            live: Live
            form: Form

            def show(plan_id: str, plan: dict[str, Any]) -> None:
                top.content = headline(plan)
                ways.content = plan_links(plan_id)
                details.content = plan_details(plan)
                details.classes(remove="stale")

            def refused(error: RefusedError | None) -> None:
                form.show_fault(None if error is None else str(error))
                if error is not None:
                    top.content = fault_box(f"No plan yet: {error}")
                    ways.content = details.content = ""

            live = Live(asker, "plan", lambda c: service().intake.plan(c, {}), show, refused)
            with ui.element("div").classes("row-of-buttons"):
                share = ui.button("Copy the link", icon="link").props("flat dense no-caps")
                share.on("click", js_handler="() => minfleet.copyLink()")
                for title, icon, path in (
                    ("Compare offers for it", "balance", "/compare"),
                    ("Its trade-offs", "show_chart", "/pareto"),
                ):
                    way = ui.button(title, icon=icon).props("flat dense no-caps")
                    way.on("click", js_handler=f"() => minfleet.go('{path}')")
        with ui.element("section").classes("form").props('aria-label="Workload"'):

            def changed() -> None:
                details.classes(add="stale")
                url = address.with_workload("/", form.content)
                client.run_javascript(f"history.replaceState(null, '', {url or '/'!r})")
                live.ask({"workload": copy.deepcopy(form.content)})

            form = Form(known, content, changed)
        details = ui.html("").classes("details")
    live.ask({"workload": copy.deepcopy(form.content)}, rest_s=0)
    return None


def workload_of(text: str) -> dict[str, Any]:
    """Return the workload of an address.

    Raises
    ------
    InputError
        If the address is damaged.
    """
    found = address.unpacked(text)
    if not isinstance(found, dict) or not isinstance(found.get("classes"), list):
        raise InputError("the link holds no workload; ask for it once more.")
    return contents.shortened(found)
