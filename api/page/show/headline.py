"""The first thing to read of a plan: its cost, its size, and whether it is proven."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.output import counted, usd
from api.output_objective import batch_lines, drawn, verdict
from api.output_schedule import schedule_headline
from api.page.show.html import Cell, chip, tag, text
from api.page.show.words import STATUS
from solver.plan import Plan


def headline(plan: Mapping[str, Any]) -> Cell:
    """Return the figures of a plan."""
    kind, sentence = STATUS[plan["status"]]
    found = Plan.from_dict(dict(plan))
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
        tag(
            "div",
            cost.replace("<p>", '<p class="cost">', 1),
            chip(kind, verdict(found)),
            class_="top",
        ),
        *(tag("p", text(line)) for line in _more(found)),
        tag(
            "dl",
            *(tag("div", tag("dt", text(word)), tag("dd", text(f))) for f, word in figures),
            class_="figures",
        ),
    )


def _more(plan: Plan) -> Iterator[str]:
    """Yield what a plan is for where that is not the least cost of constant rates."""
    yield from (f"{line}." for line in (*batch_lines(plan), *schedule_headline(plan)))
    if plan.load is not None:
        yield f"Serves {plan.load['factor']:.6g} times the rates of the workload."
    if plan.objective.get("minimize", "cost") != "cost":
        yield f"The fleet: {' · '.join(drawn(plan))}."


def _per_million(amount: float | None) -> str:
    return "not known" if amount is None else f"${amount:,.3g}"


def _nodes(plan: Mapping[str, Any]) -> str:
    return "on " + counted(sum(p["nodes"] for p in plan["purchases"]), "node")
