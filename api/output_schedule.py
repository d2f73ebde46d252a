"""A plan for rates that change: what is committed to, and what runs when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.lines import Lines
from api.output import num, usd

if TYPE_CHECKING:
    from solver.plan import Plan

PERIODS_SHOWN = 12
"""Lines of periods that are printed; hours and months with the same nodes share one."""

DAY = 24


def schedule_headline(plan: Plan) -> Iterator[str]:
    """Yield what the horizon costs, and what that is made of."""
    s = plan.schedule
    if s is None:
        return
    yield (
        f"{usd(s['cost_usd'])} for {s['months']} month{'s' if s['months'] != 1 else ''}, "
        f"{usd(s['cost_per_hour_usd'])} in an average hour"
    )
    names = {
        "committed": "committed",
        "on_demand": "on demand",
        "spot": "spot",
        "starts": "starts",
    }
    parts = [
        f"{usd(s[f'{key}_usd_per_hour'])} {name}"
        for key, name in names.items()
        if s[f"{key}_usd_per_hour"]
    ]
    yield f"{' + '.join(parts)}; {usd(s['idle_usd_per_hour'])} of it for nodes that hold nothing"
    always = s["peak_always_usd_per_hour"]
    if always:
        saved = 1 - s["cost_per_hour_usd"] / always
        yield f"{saved:.0%} less than the fleet of the peak all the time ({usd(always)}/h)"


def show_schedule(out: Lines, plan: Plan) -> None:
    """Print commitments, and the nodes of every period."""
    s = plan.schedule
    if s is None:
        return
    if s["commitments"]:
        out.title("Commit to")
        out.rows(_commitment(c, s["months"]) for c in s["commitments"])
    out.title("What runs when")
    rows = _lines(s["periods"], s["cycle_hours"])
    out.table(
        ("when", "load", "cost/h", "idle/h"),
        [
            (
                when,
                f"{num(low)}–{num(high)} ×" if low != high else f"{num(low)} ×",
                usd(period["cost_per_hour_usd"]),
                usd(period["idle_usd_per_hour"]),
            )
            for when, low, high, period in rows[:PERIODS_SHOWN]
        ],
        under=[_nodes(period["nodes"]) for *_, period in rows[:PERIODS_SHOWN]],
    )
    if len(rows) > PERIODS_SHOWN:
        out.text(f"and {len(rows) - PERIODS_SHOWN} more (--json lists every period)")


def _commitment(c: Mapping[str, Any], months: int) -> tuple[str, str, str]:
    whole = (c["first_month"], c["last_month"]) == (0, months - 1)
    when = "" if whole else f", months {c['first_month'] + 1} to {c['last_month'] + 1}"
    upfront = f", {usd(c['upfront_usd'])} upfront" if c["upfront_usd"] else ""
    nodes = f"{c['nodes']} node{'s' if c['nodes'] != 1 else ''}"
    return (
        f"{usd(c['cost_per_hour_usd'])}/h",
        f"{nodes} of {c['offer_id']}{when}",
        f"{c['used_share']:.0%} in use{upfront}",
    )


def _nodes(nodes: Sequence[Mapping[str, Any]]) -> str:
    """Write the nodes of a period: those in use, and what else is paid for."""
    parts = []
    for n in nodes:
        more = f" of {n['nodes']}" if n["nodes"] != n["in_use"] else ""
        parts.append(f"{n['in_use']}{more} × {n['offer_id']}")
    return ", ".join(parts)


Line = tuple[str, float, float, Mapping[str, Any]]
"""When, lowest and highest load, and the first of the periods that are alike."""


def _lines(periods: Sequence[Mapping[str, Any]], cycle_hours: int) -> list[Line]:
    """Return periods in lines: those of one month that run the same nodes are one."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    months = len({p["month"] for p in periods}) > 1
    for p in periods:
        runs = tuple((n["offer_id"], n["nodes"], n["in_use"]) for n in p["nodes"])
        groups.setdefault((p["month"] if months and p["hours"] else 0, runs), []).append(p)
    found = []
    for group in groups.values():
        hours = sorted({h for p in group for h in p["hours"]})
        which = sorted({p["month"] + 1 for p in group})
        when = _spans(hours, cycle_hours)
        if months:
            when = f"month {_ranges(which)}" + (f", {when}" if when else "")
        factors = [p["factor"] for p in group]
        found.append((when, min(factors), max(factors), group[0]))
    return found


def _spans(hours: Sequence[int], cycle_hours: int) -> str:
    """Write hours as spans of the clock: 8–12h; of a week with the day before."""
    if not hours or len(hours) == cycle_hours:
        return "always" if hours else ""
    if cycle_hours > DAY:
        return f"{len(hours)} h a week"
    return _ranges(hours, until=True) + "h"


def _ranges(numbers: Sequence[int], *, until: bool = False) -> str:
    """Write whole numbers as ranges; `until` names the end that is no longer in them."""
    spans: list[list[int]] = []
    for n in numbers:
        if spans and spans[-1][1] == n - 1:
            spans[-1][1] = n
        else:
            spans.append([n, n])
    add = 1 if until else 0
    return ", ".join(
        f"{first}–{last + add}" if last + add > first else f"{first}" for first, last in spans
    )
