"""The block ``schedule`` of a plan document, recomputed from the offers and the workload."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from data.offers import HOURS_PER_MONTH
from solver.demand_spec import DemandSpec
from solver.pool_checker import Finding, unless
from solver.stated import stated_pools

if TYPE_CHECKING:
    from solver.checker import PlanChecker

SLACK = 1e-9
"""How far a figure may be from the one recomputed, as a part of it."""

PARTS = ("committed", "on_demand", "spot", "starts", "idle")

Document = Mapping[str, Any]


def schedule_findings(checker: PlanChecker) -> Iterator[Finding]:
    """Check commitments, and in every period that its nodes are paid for and serve the load."""
    schedule, demand = checker.document.get("schedule"), checker.workload.demand
    if not schedule or demand is None:
        yield unless(False, "schedule: only a workload with demand has one, and it must")
        return
    yield from _slices(schedule, demand)
    for item in schedule["commitments"]:
        yield from _commitment(checker, schedule, item)
    yield from _stock(checker, schedule)
    for t, period in enumerate(schedule["periods"]):
        yield from _period(checker, schedule, t, period)
    yield from _totals(checker.document, schedule)


def _same(what: str, stated: float, again: float) -> Finding:
    near = abs(stated - again) <= SLACK * max(1.0, abs(stated), abs(again))
    return unless(near, f"schedule: {what} is {again:.9g}, not {stated:.9g}")


def _slices(schedule: Document, demand: DemandSpec) -> Iterator[Finding]:
    """The periods are those of the workload, and cover the horizon."""
    given = demand.horizon_months or len(demand.monthly or ())
    months = schedule["months"]
    yield unless(not given or months == given, f"schedule: {given} months are planned for")
    wanted = [
        (s.period.month, list(s.hours), s.period.factor, s.period.share)
        for s in demand.slices(months)
    ]
    stated = [(p["month"], p["hours"], p["factor"], p["share"]) for p in schedule["periods"]]
    yield unless(stated == wanted, "schedule: the periods are not those of the workload")
    total = sum(p["share"] for p in schedule["periods"])
    yield _same("the sum of all shares", total, 1.0)
    yield unless(
        (schedule["cycle_hours"], schedule["startup_h"]) == (demand.cycle_hours, demand.startup_h),
        "schedule: cycle and start-up are not those of the workload",
    )


def _commitment(checker: PlanChecker, schedule: Document, item: Document) -> Iterator[Finding]:
    name, nodes = item["offer_id"], item["nodes"]
    offer = checker.offers.get(name)
    if offer is None or offer.pricing != "committed":
        yield f"schedule: {name!r} is no committed offer of the catalogue"
        return
    yield checker.passes_filters(name)
    day = dt.date.fromisoformat(checker.document["catalog"]["as_of"])
    yield unless(offer.on_sale(day), f"{name} is not on sale on {day}")
    yield unless(nodes >= max(offer.min_nodes, 1), f"schedule: {name}: below its minimum")
    months, term = schedule["months"], offer.term_months
    yield unless((term or 0) <= months, f"schedule: {name} outlasts the {months} months")
    path = checker.workload.demand is not None and checker.workload.demand.monthly is not None
    length = term if path and term else months
    first = item["first_month"]
    yield unless(
        first % length == 0 and item["last_month"] == min(first + length, months) - 1,
        f"schedule: {name} is committed for {length} months at a time",
    )
    hourly = Fraction(offer.hourly_usd_at(nodes)) * nodes
    lasts = item["last_month"] - first + 1
    yield _same(
        f"the price of {name}", item["price_per_node_hour_usd"], float(offer.price_at(nodes))
    )
    yield _same(f"the cost of {name}", item["cost_per_hour_usd"], float(hourly))
    yield _same(
        f"the cost of {name} in all", item["cost_usd"], float(hourly * lasts * HOURS_PER_MONTH)
    )


def _stock(checker: PlanChecker, schedule: Document) -> Iterator[Finding]:
    """No commitment is stated twice, and none exceeds its stock."""
    names = [(c["offer_id"], c["first_month"]) for c in schedule["commitments"]]
    yield unless(len(set(names)) == len(names), "schedule: a commitment is stated twice")
    for item in schedule["commitments"]:
        offer = checker.offers.get(item["offer_id"])
        yield unless(
            offer is None or offer.stock is None or item["nodes"] <= offer.stock,
            f"schedule: {item['nodes']} nodes of {item['offer_id']} are more than its stock",
        )


def _period(
    checker: PlanChecker, schedule: Document, t: int, period: Document
) -> Iterator[Finding]:
    """Check one period: its nodes, what they cost, and that its pools serve its load."""
    where = f"period {t}"
    paid: dict[str, int] = defaultdict(int)
    for c in schedule["commitments"]:
        if c["first_month"] <= period["month"] <= c["last_month"]:
            paid[c["offer_id"]] += c["nodes"]
    before = _before(schedule["periods"], t)
    cost: dict[str, Fraction] = dict.fromkeys(PARTS, Fraction(0))
    stated = {n["offer_id"]: n for n in period["nodes"]}
    yield unless(len(stated) == len(period["nodes"]), f"{where}: an offer is stated twice")
    yield unless(set(paid) <= set(stated), f"{where}: a commitment is not paid for")
    gpus = 0
    bought = []
    for name, item in stated.items():
        offer, have, used = checker.offers.get(name), item["nodes"], item["in_use"]
        if offer is None:
            yield f"{where}: {name!r} is not in the catalogue"
            continue
        gpus += offer.gpus_per_node * have
        hourly = Fraction(offer.hourly_usd_at(have))
        yield unless(0 <= used <= have, f"{where}: {used} of {have} nodes of {name} are in use")
        if offer.pricing == "committed":
            yield unless(have == paid[name], f"{where}: {paid[name]} nodes of {name} are committed")
        else:
            yield from _rented(checker, where, item)
            started = have - before.get(name, have) if before is not None else 0
            yield unless(item["started"] == max(started, 0), f"{where}: {started} of {name} start")
            hours = max(len(period["hours"]), 1)
            cost["starts"] += hourly * max(started, 0) * Fraction(schedule["startup_h"]) / hours
        cost[offer.pricing] += hourly * have
        cost["idle"] += hourly * (have - used)
        bought.append({"offer_id": name, "nodes": used, "cost_per_hour_usd": float(hourly * used)})
    for part, value in cost.items():
        yield _same(f"{where}: {part}", period[f"{part}_usd_per_hour"], float(value))
    total = float(sum(cost.values()) - cost["idle"])
    yield _same(f"{where}: the cost", period["cost_per_hour_usd"], total)
    yield unless(period["gpus"] == gpus, f"{where}: {gpus} accelerators are there")
    yield from _serves(checker, period, [b for b in bought if b["nodes"]])


def _before(periods: Sequence[Document], t: int) -> dict[str, int] | None:
    """Return the nodes of the period before one in the cycle of its month."""
    cycle = [i for i, p in enumerate(periods) if p["month"] == periods[t]["month"]]
    if len(cycle) == 1:
        return None
    last = periods[cycle[cycle.index(t) - 1]]
    found: dict[str, int] = defaultdict(int, {n["offer_id"]: n["nodes"] for n in last["nodes"]})
    return {n["offer_id"]: found[n["offer_id"]] for n in periods[t]["nodes"]}


def _rented(checker: PlanChecker, where: str, item: Document) -> Iterator[Finding]:
    """Check an offer that is no commitment: filters, dates, minimum and stock."""
    name, have = item["offer_id"], item["nodes"]
    offer = checker.offers[name]
    day = dt.date.fromisoformat(checker.document["catalog"]["as_of"])
    yield checker.passes_filters(name)
    yield unless(offer.on_sale(day), f"{name} is not on sale on {day}")
    yield unless(have >= offer.min_nodes, f"{where}: {name}: below its minimum")
    yield unless(
        offer.stock is None or have <= offer.stock,
        f"{where}: {have} nodes of {name} are more than its stock",
    )


def _serves(
    checker: PlanChecker, period: Document, bought: Sequence[Document]
) -> Iterator[Finding]:
    """Check the pools of a period as those of a plan at its rates."""
    view = {
        **checker.document,
        "pools": period["pools"],
        "purchases": bought,
        "classes": period["classes"],
        "schedule": None,
    }
    own = checker.of(view, checker.workload.at_rates(period["factor"]))
    malformed = list(own.malformed())
    yield from malformed
    if not any(f is not None for f in malformed):
        yield from own.serving()
        yield from stated_pools(view, own.workload, own.offers)


def _totals(document: Document, schedule: Document) -> Iterator[Finding]:
    """Check averages over the periods, and the plan's own figures: those of the peak."""
    periods = schedule["periods"]
    for name in ("cost", *PARTS):
        field = f"{name}_usd_per_hour" if name != "cost" else "cost_per_hour_usd"
        average = sum(Fraction(p["share"]) * Fraction(p[field]) for p in periods)
        yield _same(f"the average of {field}", schedule[field], float(average))
    cost = schedule["cost_per_hour_usd"]
    hours = schedule["months"] * HOURS_PER_MONTH
    yield _same("the cost of the horizon", schedule["cost_usd"], cost * hours)
    yield unless(
        document["cost_per_hour_usd"] == cost,
        f"schedule: an average hour costs ${cost}, not ${document['cost_per_hour_usd']}",
    )
    yield unless(
        document["cost_per_month_usd"] == round(cost * HOURS_PER_MONTH, 2),
        f"{HOURS_PER_MONTH} hours cost ${cost * HOURS_PER_MONTH:.2f}",
    )
    peak = max(periods, key=lambda p: float(p["factor"]))
    yield unless(document["pools"] == peak["pools"], "the pools are not those of the peak")
    bought = {p["offer_id"]: p["nodes"] for p in document["purchases"]}
    there = {n["offer_id"]: n["nodes"] for n in peak["nodes"]}
    yield unless(bought == there, "the purchases are not those of the peak")
    idle = peak["gpus"] - sum(p["gpus"] for p in peak["pools"])
    yield unless(
        (document["gpus"], document["gpus_idle"]) == (peak["gpus"], idle),
        f"{peak['gpus']} accelerators are there at the peak, {idle} of them idle",
    )
