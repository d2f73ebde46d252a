"""What each accelerator would be charged alone: a fleet of one configuration, and a lower bound.

Costs here are what the instance's objective charges, in its unit.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from solver.instance import Instance
from solver.screening import fractional_prices

Floats = NDArray[np.float64]

CostsAlone = Mapping[str, tuple[float | None, float]]
"""Accelerator → cost of a fleet of one configuration (None: none serves all), lower bound."""

RATED = 4
"""Prospects of each accelerator that are rated for all classes, likeliest first."""


def costs_alone(instance: Instance) -> CostsAlone:
    """Return (cost of a fleet of one configuration, lower bound of any fleet) by accelerator.

    Only accelerators that can serve every class are listed. The configuration is the cheapest
    there is, or of prospects the cheapest of the `RATED` that look it; None if none serves all.
    """
    share_usd = fractional_prices(instance).share_usd
    chips = np.array([c.shape.accelerator.name for c in instance.candidates])
    bounds = {}
    for name in sorted(set(chips)):
        members = np.nonzero(chips == name)[0]
        bound = float(_least_shares(instance, share_usd[:, members], members).sum())
        if np.isfinite(bound):
            nodes = (instance.objective.node(o) for o in instance.offers if o.accelerator == name)
            bounds[name] = max(bound, min(nodes))
    costs = _costs_of_one(instance)
    if any(c.prospect is not None for c in instance.candidates):
        likely = np.zeros(len(chips), dtype=bool)
        for name in bounds:
            members = np.nonzero(chips == name)[0]
            likely[members[np.argsort(costs[members], kind="stable")[:RATED]]] = True
        instance = instance.keep(likely & np.isfinite(costs)).rated()
        chips = np.array([c.shape.accelerator.name for c in instance.candidates])
        costs = _costs_of_one(instance)
    found = {}
    for name, bound in bounds.items():
        least = float(costs[chips == name].min(initial=np.inf))
        found[name] = (least if np.isfinite(least) else None, bound)
    return found


def _least_shares(instance: Instance, share_usd: Floats, members: NDArray[np.intp]) -> Floats:
    """Return the least cost of each class on some candidates: whole, or prefill and decode."""
    whole, prefill = instance.pair_codes[members] < 0, instance.prefills[members]
    aggregated, first, second = (
        share_usd[:, chosen].min(axis=1, initial=np.inf)
        for chosen in (whole, prefill, ~whole & ~prefill)
    )
    return np.asarray(np.minimum(aggregated, first + second))


def _costs_of_one(instance: Instance) -> Floats:
    """Return the cost of serving everything on one aggregated candidate and one offer.

    Infinite where that cannot be; shape (candidates,).
    """
    rates = np.array(instance.rates_rps)[:, None]
    with np.errstate(divide="ignore"):
        loads = (rates / instance.capacity_rps).sum(axis=0)
    loads = np.where(instance.pair_codes < 0, loads, np.inf)
    replicas = np.ceil(loads * (1 - 1e-9)) + instance.caps.spare_replicas
    costs = np.full(len(loads), np.inf)
    for key, (group, fitting) in instance.hosts.items():
        members = np.array(group)
        for o in fitting:
            offer = instance.offers[o]
            per_node = offer.gpus_per_node // key.group_size
            nodes = np.maximum(np.ceil(replicas[members] * key.groups / per_node), offer.min_nodes)
            most = np.inf if offer.stock is None else offer.stock
            enough = np.isfinite(nodes) & (nodes <= most)
            objective = instance.objective
            busy = objective.busy(offer) * key.group_size * key.groups
            cost = np.full(len(members), np.inf)
            cost[enough] = objective.node(offer) * nodes[enough] + busy * loads[members][enough]
            costs[members] = np.minimum(costs[members], cost)
    return costs
