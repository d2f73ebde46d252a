"""``binding``: which limits hold the cost up, and what relaxing each one is worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from data.catalog import Catalog
from solver.engines.result import Termination
from solver.fleet import Fleet, cheapest_fleet
from solver.problem import Problem, build_problem
from solver.workload import Hardware, Serving, Workload

SLA_STEP = 1.25
"""Latency targets are relaxed by this factor to see what they are worth."""


@dataclass(frozen=True)
class Relaxation:
    """One limit, relaxed alone.

    Attributes
    ----------
    start, to
        The value that is set, and the relaxed one (None: lifted).
    """

    name: str
    start: Any
    to: Any
    workload: Workload
    catalog: Catalog


def binding_limits(
    problem: Problem, fleet: Fleet, *, gap: float, time_limit_s: float
) -> tuple[dict[str, Any], ...]:
    """Return the limits that hold the cost up, worth most first.

    Each is relaxed alone (latency targets by a quarter, filters and caps lifted, one more node
    of each exhausted stock) and the program solved again.
    """
    if problem.measured is not None:
        return ()
    cost = float(fleet.cost_usd)
    found = []
    for relaxed in relaxations(problem.workload, problem.catalog, fleet):
        again = build_problem(relaxed.workload, relaxed.catalog, problem.coefficients)
        solved = cheapest_fleet(again.instance, gap=gap, time_limit_s=time_limit_s)
        if solved.fleet is None:
            continue
        saved = cost - float(solved.fleet.cost_usd)
        if saved > gap * cost:
            found.append(
                {
                    "limit": relaxed.name,
                    "from": relaxed.start,
                    "to": relaxed.to,
                    "cost_per_hour_usd": float(solved.fleet.cost_usd),
                    "worth_per_hour_usd": round(saved, 6),
                    "worth_pct": round(100 * saved / cost, 2),
                    "proven": solved.result.termination is Termination.GAP_CLOSED,
                }
            )
    return tuple(sorted(found, key=lambda b: (-float(b["worth_per_hour_usd"]), str(b["limit"]))))


def relaxations(
    workload: Workload, catalog: Catalog, fleet: Fleet | None
) -> Iterator[Relaxation]:
    """Yield every limit that is set, relaxed alone."""
    yield from _targets(workload, catalog)
    yield from _hardware(workload, catalog)
    if workload.serving.disaggregation != "auto":
        serving = workload.serving.model_copy(update={"disaggregation": "auto"})
        changed = _with(workload, serving=serving)
        now = workload.serving.disaggregation
        yield Relaxation("serving.disaggregation", now, "auto", changed, catalog)
    if fleet is not None:
        yield from _stocks(workload, catalog, fleet)


def _with(workload: Workload, **blocks: Any) -> Workload:
    changed = workload.model_copy(update=blocks)
    changed._folder = workload.folder
    return changed


def _targets(workload: Workload, catalog: Catalog) -> Iterator[Relaxation]:
    for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
        changed = relaxed_target(workload, name, SLA_STEP)
        if changed is not None:
            start = getattr(workload.sla, name)
            to = None if start is None else start * SLA_STEP
            label = f"sla.{name}" if start is not None else f"classes[].sla.{name}"
            yield Relaxation(label, start, to, changed, catalog)


def relaxed_target(workload: Workload, name: str, factor: float) -> Workload | None:
    """Return the workload with one latency target of every class multiplied; None if unset."""
    touched = False
    sla, classes = workload.sla, []
    value = getattr(sla, name)
    if value is not None:
        sla, touched = sla.model_copy(update={name: value * factor}), True
    for spec in workload.classes:
        own = None if spec.sla is None else getattr(spec.sla, name)
        if own is not None and spec.sla is not None:
            relaxed = spec.sla.model_copy(update={name: own * factor})
            spec, touched = spec.model_copy(update={"sla": relaxed}), True
        classes.append(spec)
    return _with(workload, sla=sla, classes=classes) if touched else None


def _hardware(workload: Workload, catalog: Catalog) -> Iterator[Relaxation]:
    hardware = workload.hardware
    lifted: dict[str, Any] = {
        name: None
        for name in ("accelerators", "providers", "regions", "max_gpus", "max_cost_per_hour_usd")
        if getattr(hardware, name) is not None
    }
    if hardware.spare_replicas:
        lifted["spare_replicas"] = 0
    if "spot" not in hardware.pricing:
        lifted["pricing"] = [*hardware.pricing, "spot"]
    for name, to in lifted.items():
        changed: Hardware = hardware.model_copy(update={name: to})
        start = getattr(hardware, name)
        relaxed = _with(workload, hardware=changed)
        yield Relaxation(f"hardware.{name}", start, to, relaxed, catalog)
    if workload.serving.max_utilization < 1:
        more = round(min(1.0, workload.serving.max_utilization + 0.05), 4)
        serving: Serving = workload.serving.model_copy(update={"max_utilization": more})
        start = workload.serving.max_utilization
        relaxed = _with(workload, serving=serving)
        yield Relaxation("serving.max_utilization", start, more, relaxed, catalog)


def _stocks(workload: Workload, catalog: Catalog, fleet: Fleet) -> Iterator[Relaxation]:
    for o, nodes in fleet.nodes.items():
        offer = fleet.instance.offers[o]
        if offer.stock is None or nodes < offer.stock:
            continue
        more = tuple(
            replace(x, stock=offer.stock + 1) if x.offer_id == offer.offer_id else x
            for x in catalog.offers
        )
        yield Relaxation(
            f"stock of {offer.offer_id}",
            offer.stock,
            offer.stock + 1,
            workload,
            catalog.with_offers(more),
        )
