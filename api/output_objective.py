"""What a plan makes smallest, in words, and what its fleet draws and emits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from api.output import num, usd

if TYPE_CHECKING:
    from solver.plan import Plan

PROVEN = {
    "cost": "no cheaper fleet exists",
    "gpus": "no fleet has fewer accelerators",
    "energy": "no fleet takes less energy",
    "carbon": "no fleet emits less",
}
"""What is proven of a plan, by what it makes smallest."""

NOT_PROVEN = {
    "cost": "a cheaper fleet may exist",
    "gpus": "a fleet of fewer accelerators may exist",
    "energy": "a fleet that takes less energy may exist",
    "carbon": "a fleet that emits less may exist",
}

AMONG = {
    "cost": "none that is equal in that is cheaper",
    "gpus": "none that is equal in that has fewer accelerators",
    "energy": "none that is equal in that takes less energy",
    "carbon": "none that is equal in that emits less",
}
"""What is proven of a plan among fleets equal by what comes first."""


def rates_line(plan: Plan, name: str) -> str:
    """Return what the plan is for: the rates of a workload, or the multiple of them it serves."""
    rates = sum(c["rate_rps"] for c in plan.workload["classes"])
    if plan.schedule is not None:
        factors = [p["factor"] for p in plan.schedule["periods"]]
        low, high = num(rates * min(factors)), num(rates * max(factors))
        return f"{low} to {high} requests/s of {name}"
    if plan.load is None and plan.objective.get("maximize") is not None:
        return f"no part of the rates of {name}"
    if plan.load is None:
        return f"{num(rates)} requests/s of {name}"
    return f"{num(rates)} requests/s: {num(plan.load['factor'], 6)} × the rates of {name}"


def batch_lines(plan: Plan) -> Iterator[str]:
    """Yield what a batch costs in all, and when it is done."""
    batch = plan.batch
    if batch is None:
        return
    parts = [f"{usd(batch['cost_usd'])} in all"]
    if batch["cost_per_million_output_tokens_usd"] is not None:
        parts.append(f"${batch['cost_per_million_output_tokens_usd']:,.3g} per M output tokens")
    if batch["cost_per_million_tokens_usd"] is not None:
        parts.append(f"${batch['cost_per_million_tokens_usd']:,.3g} per M tokens")
    yield " · ".join(parts)
    yield (
        f"{num(sum(batch['requests'].values()))} requests drained in {num(batch['finish_h'])} h, "
        f"{num(batch['billed_hours'])} h paid for; the deadline is at {num(batch['deadline_h'])} h"
    )


def batch_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield how far the total of a batch is proven over all durations."""
    batch = plan.batch
    if batch is not None:
        below = (
            "no bound" if batch["bound_usd"] is None else f"nothing below {usd(batch['bound_usd'])}"
        )
        yield (
            "hours",
            f"{usd(batch['cost_usd'])} in all, {below} for any of {batch['durations']} durations; "
            f"{batch['programs']} programs",
        )


def load_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield how far the factor of a plan for the most load is proven, and the next step."""
    load = plan.load
    if load is None:
        return
    upper, step = load["none_from_factor"], load["next_step"]
    proof = "no proof of the most" if upper is None else f"proven that none carries {upper:.6g} ×"
    yield "load", f"{load['factor']:.6g} × carried, {proof}; {load['programs']} programs"
    if step is not None:
        second = step["second_engine"]
        confirmed = f"; {second['engine']} agrees" if second and second["agrees"] else ""
        yield "next", f"{step['factor']:.6g} × takes {usd(step['cost_per_hour_usd'])}/h{confirmed}"


def verdict(plan: Plan) -> str:
    """Return what is proven of a plan with a fleet, or what is not."""
    if plan.batch is not None:
        if plan.status == "optimal":
            return "Proven: no fleet drains it for less, however many hours it takes."
        return "Not proven: a fleet may drain it for less."
    if plan.load is not None:
        if plan.status == "optimal":
            return "Proven: no fleet within the limits serves more; none that does is cheaper."
        return "Not proven: a fleet within the limits may serve more."
    if plan.schedule is not None:
        if plan.status == "optimal":
            return "Proven: no commitments and fleets serve these rates for less."
        return "Not proven: other commitments or fleets may serve these rates for less."
    if plan.change is not None:
        if plan.status == "optimal":
            return "Proven: with the change from the running fleet, no other fleet is cheaper."
        return "Not proven: with the change from the running fleet, another may be cheaper."
    aim = plan.objective.get("minimize", "cost")
    then = plan.objective.get("then")
    if plan.status != "optimal":
        return f"Not proven: {NOT_PROVEN[aim]}."
    return f"Proven: {PROVEN[aim]}" + (f"; {AMONG[then]}." if then else ".")


def drawn(plan: Plan) -> Iterator[str]:
    """Yield what is known of power, energy and carbon of a fleet."""
    if plan.power_kw is not None:
        yield f"{num(plan.power_kw)} kW of board power"
    if plan.energy_kwh_per_hour is not None:
        yield f"{num(plan.energy_kwh_per_hour)} kWh an hour"
    if plan.carbon_kg_per_hour is not None:
        yield f"{num(plan.carbon_kg_per_hour)} kg CO2e an hour"
