"""The steps of a decision: the ground on which the two fleets meet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from data.catalog import Catalog
from data.offers import Offer
from solver.change import PoolKey, kind_of
from solver.instance import Instance
from solver.market import location_of
from solver.plan import Plan
from solver.power import WATTS_PER_KW
from solver.replan.coverage import Coverage, Group
from solver.replan.kinds import Kinds
from solver.replan.policy import Policy
from solver.replan.running import Running
from solver.replan.steps import Ground, Seat, staged
from solver.replan.weigh import Weighed
from solver.workload import Hardware


def most_per_step(policy: Policy, running: int, proposed: int) -> int:
    """Return the most replicas that one step replaces."""
    part = policy.max_step_pct / 100 * max(running, proposed)
    return max(1, math.floor(part + 1e-9))


def steps_of(
    weighed: Weighed, plan: Plan, kinds: Kinds, policy: Policy
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the steps from the running fleet to a proposed one, and what to know of them."""
    running, fleet = weighed.running, weighed.fleet
    instance = fleet.instance
    own = _rated(instance, kinds)
    coverage = Coverage(instance, [*own, *(instance.candidates[c] for c in fleet.replicas)])
    offers = _offers(weighed.problem.catalog, running, fleet.nodes_by_id)
    seats = {**_new_seats(weighed, plan), **_running_seats(kinds, running)}
    places = {key: location_of(offers[key[1]]) for key in seats if key not in kinds.places}
    groups = {
        key: coverage.group_of(key[0], place) for key, place in {**places, **kinds.places}.items()
    }

    def carries(pools: Mapping[PoolKey, int]) -> Mapping[str, float]:
        found: dict[Group, int] = {}
        for key, n in pools.items():
            group = groups[key]
            if group is not None and n:
                found[group] = found.get(group, 0) + n
        return coverage.by_class(found)

    ground = Ground(
        seats=seats,
        offers=offers,
        gone_nodes=_gone(running, offers),
        headroom=weighed.problem.workload.hardware.spot_headroom,
        limits=lambda nodes: _broken(nodes, offers, weighed),
        carries=carries,
    )
    proposed = fleet.pools
    most = most_per_step(policy, running.replicas, sum(proposed.values()))
    return staged(kinds.pools, proposed, ground, most)


def _rated(instance: Instance, kinds: Kinds) -> Iterator[Any]:
    """Yield the running candidates at the rates that the plan tightened them to."""
    from dataclasses import replace

    alone = replace(
        instance,
        candidates=kinds.candidates,
        rater=None,
        ceilings=None,
        factors={**kinds.factors, **instance.factors},
    )
    yield from alone.rated().candidates


def _offers(catalog: Catalog, running: Running, bought: Mapping[str, int]) -> dict[str, Offer]:
    """Return the offers of both fleets, price steps included."""
    known = {o.offer_id: o for o in catalog.offers}
    names = {*bought, *running.nodes}
    return {n: known[n] for n in names if n in known and (n in bought or n in running.offers)}


def _running_seats(kinds: Kinds, running: Running) -> dict[PoolKey, Seat]:
    by_name = {p["name"]: p for p in running.pools}
    found = {}
    for key in kinds.pools:
        pool = by_name[kinds.names[key]]
        crosses = bool(pool["cross_node"])
        size = pool["tp"] if crosses else pool["tp"] * pool["pp"]
        found[key] = Seat(pool["name"], key[1], size, pool["pp"] if crosses else 1)
    return found


def _new_seats(weighed: Weighed, plan: Plan) -> dict[PoolKey, Seat]:
    fleet = weighed.fleet
    found: dict[PoolKey, Seat] = {}
    for placed, pool in zip(fleet.placements, plan.pools, strict=True):
        candidate = fleet.instance.candidates[placed.candidate]
        key = kind_of(candidate), pool.offer_id
        seat = Seat(pool.name, pool.offer_id, candidate.group_size, candidate.groups)
        found.setdefault(key, seat)
    return found


def _gone(running: Running, offers: Mapping[str, Offer]) -> dict[str, tuple[int, int, float]]:
    """Return what is known of running nodes whose offer is not in the catalogue."""
    used: dict[str, int] = {}
    for pool in running.pools:
        used[pool["offer_id"]] = used.get(pool["offer_id"], 0) + int(pool["gpus"])
    return {
        name: (n, max(used.get(name, 1), 1), running.hourly_usd(name))
        for name, n in running.nodes.items()
        if name not in offers
    }


def _broken(
    nodes: Mapping[str, int], offers: Mapping[str, Offer], weighed: Weighed
) -> Iterator[str]:
    """Yield the limits that nodes break while both fleets are there in part."""
    hardware: Hardware = weighed.problem.workload.hardware
    known = [(offers[name], n) for name, n in nodes.items() if name in offers]
    for offer, n in known:
        if offer.stock is not None and n > offer.stock:
            yield f"it needs more nodes of {offer.offer_id} than its stock of {offer.stock}"
    gpus = sum(o.gpus_per_node * n for o, n in known)
    if hardware.max_gpus is not None and gpus > hardware.max_gpus:
        yield f"it needs more accelerators than hardware.max_gpus {hardware.max_gpus}"
    cost = sum(float(o.hourly_usd_at(n)) * n for o, n in known)
    budget = hardware.max_cost_per_hour_usd
    if budget is not None and cost > budget * (1 + 1e-9):
        yield f"it costs more than hardware.max_cost_per_hour_usd {budget:g} for a time"
    if hardware.max_power_kw is not None:
        chips = weighed.problem.catalog.accelerators
        watts = sum(
            (chips[o.accelerator].tdp_w or 0.0) * o.gpus_per_node * n
            for o, n in known
            if o.accelerator in chips
        )
        if watts > WATTS_PER_KW * hardware.max_power_kw * (1 + 1e-9):
            yield f"it draws more than hardware.max_power_kw {hardware.max_power_kw:g}"
