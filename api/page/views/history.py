"""``/history``: the plans that were made, to look at again and to hold against each other."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.page.ask import RefusedError
from api.page.frame import admitted, fault_box, frame
from api.page.show.html import link

STATUSES = {
    "": "any outcome",
    "optimal": "proven",
    "feasible": "not proven",
    "infeasible": "no fleet",
    "unknown": "out of time",
}

COLUMNS: list[dict[str, Any]] = [
    {"name": "created_at", "label": "made (UTC)", "field": "created_at", "align": "left"},
    {"name": "cost_per_hour_usd", "label": "$/h", "field": "cost_per_hour_usd", "align": "right",
     ":format": 'v => v == null ? "–" : "$" + v.toFixed(2)'},
    {"name": "gpus", "label": "GPUs", "field": "gpus", "align": "right"},
    {"name": "outcome", "label": "outcome", "field": "outcome", "align": "left"},
    {"name": "model", "label": "model", "field": "model", "align": "left"},
    {"name": "classes", "label": "classes", "field": "classes", "align": "left",
     ":format": 'v => v.length > 40 ? v.slice(0, 38) + "…" : v'},
    {"name": "rate_rps", "label": "requests/s", "field": "rate_rps", "align": "right",
     ":format": 'v => Number(v.toPrecision(4)).toLocaleString("en")'},
]  # fmt: skip

MADE = """
<q-td :props="props"><a :href="`/plans/${props.row.id}`">
{{ props.row.created_at.slice(0, 16).replace("T", " ") }}</a></q-td>
"""
"""A cell that leads to the plan."""

CHOOSE = """
<q-checkbox v-model="props.selected" dense
 :aria-label="`Choose the plan of ${props.row.model}, ${props.row.created_at.slice(0, 19)}`" />
"""
"""A cell that says what it chooses."""


@ui.page("/history")
async def history_view(
    request: Request, status: str = "", model: str = "", after: str = ""
) -> Response | None:
    """Show stored plans, the latest first."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "/history", "History"), ui.element("div").classes("details"):
        fault = ""
        try:
            plans = await asker.plans(
                after=after or None, status=status or None, model=model or None
            )
        except RefusedError as error:
            plans, fault = [], str(error)
        with ui.element("section").classes("part"):
            ui.html("Plans of this server", tag="h2")
            ui.html(fault_box(fault) if fault else "")
            _filters(status, model)
            _table(plans, status, model)
            if len(plans) >= 200:
                query = urlencode({"status": status, "model": model, "after": plans[-1]["id"]})
                ui.html(link(f"/history?{query}", "Earlier plans"))
    return None


def _filters(status: str, model: str) -> None:
    with ui.element("div").classes("pair filters"):
        outcome = ui.select(STATUSES, value=status if status in STATUSES else "")
        outcome.props('outlined dense options-dense label="Outcome"')
        name = ui.input("Model", value=model).props("outlined dense clearable")

        def go() -> None:
            given = {"status": outcome.value, "model": (name.value or "").strip()}
            ui.navigate.to(f"/history?{urlencode({k: v for k, v in given.items() if v})}")

        outcome.on_value_change(go)
        name.on("keydown.enter", go)


def _table(plans: list[dict[str, Any]], status: str, model: str) -> None:
    rows = [{**p, "outcome": STATUSES.get(p["status"], p["status"])} for p in plans]
    if not rows:
        ui.html('No plans here yet. <a href="/">Make one.</a>', tag="p")
        return
    table = ui.table(columns=COLUMNS, rows=rows, row_key="id", selection="multiple")
    table.props('flat dense :rows-per-page-options="[0]" hide-pagination')
    table.props("selected-rows-label=")
    for column in table.columns:
        column["sortable"] = True
    table.add_slot("body-cell-created_at", MADE)
    table.add_slot("body-selection", CHOOSE)

    def pick() -> None:
        chosen = sorted(table.selected, key=lambda p: p["number"])
        two.set_enabled(len(chosen) == 2)
        if len(chosen) == 2:
            two.props["href"] = f"/diff?a={chosen[0]['id']}&b={chosen[1]['id']}"

    table.on_select(lambda _: pick())
    with ui.element("div").classes("row-of-buttons"):
        two = ui.button("Show what differs", icon="difference").props("flat no-caps dense")
        two.set_enabled(False)
        query = urlencode({k: v for k, v in (("status", status), ("model", model)) if v})
        ui.html(link(f"/download/plans.csv?{query}", "CSV", download=True))
