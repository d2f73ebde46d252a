"""The limits of the whole fleet, checked on a plan: accelerators, power, providers, cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from data.accelerators import Accelerator
from data.offers import Offer
from solver.pool_checker import LOAD_TOLERANCE, Finding, unless
from solver.power import WATTS_PER_KW, node_power_w
from solver.workload import Hardware


def limit_findings(
    document: Mapping[str, Any],
    hardware: Hardware,
    offers: Mapping[str, Offer],
    accelerators: Mapping[str, Accelerator],
) -> Iterator[Finding]:
    """Evaluate the limits of ``hardware`` on what a plan document buys.

    Parameters
    ----------
    offers
        Those of the catalogue by id; purchases of others are left to the rest of the checker.
    """
    bought = [
        (offers[item["offer_id"]], item["nodes"])
        for item in document["purchases"]
        if item["offer_id"] in offers
    ]
    gpus = sum(offer.gpus_per_node * nodes for offer, nodes in bought)
    yield unless(document["gpus"] == gpus, f"{gpus} accelerators are bought")
    yield unless(
        hardware.max_gpus is None or gpus <= hardware.max_gpus,
        f"{gpus} accelerators are more than max_gpus {hardware.max_gpus}",
    )
    if hardware.max_power_kw is not None:
        yield from _power(bought, hardware.max_power_kw, accelerators)
    providers = {offer.provider for offer, _ in bought}
    yield unless(
        hardware.max_providers is None or len(providers) <= hardware.max_providers,
        f"{len(providers)} providers are more than max_providers {hardware.max_providers}",
    )
    budget, cost = hardware.max_cost_per_hour_usd, document["cost_per_hour_usd"]
    yield unless(
        budget is None or Fraction(cost) <= Fraction(budget) + LOAD_TOLERANCE,
        f"${cost} an hour is more than the budget of ${budget}",
    )


def _power(
    bought: list[tuple[Offer, int]], most_kw: float, accelerators: Mapping[str, Accelerator]
) -> Iterator[Finding]:
    """The rated power of everything bought is known, and within the limit."""
    total_w = Fraction(0)
    for offer, nodes in bought:
        each = node_power_w(offer, accelerators)
        yield unless(
            each is not None,
            f"the power of {offer.accelerator} is not published, but max_power_kw is set",
        )
        total_w += Fraction(each or 0.0) * nodes
    yield unless(
        total_w <= Fraction(most_kw) * WATTS_PER_KW * (1 + LOAD_TOLERANCE),
        f"{float(total_w / WATTS_PER_KW):g} kW are more than max_power_kw {most_kw:g}",
    )
