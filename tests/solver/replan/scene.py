"""Decisions worked out by hand: replicas of measured capacity on nodes of one accelerator.

An H100 admits 10 requests/s and an L40S 4; the workload sends 20 unless a test says otherwise.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

from small_instances import offer

from data.accelerators import shipped_accelerators
from data.catalog import Catalog
from data.offers import Offer
from solver.measured import MeasuredCapacity
from solver.plan import Plan
from solver.planner import plan
from solver.replan.decide import replan
from solver.replan.decision import Decision
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.workload import Workload

NOW = dt.datetime(2026, 7, 15, 12, tzinfo=dt.UTC)
CAPACITIES = (
    MeasuredCapacity("h100_sxm", "chat", 10.0, 1),
    MeasuredCapacity("l40s", "chat", 4.0, 1),
)
CHIPS = {"fast": "h100_sxm", "slow": "l40s"}

AT_ONCE: dict[str, Any] = {"min_plan_age_h": 0, "min_saving_pct": 0, "min_disruption_score": 0}
"""A policy in which only the payback counts."""


def sold(name: str, price: float, **more: Any) -> Offer:
    """Return an offer of single accelerators; names begin with ``fast`` or ``slow``."""
    fields = {k: more.pop(k) for k in list(more) if k not in ("stock", "min_nodes")}
    made = offer(CHIPS[name.split("-")[0]], 1, price, name=name, **more)
    if fields.get("pricing") == "spot":
        fields["interruptible"] = True
    return replace(made, **fields)


def market(*offers: Offer) -> Catalog:
    """Return a catalogue of offers."""
    return Catalog(shipped_accelerators(), offers)


def chat(rate_rps: float = 20.0, **blocks: Any) -> Workload:
    """Return a workload of one class on every kind of offer."""
    hardware = {"pricing": ["on_demand", "spot", "committed"], **blocks.pop("hardware", {})}
    classes = [{"name": "chat", "rate_rps": rate_rps}]
    return Workload.parse({"model": "m", "classes": classes, "hardware": hardware, **blocks})


def running(*offers: Offer, rate_rps: float = 20.0) -> Plan:
    """Return the plan of the cheapest fleet over some offers, which then runs."""
    return plan(
        chat(rate_rps),
        market(*offers),
        measured=CAPACITIES,
        as_of=NOW.date(),
        explain=False,
        second_engine=False,
    )


def decide(
    today: Catalog,
    current: Plan | dict[str, Any],
    *,
    rate_rps: float = 20.0,
    workload: Workload | None = None,
    memory: Memory | None = None,
    moment: dt.datetime = NOW,
    prune: bool = True,
    **policy: Any,
) -> Decision:
    """Return a decision under a policy of some fields."""
    return replan(
        workload or chat(rate_rps),
        today,
        current,
        Policy.parse(policy),
        moment=moment,
        memory=memory,
        measured=CAPACITIES,
        prune=prune,
    )


def rules(found: Decision) -> dict[str, tuple[float | None, bool | None]]:
    """Return figure and verdict of each rule."""
    return {r["name"]: (r["figure"], r["passed"]) for r in found.to_dict()["rules"]}
