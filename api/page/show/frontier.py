"""A point of a frontier in words, and a frontier as rows of a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.output import counted, milliseconds, num, usd
from api.page.show.html import Cell, link, links, tag, text
from api.page.show.words import limit

COLUMNS = (
    *("of", "value", "holds_until", "in_force", "status", "cost_per_hour_usd"),
    *("cost_per_month_usd", "cost_per_million_output_tokens_usd", "bound_per_hour_usd", "gpus"),
    *("nodes", "gpu_power_kw", "ttft_ms", "tpot_ms", "quality_loss_pct", "providers", "fleet"),
)
"""Columns of a frontier as a file."""


def rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the points of a frontier as rows."""
    return [
        {**p, "of": document["of"]["name"], "providers": ";".join(p["providers"])}
        for p in document["points"]
    ]


def level(document: Mapping[str, Any], at: float) -> str:
    """Return a level with its unit."""
    unit = document["of"]["unit"]
    return f"{num(at)} {unit}".strip()


def summary(document: Mapping[str, Any]) -> Cell:
    """Return what a frontier says as a whole."""
    points = document["points"]
    name = limit(document["of"]["field"])
    if not points:
        return tag("p", text(f"No fleet keeps any level of the {name} that was looked at."))
    tight, loose = points[0], points[-1]
    told = (
        f"From {level(document, tight['value'])} to {level(document, loose['value'])} of the "
        f"{name}, the least cost falls from {usd(tight['cost_per_hour_usd'])} to "
        f"{usd(loose['cost_per_hour_usd'])} an hour in {counted(len(points) - 1, 'step')}."
        if len(points) > 1
        else f"The {name} does not move the cost: {usd(tight['cost_per_hour_usd'])} an hour from "
        f"{level(document, tight['value'])} on."
    )
    if document["infeasible_at"] is not None:
        told += f" At {level(document, document['infeasible_at'])} no fleet is possible."
    proof = "Each point is proven" if document["complete"] else "Not every point could be proven"
    return tag("p", text(f"{told} {proof}; no fleet is both tighter and cheaper."))


def point(document: Mapping[str, Any], index: int, address: str | None) -> Cell:
    """Return one point: what it costs, what runs, what to rent, and the way to its plan.

    Parameters
    ----------
    address
        Where the form holds this level; None where there is no such address.
    """
    p = document["points"][index]
    name = limit(document["of"]["field"])
    facts = [
        f"{counted(p['gpus'], 'GPU')} on {counted(p['nodes'], 'node')}",
        f"{usd(p['cost_per_month_usd'])} a month",
    ]
    facts += [
        f"{label} {shown(p[field])}"
        for field, label, shown in (
            ("ttft_ms", "TTFT", milliseconds),
            ("tpot_ms", "TPOT", milliseconds),
            ("quality_loss_pct", "quality loss", lambda loss: f"{num(loss)} %"),
        )
        if p[field] is not None
    ]  # fmt: skip
    if p["gpu_power_kw"] is not None:
        facts.append(f"{num(p['gpu_power_kw'])} kW of GPUs")
    bought = [
        tag("li", tag("b", text(counted(b["nodes"], "node"))), text(f" of {b['offer_id']}"))
        for b in p["purchases"]
    ]
    now = " (where the workload is now)" if p["in_force"] else ""
    way = links([link(address, "Plan with this level")]) if address else ""
    return tag(
        "div",
        tag("h3", text(f"From a {name} of {level(document, p['value'])} on{now}")),
        tag("p", text(usd(p["cost_per_hour_usd"])), tag("span", text(" an hour")), class_="cost"),
        tag("p", text(p["fleet"])),
        tag("p", text(" · ".join(facts)), class_="quiet"),
        tag("ul", *bought, class_="rent"),
        way,
    )


def frontier_links(frontier_id: str) -> Cell:
    """Return where a frontier stays, and what it can be downloaded as."""
    here = f"/download/frontiers/{frontier_id}"
    return links(
        (
            link(f"/pareto/{frontier_id}", "Link to this trade-off"),
            link(f"{here}.json", "JSON", download=True),
            link(f"{here}.csv", "CSV", download=True),
        )
    )
