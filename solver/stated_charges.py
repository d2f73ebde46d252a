"""Power, energy, carbon and objective of a plan document, recomputed from pools and purchases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.accelerators import Accelerator
from data.grid import GridFactors
from data.offers import Offer
from solver.pool_checker import Finding, unless
from solver.workload import Workload

SLACK = 1e-6
"""How far a figure may be from the one recomputed, as a part of it."""

Document = Mapping[str, Any]


def charge_findings(
    document: Document,
    workload: Workload,
    offers: Mapping[str, Offer],
    accelerators: Mapping[str, Accelerator],
) -> Iterator[Finding]:
    """Compare every figure of power, energy, carbon and the objective with what it follows from."""
    if "objective" not in document:
        return  # a plan of before these figures were stated
    spec = workload.objective
    rated, energy, carbon = _charges(document, workload, offers, accelerators)
    yield _same("the accelerators' board power (kW)", document["power_kw"], rated)
    yield _same("the energy of an hour (kWh)", document["energy_kwh_per_hour"], energy)
    yield _same("the carbon of an hour (kg)", document["carbon_kg_per_hour"], carbon)
    objective, then = document["objective"], (*spec.order, None)[1]
    yield unless(
        objective["minimize"] == spec.minimize and objective["then"] == then,
        f"the workload wants {spec.minimize} smallest, not {objective['minimize']!r}",
    )
    change = document.get("change")
    if change is not None:
        yield from _change(change)
    values = {
        "cost": document["cost_per_hour_usd"] + _changing_usd(change),
        "gpus": document["gpus"],
        "energy": energy,
        "carbon": carbon,
    }
    yield _same(f"its {spec.minimize}", objective["value"], values[spec.minimize])
    certificate = document.get("certificate") or {}
    if certificate.get("then") is not None and then is not None:
        yield _same(f"its {then}", certificate["then"]["objective"], values[then])


def _changing_usd(change: Document | None) -> float:
    """Return what an objective of cost counts beside the cost: the change, and what idles."""
    if change is None:
        return 0.0
    return float(change["spread_per_hour_usd"]) + float(change["idle_committed_per_hour_usd"])


def _change(change: Document) -> Iterator[Finding]:
    """Compare the figures of a change from a running fleet with what they follow from."""
    leaving, idle = (
        sum(entry["nodes"] * entry["price_per_node_hour_usd"] for entry in change[name])
        for name in ("leaving", "idle_committed")
    )
    overlap, fixed = change["overlap_usd"], change["fixed_usd"]
    yield _same("the cost of the overlap", overlap, change["overlap_h"] * leaving)
    each = change["cost_per_changed_pool_usd"]
    yield _same("the cost of changed pools", fixed, each * change["pools_changed"])
    yield _same("the cost of the change", change["total_usd"], overlap + fixed)
    yield _same(
        "the change an hour",
        change["spread_per_hour_usd"],
        change["total_usd"] / change["payback_h"],
    )
    yield _same("what commitments cost idle", change["idle_committed_per_hour_usd"], idle)


def _charges(
    document: Document,
    workload: Workload,
    offers: Mapping[str, Offer],
    accelerators: Mapping[str, Accelerator],
) -> tuple[float | None, float | None, float | None]:
    """Return rated power (kW), energy (kWh/h) and carbon (kg/h); None where one is not known."""
    spec = workload.objective
    given, share = spec.grid_gco2e_per_kwh, spec.idle_power_share
    grid = GridFactors(given.default, given.by_region)
    rates = {c.name: c.rate_rps for c in workload.classes}
    rated = energy = carbon = 0.0
    parts: list[tuple[Offer, float, float]] = []
    for item in document["purchases"]:
        offer = offers.get(item["offer_id"])
        if offer is not None:
            parts.append((offer, float(item["nodes"] * offer.gpus_per_node), share))
    for pool in document["pools"]:
        load = sum(s * rates[name] / pool["admits_rps"][name] for name, s in pool["serves"].items())
        parts.append((offers[pool["offer_id"]], load * pool["tp"] * pool["pp"], 1 - share))
    for number, (offer, accelerators_used, part) in enumerate(parts):
        chip = accelerators.get(offer.accelerator)
        if chip is None or chip.tdp_w is None:
            return None, None, None
        board = accelerators_used * chip.tdp_w / 1000
        rated += board if number < len(document["purchases"]) else 0.0
        drawn = spec.pue * board * part
        energy += drawn
        carbon += drawn * grid.at(offer.provider, offer.region).gco2e_per_kwh / 1000
    return rated, energy, carbon


def _same(what: str, stated: float | None, again: float | None) -> Finding:
    if stated is None or again is None:
        return unless(stated is again, f"{what} is {again}, not {stated}")
    near = abs(stated - again) <= SLACK * max(abs(stated), abs(again), SLACK)
    return unless(near, f"{what} is {again:.8g}, not {stated:.8g}")
