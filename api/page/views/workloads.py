"""``/workloads``: what is planned again and again; ``/workloads/{name}``: one and its decisions."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from api.output import usd
from api.page import ask_fleet
from api.page.ask import Asker, RefusedError
from api.page.charts import over_time
from api.page.frame import admitted, fault_box, frame
from api.page.show.decision import decision_details, decision_head
from api.page.show.html import link, links, moment, tag, text
from api.page.show.workloads import history_table, schedule_words, workload_table
from api.store.decisions import waits
from api.store.records import now
from api.store.registered import Registered
from data.models import reference_name


@ui.page("/workloads")
async def workloads_view(request: Request) -> Response | None:
    """Show the registered workloads."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "/workloads", "Workloads"), ui.element("div").classes("details"):
        try:
            found = await ask_fleet.workloads(asker)
        except RefusedError as error:
            ui.html(fault_box(str(error)))
            return None
        with ui.element("section").classes("part"):
            ui.html("Workloads that are planned again", tag="h2")
            ui.html(workload_table(found))
    return None


@ui.page("/workloads/{name}")
async def workload_view(request: Request, name: str, decision: str = "") -> Response | None:
    """Show a registered workload and the decisions on it, one of them in full."""
    asker = await admitted(request)
    if isinstance(asker, Response):
        return asker
    with frame(asker, "/workloads", name[:100]), ui.element("div").classes("details"):
        try:
            found, decisions = await ask_fleet.workload(asker, name)
        except RefusedError as error:
            ui.html(fault_box(str(error)))
            return None
        if found is None and not decisions:
            ui.html(fault_box(f"No workload {name[:100]!r} is registered on this server."))
            return None
        shown = next((d for d in decisions if d["id"] == decision), None)
        if shown is None and decisions:
            shown = decisions[0]
        with ui.element("section").classes("head"):
            ui.html(_head(name, found))
            fault = ui.html("").props("aria-live=polite")
            with ui.element("div").classes("row-of-buttons"):
                _buttons(asker, name, found, decisions, shown, fault)
        if shown is None:
            return None
        with ui.element("section").classes("part decision"):
            ui.html("The decision" if shown is not decisions[0] else "The last decision", tag="h2")
            ui.html(decision_head(shown))
        ui.html(decision_details(shown)).classes("details")
        with ui.element("section").classes("part"):
            ui.html("Decisions so far", tag="h2")
            _costs(decisions)
            ui.html(history_table(name, decisions, shown["id"]))
    return None


def _head(name: str, found: Registered | None) -> str:
    title = tag("h2", text(name))
    if found is None:
        return title + tag("p", text("It is registered no more; its decisions stay."))
    fleet = found.fleet
    cost = None if fleet is None else fleet.get("cost_per_hour_usd")
    runs = "no fleet yet" if cost is None else f"fleet planned at {usd(cost)} an hour"
    paused = found.paused or found.waiting
    about = [
        str(reference_name(found.workload["model"]))[:400],
        runs,
        f"planned again {schedule_words(found.schedule or None, paused=paused)}",
    ]
    if found.due_at is not None:
        about.append(f"next on {moment(found.due_at.isoformat())} UTC")
    ways = []
    if found.plan_id:
        ways.append(link(f"/plans/{quote(found.plan_id, safe='')}", "The plan that runs"))
    return title + tag("p", text(" · ".join(about)), class_="quiet") + (links(ways) if ways else "")


def _buttons(
    asker: Asker,
    name: str,
    found: Registered | None,
    decisions: list[dict[str, Any]],
    shown: dict[str, Any] | None,
    fault: ui.html,
) -> None:
    """Let the proposal be accepted, and a decision be made now."""
    here = f"/workloads/{quote(name, safe='')}"

    async def run(button: ui.button, call: Any) -> None:
        button.props("loading")
        try:
            await call
        except RefusedError as error:
            fault.content = fault_box(str(error))
            button.props(remove="loading")
            return
        ui.navigate.to(here)

    if found is None:
        return
    newest = next((d for d in decisions if d["outcome"] != "failed"), None)
    if newest is not None and newest is shown and waits(newest, found.revision):
        decision_id = str(newest["id"])
        accept = ui.button("Accept the proposal", icon="check", color=None).classes("main-button")
        accept.props("unelevated no-caps")
        accept.on_click(lambda: run(accept, ask_fleet.accept(asker, decision_id)))
    decide = ui.button("Decide now", icon="refresh").props("flat no-caps dense")
    decide.on_click(lambda: run(decide, ask_fleet.decide_now(asker, name)))


def _costs(decisions: list[dict[str, Any]]) -> None:
    """Show what the running fleet cost at each decision, and what it was weighed against."""
    sides = (("fleet that runs", "current"), ("fleet weighed against it", "considered"))
    lines = {
        title: [
            (d["created_at"], d[side]["cost_per_hour_usd"])
            for d in reversed(decisions)
            if d.get(side)
        ]
        for title, side in sides
    }
    if max(map(len, lines.values())) < 2:
        return
    chart = ui.echart(over_time(lines, now().isoformat(), step=False), renderer="svg")
    chart.style("height: 220px")
    label = "Cost an hour at each decision; the table below has the same figures"
    chart.props(f"role=img aria-label={json.dumps(label)}")
