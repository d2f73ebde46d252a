"""What else a plan says: targets, what holds the cost up, other plans, what was left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from api.output import milliseconds, num, usd
from api.page.show.html import Cell, chip, section, table, tag, text
from api.page.show.words import change, limit, value

LEFT_OUT_SHOWN = 8


def targets(plan: Mapping[str, Any]) -> Cell:
    """Return each class beside its targets."""
    if not plan["classes"]:
        return ""
    rows = [
        (
            text(c["name"]),
            text(num(c["rate_rps"])),
            text(f"p{c['percentile']:g}"),
            *(_against(c[k], c["targets"][k]) for k in ("ttft_ms", "tpot_ms", "e2e_ms")),
            chip("good", "kept") if c["meets"] else chip("bad", "missed"),
        )
        for c in plan["classes"]
    ]
    headings = ("class", "requests/s", "at", "TTFT", "TPOT", "end to end", "targets")
    band = max((p["predicted"]["error_band_pct"] for p in _predicted(plan)), default=None)
    note = "" if band is None else f"Predicted; the error band of these figures is ±{band:.0f} %."
    return section("Latency against its targets", table(headings, rows), note=note)


def _predicted(plan: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (p for p in plan["pools"] if (p.get("predicted") or {}).get("error_band_pct"))


def _against(figure: float | None, target: float | None) -> Cell:
    shown = tag("b", text(milliseconds(figure)))
    if target is None:
        return shown
    share = 0.0 if figure is None else min(figure / target, 1.0)
    bar = tag("span", "", class_="share", style=f"--share:{share:.0%}")
    return shown + tag("small", text(f" of {milliseconds(target)}")) + bar


def binding(plan: Mapping[str, Any]) -> Cell:
    """Return which limits hold the cost up, and what relaxing each is worth."""
    if not plan["binding"]:
        return ""
    rows = [
        (
            text(limit(b["limit"])),
            text(change(b["limit"], b["from"], b["to"])),
            text(
                f"{'about ' if b['cost_per_hour_usd'] is None else ''}"
                f"−{usd(b['worth_per_hour_usd'])}/h"
            ),
            text(f"−{b['worth_pct']:.1f} %"),
        )
        for b in plan["binding"]
    ]
    inner = table(("limit", "relaxed", "saves", ""), rows, words=(0, 1), stacks=True)
    return section("What holds the cost up", inner, note="Each relaxed alone.")


def infeasibility(plan: Mapping[str, Any]) -> Cell:
    """Return why there is no fleet, and what would make one possible."""
    found = plan["infeasibility"]
    if not found:
        return ""
    conflicts = [
        tag(
            "li",
            text(c.get("sentence") or f"{limit(c['limit'])}: {value(c.get('value'), c['limit'])}"),
        )
        for c in found["conflicts"]
    ]
    parts = [tag("ul", *conflicts)] if conflicts else []
    why = section("What conflicts", *parts) if parts else ""
    if not found["relaxations"]:
        told = "No single limit, relaxed alone, makes a plan possible."
        return why + section("What to give up", tag("p", text(told)))
    rows = [
        (
            text(limit(r["field"])),
            text(change(r["field"], r["from"], r["to"])),
            text(f"{usd(r['cost_per_hour_usd'])}/h"),
        )
        for r in found["relaxations"]
    ]
    headings = ("limit", "would have to be", "the fleet then costs")
    inner = table(headings, rows, words=(0, 1), stacks=True)
    return why + section("What to give up", inner, note="Each alone makes a plan possible.")


def alternatives(plan: Mapping[str, Any]) -> Cell:
    """Return the next best plans of another kind."""
    if not plan["alternatives"]:
        return ""
    rows = [
        (
            text(a["sentence"] if a["proven"] else a["sentence"].removeprefix("cheapest ")),
            text(_pools(a["pools"])),
            text(f"{'' if a['proven'] else 'at most '}{usd(a['cost_per_hour_usd'])}/h"),
            text(f"{a['extra_pct']:+.1f} %"),
        )
        for a in plan["alternatives"]
    ]
    inner = table(("kind", "fleet", "cost", ""), rows, words=(0, 1), stacks=True)
    return section("Other plans", inner)


def _pools(pools: Iterable[Mapping[str, Any]]) -> str:
    shown = [
        f"{p['replicas']} × "
        f"{'' if p['role'] == 'aggregated' else p['role'] + ' '}{p['accelerator']} TP{p['tp']}"
        for p in pools
    ]
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return ", ".join(shown[:3]) + more


def left_out(plan: Mapping[str, Any]) -> Cell:
    """Return why accelerators were left out."""
    if not plan["why_not"]:
        return ""
    order = ("dearer", "misses_target", "does_not_fit")
    told = [w for w in plan["why_not"] if w["reason"] in order]
    told.sort(key=lambda w: (order.index(w["reason"]), _nearness(w), w["accelerator"]))
    rows = [(text(w["accelerator"]), text(w["sentence"])) for w in told]
    first = table(("accelerator", "why"), rows[:LEFT_OUT_SHOWN], words=(0, 1), stacks=True)
    rest = rows[LEFT_OUT_SHOWN:]
    more = ""
    if rest:
        inner = table(("accelerator", "why"), rest, words=(0, 1), stacks=True)
        more = tag("details", tag("summary", text(f"{len(rest)} more")), inner)
    return section("Left out", first, more) if rows else ""


def _nearness(w: Mapping[str, Any]) -> float:
    if w["reason"] == "dearer":
        return float(w.get("cost_per_hour_usd") or w.get("cost_at_least_usd_per_hour") or 0.0)
    if w["reason"] == "misses_target":
        return float(w["best"]) / float(w["target"])
    return 0.0


def warnings(document: Mapping[str, Any]) -> Cell:
    """Return what to know before relying on a document."""
    if not document["warnings"]:
        return ""
    items = [tag("li", text(f"{w.rstrip('.')}.")) for w in document["warnings"]]
    return section("Before you rely on it", tag("ul", *items, class_="warnings"))
