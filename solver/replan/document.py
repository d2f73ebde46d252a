"""The decision as a document, ``minfleet/decision/v1``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data.catalog import Catalog
from solver.engines.result import Termination
from solver.fleet import Solved
from solver.objective import COST
from solver.plan import Plan
from solver.replan.decision import SCHEMA
from solver.replan.held import Held
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.replan.rules import Rule
from solver.replan.running import Running
from solver.replan.weigh import Weighed

DIGITS = 6
"""Decimals of dollars."""


@dataclass(frozen=True)
class Told:
    """All that a decision document is written from.

    Attributes
    ----------
    free, within
        What solving free, and within the rules, gave; `within` is None if that was not asked.
    weighed
        The fleet that was weighed against the running one; None without one.
    memory
        With this decision counted.
    """

    outcome: str
    moment: dt.datetime
    catalog: Catalog
    policy: Policy
    running: Running
    held: Held
    free: Solved
    within: Solved | None
    weighed: Weighed | None
    rules: tuple[Rule, ...]
    plan: Plan | None
    steps: Sequence[Mapping[str, Any]]
    memory: Memory
    gap: float
    warnings: Sequence[str]


def document_of(told: Told) -> dict[str, Any]:
    """Return the decision document."""
    from solver.replan.reasons import reasons_of, warnings_of

    certificates = certificates_of(told)
    weighed, running = told.weighed, told.running
    return {
        "schema": SCHEMA,
        "outcome": told.outcome,
        "reasons": reasons_of(told, certificates),
        "decided_at": told.moment.isoformat(),
        "catalog": {
            "id": told.catalog.id,
            "observed_at": {k: v.isoformat() for k, v in told.catalog.observed_at.items()},
        },
        "policy": told.policy.to_dict(),
        "current": _current(running, told.held),
        "program": None if weighed is None else weighed.program,
        "proposed": None if told.plan is None else told.plan.to_dict(),
        "considered": None if weighed is None else _considered(weighed),
        "saving": {
            "usd_per_hour": None if weighed is None else _usd(weighed.saving_usd),
            "fraction": None if weighed is None else _part(weighed.saving),
        },
        "change": None if weighed is None else _change(weighed),
        "rules": [rule.to_dict() for rule in told.rules],
        "steps": [dict(s) for s in told.steps],
        "certificates": certificates,
        "confirmations": _confirmations(told),
        "warnings": [*warnings_of(told), *told.warnings],
    }


def _usd(value: float) -> float:
    return round(value, DIGITS) + 0.0


def _part(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS) + 0.0


def _current(running: Running, held: Held) -> dict[str, Any]:
    was = running.document.get("cost_per_hour_usd")
    return {
        "cost_per_hour_usd": _usd(running.total_usd - running.sunk_usd),
        "was_cost_per_hour_usd": was,
        "sunk_per_hour_usd": _usd(running.sunk_usd),
        "holds": held.holds,
        "carries": round(held.carries, DIGITS),
        "replicas": running.replicas,
        "pools": [
            {
                name: pool[name]
                for name in (
                    "name", "role", "model", "accelerator", "offer_id", "weight_precision",
                    "kv_precision", "tp", "pp", "ep", "batch_cap", "replicas", "nodes",
                )
            }
            for pool in running.pools
        ],
        "purchases": [_purchase(running, name, n) for name, n in running.nodes.items()],
        "commitments": [
            {
                "offer_id": c.offer_id,
                "nodes": c.nodes,
                "until": None if c.until is None else c.until.isoformat(),
            }
            for c in running.commitments
        ],
    }  # fmt: skip


def _purchase(running: Running, name: str, nodes: int) -> dict[str, Any]:
    today, was = running.listed_usd(name), running.was_usd[name]
    return {
        "offer_id": name,
        "nodes": nodes,
        "price_per_node_hour_usd": today,
        "was_price_per_node_hour_usd": was,
        "price_change_pct": None if today is None or not was else round(100 * (today / was - 1), 6),
        "withdrawn": name in running.lost,
        "sunk_nodes": min(nodes, running.sunk.get(name, 0)),
    }


def _considered(weighed: Weighed) -> dict[str, Any]:
    """Return the fleet that was weighed, in short."""
    instance = weighed.fleet.instance
    pools = []
    for placed in weighed.fleet.placements:
        c = instance.candidates[placed.candidate]
        pools.append(
            {
                "role": c.role,
                "model": c.model,
                "accelerator": c.shape.accelerator.name,
                "offer_id": instance.offers[placed.offer].offer_id,
                "weight_precision": c.shape.weights,
                "kv_precision": c.shape.kv,
                "tp": c.shape.tp,
                "pp": c.shape.pp,
                "ep": c.shape.ep,
                "batch_cap": c.shape.batch_cap,
                "replicas": placed.replicas,
            }
        )
    return {
        "cost_per_hour_usd": _usd(weighed.cost_usd),
        "interruptible": weighed.interruptible,
        "pools": pools,
        "purchases": [
            {"offer_id": name, "nodes": n} for name, n in weighed.fleet.nodes_by_id.items()
        ],
    }


def _change(weighed: Weighed) -> dict[str, Any]:
    bill = weighed.bill
    return {
        "overlap_usd": _usd(bill.overlap_usd),
        "fixed_usd": _usd(bill.fixed_usd),
        "total_usd": _usd(bill.total_usd),
        "spread_per_hour_usd": _usd(bill.per_hour_usd),
        "payback_h": _part(weighed.payback_h),
        "pools_changed": bill.pools_changed,
        "replicas_added": bill.added,
        "replicas_removed": bill.removed,
        "replicas_changed": max(bill.added, bill.removed),
        "changed_fraction": _part(weighed.changed_fraction),
    }


def certificates_of(told: Told) -> dict[str, Any]:
    """Return how far each program is proven; costs are beside what is sunk."""
    running, held = told.running, told.held
    sunk, paid = running.sunk_usd, running.total_usd - running.sunk_usd
    if held.holds:
        entry = _certificate(told, paid, paid, "optimal")
    else:
        late = held.result is not None and held.result.termination is Termination.LIMIT
        entry = _certificate(told, None, None, "unknown" if late else "infeasible")
    return {
        "held": entry,
        "free": _solved(told, told.free, sunk),
        "within_rules": None if told.within is None else _solved(told, told.within, sunk),
    }


def _solved(told: Told, solved: Solved, sunk: float) -> dict[str, Any]:
    """Return the certificate of a program that may also keep the fleet as it is, where it holds."""
    result, held = solved.result, told.held.holds
    paid = told.running.total_usd - told.running.sunk_usd
    ruled = solved is told.within
    objective = None if solved.fleet is None else solved.fleet.value(COST) - sunk
    if objective is None and held and not ruled:
        objective = paid
    elif objective is not None and held and not ruled:
        objective = min(objective, paid)
    bound = None if result.bound in (float("inf"), float("-inf")) else result.bound - sunk
    if objective is None:
        none = result.termination in (Termination.INFEASIBLE, Termination.GAP_CLOSED)
        status = "infeasible" if none else "unknown"
        return _certificate(told, None, None if none else bound, status)
    if bound is None and result.termination is Termination.INFEASIBLE:
        bound = objective
    bound = None if bound is None else min(bound, objective)
    gap = _gap(objective, bound)
    closed = gap is not None and gap <= told.gap
    return _certificate(told, objective, bound, "optimal" if closed else "feasible")


def _gap(objective: float, bound: float | None) -> float | None:
    if bound is None:
        return None
    if objective - bound <= 1e-9:
        return 0.0
    return (objective - bound) / max(abs(objective), 1e-12)


def _certificate(
    told: Told, objective: float | None, bound: float | None, status: str
) -> dict[str, Any]:
    gap = None if objective is None else _gap(objective, bound)
    return {
        "engine": "highs",
        "objective": objective,
        "bound": bound,
        "gap": gap,
        "gap_asked": told.gap,
        "status": status,
    }


def _confirmations(told: Told) -> dict[str, int]:
    spot = told.weighed is not None and told.weighed.interruptible
    return {
        "needed": told.policy.spot_confirmations if spot else 0,
        "had": told.memory.confirmations,
    }
