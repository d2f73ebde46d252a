"""The proof of a plan in words: what was found, what no fleet can be below, and who checked it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.output import amount, usd
from api.output_objective import batch_rows, load_rows
from api.page.show.html import Cell, section, tag, text
from api.page.show.words import ENGINES, counted
from solver.plan import Plan

SMALLEST_BOUND = {"USD/h": 0.005}
"""Unit → a bound that rounds to nothing and says nothing."""

Step = tuple[str, str]
"""Whether it holds (``yes``, ``no``, or ``open`` for neither), and a sentence."""


def proof(plan: Mapping[str, Any]) -> Cell:
    """Return the proof, one sentence for each part of it."""
    found = Plan.from_dict(dict(plan))
    sure = plan["status"] in ("optimal", "infeasible")
    items = [tag("li", text(s), class_=kind) for kind, s in _steps(plan, found)]
    plain = found.objective.get("minimize", "cost") == "cost" and not (
        found.load or found.batch or found.schedule or found.change
    )
    cheapest = plan["status"] == "optimal" and plain
    return section(
        "Why nothing cheaper exists" if cheapest else "How far it is proven",
        tag("ul", *items, class_="steps" if sure else "steps open"),
    )


def _steps(plan: Mapping[str, Any], found: Plan) -> Iterator[Step]:
    c = plan["certificate"]
    unit = found.objective.get("unit", "USD/h")
    if c["objective"] is None:
        yield _without_fleet(plan, _engine(c))
    else:
        if found.change is not None:
            yield "open", _beside(found.change)
        yield from _part(c, unit)
        if then := c.get("then"):
            yield from _part(then, then["unit"], among="Among the fleets that are equal in that, ")
    rows = (*load_rows(found), *batch_rows(found))
    yield from (("open", f"{told[:1].upper()}{told[1:]}.") for _, told in rows)
    check = _check(plan)
    if check is not None:
        yield check
    yield _search(plan)


def _beside(change: Mapping[str, Any]) -> str:
    """Say what costs are of, in the proof of a plan that was made beside a running fleet."""
    within = " Only fleets that keep the policy's rules count." if change["within_rules"] else ""
    return (
        f"Costs below include the change from the running fleet, {usd(change['total_usd'])} spread "
        f"over {change['payback_h']:g} hours.{within}"
    )


def _engine(part: Mapping[str, Any]) -> str:
    return ENGINES.get(part["engine"], part["engine"])


def _part(c: Mapping[str, Any], unit: str, *, among: str = "") -> Iterator[Step]:
    """Yield what the engine found and proved of one objective, and what the second one says."""
    shown = _amount(c["objective"], unit)
    found = (
        f"{among}{_engine(c)} found one for {shown}"
        if among
        else (f"{_engine(c)} found a fleet for {shown}")
    )
    gap = c["gap"] or 0.0
    if c["bound"] is None:
        yield "no", f"{found} and could not say how far below one could be."
    else:
        word = "costs" if unit == "USD/h" else "takes"
        below = f"showed that none {word} less than {_amount(c['bound'], unit, short=True)}"
        if gap <= c["gap_asked"]:
            meet = (
                "the two meet" if gap < 1e-9 else f"the gap of {gap:.3%} is within what was asked"
            )
            yield "yes", f"{found} and {below}: {meet}."
        else:
            yield "no", f"{found} and {below}: a gap of {gap:.2%} stays open."
    second = _second(c, unit)
    if second is not None:
        yield second


def _amount(value: float, unit: str, *, short: bool = False) -> str:
    """Write a value of an objective: dollars an hour in words."""
    if unit != "USD/h":
        return amount(value, unit)
    return usd(value) if short else f"{usd(value)} an hour"


def _without_fleet(plan: Mapping[str, Any], engine: str) -> Step:
    if plan["status"] == "infeasible" and not plan["search"]["rows"]:
        return "yes", "No configuration can serve it, so that there is nothing to choose from."
    if plan["status"] == "infeasible":
        return "yes", f"{engine} showed that the limits leave no fleet at all."
    return "no", f"{engine} ran out of time before it found a fleet or showed that there is none."


def _second(c: Mapping[str, Any], unit: str) -> Step | None:
    second = c["second_engine"]
    if not second:
        return None
    engine, bound = _engine(second), second["bound"]
    if second["agrees"] is False:
        return "no", f"{engine}, asked independently, contradicts: do not rely on this plan."
    if bound is None or bound < SMALLEST_BOUND.get(unit, 1e-9):
        return "open", f"{engine}, asked independently, gave no bound within its limit of work."
    below = _amount(bound, unit, short=True)
    if second["agrees"]:
        return "yes", f"{engine}, asked independently, confirms: nothing below {below}."
    return "open", (
        f"{engine}, asked independently, got as far as: nothing below {below}. "
        "It neither confirms nor contradicts."
    )


def _check(plan: Mapping[str, Any]) -> Step | None:
    check = plan["certificate"]["check"]
    if not check or not check["rows_checked"]:
        return None
    rows = counted(check["rows_checked"], "condition")
    if check["passed"]:
        return "yes", f"A checker apart from both recomputed {rows} in exact arithmetic: all hold."
    failed = "; ".join(check["failures"])
    return "no", f"A checker recomputed {rows}, and some do not hold: {failed}."


def _search(plan: Mapping[str, Any]) -> Step:
    s = plan["search"]
    seconds = sum(s["seconds"].values())
    return "open", (
        f"Looked at: {s['candidates_considered']:,} configurations of a replica, of which "
        f"{s['candidates_feasible']:,} keep the targets and {s['candidates_undominated']:,} are "
        f"not beaten by another in everything; {s['offers_considered']:,} offers; "
        f"{seconds:.1f} s of work."
    )
