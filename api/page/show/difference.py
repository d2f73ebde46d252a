"""Two plans side by side: what was asked otherwise, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.difference_words import LATENCY_WORDS, SETTING_WORDS, headline, place, settings
from api.output import counted, usd
from api.page.show.html import Cell, chip, link, section, table, tag, text
from api.page.show.words import limit, value
from solver.difference import plan_difference

Plan = Mapping[str, Any]

DIFFERENCE_COLUMNS = ("part", "what", "first", "second")

Line = tuple[str, str, str, str]
"""Part of the plan, what it is about, and its value in each; empty where one has none."""


def difference(first: Plan, second: Plan) -> list[Line]:
    """Return where two plans differ, as lines of words; equal plans have none."""
    return lines_of(plan_difference(first, second))


def lines_of(found: Mapping[str, Any]) -> list[Line]:
    """Return a difference (``minfleet/difference/v1``) as lines of words."""
    return [*_asked(found), *_result(found), *_pools(found), *_purchases(found)]


def _asked(found: Mapping[str, Any]) -> Iterator[Line]:
    for entry in found["asked"]:
        name = entry["field"]
        shown = [
            value(entry[side], name) if entry[f"in_{side}"] else "" for side in ("first", "second")
        ]
        yield ("workload", limit(name), shown[0], shown[1])


def _result(found: Mapping[str, Any]) -> Iterator[Line]:
    readings = (
        ("status", "status", str),
        ("cost_per_hour_usd", "cost an hour", lambda v: "no fleet" if v is None else usd(v)),
        ("cost_per_million_output_tokens_usd", "per million output tokens",
         lambda v: "" if v is None else f"${v:,.3g}"),
        ("gpus", "GPUs", lambda v: f"{v or 0:,}"),
        ("catalog_id", "catalogue", lambda v: "" if v is None else str(v)),
    )  # fmt: skip
    one, other = found["first"], found["second"]
    for field, name, shown in readings:
        if one[field] != other[field]:
            yield ("result", name, shown(one[field]), shown(other[field]))
    for entry in found["classes"]:
        sides = [entry[side] or {} for side in ("first", "second")]
        for field, name in LATENCY_WORDS.items():
            figures = [side.get(field) for side in sides]
            if figures[0] != figures[1]:
                told = ["" if f is None else f"{f:,.4g} ms" for f in figures]
                yield ("result", f"{entry['name']}: {name}", told[0], told[1])


def _pools(found: Mapping[str, Any]) -> Iterator[Line]:
    for entry in found["pools"]:
        sides = [entry[side] for side in ("first", "second")]
        name = f"{place(entry)} {{}} ({entry['offer_id']})"
        known = next(side for side in sides if side is not None)
        own = bool(entry["settings_changed"])
        told = []
        for side in sides:
            if side is None:
                told.append("")
                continue
            cost = f"{counted(side['replicas'], 'replica')}, {usd(side['cost_per_hour_usd'])}/h"
            changed = [
                f"{SETTING_WORDS[n]} {side[n]}"
                for n in entry["settings_changed"]
                if n not in ("tp", "pp", "ep", "weight_precision", "kv_precision")
            ]
            told.append(", ".join([settings(side), *changed, cost]) if own else cost)
        what = name.replace("{} ", "") if own else name.format(settings(known))
        yield ("pool", what, told[0], told[1])


def _purchases(found: Mapping[str, Any]) -> Iterator[Line]:
    for entry in found["purchases"]:
        told = [
            "" if side is None
            else f"{counted(side['nodes'], 'node')}, {usd(side['cost_per_hour_usd'])}/h"
            for side in (entry["first"], entry["second"])
        ]  # fmt: skip
        yield ("purchase", entry["offer_id"], told[0], told[1])


def verdict(first: Plan, second: Plan) -> Cell:
    """Return how the costs compare."""
    a, b = first["cost_per_hour_usd"], second["cost_per_hour_usd"]
    if a is None or b is None:
        told = "One of them has no fleet." if a != b else "Neither has a fleet."
        return chip("plain", told)
    if a == b:
        return chip("plain", f"Both cost {usd(a)} an hour.")
    kind = "good" if b < a else "warn"
    word = "less" if b < a else "more"
    return chip(kind, f"The second costs {usd(abs(b - a))} an hour {word} ({(b - a) / a:+.1%}).")


def differences(first: Plan, second: Plan) -> Cell:
    """Return two plans side by side."""
    heads = tuple(
        tag("p", tag("b", text(word)), " ", link(f"/plans/{p['id']}", _named(p)), class_="named")
        for word, p in (("First", first), ("Second", second))
    )
    found = plan_difference(first, second)
    lines = lines_of(found)
    told = "" if found["equal"] else tag("p", text(headline(found)))
    top = section("Two plans", *heads, verdict(first, second), told)
    if not lines:
        return top + section("What differs", tag("p", text("Nothing: the plans are equal.")))
    titles = {
        "workload": "What was asked otherwise",
        "result": "What came of it",
        "pool": "Pools",
        "purchase": "What to rent",
    }
    return top + "".join(_part(title, part, lines) for part, title in titles.items())


def _part(title: str, part: str, lines: list[Line]) -> Cell:
    rows = list(_rows(part, lines))
    if not rows:
        return ""
    return section(title, table(("", "first", "second"), rows, words=(0, 1, 2), stacks=True))


def _rows(part: str, lines: list[Line]) -> Iterator[tuple[Cell, ...]]:
    for own, what, one, other in lines:
        if own == part:
            yield (text(what), text(one or "–"), tag("b", text(other or "–")))


def _named(plan: Plan) -> str:
    model = plan["workload"]["model"]
    name = model.get("name", "own config") if isinstance(model, dict) else model
    cost = plan["cost_per_hour_usd"]
    shown = "no fleet" if cost is None else f"{usd(cost)} an hour"
    return f"{name}, {shown}, {plan['created_at'][:16].replace('T', ' ')}"
