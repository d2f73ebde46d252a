"""Stand-in for solver.replan until it lands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from data.catalog import Catalog
from solver.planner import plan
from solver.replay.change import ChangeCost
from solver.replay.standing import Standing
from solver.workload import Workload


@dataclass(frozen=True)
class Policy:
    min_saving_pct: float = 10.0
    payback_h: float = 24.0
    min_plan_age_h: float = 24.0
    spot_confirmations: int = 2
    overlap_h: float = 1.0
    cost_per_changed_pool_usd: float = 5.0

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Memory:
    since: dt.datetime | None = None
    proposal: str = ""
    confirmations: int = 0
    commitments: Any = None


@dataclass(frozen=True)
class Decision:
    outcome: str
    plan: Mapping[str, Any] | None
    memory: Memory
    memory_if_accepted: Memory | None
    document: Mapping[str, Any] = field(repr=False)

    proven = True

    def to_dict(self) -> dict[str, Any]:
        return dict(self.document)


def replan(
    workload: Workload,
    catalog: Catalog,
    current: Mapping[str, Any],
    policy: Policy | None = None,
    *,
    moment: dt.datetime,
    memory: Memory | None = None,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: Any = None,
    measured: Any = None,
    second_engine: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> Decision:
    policy, memory = policy or Policy(), memory or Memory()
    prices = {o.offer_id: o.price_per_node_hour_usd for o in catalog.offers}
    here = Standing.of_plan(current)
    best = plan(
        workload,
        catalog,
        gap=gap,
        time_limit_s=time_limit_s,
        coefficients=coefficients,
        measured=measured,
        explain="none",
        second_engine=False,
        as_of=moment.date(),
    ).to_dict()
    there = Standing.of_plan(best)
    change = ChangeCost(policy.overlap_h, policy.cost_per_changed_pool_usd)
    paid = change.usd(here, there, prices)
    cost = float(there.usd_per_hour(prices))
    if not here.holds_in(prices):
        outcome, saving, now = "must_switch", 0.0, None
    else:
        now = float(here.usd_per_hour(prices))
        saving = now - cost
        worth = (
            saving > 0
            and saving >= policy.min_saving_pct / 100 * now
            and paid <= saving * policy.payback_h
        )
        proposal = there.text if worth else ""
        count = memory.confirmations + 1 if proposal and proposal == memory.proposal else int(worth)
        memory = replace(memory, proposal=proposal, confirmations=count)
        old = memory.since is None or moment - memory.since >= dt.timedelta(
            hours=policy.min_plan_age_h
        )
        outcome = "switch" if worth and old and count >= policy.spot_confirmations else "keep"
    document = {
        "outcome": outcome,
        "reasons": ["stand-in"],
        "decided_at": moment.isoformat(),
        "current": {"cost_per_hour_usd": now},
        "proposed": best,
        "saving": {"usd_per_hour": saving, "fraction": saving / now if now else 0.0},
        "change": {"total_usd": paid},
        "rules": [],
    }
    return Decision(outcome, best, memory, Memory(since=moment), document)
