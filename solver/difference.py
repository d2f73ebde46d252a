"""Where two plans differ: what was asked, pools, purchases, cost and latency, as one document.

Pure: two plan documents in, one document out. Everyone who tells of a difference reads this one:
the page, the command line, the service and its notices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SCHEMA = "minfleet/difference/v1"

Plan = Mapping[str, Any]
Entry = dict[str, Any]

SAME_PLACE = ("role", "model", "accelerator", "offer_id")
"""What two pools must share to be told as one that changed its settings."""

SETTINGS = ("weight_precision", "kv_precision", "tp", "pp", "ep", "engine", "batch_cap")

AMOUNTS = ("replicas", "gpus", "nodes", "cost_per_hour_usd")
"""Figures of a pool that add up over pools of equal place and settings."""

LATENCIES = ("ttft_ms", "tpot_ms", "e2e_ms")

CLASS_FIGURES = ("rate_rps", *LATENCIES, "meets")

OUTCOME = (
    *("status", "cost_per_hour_usd", "cost_per_month_usd", "cost_per_million_output_tokens_usd"),
    "gpus",
)


def plan_difference(first: Plan, second: Plan) -> Entry:
    """Return where the second plan differs from the first.

    Parameters
    ----------
    first, second
        Plan documents. Of a fleet that is no whole plan, what it does not hold is left out.

    Returns
    -------
    dict
        ``minfleet/difference/v1``, see `api.schemas.difference`. Lists hold only what differs; a
        side that has no such thing is None. `cost.change_fraction` is over the first plan's cost.
    """
    asked = list(_asked(first, second))
    pools = list(_pools(first, second))
    purchases = list(_purchases(first, second))
    classes = list(_classes(first, second))
    outcomes = _outcome(first), _outcome(second)
    told = [{k: v for k, v in o.items() if k not in ("id", "created_at")} for o in outcomes]
    return {
        "schema": SCHEMA,
        "equal": not (asked or pools or purchases or classes) and told[0] == told[1],
        "first": outcomes[0],
        "second": outcomes[1],
        "cost": _cost(first.get("cost_per_hour_usd"), second.get("cost_per_hour_usd")),
        "asked": asked,
        "pools": pools,
        "purchases": purchases,
        "classes": classes,
    }


def _outcome(plan: Plan) -> Entry:
    catalog = plan.get("catalog") or {}
    return {
        "id": plan.get("id"),
        "created_at": plan.get("created_at"),
        **{name: plan.get(name) for name in OUTCOME},
        "catalog_id": catalog.get("id"),
    }


def _cost(first: float | None, second: float | None) -> Entry:
    if first is None or second is None:
        return {"change_usd_per_hour": None, "change_fraction": None}
    more = second - first
    return {"change_usd_per_hour": more, "change_fraction": more / first if first else None}


def _change(first: object, second: object) -> str:
    if first is None:
        return "added"
    return "removed" if second is None else "changed"


def _asked(first: Plan, second: Plan) -> Iterator[Entry]:
    """Yield fields of the workload whose values differ; those of a class by the class's name."""
    one, other = _fields(first.get("workload")), _fields(second.get("workload"))
    if not one or not other:
        return
    for name in dict.fromkeys((*one, *other)):
        if one.get(name) != other.get(name) or (name in one) != (name in other):
            sides = {"first": one.get(name), "second": other.get(name)}
            yield {"field": name, **sides, "in_first": name in one, "in_second": name in other}


def _fields(workload: Mapping[str, Any] | None) -> dict[str, Any]:
    if not workload:
        return {}
    model = workload["model"]
    found = {"model": model.get("name", "own config") if isinstance(model, Mapping) else model}
    for block in ("sla", "hardware", "precision", "serving"):
        found |= {f"{block}.{k}": v for k, v in (workload.get(block) or {}).items()}
    for entry in workload.get("classes") or ():
        given = {k: v for k, v in entry.items() if k != "name" and v is not None}
        found |= {f"{entry['name']}: {k}": v for k, v in given.items()}
    return found


def _summed(pools: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], Entry]:
    """Return pools by place and settings, equal ones as one."""
    found: dict[tuple[Any, ...], Entry] = {}
    for pool in pools:
        key = tuple(pool.get(name) for name in (*SAME_PLACE, *SETTINGS))
        entry = found.setdefault(key, {name: pool.get(name) for name in (*SAME_PLACE, *SETTINGS)})
        for name in AMOUNTS:
            entry[name] = entry.get(name, 0) + (pool.get(name) or 0)
    return found


def _pools(first: Plan, second: Plan) -> Iterator[Entry]:
    """Yield pools that differ: in amounts, in settings, or there in one plan alone.

    Pools of equal settings are told as one; of the others, those that share their place are told
    as a change of settings, in the order of the plans.
    """
    one, other = _summed(first.get("pools") or ()), _summed(second.get("pools") or ())
    pairs: list[tuple[Entry | None, Entry | None]] = []
    left = {key: pool for key, pool in other.items() if key not in one}
    for key, pool in one.items():
        if key in other:
            pairs.append((pool, other[key]))
            continue
        place = [pool[name] for name in SAME_PLACE]
        there = next((k for k, p in left.items() if [p[n] for n in SAME_PLACE] == place), None)
        pairs.append((pool, None if there is None else left.pop(there)))
    pairs += [(None, pool) for pool in left.values()]
    for before, after in pairs:
        if before == after:
            continue
        known = before or after
        assert known is not None
        sides = [
            None if p is None else {name: p[name] for name in (*SETTINGS, *AMOUNTS)}
            for p in (before, after)
        ]
        counts = [0 if p is None else int(p["replicas"]) for p in (before, after)]
        changed = [n for n in SETTINGS if before and after and before[n] != after[n]]
        yield {
            "change": _change(before, after),
            **{name: known[name] for name in SAME_PLACE},
            "replicas_change": counts[1] - counts[0],
            "settings_changed": changed,
            "first": sides[0],
            "second": sides[1],
        }


def _purchases(first: Plan, second: Plan) -> Iterator[Entry]:
    one, other = (
        {p["offer_id"]: _purchase(p) for p in plan.get("purchases") or ()}
        for plan in (first, second)
    )
    for offer_id in dict.fromkeys((*one, *other)):
        before, after = one.get(offer_id), other.get(offer_id)
        if before != after:
            nodes = [0 if p is None else int(p["nodes"]) for p in (before, after)]
            sides = {"first": before, "second": after}
            change = {"change": _change(before, after), "offer_id": offer_id}
            yield {**change, "nodes_change": nodes[1] - nodes[0], **sides}


def _purchase(purchase: Mapping[str, Any]) -> Entry:
    names = ("nodes", "price_per_node_hour_usd", "cost_per_hour_usd")
    return {name: purchase.get(name) for name in names}


def _classes(first: Plan, second: Plan) -> Iterator[Entry]:
    one, other = (
        {c["name"]: {n: c.get(n) for n in CLASS_FIGURES} for c in plan.get("classes") or ()}
        for plan in (first, second)
    )
    if not one or not other:
        return
    for name in dict.fromkeys((*one, *other)):
        before, after = one.get(name), other.get(name)
        if before != after:
            yield {"change": _change(before, after), "name": name, "first": before, "second": after}
