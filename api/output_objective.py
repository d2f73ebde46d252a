"""What a plan makes smallest, in words, and what its fleet draws and emits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from api.output import num

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


def verdict(plan: Plan) -> str:
    """Return what is proven of a plan with a fleet, or what is not."""
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
