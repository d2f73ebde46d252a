"""Small instances beside a running fleet, and the cheapest change by enumeration.

Replicas of each candidate on each offer are enumerated; nodes are the fewest that hold them, found
by trying every way to place their groups. Nothing of the program is read.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

from brute_force import _load, _may_serve, _serves, _traffic, accepts, holds
from hypothesis import strategies as st
from small_instances import instances

from solver.change import Change, kind_of
from solver.instance import Caps, Instance

MOST_CASES = 6000
"""Fleets that one example enumerates at most."""


def places_of(case: Instance) -> list[tuple[int, int]]:
    """Return where replicas can be: (candidate, offer)."""
    return [
        (c, o)
        for c, candidate in enumerate(case.candidates)
        for o, offer in enumerate(case.offers)
        if accepts(offer, candidate)
    ]


def most_of(case: Instance, running: dict[int, int]) -> list[int]:
    """Return the most replicas of each candidate that are of use, or run."""
    spare = case.caps.spare_replicas
    return [
        max(math.ceil(max(_load(case, c), _traffic(case, c)) - 1e-9) + spare, running.get(i, 0))
        for i, c in enumerate(case.candidates)
    ]


def fewest_nodes(case: Instance, o: int, hosted: dict[int, int]) -> int | None:
    """Return the fewest nodes of an offer that hold replicas (candidate → how many)."""
    wanted = [(case.candidates[c], n) for c, n in hosted.items() if n]
    if not wanted:
        return 0
    offer = case.offers[o]
    top = sum(n * c.groups for c, n in wanted)
    top = max(top, offer.min_nodes)
    for nodes in range(offer.min_nodes, top + 1):
        if offer.stock is not None and nodes > offer.stock:
            return None
        if holds((offer,), [nodes], wanted):
            return nodes
    return None


def cheapest_change(case: Instance) -> float | None:
    """Return the least of cost, idle commitments and change over H (USD/h); None if no fleet is."""
    change = case.change
    assert change is not None
    places = places_of(case)
    kinds: dict[int, int] = defaultdict(int)
    for (kind, _), n in change.pools.items():
        for i, c in enumerate(case.candidates):
            if kind_of(c) == kind:
                kinds[i] += n
    most = most_of(case, kinds)
    best = math.inf
    nodes_known: dict[Any, int | None] = {}
    serving: dict[tuple[int, ...], bool] = {}
    for counts in itertools.product(*(range(most[c] + 1) for c, _ in places)):
        totals = [0] * len(case.candidates)
        for (c, _), n in zip(places, counts, strict=True):
            totals[c] += n
        if any(n > m for n, m in zip(totals, most, strict=True)):
            continue
        whole = tuple(totals)
        if whole not in serving:
            serving[whole] = _may_serve(case, whole) and _serves(case, whole)
        if not serving[whole]:
            continue
        nodes = []
        for o in range(len(case.offers)):
            hosted = {c: n for (c, at), n in zip(places, counts, strict=True) if at == o and n}
            key = o, tuple(hosted.items())
            if key not in nodes_known:
                nodes_known[key] = fewest_nodes(case, o, hosted)
            nodes.append(nodes_known[key])
        if any(n is None for n in nodes):
            continue
        best = min(best, charged(case, places, counts, [n or 0 for n in nodes]))
    return None if best == math.inf else best


def charged(case: Instance, places: Any, counts: Any, nodes: list[int]) -> float:
    """Return what one fleet is charged; infinite where it breaks a limit of the whole fleet."""
    change, caps = case.change, case.caps
    assert change is not None
    prices = [float(o.hourly_usd) for o in case.offers]
    cost = sum(p * n for p, n in zip(prices, nodes, strict=True))
    gpus = sum(o.gpus_per_node * n for o, n in zip(case.offers, nodes, strict=True))
    if caps.max_gpus is not None and gpus > caps.max_gpus:
        return math.inf
    if caps.max_cost_per_hour_usd is not None and cost > caps.max_cost_per_hour_usd + 1e-9:
        return math.inf
    bought = {o.offer_id: n for o, n in zip(case.offers, nodes, strict=True)}
    idle = overlap = 0.0
    for name in {*change.nodes, *change.sunk}:
        ran, sunk, now = change.nodes.get(name, 0), change.sunk.get(name, 0), bought.get(name, 0)
        price = change.price_usd[name]
        idle += price * max(sunk - now, 0)
        overlap += change.overlap_h * price * max(ran - max(sunk, now), 0)
    pools: dict[Any, int] = defaultdict(int)
    for (c, o), n in zip(places, counts, strict=True):
        pools[kind_of(case.candidates[c]), case.offers[o].offer_id] += n
    removed = sum(max(n - pools.get(q, 0), 0) for q, n in change.pools.items())
    changed = sum(pools.get(q, 0) != change.pools.get(q, 0) for q in {*pools, *change.pools})
    rules = change.rules
    if rules is not None:
        if rules.most_usd is not None and cost + idle > rules.most_usd + 1e-9:
            return math.inf
        if rules.per_replica_usd is not None:
            saved = rules.running_usd - cost - idle
            if saved < rules.per_replica_usd * removed - 1e-9:
                return math.inf
    return cost + idle + (overlap + change.pool_usd * changed) / change.payback_h


@st.composite
def running_fleets(draw: st.DrawFn, split: bool = False) -> Instance:
    """Small instances with a fleet that runs, whether or not it still serves the load."""
    case = draw(instances(max_candidates=2 if split else 3, split=split))
    case = replace(case, offers=case.offers[:3])
    caps = Caps(
        max_gpus=case.caps.max_gpus,
        max_cost_per_hour_usd=case.caps.max_cost_per_hour_usd,
        spare_replicas=min(case.caps.spare_replicas, 1),
        max_quality_loss_pct=case.caps.max_quality_loss_pct,
    )
    case = replace(case, caps=caps)
    places = places_of(case)
    pools: dict[Any, int] = defaultdict(int)
    nodes: dict[str, int] = {}
    hosted: dict[int, dict[int, int]] = defaultdict(dict)
    for c, o in places:
        n = draw(st.sampled_from((0, 0, 1, 2)))
        if n:
            pools[kind_of(case.candidates[c]), case.offers[o].offer_id] += n
            hosted[o][c] = n
    for o, group in hosted.items():
        free = replace(case, offers=tuple(replace(x, stock=None) for x in case.offers))
        nodes[case.offers[o].offer_id] = fewest_nodes(free, o, group) or 1
    # What runs is there, whatever else can be had: as `solver.replan.running.as_it_runs` has it.
    offers = tuple(
        o
        if o.stock is None or o.offer_id not in nodes
        else replace(o, stock=max(o.stock, nodes[o.offer_id]))
        for o in case.offers
    )
    sunk = {
        o.offer_id: n
        for o in offers
        if (n := draw(st.sampled_from((0, 0, 0, 1, 2)))) and (o.stock is None or o.stock >= n)
    }
    payback = draw(st.sampled_from((4.0, 24.0)))
    kinds = {kind for kind, _ in pools}
    change = Change(
        pools=dict(pools),
        nodes=nodes,
        sunk=sunk,
        price_usd={o.offer_id: float(o.hourly_usd) for o in offers},
        payback_h=payback,
        overlap_h=draw(st.sampled_from((0.0, 1.0, 3.0))),
        pool_usd=draw(st.sampled_from((0.0, 5.0, 40.0))),
        candidates=tuple(c for c in case.candidates if kind_of(c) in kinds),
    )
    return replace(case, offers=offers, change=change)


def few_enough(case: Instance) -> bool:
    """Whether enumeration takes no time."""
    kinds = case.change.kinds if case.change else {}
    running = {i: kinds.get(kind_of(c), 0) for i, c in enumerate(case.candidates)}
    most = most_of(case, running)
    return math.prod(most[c] + 1 for c, _ in places_of(case)) <= MOST_CASES
