"""The block ``batch`` of a plan document, recomputed: rates, hours, cost, when it is done."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from solver.batch_spec import SECONDS_PER_HOUR, requests_of
from solver.pool_checker import LOAD_TOLERANCE, Finding, unless
from solver.workload import Workload

SLACK = 1e-6
"""How far a figure may be from the one recomputed, as a part of it."""

Document = Mapping[str, Any]


def batch_findings(document: Document, workload: Workload) -> Iterator[Finding]:
    """Compare the block with the workload, the cost an hour and the load of every pool."""
    stated, batch = document.get("batch"), workload.batch
    if batch is None or not stated:
        yield unless(batch is None and not stated, "batch: only a batch has hours and a total")
        return
    hours, paid = stated["hours"], stated["billed_hours"]
    yield unless(
        (hours, paid) in batch.durations(), f"batch: {hours:g} h paid as {paid:g} h is no duration"
    )
    served_h = hours - batch.startup_h
    for spec in workload.classes:
        number = requests_of(spec.model_dump())
        yield unless(
            _near(stated["requests"].get(spec.name, 0.0), number)
            and _near(spec.rate_rps * served_h * SECONDS_PER_HOUR, number),
            f"batch: class {spec.name} is not drained in {served_h:g} h at {spec.rate_rps:g} req/s",
        )
    cost = Fraction(document["cost_per_hour_usd"]) * Fraction(paid)
    yield unless(
        _near(stated["cost_usd"], float(cost)),
        f"batch: {paid:g} h cost ${float(cost):,.2f}, not ${stated['cost_usd']:,.2f}",
    )
    finish = batch.startup_h + served_h * _busiest(document, workload)
    yield unless(
        _near(stated["finish_h"], finish)
        and finish <= batch.deadline_h * (1 + float(LOAD_TOLERANCE)),
        f"batch: is done after {finish:.6g} h, not {stated['finish_h']:.6g}",
    )
    bound, asked = stated["bound_usd"], stated["gap_asked"]
    gap = math.inf if bound is None else (stated["cost_usd"] - bound) / stated["cost_usd"]
    yield unless(
        abs(gap - stated["gap"]) <= SLACK and gap >= -SLACK, f"batch: the gap is {gap:.6%}"
    )
    yield unless(
        document["status"] != "optimal" or gap <= asked + SLACK * asked,
        f"batch: the plan is called optimal, but the gap of its total is {gap:.6%}",
    )


def _busiest(document: Document, workload: Workload) -> float:
    """Return the share of what it admits that the busiest candidate is sent."""
    rates = {c.name: c.rate_rps for c in workload.classes}
    spare = workload.hardware.spare_replicas
    most = 0.0
    for pool in document["pools"]:
        # Pools of one candidate on several offers have equal loads a replica, spares apart.
        alike = [p for p in document["pools"] if _config(p) == _config(pool)]
        load = sum(
            s * rates[n] / pool["admits_rps"][n] for p in alike for n, s in p["serves"].items()
        )
        replicas = sum(p["replicas"] for p in alike)
        most = max(most, load / (replicas - spare))
    return most


def _config(pool: Document) -> tuple[Any, ...]:
    names = (
        "role", "model", "accelerator", "weight_precision", "kv_precision", "tp", "pp", "ep",
        "cross_node", "batch_cap", "network_bytes_per_s",
    )  # fmt: skip
    place = (pool["provider"], pool["region"]) if pool["role"] != "aggregated" else ()
    return (*(pool[name] for name in names), tuple(pool["tier"]), *place)


def _near(stated: float, again: float) -> bool:
    return abs(stated - again) <= SLACK * max(abs(stated), abs(again))
