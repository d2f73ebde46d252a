"""The proof of a plan in words: what was found, what no fleet can be below, and who checked it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.output import usd
from api.page.show.html import Cell, section, tag, text
from api.page.show.words import ENGINES, counted

SMALLEST_BOUND_USD = 0.005
"""A bound that rounds to nothing says nothing."""


def proof(plan: Mapping[str, Any]) -> Cell:
    """Return the proof, one sentence for each part of it."""
    sure = plan["status"] in ("optimal", "infeasible")
    steps = [s for s in (_first(plan), _second(plan), _check(plan), _search(plan)) if s]
    items = [tag("li", text(s), class_=kind) for kind, s in steps]
    return section(
        "Why nothing cheaper exists" if plan["status"] == "optimal" else "How far it is proven",
        tag("ul", *items, class_="steps" if sure else "steps open"),
    )


def _first(plan: Mapping[str, Any]) -> tuple[str, str]:
    c = plan["certificate"]
    engine = ENGINES.get(c["engine"], c["engine"])
    if c["objective"] is None:
        return _without_fleet(plan, engine)
    found = f"{engine} found a fleet for {usd(c['objective'])} an hour"
    if c["bound"] is None:
        return "no", f"{found} and could not say how cheap one could be."
    below = f"showed that none costs less than {usd(c['bound'])}"
    gap = c["gap"] or 0.0
    if gap <= c["gap_asked"]:
        meet = "the two meet" if gap < 1e-9 else f"the gap of {gap:.3%} is within what was asked"
        return "yes", f"{found} and {below}: {meet}."
    return "no", f"{found} and {below}: a gap of {gap:.2%} stays open."


def _without_fleet(plan: Mapping[str, Any], engine: str) -> tuple[str, str]:
    if plan["status"] == "infeasible" and not plan["search"]["rows"]:
        return "yes", "No configuration can serve it, so that there is nothing to choose from."
    if plan["status"] == "infeasible":
        return "yes", f"{engine} showed that the limits leave no fleet at all."
    return "no", f"{engine} ran out of time before it found a fleet or showed that there is none."


def _second(plan: Mapping[str, Any]) -> tuple[str, str] | None:
    second = plan["certificate"]["second_engine"]
    if not second:
        return None
    engine, bound = ENGINES.get(second["engine"], second["engine"]), second["bound"]
    if second["agrees"] is False:
        return "no", f"{engine}, asked independently, contradicts: do not rely on this plan."
    if bound is None or bound < SMALLEST_BOUND_USD:
        return "open", f"{engine}, asked independently, gave no bound within its limit of work."
    if second["agrees"]:
        return "yes", f"{engine}, asked independently, confirms: nothing below {usd(bound)}."
    return "open", (
        f"{engine}, asked independently, got as far as: nothing below {usd(bound)}. "
        "It neither confirms nor contradicts."
    )


def _check(plan: Mapping[str, Any]) -> tuple[str, str] | None:
    check = plan["certificate"]["check"]
    if not check or not check["rows_checked"]:
        return None
    rows = counted(check["rows_checked"], "condition")
    if check["passed"]:
        return "yes", f"A checker apart from both recomputed {rows} in exact arithmetic: all hold."
    failed = "; ".join(check["failures"])
    return "no", f"A checker recomputed {rows}, and some do not hold: {failed}."


def _search(plan: Mapping[str, Any]) -> tuple[str, str]:
    s = plan["search"]
    seconds = sum(s["seconds"].values())
    return "open", (
        f"Looked at: {s['candidates_considered']:,} configurations of a replica, of which "
        f"{s['candidates_feasible']:,} keep the targets and {s['candidates_undominated']:,} are "
        f"not beaten by another in everything; {s['offers_considered']:,} offers; "
        f"{seconds:.1f} s of work."
    )
