"""``why_not``: one line for each accelerator that the plan leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.candidates import Miss
from solver.fleet import Fleet
from solver.instance import Instance
from solver.market import allowed_accelerators
from solver.problem import Problem
from solver.screening import fractional_prices

Floats = NDArray[np.float64]


def why_not(problem: Problem, fleet: Fleet | None) -> tuple[dict[str, Any], ...]:
    """Return, for each accelerator of the catalogue that is not bought, the reason.

    ``would cost more`` compares with the cheapest fleet of one configuration on that
    accelerator alone; where no single configuration serves every class, with a lower bound.
    """
    used = set()
    if fleet is not None:
        used = {fleet.instance.offers[o].accelerator for o in fleet.nodes}
    hardware = problem.workload.hardware
    strict = problem.measured is None
    allowed = allowed_accelerators(problem.catalog, hardware, strict=strict)
    offered_anywhere = {o.accelerator for o in problem.catalog.offers}
    offered = {o.accelerator for o in problem.instance.offers}
    names = sorted(set(problem.catalog.accelerators) | offered_anywhere)
    costs = _alone(problem.instance)
    lines = []
    for name in names:
        if name in used:
            continue
        entry: dict[str, Any] = {"accelerator": name}
        if allowed is not None and name not in allowed:
            entry |= _line("excluded", "not among hardware.accelerators")
        elif name not in offered_anywhere:
            entry |= _line("no_offer", "no offer in the catalogue")
        elif name not in offered:
            entry |= _line(
                "filtered", "its offers do not pass the provider, region or pricing filters"
            )
        elif name in costs:
            entry |= _dearer(costs[name], fleet)
        else:
            entry |= _cannot(problem.search.reasons.get(name, []))
        lines.append(entry)
    return tuple(lines)


def _line(reason: str, sentence: str) -> dict[str, Any]:
    return {"reason": reason, "sentence": sentence}


def _alone(instance: Instance) -> dict[str, tuple[float | None, float]]:
    """Return (cost of the cheapest one-configuration fleet, lower bound) by accelerator.

    Only accelerators that can serve every class are listed.
    """
    prices = fractional_prices(instance)
    chips = np.array([c.shape.accelerator.name for c in instance.candidates])
    found = {}
    for name in sorted(set(chips)):
        members = np.nonzero(chips == name)[0]
        bound = float(_least_shares(instance, prices.share_usd, members).sum())
        if not np.isfinite(bound):
            continue
        nodes = [float(o.price_per_node_hour_usd) for o in instance.offers if o.accelerator == name]
        whole = [
            cost
            for c in members
            if instance.candidates[c].role == "aggregated"
            for cost in [_one_kind(instance, int(c))]
            if cost is not None
        ]
        found[name] = (min(whole, default=None), max(bound, min(nodes)))
    return found


def _least_shares(instance: Instance, share_usd: Floats, members: NDArray[np.intp]) -> Floats:
    """Return the least cost of each class on some candidates: whole, or prefill and decode."""
    least = {
        role: share_usd[:, [c for c in members if instance.candidates[c].role == role]].min(
            axis=1, initial=np.inf
        )
        for role in ("aggregated", "prefill", "decode")
    }
    return np.asarray(np.minimum(least["aggregated"], least["prefill"] + least["decode"]))


def _one_kind(instance: Instance, c: int) -> float | None:
    """Return the cost of serving everything on one candidate, on one offer; None if it cannot."""
    loads = [instance.load(w, c) for w in range(len(instance.class_names))]
    if any(load is None for load in loads):
        return None
    spare = instance.caps.spare_replicas
    replicas = -int(-(sum(load or 0.0 for load in loads) * (1 - 1e-9)) // 1) + spare
    candidate = instance.candidates[c]
    best = None
    for key, (group, fitting) in instance.hosts.items():
        if c not in group:
            continue
        for o in fitting:
            offer = instance.offers[o]
            per_node = offer.gpus_per_node // key.group_size
            nodes = max(-(-replicas * candidate.groups // per_node), offer.min_nodes)
            if offer.stock is None or nodes <= offer.stock:
                cost = float(offer.price_per_node_hour_usd) * nodes
                best = cost if best is None else min(best, cost)
    return best


def _dearer(costs: tuple[float | None, float], fleet: Fleet | None) -> dict[str, Any]:
    alone, bound = costs
    plan = None if fleet is None else float(fleet.cost_usd)
    if plan is None:
        return _line("not_in_plan", "could serve the classes, but no plan exists within the limits")
    figure = alone if alone is not None else bound
    more = figure - plan
    if alone is None and more <= 0:
        entry = _line("dearer", "serves every class, but only in a dearer mix of configurations")
        return entry | {"cost_at_least_usd_per_hour": round(bound, 4)}
    percent = f"{more / plan:+.0%}"
    word = "would cost" if alone is not None else "would cost at least"
    entry = _line("dearer", f"alone {word} ${figure:,.2f}/h, ${more:,.2f} more ({percent})")
    if alone is None:
        return entry | {"cost_at_least_usd_per_hour": round(bound, 4)}
    return entry | {
        "cost_per_hour_usd": round(alone, 4),
        "cost_at_least_usd_per_hour": round(bound, 4),
        "extra_per_hour_usd": round(more, 4),
    }


def _cannot(misses: list[Miss]) -> dict[str, Any]:
    if not misses:
        return _line("unsupported", "runs none of the allowed weight and KV formats for this model")
    worst = max(misses, key=lambda m: (m.limit == "memory", m.best / m.target if m.target else 0.0))
    if worst.limit == "memory":
        return _line("does_not_fit", f"class {worst.class_name} does not fit its memory") | {
            "class": worst.class_name
        }
    name = worst.limit.removesuffix("_ms").upper()
    over = worst.best / worst.target - 1
    sentence = (
        f"class {worst.class_name} misses its {name}: {worst.best:,.4g} ms at best against "
        f"{worst.target:,.4g} ms ({over:+.0%})"
    )
    return _line("misses_target", sentence) | {
        "class": worst.class_name,
        "limit": worst.limit,
        "best": round(worst.best, 4),
        "target": worst.target,
    }
