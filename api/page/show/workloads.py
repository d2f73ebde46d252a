"""Registered workloads: when they are due, what they cost, and what was decided last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from api.output import usd
from api.page.show.decision import TRIGGERS, outcome_chip
from api.page.show.html import Cell, chip, link, moment, table, tag, text

Entry = Mapping[str, Any]


def schedule_words(schedule: Mapping[str, Any] | None, *, paused: bool) -> str:
    """Return when a workload is planned again."""
    found = []
    if schedule and schedule.get("cron"):
        found.append(f"{schedule['cron']} ({schedule.get('timezone') or 'UTC'})")
    if schedule and schedule.get("on") == "price_change":
        found.append("when prices change")
    told = ", ".join(found) or "on request"
    return f"{told}; paused now" if paused else told


def workload_table(entries: Sequence[Entry]) -> Cell:
    """Return the registered workloads.

    Parameters
    ----------
    entries
        Each with `name`, `model`, `schedule`, `paused`, `due_at`, and of the last decision
        `outcome`, `decided_at`, `cost_per_hour_usd` (of the running fleet), `proposed` (whether it
        waits to be accepted).
    """
    if not entries:
        return tag(
            "p",
            text("No workload is registered. "),
            link("/docs#/workloads", "PUT /v1/workloads/{name}"),
            text(" registers one: what runs, and when it is planned again."),
        )
    rows = [
        (
            link(f"/workloads/{quote(e['name'], safe='')}", e["name"]),
            text(e["model"]),
            text(schedule_words(e["schedule"], paused=e["paused"])),
            text("–" if e["cost_per_hour_usd"] is None else f"{usd(e['cost_per_hour_usd'])}/h"),
            _last(e),
            text(moment(e["due_at"])),
        )
        for e in entries
    ]
    headings = ("workload", "model", "planned again", "runs at", "last decision", "next due (UTC)")
    return table(headings, rows, words=(0, 1, 2, 4, 5), stacks=True)


def _last(entry: Entry) -> Cell:
    if entry["outcome"] is None:
        return text("none yet")
    waits = chip("warn", "waits for acceptance") if entry["proposed"] else ""
    return f"{outcome_chip(entry['outcome'])} {text(moment(entry['decided_at']))} {waits}"


def history_table(workload: str, decisions: Sequence[Entry], shown: str) -> Cell:
    """Return the decisions on a workload, the latest first; one of them is looked at.

    Parameters
    ----------
    decisions
        Decision documents with `id`, `created_at`, `trigger` and what became of them.
    shown
        Id of the one that is shown.
    """
    rows = [
        (
            tag("b", text(moment(d["created_at"])))
            if d["id"] == shown
            else link(
                f"/workloads/{quote(workload, safe='')}?decision={quote(d['id'], safe='')}",
                moment(d["created_at"]),
            ),
            outcome_chip(d["outcome"])
            + (" " + chip("good", "accepted") if d.get("accepted_at") else ""),
            text(_cost(d.get("current"))),
            text(_cost(d.get("considered"))),
            text((d.get("reasons") or [""])[0]),
            text(TRIGGERS.get(d["trigger"], d["trigger"])),
        )
        for d in decisions
    ]
    headings = ("decided (UTC)", "outcome", "runs at", "weighed", "why", "because")
    return table(headings, rows, words=(0, 1, 4, 5), stacks=True)


def _cost(side: Mapping[str, Any] | None) -> str:
    cost = (side or {}).get("cost_per_hour_usd")
    return "–" if cost is None else f"{usd(cost)}/h"
