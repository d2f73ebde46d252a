"""The block ``schedule`` of a plan: commitments, and what runs in every period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from data.catalog import Catalog
from data.offers import HOURS_PER_MONTH, Offer
from model.predict import Prediction
from solver.assemble import (
    class_figures,
    cost_per_million_output_tokens,
    pools_of,
    rounded,
)
from solver.demand_spec import Slice
from solver.fleet import Fleet
from solver.horizon.over_time import OverTime
from solver.plan import Purchase, plain
from solver.power import WATTS_PER_KW, fleet_power_w
from solver.problem import Problem

DIGITS = 12
"""Significant digits of sums."""


@dataclass(frozen=True)
class Served:
    """A period, its fleet at the offers' own prices, and what the fleet does."""

    slice: Slice
    problem: Problem
    fleet: Fleet
    predicted: Mapping[int, Prediction]


@dataclass(frozen=True)
class _Committed:
    """Nodes of an offer that are committed to from one month to another (both included)."""

    offer: Offer
    nodes: int
    first_month: int
    last_month: int

    @property
    def hourly_usd(self) -> Decimal:
        return self.offer.hourly_usd_at(self.nodes) * self.nodes

    def lasts_in(self, month: int) -> bool:
        return self.first_month <= month <= self.last_month


def schedule_of(
    found: OverTime, served: Sequence[Served], months: int, catalog: Catalog
) -> dict[str, Any]:
    """Return the block, with costs recomputed from the offers as they are listed.

    Costs are those of an average hour of the horizon (USD/h), but for `cost_usd`, which is for
    all of it.
    """
    demand = served[0].problem.workload.demand
    assert demand is not None
    offers = {o.offer_id: o for o in catalog.offers}
    committed = _commitments(found, months, offers, path=demand.monthly is not None)
    running = [_running(found, t) for t in range(len(served))]
    periods = []
    for t, one in enumerate(served):
        before = _before(served, t)
        started = {} if before is None else _grown(running[t], running[before])
        periods.append(_period(one, running[t], started, committed, offers, demand.startup_h))
    shares = [Decimal(one.slice.period.share) for one in served]

    def average(name: str) -> float:
        total = sum(
            (s * Decimal(p[name]) for s, p in zip(shares, periods, strict=True)), Decimal(0)
        )
        return rounded(float(total), DIGITS) or 0.0

    cost = average("cost_per_hour_usd")
    return {
        "months": months,
        "cycle_hours": demand.cycle_hours,
        "startup_h": demand.startup_h,
        "cost_per_hour_usd": cost,
        "cost_usd": rounded(cost * months * HOURS_PER_MONTH, DIGITS),
        **{
            f"{name}_usd_per_hour": average(f"{name}_usd_per_hour")
            for name in ("committed", "on_demand", "spot", "starts", "idle")
        },
        "commitments": [_commitment(c, served, running, months) for c in committed],
        "periods": periods,
    }


def _commitments(
    found: OverTime, months: int, offers: Mapping[str, Offer], *, path: bool
) -> list[_Committed]:
    """Return what is committed to; without a growth path every month is alike."""
    nodes: dict[tuple[str, int], int] = {}
    for (o, term), n in found.committed.items():
        name = found.instance.offers[o].offer_id
        nodes[name, term] = nodes.get((name, term), 0) + n
    result = []
    for (name, term), n in sorted(nodes.items()):
        length = offers[name].term_months if path else None
        first = term * (length or 0)
        last = months - 1 if length is None else min(first + length, months) - 1
        result.append(_Committed(offers[name], n, first, last))
    return result


def _running(found: OverTime, t: int) -> dict[str, int]:
    """Return the nodes that run in a period, by offer: committed ones only where in use."""
    nodes: dict[str, int] = {}
    for o, n in found.running(t).items():
        name = found.instance.offers[o].offer_id
        nodes[name] = nodes.get(name, 0) + n
    return nodes


def _before(served: Sequence[Served], t: int) -> int | None:
    """Return the period before one in the cycle of its month; None if it is the only one."""
    month = served[t].slice.period.month
    cycle = [i for i, one in enumerate(served) if one.slice.period.month == month]
    return None if len(cycle) == 1 else cycle[cycle.index(t) - 1]


def _grown(now: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    return {name: n - before.get(name, 0) for name, n in now.items() if n > before.get(name, 0)}


def _period(
    one: Served,
    running: Mapping[str, int],
    started: Mapping[str, int],
    committed: Sequence[_Committed],
    offers: Mapping[str, Offer],
    startup_h: float,
) -> dict[str, Any]:
    """Return a period: what runs, what it costs an hour, and what it does."""
    period, hours = one.slice.period, one.slice.hours
    in_use: dict[str, int] = {}
    for o, n in one.fleet.nodes.items():
        name = one.fleet.instance.offers[o].offer_id
        in_use[name] = in_use.get(name, 0) + n
    paid = {c.offer.offer_id: c for c in committed if c.lasts_in(period.month)}
    usd = dict.fromkeys(("committed", "on_demand", "spot", "starts", "idle"), Decimal(0))
    nodes: list[dict[str, Any]] = []
    for name in sorted({*running, *paid}):
        offer, used = offers[name], in_use.get(name, 0)
        if offer.pricing == "committed":
            have = paid[name].nodes
            hourly = offer.hourly_usd_at(have)
        else:
            have = running[name]
            hourly = offer.hourly_usd_at(have)
            if started.get(name):
                spent = hourly * started[name] * Decimal(startup_h) / max(len(hours), 1)
                usd["starts"] += spent
        usd[offer.pricing] += hourly * have
        usd["idle"] += hourly * (have - used)
        nodes.append(
            {
                "offer_id": name,
                "pricing": offer.pricing,
                "nodes": have,
                "in_use": used,
                "started": 0 if offer.pricing == "committed" else started.get(name, 0),
                "cost_per_hour_usd": float(hourly * have),
            }
        )
    cost = usd["committed"] + usd["on_demand"] + usd["spot"] + usd["starts"]
    return {
        "month": period.month,
        "hours": list(hours),
        "factor": period.factor,
        "share": period.share,
        "cost_per_hour_usd": float(cost),
        **{f"{name}_usd_per_hour": float(value) for name, value in usd.items()},
        "gpus": sum(offers[n["offer_id"]].gpus_per_node * n["nodes"] for n in nodes),
        "nodes": nodes,
        "pools": [plain(p) for p in pools_of(one.problem, one.fleet, one.predicted)],
        "classes": list(class_figures(one.problem, one.fleet, one.predicted)),
    }


def _commitment(
    one: _Committed,
    served: Sequence[Served],
    running: Sequence[Mapping[str, int]],
    months: int,
) -> dict[str, Any]:
    name, used, hours = one.offer.offer_id, 0.0, 0.0
    for period, nodes in zip(served, running, strict=True):
        if one.lasts_in(period.slice.period.month):
            hours += period.slice.period.share
            used += period.slice.period.share * nodes.get(name, 0)
    length = one.last_month - one.first_month + 1
    return {
        "offer_id": name,
        "term_months": one.offer.term_months,
        "first_month": one.first_month,
        "last_month": one.last_month,
        "nodes": one.nodes,
        "price_per_node_hour_usd": float(one.offer.price_at(one.nodes)),
        "upfront_usd": float((one.offer.upfront_usd or 0) * one.nodes),
        "cost_per_hour_usd": float(one.hourly_usd),
        "cost_usd": float(one.hourly_usd * length * HOURS_PER_MONTH),
        "used_share": rounded(used / (hours * one.nodes)),
    }


def totals_of(schedule: Mapping[str, Any], top: Served, problem: Problem) -> dict[str, Any]:
    """Return the fields of a plan that say what it costs on average, and has at the peak."""
    period = max(schedule["periods"], key=lambda p: float(p["factor"]))
    offers = {o.offer_id: o for o in problem.catalog.offers}
    bought = [(offers[n["offer_id"]], int(n["nodes"])) for n in period["nodes"]]
    pools = pools_of(top.problem, top.fleet, top.predicted)
    cost = float(schedule["cost_per_hour_usd"])
    load = sum(p["share"] * p["factor"] for p in schedule["periods"])
    per_token = cost_per_million_output_tokens(problem, cost)
    watts = fleet_power_w(bought, problem.catalog.accelerators)
    return {
        "cost_per_hour_usd": cost,
        "cost_per_million_output_tokens_usd": None
        if per_token is None
        else rounded(per_token / load),
        "gpus": period["gpus"],
        "gpus_idle": period["gpus"] - sum(p.gpus for p in pools),
        "power_kw": None if watts is None else rounded(watts / WATTS_PER_KW, DIGITS),
        "pools": pools,
        "purchases": tuple(_purchase(offer, n) for offer, n in bought),
    }


def _purchase(offer: Offer, nodes: int) -> Purchase:
    return Purchase(
        offer_id=offer.offer_id,
        nodes=nodes,
        price_per_node_hour_usd=float(offer.price_at(nodes)),
        upfront_usd=float((offer.upfront_usd or 0) * nodes),
        term_months=offer.term_months,
        cost_per_hour_usd=float(offer.hourly_usd_at(nodes) * nodes),
        observed_at=offer.observed_at.isoformat(),
    )
