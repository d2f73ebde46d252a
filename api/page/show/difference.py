"""Two plans side by side: what was asked otherwise, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.output import usd
from api.page.show.html import Cell, chip, link, section, table, tag, text
from api.page.show.words import counted, limit, value

Plan = Mapping[str, Any]

DIFFERENCE_COLUMNS = ("part", "what", "first", "second")

Line = tuple[str, str, str, str]
"""Part of the plan, what it is about, and its value in each; empty where one has none."""


def difference(first: Plan, second: Plan) -> list[Line]:
    """Return where two plans differ, as lines of words; equal plans have none."""
    asked = _flat(first["workload"]), _flat(second["workload"])
    lines: list[Line] = []
    for name in dict.fromkeys((*asked[0], *asked[1])):
        here, there = (found.get(name) for found in asked)
        if here != there or (name in asked[0]) != (name in asked[1]):
            shown = [value(found[name], name) if name in found else "" for found in asked]
            lines.append(("workload", limit(name), *shown))  # type: ignore[arg-type]
    for part, read in (("result", _result), ("pool", _pools), ("purchase", _purchases)):
        one, other = read(first), read(second)
        lines += [
            (part, name, one.get(name, ""), other.get(name, ""))
            for name in dict.fromkeys((*one, *other))
            if one.get(name) != other.get(name)
        ]
    return lines


def _flat(workload: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a workload by name, classes by theirs; models that are configs too."""
    found: dict[str, Any] = {}
    for block in ("sla", "hardware", "precision", "serving"):
        found |= {f"{block}.{k}": v for k, v in workload[block].items()}
    model = workload["model"]
    found = {"model": model.get("name", "own config") if isinstance(model, dict) else model} | found
    for entry in workload["classes"]:
        found |= {
            f"{entry['name']}: {k}": v for k, v in entry.items() if k != "name" and v is not None
        }
    return found


def _result(plan: Plan) -> dict[str, str]:
    cost, million = plan["cost_per_hour_usd"], plan["cost_per_million_output_tokens_usd"]
    return {
        "status": str(plan["status"]),
        "cost an hour": "no fleet" if cost is None else usd(cost),
        "per million output tokens": "" if million is None else f"${million:,.3g}",
        "GPUs": f"{plan['gpus']:,}",
        "catalogue": str(plan["catalog"]["id"]),
    } | {
        f"{c['name']}: {name}": f"{c[field]:,.4g} ms"
        for c in plan["classes"]
        for field, name in (("ttft_ms", "TTFT"), ("tpot_ms", "TPOT"))
        if c[field] is not None
    }


def _pools(plan: Plan) -> dict[str, str]:
    found: dict[str, str] = {}
    for p in plan["pools"]:
        role = "" if p["role"] == "aggregated" else f"{p['role']} on "
        formats = "/".join(dict.fromkeys((p["weight_precision"], p["kv_precision"])))
        name = f"{role}{p['accelerator']} TP{p['tp']} {formats} ({p['offer_id']})"
        found[name] = f"{counted(p['replicas'], 'replica')}, {usd(p['cost_per_hour_usd'])}/h"
    return found


def _purchases(plan: Plan) -> dict[str, str]:
    return {
        p["offer_id"]: f"{counted(p['nodes'], 'node')}, {usd(p['cost_per_hour_usd'])}/h"
        for p in plan["purchases"]
    }


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
    lines = difference(first, second)
    top = section("Two plans", *heads, verdict(first, second))
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
