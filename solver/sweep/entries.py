"""What frontiers and sweeps write of a point: its figures, and its fleet in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from data.offers import HOURS_PER_MONTH
from solver.assumptions import stale_prices
from solver.sweep.point import Ground, Point


def fleet_entry(point: Point) -> dict[str, Any]:
    """Return the figures of a point for a document; without a fleet they are None or empty."""
    cost = point.cost_usd
    return {
        "status": point.status,
        "cost_per_hour_usd": cost,
        "cost_per_month_usd": None if cost is None else round(cost * HOURS_PER_MONTH, 2),
        "cost_per_million_output_tokens_usd": point.usd_per_million_tokens,
        "bound_per_hour_usd": point.bound_usd,
        "gap": point.gap,
        "gpus": point.gpus,
        "nodes": point.nodes,
        "gpu_power_kw": point.power_kw,
        "providers": list(point.providers),
        "ttft_ms": point.ttft_ms,
        "tpot_ms": point.tpot_ms,
        "quality_loss_pct": point.quality_loss_pct,
        "fleet": fleet_in_words(point),
        "purchases": [{"offer_id": o, "provider": p, "nodes": n} for o, p, n in point.purchases],
        "pools": [dict(pool) for pool in point.pools],
        "warnings": list(point.warnings),
    }


def fleet_in_words(point: Point) -> str:
    """Return the fleet of a point in a few words; see `pools_in_words`."""
    return pools_in_words(point.pools)


def pools_in_words(pools: Sequence[Mapping[str, Any]]) -> str:
    """Return the pools of a fleet in a few words, the largest first; "" without a fleet.

    ``4 × h200_sxm TP2 fp8 + 1 × l40s``: replicas, accelerator, its parallelism and formats where
    they are not those of one BF16 accelerator; the role where prefill and decode are split.
    """
    several = len({pool["model"] for pool in pools}) > 1
    counts: dict[str, tuple[int, int]] = {}
    for pool in pools:
        name = _kind(pool) + (f" for {pool['model']}" if several else "")
        replicas, gpus = counts.get(name, (0, 0))
        mine = pool["replicas"]
        counts[name] = (replicas + mine, gpus + mine * pool["tp"] * pool["pp"])
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1][1], entry[0]))
    return " + ".join(f"{replicas} × {name}" for name, (replicas, _) in ordered)


def _kind(pool: Mapping[str, Any]) -> str:
    parts = [pool["accelerator"]]
    if pool["tp"] > 1:
        parts.append(f"TP{pool['tp']}")
    if pool["pp"] > 1:
        parts.append(f"PP{pool['pp']}")
    if pool["weight_precision"] != "measured":
        parts.append(f"{pool['weight_precision']}/{pool['kv_precision']}")
    if pool["role"] != "aggregated":
        parts.append(pool["role"])
    return " ".join(parts)


def in_one_cell(purchases: Sequence[Mapping[str, Any]]) -> str:
    """Return what is bought as one cell of a table: ``2 h100x8;1 l40s``."""
    return ";".join(f"{p['nodes']} {p['offer_id']}" for p in purchases)


def stale_warnings(ground: Ground, points: Iterable[Point]) -> tuple[str, ...]:
    """Return a sentence on which prices of what is bought anywhere are old, if any are."""
    bought = {name for point in points for name, _, _ in point.purchases}
    offers = (o for o in ground.catalog.offers if o.offer_id in bought)
    return tuple(stale_prices(offers, ground.as_of))


def catalog_entry(ground: Ground) -> dict[str, Any]:
    """Return which catalogue the points were made from."""
    catalog = ground.catalog
    return {
        "id": catalog.id,
        "as_of": ground.as_of.isoformat(),
        "observed_at": {k: v.isoformat() for k, v in catalog.observed_at.items()},
        "offers": len(catalog.offers),
    }
