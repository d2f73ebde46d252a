"""``/prices``: what offers cost over time, and the refreshes that wait for a person."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.page import ask_fleet
from api.page.ask import Asker, RefusedError
from api.page.charts import LINES, over_time
from api.page.frame import admitted, fault_box, frame
from api.page.names import names
from api.page.show.html import tag, text
from api.page.show.prices import price_table, refresh_card, refresh_table
from api.store.records import now
from data.errors import MinfleetError

OFFERS = 40
"""Offers in the table; the cheapest."""


@ui.page("/prices")
async def prices_view(
    request: Request, accelerator: str = "h100_sxm", provider: str = ""
) -> Response | None:
    """Show prices of an accelerator over the snapshots that were in force, and refreshes."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "/prices", "Prices"), ui.element("div").classes("details"):
        try:
            refreshes = await ask_fleet.refreshes(asker)
        except RefusedError as error:
            ui.html(fault_box(str(error)))
            return None
        for refresh in refreshes:
            if refresh["state"] == "held":
                _held(asker, refresh)
        with ui.element("section").classes("part"):
            ui.html("Prices over time", tag="h2")
            await _filters(accelerator, provider)
            await _prices(asker, accelerator, provider)
        if refreshes:
            with ui.element("section").classes("part"):
                ui.html("Refreshes of prices", tag="h2")
                ui.html(refresh_table(refreshes))
    return None


async def _filters(accelerator: str, provider: str) -> None:
    try:
        known = await names()
    except MinfleetError as error:
        ui.html(fault_box(str(error)))
        return
    accelerators = {"": "any accelerator", **{n: n for n in known.accelerators}}
    providers = {"": "any provider", **{n: n for n in known.providers}}
    for options, value in ((accelerators, accelerator), (providers, provider)):
        options.setdefault(value, value[:100])
    with ui.element("div").classes("pair filters"):
        first = ui.select(accelerators, value=accelerator, with_input=True, label="Accelerator")
        second = ui.select(providers, value=provider, with_input=True, label="Provider")

    def go() -> None:
        given = {"accelerator": first.value or "", "provider": second.value or ""}
        ui.navigate.to(f"/prices?{urlencode(given)}")

    for choice in (first, second):
        choice.props("outlined dense options-dense")
        choice.on_value_change(go)


async def _prices(asker: Asker, accelerator: str, provider: str) -> None:
    try:
        found = await ask_fleet.prices(
            asker, accelerator=accelerator, provider=provider, limit=OFFERS
        )
    except RefusedError as error:
        ui.html(fault_box(str(error)))
        return
    offers = found["offers"]
    if not offers:
        ui.html(tag("p", text("No snapshot holds such an offer.")))
        return
    lines = {
        o["offer_id"]: [(p["since"], p["price_per_gpu_hour_usd"]) for p in o["points"]]
        for o in offers[: len(LINES)]
    }
    chart = ui.echart(over_time(lines, now().isoformat()), renderer="svg")
    chart.style("height: 400px")
    label = "Prices an accelerator-hour over time; the table below has the same figures"
    chart.props(f"role=img aria-label={json.dumps(label)}")
    told = f"The {len(offers)} cheapest of {found['total']:,} offers"
    ui.html(tag("p", text(f"{told}; the chart has the first {min(len(offers), len(LINES))}."),
                class_="note"))  # fmt: skip
    ui.html(price_table(offers))


def _held(asker: Asker, refresh: dict[str, Any]) -> None:
    """Show a refresh that waits for a person, and let it be approved or rejected."""
    with ui.element("section").classes("part held"):
        ui.html("New prices wait for you", tag="h2")
        ui.html(refresh_card(refresh))
        fault = ui.html("").props("aria-live=polite")

        async def decide(button: ui.button, *, approved: bool) -> None:
            button.props("loading")
            try:
                after = await ask_fleet.decide_on(asker, refresh["id"], approved=approved)
            except RefusedError as error:
                fault.content = fault_box(str(error))
                button.props(remove="loading")
                return
            if approved and after["state"] == "held":
                fault.content = fault_box(
                    "Other prices came in force meanwhile, and it was compared again: look at "
                    "it once more."
                )
                button.props(remove="loading")
                return
            ui.navigate.to("/prices")

        with ui.element("div").classes("row-of-buttons"):
            yes = ui.button("Approve", icon="check", color=None).classes("main-button")
            yes.props("unelevated no-caps")
            yes.on_click(lambda: decide(yes, approved=True))
            no = ui.button("Reject", icon="close").props("flat no-caps dense")
            no.on_click(lambda: decide(no, approved=False))
