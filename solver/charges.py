"""What a fleet is charged by its objective, and what it draws and emits, as the plan shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from solver.assemble import rounded
from solver.change import Change
from solver.fleet import Fleet
from solver.footprint import Footprint
from solver.market import by_location
from solver.objective import Objective
from solver.power import WATTS_PER_KW, fleet_power_w
from solver.problem import Problem

DIGITS = 10
"""Significant digits of energy and carbon."""


def footprint_of(problem: Problem) -> Footprint:
    """Return how the workload of a problem wants energy and carbon counted."""
    return Footprint.of(problem.workload.objective, problem.catalog.accelerators)


def charges_of(problem: Problem, fleet: Fleet) -> dict[str, Any]:
    """Return the objective of a plan, and its power, energy and carbon; None where not known."""
    offers = [(fleet.instance.offers[o], nodes) for o, nodes in fleet.nodes.items()]
    watts = fleet_power_w(offers, problem.catalog.accelerators)
    footprint = footprint_of(problem)
    energy, carbon = (
        None if watts is None else rounded(fleet.value(Objective(name, footprint)), DIGITS)
        for name in ("energy", "carbon")
    )
    return {
        "objective": objective_entry(problem, fleet),
        "power_kw": None if watts is None else rounded(watts / WATTS_PER_KW, DIGITS),
        "energy_kwh_per_hour": energy,
        "carbon_kg_per_hour": carbon,
        "change": change_entry(fleet),
    }


def change_entry(fleet: Fleet) -> dict[str, Any] | None:
    """Return what a plan says of the change from a running fleet; None without one."""
    change, bill = fleet.instance.change, fleet.bill
    if change is None or bill is None:
        return None
    return {
        "payback_h": change.payback_h,
        "overlap_h": change.overlap_h,
        "cost_per_changed_pool_usd": change.pool_usd,
        "leaving": _nodes(bill.leaving, change),
        "idle_committed": _nodes(bill.idle, change),
        "pools_changed": bill.pools_changed,
        "overlap_usd": bill.overlap_usd,
        "fixed_usd": bill.fixed_usd,
        "total_usd": bill.total_usd,
        "spread_per_hour_usd": bill.per_hour_usd,
        "idle_committed_per_hour_usd": bill.idle_usd,
        "within_rules": change.rules is not None,
    }


def _nodes(counts: Mapping[str, int], change: Change) -> list[dict[str, Any]]:
    return [
        {"offer_id": name, "nodes": n, "price_per_node_hour_usd": change.price_usd[name]}
        for name, n in sorted(counts.items())
    ]


def objective_entry(problem: Problem, fleet: Fleet | None) -> dict[str, Any]:
    """Return what is made smallest, and its value."""
    first, *rest = problem.order
    return {
        "minimize": first.name,
        "unit": first.unit,
        "value": None if fleet is None else fleet.value(first),
        "then": rest[0].name if rest else None,
        "maximize": problem.workload.objective.maximize,
    }


def footprint_rules(problem: Problem, fleet: Fleet | None) -> dict[str, Any]:
    """Return how energy and carbon were counted, with the grid of every region bought from."""
    footprint = footprint_of(problem)
    offers = [] if fleet is None else [fleet.instance.offers[o] for o in fleet.nodes]
    grids = []
    for (provider, region), _ in sorted(by_location(offers).items()):
        zone = footprint.grid.at(provider, region)
        grids.append(
            {
                "provider": provider,
                "region": region,
                "zone": zone.zone,
                "gco2e_per_kwh": zone.gco2e_per_kwh,
                "year": zone.year,
                "source": zone.source,
                "default": footprint.grid.is_default(provider, region),
            }
        )
    return {
        "pue": footprint.pue,
        "idle_power_share": footprint.idle_share,
        "utilization": "load: the share of what replicas admit within their targets that is sent",
        "power": "board power of accelerators; hosts and switches are not counted",
        "grids": grids,
    }
