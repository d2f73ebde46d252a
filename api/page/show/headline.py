"""The first thing to read of a plan: its cost, its size, and whether it is proven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.output import usd
from api.page.show.html import Cell, chip, tag, text
from api.page.show.words import STATUS, counted


def headline(plan: Mapping[str, Any]) -> Cell:
    """Return the figures of a plan."""
    kind, sentence = STATUS[plan["status"]]
    if plan["cost_per_hour_usd"] is None:
        return tag("div", tag("p", text("No plan"), class_="cost"), chip(kind, sentence))
    idle = f", {plan['gpus_idle']} idle" if plan.get("gpus_idle") else ""
    figures = [
        (usd(plan["cost_per_month_usd"]), "a month of 730 hours"),
        (_per_million(plan["cost_per_million_output_tokens_usd"]), "per million output tokens"),
        (counted(plan["gpus"], "GPU") + idle, _nodes(plan)),
    ]
    cost = tag("p", text(usd(plan["cost_per_hour_usd"])), tag("span", text(" an hour")))
    return tag(
        "div",
        tag("div", cost.replace("<p>", '<p class="cost">', 1), chip(kind, sentence), class_="top"),
        tag(
            "dl",
            *(tag("div", tag("dt", text(word)), tag("dd", text(f))) for f, word in figures),
            class_="figures",
        ),
    )


def _per_million(amount: float | None) -> str:
    return "not known" if amount is None else f"${amount:,.3g}"


def _nodes(plan: Mapping[str, Any]) -> str:
    return "on " + counted(sum(p["nodes"] for p in plan["purchases"]), "node")
