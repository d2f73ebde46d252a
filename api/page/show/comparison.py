"""A comparison of offers: the joint optimum, and a sentence for each offer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.output import counted, usd
from api.page.show.html import Cell, chip, link, links, section, tag, text
from api.page.show.words import STATUS

COLUMNS = (
    *("rank", "offer_id", "provider", "region", "accelerator", "gpus_per_node", "pricing"),
    *("price_per_node_hour_usd", "full_price_per_node_hour_usd", "stock", "alone_status"),
    *("alone_cost_per_hour_usd", "alone_cost_per_month_usd"),
    *("alone_cost_per_million_output_tokens_usd", "alone_gpus", "alone_nodes"),
    *("alone_gpu_power_kw", "joint_share_pct", "joint_nodes", "enters_at_usd_per_node_hour"),
    *("enters_reason", "takes_over_at_usd_per_node_hour", "takes_over_reason"),
    *("next_node_worth_usd_per_hour", "next_node_reason", "sentence"),
)
"""Columns of a comparison as a file."""

_MONEY = 'v => v == null ? "–" : "$" + v.toLocaleString("en", {minimumFractionDigits: 2})'
_PLAIN = 'v => v == null ? "–" : v.toLocaleString("en")'
_SHARE = 'v => v == null ? "–" : v.toFixed(0) + " %"'

SHOWN = (
    ("offer_id", "offer", None),
    ("accelerator", "accelerator", None),
    ("full_price_per_node_hour_usd", "$/node-hour", _MONEY),
    ("alone_cost_per_hour_usd", "alone, $/h", _MONEY),
    ("alone_gpus", "GPUs", _PLAIN),
    ("alone_gpu_power_kw", "kW", _PLAIN),
    ("alone_cost_per_million_output_tokens_usd", "$/M tokens", _MONEY),
    ("joint_share_pct", "share of optimum", _SHARE),
    ("enters_at_usd_per_node_hour", "enters at", _MONEY),
    ("takes_over_at_usd_per_node_hour", "takes over at", _MONEY),
    ("next_node_worth_usd_per_hour", "next node worth", _MONEY),
)
"""Field, heading and format of the columns of the table on the page."""


def flat(offer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an offer of a comparison as one row: figures of its fleet alone beside its own."""
    alone = {f"alone_{name}": value for name, value in offer["alone"].items()}
    own = {name: value for name, value in offer.items() if name != "alone"}
    return {name: (own | alone).get(name) for name in COLUMNS}


def table_columns() -> list[dict[str, Any]]:
    """Return the columns of the sortable table."""
    return [
        {"name": field, "label": heading, "field": field, "sortable": True}
        | {"align": "left" if form is None else "right"}
        | ({} if form is None else {":format": form})
        for field, heading, form in SHOWN
    ]


def comparison_headline(document: Mapping[str, Any]) -> Cell:
    """Return the joint optimum: the cheapest fleet of all offers that compete."""
    joint = document["joint"]
    kind, sentence = STATUS[document["status"]]
    if joint["cost_per_hour_usd"] is None:
        return tag("div", tag("p", text("No fleet of these offers"), class_="cost"),
                   chip(kind, sentence))  # fmt: skip
    cost = tag(
        "p", text(usd(joint["cost_per_hour_usd"])), tag("span", text(" an hour")), class_="cost"
    )
    bought = [
        tag("li", tag("b", text(f"{counted(p['nodes'], 'node')} of {p['offer_id']}")),
            text(f" for {usd(p['cost_per_hour_usd'])} an hour"))
        for p in joint["purchases"]
    ]  # fmt: skip
    power = joint["gpu_power_kw"]
    facts = [counted(joint["gpus"], "GPU"), f"{usd(joint['cost_per_month_usd'])} a month"]
    if power is not None:
        facts.append(f"{power:,.3g} kW of GPUs")
    return tag(
        "div",
        tag("div", cost, chip(kind, sentence), class_="top"),
        tag("p", text("The cheapest fleet of all offers together: " + " · ".join(facts) + ".")),
        tag("ul", *bought, class_="rent"),
    )


def sentences(document: Mapping[str, Any]) -> Cell:
    """Return the offers in their order, each in one sentence."""
    items = [
        tag("li", tag("b", text(o["offer_id"])), tag("span", text(f" {o['sentence']}")))
        for o in document["offers"]
    ]
    note = "Cheapest alone first."
    if not document["complete"]:
        note += " Some figures could not be proven in the time given; they are left open."
    return section("Offer by offer", tag("ol", *items, class_="ranked"), note=note)


def comparison_links(comparison_id: str) -> Cell:
    """Return where a comparison stays, and what it can be downloaded as."""
    here = f"/download/comparisons/{comparison_id}"
    return links(
        (
            link(f"/compare/{comparison_id}", "Link to this comparison"),
            link(f"{here}.json", "JSON", download=True),
            link(f"{here}.csv", "CSV", download=True),
        )
    )
