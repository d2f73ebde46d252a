"""``/pareto``: the least cost for each level of a target or a limit."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.page import address
from api.page.ask import RefusedError, service
from api.page.form import content as contents
from api.page.form.form import Form
from api.page.frame import admitted, fault_box, frame
from api.page.frontier_panel import FrontierPanel
from api.page.live import Live
from api.page.names import names
from api.page.views.plan import workload_of
from api.service.intake_frontier import frontier_job
from data.errors import InputError

OF = {
    "tpot_ms": "Time per further token",
    "ttft_ms": "Time to first token",
    "quality_loss_pct": "Quality loss",
    "power_kw": "Power",
    "providers": "Number of providers",
}
"""What the cost can be set against."""

FINE = {0.25: "to 25 %, quickly", 0.1: "to 10 %", 0.05: "to 5 %, slowly"}
"""How narrow each step is found."""

COARSE = 0.25


@ui.page("/pareto")
async def pareto_view(
    request: Request, w: str = "", of: str = "", fine: float = COARSE
) -> Response | None:
    """Show the form, and the frontier of the address if it names one."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    content, fault = contents.start(), ""
    try:
        content = workload_of(w) if w else content
    except InputError as error:
        fault = str(error)
    known = await names()
    client = ui.context.client
    with frame(asker, "/pareto", "Trade-offs"), ui.element("div").classes("beside results-first"):
        with ui.element("section").classes("head").props('aria-label="Trade-off"'):
            ui.html("What does a tighter target cost?", tag="h2").classes("big")
            ui.html("The least cost for each level of one target or limit, proven for each.",
                    tag="p").classes("note")  # fmt: skip
            trouble = ui.html(fault_box(fault) if fault else "")
            form: Form
            panel: FrontierPanel

            def show_fault(error: RefusedError | None) -> None:
                trouble.content = "" if error is None else fault_box(str(error), error.faults)
                form.show_fault(None if error is None else str(error), at_field=True)
                if error is not None:
                    panel.clear()

            with ui.element("div").classes("pair filters"):
                against = ui.select(OF, value=of if of in OF else "tpot_ms")
                against.props('outlined dense options-dense label="Cost against"')
                finely = ui.select(FINE, value=fine if fine in FINE else COARSE)
                finely.props('outlined dense options-dense label="Steps found"')
                draw = ui.button("Draw", icon="show_chart", color=None).classes("main-button")
                draw.props("unelevated no-caps")
            live = Live(
                asker,
                "frontier",
                partial(frontier_job, service().intake),
                lambda found, document: panel.show(found, document),
                show_fault,
            )

            def note_address() -> None:
                url = address.with_workload("/pareto", form.content)
                shown = f"{url}&of={against.value}&fine={finely.value:g}" if url else "/pareto"
                client.run_javascript(f"history.replaceState(null, '', {shown!r})")

            def ask() -> None:
                note_address()
                below.classes(remove="stale")
                panel.clear()
                asked: dict[str, Any] = {
                    "workload": copy.deepcopy(form.content),
                    "of": against.value,
                    "points": 6,
                    "resolution": finely.value,
                }
                live.ask(asked, rest_s=0)

            draw.on_click(ask)
            against.on_value_change(ask)
        with ui.element("section").classes("form").props('aria-label="Workload"'):

            def changed() -> None:
                note_address()
                below.classes(add="stale")

            form = Form(known, content, changed)
        below = ui.element("div").classes("details")
        panel = FrontierPanel(below)
    if of in OF:
        ask()
    return None


@ui.page("/pareto/{frontier_id}")
async def stored_frontier(request: Request, frontier_id: str) -> Response | None:
    """Show a frontier as it was made."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "", "Trade-off"), ui.element("div").classes("details"):
        try:
            document = await asker.stored("frontier", frontier_id)
            told = f"There is no trade-off {frontier_id[:100]!r} on this server."
        except RefusedError as error:
            document, told = None, str(error)
        if document is None:
            ui.html(fault_box(told))
            return None
        FrontierPanel(ui.element("div").classes("details")).show(frontier_id, document)
    return None
