"""Infeasible gets an answer: which limits conflict, and the least relaxation of each alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np

from data.errors import InputError
from solver.candidates import Miss
from solver.engines.result import Termination
from solver.explain.binding import relaxed_target
from solver.fleet import Fleet, cheapest_fleet
from solver.instance import Caps, Instance
from solver.problem import Problem, build_problem
from solver.screening import fractional_prices
from solver.workload import Workload

TARGET_STEPS = (1.1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100)
"""Factors by which a latency target is relaxed, in order, until a plan exists."""


def explain_infeasible(problem: Problem, *, gap: float, time_limit_s: float) -> dict[str, Any]:
    """Return the conflicting limits and, for each, the smallest relaxation that gives a plan.

    Numeric limits of the fleet (accelerators, budget) are relaxed exactly: the program is solved
    without the limit for its least value. Latency targets are relaxed in steps and then halved
    towards the smallest that works; filters are lifted.
    """
    relaxed = [r for r in _relaxations(problem, gap, time_limit_s) if r is not None]
    conflicts = _conflicts(problem)
    named = {str(c.get("limit")) for c in conflicts}
    for r in relaxed:
        if r["field"] not in named:
            conflicts.append({"limit": r["field"], "value": r["from"]})
    return {"conflicts": conflicts, "relaxations": relaxed}


def _conflicts(problem: Problem) -> list[dict[str, Any]]:
    """Name the classes that nothing can serve, with the nearest miss."""
    found: list[dict[str, Any]] = []
    served = fractional_prices(problem.instance).class_usd
    for w, name in enumerate(problem.instance.class_names):
        if np.isfinite(served[w]):
            continue
        misses = [
            (m, chip)
            for chip, group in sorted(problem.search.reasons.items())
            for m in group
            if m.class_name == name
        ]
        near = [(m.best / m.target, m, chip) for m, chip in misses if m.limit != "memory"]
        if not near:
            sentence = f"class {name}: fits the memory of no accelerator allowed"
            found.append({"limit": "memory", "class": name, "sentence": sentence})
            continue
        _, miss, chip = min(near, key=lambda n: (n[0], n[2]))
        label = miss.limit.removesuffix("_ms").upper()
        found.append(
            {
                "limit": f"sla.{miss.limit}",
                "class": name,
                "value": miss.target,
                "best": round(miss.best, 4),
                "accelerator": chip,
                "sentence": (
                    f"class {name}: even an idle replica misses the {label} target of "
                    f"{miss.target:,.6g} ms; the nearest, on {chip}, takes {miss.best:,.4g} ms"
                    + _per_token(problem, w, miss)
                ),
            }
        )
    return found


def _per_token(problem: Problem, w: int, miss: Miss) -> str:
    """Say what an end-to-end target leaves for each token: more replicas do not help it."""
    osl = problem.workload.classes[w].osl
    if miss.limit != "e2e_ms" or osl is None:
        return ""
    tokens = osl if isinstance(osl, float) else osl.mean
    first = min(problem.workload.sla.ttft_ms or 0.1 * miss.target, 0.1 * miss.target)
    left = (miss.target - first) / max(tokens - 1, 1)
    return (
        f". {tokens:,.0f} tokens within {miss.target:,.6g} ms leave about {left:.1f} ms a token; "
        "neither batching nor more replicas shorten one request"
    )


def _relaxations(
    problem: Problem, gap: float, time_limit_s: float
) -> Iterator[dict[str, Any] | None]:
    caps, workload = problem.instance.caps, problem.workload
    if caps.max_gpus is not None:
        yield _least_gpus(problem, gap, time_limit_s)
    if caps.max_cost_per_hour_usd is not None:
        free = replace(caps, max_cost_per_hour_usd=None)
        fleet = _solve(replace(problem.instance, caps=free), gap, time_limit_s)
        if fleet is not None:
            start, least = caps.max_cost_per_hour_usd, float(fleet.cost_usd)
            yield _entry("hardware.max_cost_per_hour_usd", start, least, least)
    if caps.spare_replicas:
        for spares in range(caps.spare_replicas - 1, -1, -1):
            fleet = _solve(
                replace(problem.instance, caps=replace(caps, spare_replicas=spares)),
                gap,
                time_limit_s,
            )
            if fleet is not None:
                start, cost = caps.spare_replicas, float(fleet.cost_usd)
                yield _entry("hardware.spare_replicas", start, spares, cost)
                break
    if any(o.stock is not None for o in problem.instance.offers):
        unlimited = tuple(replace(o, stock=None) for o in problem.instance.offers)
        fleet = _solve(replace(problem.instance, offers=unlimited), gap, time_limit_s)
        if fleet is not None:
            yield _stock_entry(problem.instance, fleet)
    if problem.measured is None:
        for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
            yield _least_target(problem, name, gap, time_limit_s)
        yield from _filters(problem, workload, gap, time_limit_s)


def _entry(field: str, start: Any, to: Any, cost: float) -> dict[str, Any]:
    return {"field": field, "from": start, "to": to, "cost_per_hour_usd": cost}


def _solve(instance: Instance, gap: float, time_limit_s: float) -> Fleet | None:
    return cheapest_fleet(instance, gap=gap, time_limit_s=time_limit_s).fleet


def _least_gpus(problem: Problem, gap: float, time_limit_s: float) -> dict[str, Any] | None:
    """Return the fewest accelerators that do, and the cheapest fleet within them.

    The fewest come from the same program with each node priced by its accelerators.
    """
    instance = problem.instance
    counted = tuple(
        replace(o, price_per_node_hour_usd=Decimal(o.gpus_per_node)) for o in instance.offers
    )
    free = replace(instance.caps, max_gpus=None, max_cost_per_hour_usd=None)
    fewest = cheapest_fleet(
        replace(instance, offers=counted, caps=free), gap=0.0, time_limit_s=time_limit_s
    )
    if fewest.fleet is None or fewest.result.termination is not Termination.GAP_CLOSED:
        return None
    least = fewest.fleet.gpus
    caps: Caps = replace(instance.caps, max_gpus=least)
    fleet = _solve(replace(instance, caps=caps), gap, time_limit_s)
    if fleet is None:
        return None
    return _entry("hardware.max_gpus", instance.caps.max_gpus, least, float(fleet.cost_usd))


def _stock_entry(instance: Instance, fleet: Fleet) -> dict[str, Any]:
    short = {
        instance.offers[o].offer_id: (instance.offers[o].stock, nodes)
        for o, nodes in fleet.nodes.items()
        if instance.offers[o].stock is not None and nodes > (instance.offers[o].stock or 0)
    }
    start = {k: v[0] for k, v in short.items()}
    to = {k: v[1] for k, v in short.items()}
    return _entry("stock", start, to, float(fleet.cost_usd))


def _least_target(
    problem: Problem, name: str, gap: float, time_limit_s: float
) -> dict[str, Any] | None:
    """Return the smallest relaxation of one latency target that gives a plan."""
    low, high, best = 1.0, None, None
    for factor in TARGET_STEPS:
        best = _with_target(problem, name, factor, gap, time_limit_s)
        if best is not None:
            high = factor
            break
        low = factor
    if high is None or best is None:
        return None
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        fleet = _with_target(problem, name, middle, gap, time_limit_s)
        if fleet is None:
            low = middle
        else:
            high, best = middle, fleet
    start = getattr(problem.workload.sla, name)
    if start is None:
        start = max(
            getattr(c.sla, name) or 0.0 for c in problem.workload.classes if c.sla is not None
        )
    to = _round_up(start * high)
    again = _with_target(problem, name, to / start, gap, time_limit_s) or best
    return _entry(f"sla.{name}", start, to, float(again.cost_usd))


def _round_up(value: float) -> float:
    """Round up to three significant digits."""
    step: float = 10.0 ** (math.floor(math.log10(value)) - 2)
    return round(math.ceil(value / step - 1e-9) * step, 6)


def _with_target(
    problem: Problem, name: str, factor: float, gap: float, time_limit_s: float
) -> Fleet | None:
    changed = relaxed_target(problem.workload, name, factor)
    if changed is None:
        return None
    again = build_problem(changed, problem.catalog, problem.coefficients)
    return _solve(again.instance, gap, time_limit_s)


def _filters(
    problem: Problem, workload: Workload, gap: float, time_limit_s: float
) -> Iterator[dict[str, Any] | None]:
    """Lift each filter alone."""
    for name in ("accelerators", "providers", "regions", "pricing"):
        start = getattr(workload.hardware, name)
        to = ["on_demand", "spot"] if name == "pricing" else None
        if start is None or (name == "pricing" and "spot" in start):
            continue
        hardware = workload.hardware.model_copy(update={name: to})
        changed = workload.model_copy(update={"hardware": hardware})
        changed._folder = workload.folder
        yield _lifted(problem, changed, f"hardware.{name}", start, to, gap, time_limit_s)
    allowed = workload.precision.max_quality_loss_pct
    if allowed < 100:
        precision = workload.precision.model_copy(update={"max_quality_loss_pct": 100.0})
        changed = workload.model_copy(update={"precision": precision})
        changed._folder = workload.folder
        field = "precision.max_quality_loss_pct"
        yield _lifted(problem, changed, field, allowed, 100.0, gap, time_limit_s)


def _lifted(
    problem: Problem,
    workload: Workload,
    field: str,
    start: Any,
    to: Any,
    gap: float,
    time_limit_s: float,
) -> dict[str, Any] | None:
    try:
        again = build_problem(workload, problem.catalog, problem.coefficients)
    except InputError:
        return None  # the rest of the filters still leaves no offer: lifting this one is no help
    fleet = _solve(again.instance, gap, time_limit_s)
    if fleet is None:
        return None
    if field == "precision.max_quality_loss_pct":
        to = round(max(fleet.instance.candidates[c].loss_pct for c in fleet.replicas), 4)
    return _entry(field, start, to, float(fleet.cost_usd))
