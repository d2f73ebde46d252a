"""Where requests go: pools, their replicas as groups of GPUs, and the KV caches between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from api.output import counted, num, usd
from api.page.show.html import Cell, section, tag, text

MOST_REPLICAS = 24
"""Replicas that are drawn."""

MOST_GPUS = 16
"""GPUs of a replica that are drawn."""

KV = "KV caches"


def topology(plan: Mapping[str, Any]) -> Cell:
    """Return the fleet as a picture that reads from left to right, or from top to bottom."""
    pools = plan["pools"]
    if not pools:
        return ""
    whole = [p for p in pools if p["role"] == "aggregated"]
    first = [p for p in pools if p["role"] == "prefill"]
    then = [p for p in pools if p["role"] == "decode"]
    rate = sum(c["rate_rps"] for c in plan["workload"]["classes"])
    lanes = []
    if whole:
        shown = _stage("Prefill and decode together", whole)
        lanes.append(_lane(_arrow("prompts"), shown, _arrow("tokens")))
    if first:
        flow = _arrow(KV, _speed(first), strong=True)
        lanes.append(
            _lane(
                _arrow("prompts"),
                _stage("Prefill", first),
                flow,
                _stage("Decode", then),
                _arrow("tokens"),
            )
        )
    start = tag(
        "div",
        tag("b", text(f"{num(rate)} requests/s")),
        *(tag("span", text(f"{c['name']} {num(c['rate_rps'])}/s")) for c in _some(plan)),
        class_="source",
    )
    picture = tag("div", start, tag("div", *lanes, class_="lanes"), class_="flow")
    return section("The fleet", picture, _purchases(plan))


def _some(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    classes = plan["workload"]["classes"]
    return classes[:4] if len(classes) > 1 else []


def _lane(*parts: Cell) -> Cell:
    return tag("div", *parts, class_="lane")


def _arrow(label: str, more: str = "", *, strong: bool = False) -> Cell:
    kind = "arrow strong" if strong else "arrow"
    small = tag("small", text(more)) if more else ""
    return tag("div", tag("span", text(label)), small, class_=kind)


def _speed(pools: Iterable[Mapping[str, Any]]) -> str:
    speeds = [p["network_bytes_per_s"] for p in pools if p.get("network_bytes_per_s")]
    return f"{min(speeds) / 1e9:,.3g} GB/s a replica" if speeds else ""


def _stage(title: str, pools: Iterable[Mapping[str, Any]]) -> Cell:
    return tag("div", tag("h3", text(title)), *(_pool(p) for p in pools), class_="stage")


def _pool(pool: Mapping[str, Any]) -> Cell:
    degrees = "".join(
        f" · {name.upper()}{pool[name]}" for name in ("tp", "pp", "ep") if pool.get(name, 1) > 1
    )
    formats = "/".join(dict.fromkeys((pool["weight_precision"], pool["kv_precision"])))
    shares = ", ".join(
        name if share > 0.9995 else f"{name} {share:.0%}" for name, share in pool["serves"].items()
    )
    facts = [
        counted(pool["replicas"], "replica") + (f" of {formats}" if formats else "") + degrees,
        f"{counted(pool['gpus'], 'GPU')} on {counted(pool['nodes'], 'node')}",
        f"batches of up to {pool['batch_cap']:,}" if pool.get("batch_cap") else "",
        f"serves {shares}" if shares else "",
    ]
    return tag(
        "div",
        tag(
            "p",
            tag("b", text(pool["accelerator"])),
            tag("span", text(f"{usd(pool['cost_per_hour_usd'])}/h")),
            class_="title",
        ),
        _drawn(pool),
        *(tag("p", text(fact), class_="fact") for fact in facts if fact),
        tag("p", text(f"{pool['provider']} · {pool['region']} · {pool['pricing']}"), class_="fact"),
        class_="pool",
    )


def _drawn(pool: Mapping[str, Any]) -> Cell:
    """Draw each replica as a box of GPUs, filled as far as the pool is in use."""
    size = pool["gpus"] // pool["replicas"] if pool["replicas"] else 0
    size = size or pool["tp"] * pool["pp"]
    use = (pool.get("predicted") or {}).get("utilization")
    gpu = tag("i", "", style=None if use is None else f"--use:{min(use, 1):.0%}")
    replica = tag("span", gpu * min(size, MOST_GPUS), class_="replica")
    shown = min(pool["replicas"], MOST_REPLICAS)
    more = pool["replicas"] - shown
    rest = tag("span", text(f"+{more:,}"), class_="more") if more else ""
    busy = "" if use is None else f", {use:.0%} in use"
    label = f"{counted(pool['replicas'], 'replica')} of {counted(size, 'GPU')} each{busy}"
    return tag("div", replica * shown, rest, class_="drawn", role="img", aria_label=label)


def _purchases(plan: Mapping[str, Any]) -> Cell:
    """Say what to rent."""
    said = [
        tag(
            "li",
            tag("b", text(counted(p["nodes"], "node"))),
            text(f" of {p['offer_id']} at {usd(p['price_per_node_hour_usd'])} a node-hour"),
            text(f", {usd(p['upfront_usd'])} upfront" if p.get("upfront_usd") else ""),
            text(f", for {p['term_months']:g} months" if p.get("term_months") else ""),
            tag("span", text(f" · price seen on {p['observed_at']}"), class_="quiet")
            if p.get("observed_at")
            else "",
        )
        for p in plan["purchases"]
    ]
    return tag("h3", text("What to rent")) + tag("ul", *said, class_="rent")
