"""From a fleet to the pools, purchases and class figures of a plan document."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from model.predict import ClassPrediction, Prediction, predict
from solver.fleet import Fleet
from solver.plan import Pool, Purchase
from solver.problem import Problem

DIGITS = 6
"""Significant digits of predicted figures in the document."""


def rounded(value: float, digits: int = DIGITS) -> float | None:
    """Round to significant digits; None for figures that are not finite."""
    if not math.isfinite(value):
        return None
    return float(f"{value:.{digits}g}")


def predictions(problem: Problem, fleet: Fleet) -> dict[int, Prediction]:
    """Return what one replica of each candidate in use does under its share of the load."""
    if problem.measured is not None:
        return {}
    found = {}
    for c, replicas in fleet.replicas.items():
        candidate = fleet.instance.candidates[c]
        demand = problem.demand_of(candidate.model)
        served = {w: s for (w, k), s in fleet.shares.items() if k == c}
        classes = [demand.classes[demand.index.index(w)] for w in served]
        rates = [
            float(share) * fleet.instance.rates_rps[w] / replicas for w, share in served.items()
        ]
        found[c] = predict(problem.deployment(candidate), classes, rates)
    return found


def prediction_document(p: Prediction) -> dict[str, Any]:
    """Return a prediction as the plan document shows it; `estimate` shows the same."""
    return {
        "ttft_ms": {k: rounded(v) for k, v in p.ttft_ms.items()},
        "tpot_ms": {k: rounded(v) for k, v in p.tpot_ms.items()},
        "utilization": rounded(p.utilization),
        "kv_occupancy": rounded(p.kv_occupancy),
        "concurrency": rounded(p.concurrency),
        "slots": p.slots,
        "rate_rps": rounded(p.rate_rps),
        "output_tokens_per_s": rounded(p.output_tokens_per_s),
        "error_band_pct": rounded(p.error_band_pct),
        "outside_fit": list(p.outside),
        "classes": {
            name: {
                "ttft_ms": rounded(c.ttft_ms),
                "tpot_ms": rounded(c.tpot_ms),
                "e2e_ms": rounded(c.e2e_ms),
            }
            for name, c in p.classes.items()
        },
    }


def pools_of(
    problem: Problem, fleet: Fleet, predicted: Mapping[int, Prediction]
) -> tuple[Pool, ...]:
    """Return the pools: one for each candidate and offer that run together."""
    names = fleet.instance.class_names
    used = _accelerators_in_use(fleet)
    counts: dict[str, int] = defaultdict(int)
    pools = []
    for placed in fleet.placements:
        candidate = fleet.instance.candidates[placed.candidate]
        offer = fleet.instance.offers[placed.offer]
        shape = candidate.shape
        part = placed.replicas / fleet.replicas[placed.candidate]
        gpus = placed.replicas * shape.gpus
        bill = float(offer.hourly_usd) * fleet.nodes[placed.offer]
        stem = f"{candidate.role}-{shape.accelerator.name}-tp{shape.tp}" + (
            f"pp{shape.pp}" if shape.pp > 1 else ""
        )
        counts[stem] += 1
        figures = predicted.get(placed.candidate)
        pools.append(
            Pool(
                name=stem if counts[stem] == 1 else f"{stem}-{counts[stem]}",
                role=candidate.role,
                model=candidate.model,
                accelerator=shape.accelerator.name,
                offer_id=offer.offer_id,
                provider=offer.provider,
                region=offer.region,
                pricing=offer.pricing,
                engine=problem.workload.serving.engine,
                weight_precision=shape.weights,
                kv_precision=shape.kv,
                tp=shape.tp,
                pp=shape.pp,
                ep=shape.ep,
                cross_node=shape.cross_node,
                cross_node_gbps=shape.network_gbps if shape.cross_node else 0.0,
                batch_cap=shape.batch_cap,
                replicas=placed.replicas,
                spare_replicas=fleet.instance.caps.spare_replicas,
                nodes=placed.node_count,
                gpus=gpus,
                cost_per_hour_usd=rounded(bill * gpus / used[placed.offer], 10) or 0.0,
                serves={
                    names[w]: rounded(float(s) * part, 12) or 0.0
                    for (w, c), s in sorted(fleet.shares.items())
                    if c == placed.candidate
                },
                admits_rps={
                    names[w]: candidate.capacity_rps[w]
                    for w in candidate.classes
                    if candidate.capacity_rps[w] > 0
                },
                tier=tuple(names[w] for w in candidate.classes),
                tightened=candidate.tightened,
                quality_loss_pct=rounded(candidate.loss_pct) or 0.0,
                network_bytes_per_s=candidate.network_bytes_per_s,
                predicted=None if figures is None else prediction_document(figures),
            )
        )
    return tuple(pools)


def _accelerators_in_use(fleet: Fleet) -> dict[int, int]:
    used: dict[int, int] = defaultdict(int)
    for placed in fleet.placements:
        gpus = fleet.instance.candidates[placed.candidate].shape.gpus
        used[placed.offer] += placed.replicas * gpus
    return used


def purchases_of(fleet: Fleet) -> tuple[Purchase, ...]:
    """Return what is bought, dearest first."""
    found = [
        Purchase(
            offer_id=offer.offer_id,
            nodes=count,
            price_per_node_hour_usd=float(offer.price_per_node_hour_usd),
            upfront_usd=float((offer.upfront_usd or 0) * count),
            term_months=offer.term_months,
            cost_per_hour_usd=float(offer.hourly_usd * count),
            observed_at=offer.observed_at.isoformat(),
        )
        for o, count in fleet.nodes.items()
        for offer in [fleet.instance.offers[o]]
    ]
    return tuple(sorted(found, key=lambda p: (-p.cost_per_hour_usd, p.offer_id)))


def class_figures(
    problem: Problem, fleet: Fleet, predicted: Mapping[int, Prediction]
) -> tuple[dict[str, Any], ...]:
    """Return what each class gets in its slowest pool, beside its targets.

    Where prefill and decode are split, the TTFT is that of the slowest prefill pool plus the
    hand-over of the slowest decode pool.
    """
    if problem.measured is not None:
        return ()
    found = []
    for demand in problem.demands:
        for w, c in zip(demand.index, demand.classes, strict=True):
            figures = _class_in_pools(fleet, predicted, w, c.name)
            targets = {"ttft_ms": c.ttft_ms, "tpot_ms": c.tpot_ms, "e2e_ms": c.e2e_ms}
            found.append(
                {
                    "name": c.name,
                    "model": demand.model,
                    "rate_rps": c.rate_rps,
                    "percentile": c.percentile,
                    **{k: rounded(v) for k, v in figures.items()},
                    "targets": {k: rounded(v) for k, v in targets.items()},
                    "meets": all(figures[k] <= targets[k] * (1 + 1e-6) for k in targets),
                }
            )
    order = {name: i for i, name in enumerate(fleet.instance.class_names)}
    return tuple(sorted(found, key=lambda f: order[str(f["name"])]))


def _class_in_pools(
    fleet: Fleet, predicted: Mapping[int, Prediction], w: int, name: str
) -> dict[str, float]:
    return slowest_way(
        (fleet.instance.candidates[c].role, predicted[c].classes[name])
        for k, c in fleet.shares
        if k == w
    )


def slowest_way(parts: Iterable[tuple[str, ClassPrediction]]) -> dict[str, float]:
    """Return what a class gets on its slowest way through the pools that serve it.

    Parameters
    ----------
    parts
        Role of each of these pools, and its figures of the class.
    """
    ttft, tpot, e2e, prefill, handover, rest = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for role, figures in parts:
        if role == "aggregated":
            ttft, tpot = max(ttft, figures.ttft_ms), max(tpot, figures.tpot_ms)
            e2e = max(e2e, figures.e2e_ms)
        elif role == "prefill":
            prefill = max(prefill, figures.ttft_ms)
        else:
            handover = max(handover, figures.ttft_ms)
            tpot, rest = max(tpot, figures.tpot_ms), max(rest, figures.e2e_ms)
    return {
        "ttft_ms": max(ttft, prefill + handover),
        "tpot_ms": tpot,
        "e2e_ms": max(e2e, prefill + rest),
    }


def cost_per_million_output_tokens(problem: Problem, cost_usd: float) -> float | None:
    """Return the cost of a million output tokens at the workload's full rate (USD)."""
    if problem.measured is not None and any(c.osl is None for c in problem.workload.classes):
        return None
    tokens = 0.0
    for spec in problem.workload.classes:
        osl = spec.osl
        if osl is None:
            return None
        tokens += spec.rate_rps * (osl if isinstance(osl, float) else osl.mean)
    return rounded(cost_usd / (tokens * 3600 / 1e6))
