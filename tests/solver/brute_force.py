"""The cheapest fleet of a small instance by enumeration, written apart from the program.

Replica counts are enumerated, and for each vector that can serve the classes the node counts,
cheapest first. Whether replicas can serve is a linear program over the shares; whether nodes can
hold them is found by trying every way to put their groups into the nodes.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import linprog

from data.offers import Offer
from solver.candidates import Candidate
from solver.instance import Instance

Counts = tuple[int, ...]


def cheapest_cost(instance: Instance) -> float | None:
    """Return the cost of the cheapest fleet (USD/h); None if there is none."""
    best = math.inf
    for replicas in smallest_fleets(instance):
        best = min(best, cheapest_nodes(instance, replicas, best))
    return best if best < math.inf else None


def smallest_fleets(instance: Instance) -> list[Counts]:
    """Return the replica counts that serve the classes, without those with one to spare."""
    spare = instance.caps.spare_replicas
    ranges = []
    for c in instance.candidates:
        most = math.ceil(max(_load(instance, c), _traffic(instance, c)) - 1e-9)
        ranges.append([0, *range(1 + spare, most + spare + 1)])
    found: list[Counts] = []
    for counts in sorted(itertools.product(*ranges), key=sum):
        larger = any(all(a >= b for a, b in zip(counts, f, strict=True)) for f in found)
        if not larger and _may_serve(instance, counts) and _serves(instance, counts):
            found.append(counts)
    return found


def _load(instance: Instance, c: Candidate) -> float:
    pairs = zip(instance.rates_rps, c.capacity_rps, strict=True)
    return sum(rate / most for rate, most in pairs if most > 0)


def _traffic(instance: Instance, c: Candidate) -> float:
    if c.role == "aggregated":
        return 0.0
    pairs = zip(instance.rates_rps, c.capacity_rps, c.link_rps, strict=True)
    return sum(rate / link for rate, most, link in pairs if most > 0)


def _may_serve(instance: Instance, counts: Counts) -> bool:
    """Whether each class alone finds enough replicas that take requests in."""
    for w, rate in enumerate(instance.rates_rps):
        share = sum(
            min(1.0, n * c.capacity_rps[w] / rate)
            for n, c in zip(counts, instance.candidates, strict=True)
            if c.role != "decode"
        )
        if share < 1 - 1e-9:
            return False
    return True


def _serves(instance: Instance, counts: Counts) -> bool:
    """Whether some split of the classes keeps every replica within what it admits."""
    spare = instance.caps.spare_replicas
    pairs = [
        (w, i)
        for i, c in enumerate(instance.candidates)
        for w in range(len(instance.rates_rps))
        if counts[i] and c.capacity_rps[w] > 0
    ]
    column = {pair: j for j, pair in enumerate(pairs)}
    equal: list[tuple[dict[int, float], float]] = []
    at_most: list[tuple[dict[int, float], float]] = []
    for w in range(len(instance.rates_rps)):
        mine = [(i, c) for i, c in enumerate(instance.candidates) if (w, i) in column]
        starts = {column[w, i]: 1.0 for i, c in mine if c.role != "decode"}
        equal.append((starts, 1.0))
        for side in {(c.location, c.shape.kv) for _, c in mine if c.role != "aggregated"}:
            flow = {
                column[w, i]: 1.0 if c.role == "prefill" else -1.0
                for i, c in mine
                if c.role != "aggregated" and (c.location, c.shape.kv) == side
            }
            equal.append((flow, 0.0))
        allowed = instance.caps.max_quality_loss_pct
        if allowed is not None:
            half = {"aggregated": 1.0, "prefill": 0.5, "decode": 0.5}
            at_most.append(({column[w, i]: half[c.role] * c.loss_pct for i, c in mine}, allowed))
    for i, c in enumerate(instance.candidates):
        mine = [w for w in range(len(instance.rates_rps)) if (w, i) in column]
        rates = instance.rates_rps
        load = {column[w, i]: rates[w] / c.capacity_rps[w] for w in mine}
        at_most.append((load, max(counts[i] - spare, 0)))
        if c.role != "aggregated":
            traffic = {column[w, i]: rates[w] / c.link_rps[w] for w in mine}
            at_most.append((traffic, counts[i]))
    if any(not row and right > 0 for row, right in equal):
        return False
    answer = linprog(
        np.zeros(len(pairs)),
        A_ub=_matrix(at_most, len(pairs)),
        b_ub=[right for _, right in at_most],
        A_eq=_matrix(equal, len(pairs)),
        b_eq=[right for _, right in equal],
        bounds=(0, 1),
    )
    return bool(answer.status == 0)


def _matrix(rows: list[tuple[dict[int, float], float]], width: int) -> np.ndarray:
    matrix = np.zeros((len(rows), width))
    for i, (row, _) in enumerate(rows):
        for j, value in row.items():
            matrix[i, j] = value
    return matrix


def cheapest_nodes(instance: Instance, replicas: Counts, below: float = math.inf) -> float:
    """Return the cost of the cheapest nodes that hold `replicas`; inf if none below `below` do."""
    caps, offers = instance.caps, instance.offers
    wanted = [(c, n) for c, n in zip(instance.candidates, replicas, strict=True) if n]
    ranges = []
    for o in offers:
        groups = sum(n * c.groups for c, n in wanted if accepts(o, c))
        top = groups if groups == 0 else max(groups, o.min_nodes)
        top = top if o.stock is None else min(top, o.stock)
        ranges.append([0, *range(o.min_nodes, top + 1)])
    nodes = np.array(list(itertools.product(*ranges)))
    cost = nodes @ np.array([float(o.price_per_node_hour_usd) for o in offers])
    sizes = np.array([o.gpus_per_node for o in offers])
    enough = cost < below
    if caps.max_gpus is not None:
        enough &= nodes @ sizes <= caps.max_gpus
    if caps.max_power_kw is not None:
        chips = {c.shape.accelerator.name: c.shape.accelerator.tdp_w for c in instance.candidates}
        watts = np.array([o.gpus_per_node * (chips[o.accelerator] or math.inf) for o in offers])
        enough &= nodes @ watts <= 1000 * caps.max_power_kw + 1e-9
    if caps.max_providers is not None:
        names = sorted({o.provider for o in offers})
        used = np.stack([nodes[:, [o.provider == n for o in offers]].any(axis=1) for n in names])
        enough &= used.sum(axis=0) <= caps.max_providers
    if caps.max_cost_per_hour_usd is not None:
        enough &= cost <= caps.max_cost_per_hour_usd + 1e-9
    for name in {c.shape.accelerator.name for c, _ in wanted}:
        mine = np.array([o.gpus_per_node * (o.accelerator == name) for o in offers])
        taken = sum(n * c.gpus for c, n in wanted if c.shape.accelerator.name == name)
        enough &= nodes @ mine >= taken
    order = np.nonzero(enough)[0]
    for row in order[np.argsort(cost[order], kind="stable")]:
        if holds(offers, nodes[row].tolist(), wanted):
            return float(cost[row])
    return math.inf


def accepts(o: Offer, c: Candidate) -> bool:
    """Whether a node of `o` can hold a group of `c`, and reach what the group must talk to."""
    if o.accelerator != c.shape.accelerator.name or o.gpus_per_node < c.group_size:
        return False
    if c.shape.cross_node and (o.network_gbps is None or o.network_gbps < c.shape.network_gbps):
        return False
    if c.role == "aggregated":
        return True
    if (o.provider, o.region) != c.location or o.network_gbps is None:
        return False
    return o.network_gbps / 8 * 1e9 * c.gpus / o.gpus_per_node >= c.network_bytes_per_s - 1e-6


def holds(offers: tuple[Offer, ...], nodes: list[int], wanted: list[tuple[Candidate, int]]) -> bool:
    """Whether the nodes hold the replicas: each on one offer, each group inside one node."""
    queue = sorted((c for c, n in wanted for _ in range(n)), key=lambda c: -c.group_size)
    free = tuple((o.gpus_per_node,) * count for o, count in zip(offers, nodes, strict=True))
    failed: set[tuple[int, tuple[Counts, ...]]] = set()

    def seat(number: int, free: tuple[Counts, ...]) -> bool:
        if number == len(queue):
            return True
        if (number, free) in failed:
            return False
        c = queue[number]
        for i, o in enumerate(offers):
            if accepts(o, c):
                for rest in _placed(free[i], c.group_size, c.groups):
                    if seat(number + 1, (*free[:i], rest, *free[i + 1 :])):
                        return True
        failed.add((number, free))
        return False

    return seat(0, free)


def _placed(rooms: Counts, size: int, groups: int) -> set[Counts]:
    """Return every way to take `groups` groups of `size` from the rooms left in nodes."""
    states = {rooms}
    for _ in range(groups):
        states = {
            tuple(sorted((*s[:i], s[i] - size, *s[i + 1 :]), reverse=True))
            for s in states
            for i, room in enumerate(s)
            if room >= size
        }
    return states
