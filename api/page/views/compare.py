"""``/compare``: offers of the user's own side by side, for the workload of the form."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.page import address
from api.page.ask import RefusedError, refused, service
from api.page.comparison_panel import ComparisonPanel
from api.page.form import content as contents
from api.page.form.form import Form
from api.page.form.quote_list import QuoteList
from api.page.frame import admitted, fault_box, frame
from api.page.live import Live
from api.page.names import catalog_in_force, names
from api.page.views.plan import workload_of
from api.service.intake_comparison import comparison_job
from data.errors import InputError

REST_S = 0.8
"""Comparisons take seconds: a longer rest than a plan's."""


@ui.page("/compare")
async def compare_view(request: Request, w: str = "", q: str = "") -> Response | None:
    """Show the form, the quotes of the address, and their comparison."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    content, rows, fault = contents.start(), [], ""
    try:
        content = workload_of(w) if w else content
        rows = quotes_of(q) if q else []
    except InputError as error:
        fault = str(error)
    known, catalog = await names(), await to_thread.run_sync(catalog_in_force)
    client = ui.context.client
    with (
        frame(asker, "/compare", "Compare offers"),
        ui.element("div").classes("beside results-first"),
    ):
        with ui.element("section").classes("head").props('aria-label="Comparison"'):
            trouble = ui.html(fault_box(fault) if fault else "")
            top = ui.element("div").classes("headline")
            form: Form
            quotes: QuoteList
            panel: ComparisonPanel

            def show_fault(error: RefusedError | None) -> None:
                trouble.content = "" if error is None else fault_box(str(error), error.faults)
                form.show_fault(None if error is None else str(error), at_field=True)
                if error is not None:
                    panel.clear()

            live = Live(
                asker,
                "comparison",
                partial(comparison_job, service().intake),
                lambda found, document: panel.show(found, document),
                show_fault,
            )

            def changed() -> None:
                given = (
                    {"w": form.content, "q": quotes.rows} if quotes.rows else {"w": form.content}
                )
                url = "/compare?" + "&".join(f"{k}={address.packed(v)}" for k, v in given.items())
                shown = url if len(url) <= address.SHORT_ENOUGH else "/compare"
                client.run_javascript(f"history.replaceState(null, '', {shown!r})")
                ask(REST_S)

            def ask(rest_s: float) -> None:
                welcome.visible = not quotes.rows
                if not quotes.rows:
                    panel.clear()
                    return
                panel.stale()
                asked: dict[str, Any] = {
                    "workload": copy.deepcopy(form.content),
                    "offers": [dict(row) for row in quotes.rows],
                    "add_catalog": quotes.add_catalog,
                }
                live.ask(asked, rest_s=rest_s)

            def refuse(error: Exception) -> None:
                told = error if isinstance(error, RefusedError) else refused(error)  # type: ignore[arg-type]
                trouble.content = fault_box(str(told), told.faults)

            with ui.element("div").classes("welcome") as welcome:
                ui.html("Which offer is worth its price?", tag="h2").classes("big")
                ui.html(
                    "Bring your quotes, or take offers from the catalogue. For each one you see "
                    "the cheapest fleet of it alone, its share in the cheapest fleet of all of "
                    "them, and the exact price at which it enters and takes over.",
                    tag="p",
                )
            quotes = QuoteList(catalog, rows, changed, refuse)
        with ui.element("section").classes("form").props('aria-label="Workload"'):
            form = Form(known, content, changed)
        below = ui.element("div").classes("details")
        panel = ComparisonPanel(top, below)
    ask(0)
    return None


def quotes_of(text: str) -> list[dict[str, str]]:
    """Return the quotes of an address; they are checked by the service.

    Raises
    ------
    InputError
        If the address is damaged.
    """
    found = address.unpacked(text)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise InputError("the link holds no quotes; ask for it once more.")
    return [{str(k): str(v) for k, v in row.items()} for row in found]


@ui.page("/compare/{comparison_id}")
async def stored_comparison(request: Request, comparison_id: str) -> Response | None:
    """Show a comparison as it was made."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "", "Comparison"), ui.element("div").classes("details"):
        try:
            document = await asker.stored("comparison", comparison_id)
            told = f"There is no comparison {comparison_id[:100]!r} on this server."
        except RefusedError as error:
            document, told = None, str(error)
        if document is None:
            ui.html(fault_box(told))
            return None
        top = ui.element("section").classes("head")
        panel = ComparisonPanel(top, ui.element("div").classes("details"))
        panel.show(comparison_id, document)
        with top:
            url = address.with_workload("/compare", contents.shortened(document["workload"]))
            ui.html(f'<a href="{url}">Compare other offers for its workload</a>')
    return None
