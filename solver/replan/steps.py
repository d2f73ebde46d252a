"""From the running fleet to the proposed one in steps that never drop below the load.

Each step first adds replicas, then takes others away, at most a part of the larger fleet each.
Replicas leave only where what remains carries the whole load; more replicas never carry less, so
this holds at every moment of a step. Once all new replicas run, any of the others may leave: the
proposed fleet alone carries the load. So the steps end.

Additions keep stock and the limits of the fleet where they can: those that would not wait until
removals make room. Where neither an addition nor a removal is possible, the step exceeds a limit
for a time, and a warning says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from data.offers import Offer
from solver.replan.coverage import ENOUGH

Pools = Mapping[Any, int]
"""Replicas by pool."""


@dataclass(frozen=True)
class Seat:
    """What a pool asks of its nodes.

    Attributes
    ----------
    name
        What the plan calls the pool.
    size, groups
        Accelerators that must share a node, and how many such groups a replica takes.
    """

    name: str
    offer_id: str
    size: int
    groups: int


@dataclass(frozen=True)
class Ground:
    """Where the steps take place.

    Attributes
    ----------
    seats
        Every pool of both fleets.
    offers
        Today's offers by id; one that is not sold any more may be missing.
    gone_nodes
        Offers that are missing: id → (nodes, accelerators in use on them, price of a node).
    headroom
        Free nodes for each node in use of interruptible offers.
    limits
        Given the nodes of a moment by offer, yields the limits that they break, a sentence each.
    carries
        Multiple of the load that pools carry, by class; the least counts.
    """

    seats: Mapping[Any, Seat]
    offers: Mapping[str, Offer]
    gone_nodes: Mapping[str, tuple[int, int, float]]
    headroom: float
    limits: Callable[[Mapping[str, int]], Iterator[str]]
    carries: Callable[[Pools], Mapping[str, float]]

    def nodes(self, pools: Pools) -> dict[str, int]:
        """Return the fewest nodes that hold pools, by offer.

        Group sizes are powers of two: a group of size t finds room unless every node is full of
        groups of at least t, so the fullest size decides (see `solver.formulation.define_nodes`).
        """
        sizes: dict[str, dict[int, int]] = {}
        for key, replicas in pools.items():
            seat = self.seats[key]
            if replicas:
                own = sizes.setdefault(seat.offer_id, {})
                own[seat.size] = own.get(seat.size, 0) + replicas * seat.groups
        return {name: self._fewest(name, own) for name, own in sizes.items()}

    def _fewest(self, name: str, sizes: Mapping[int, int]) -> int:
        offer = self.offers.get(name)
        if offer is None:
            nodes, used, _ = self.gone_nodes[name]
            taken = sum(size * count for size, count in sizes.items())
            return -(-nodes * taken // used)
        factor = 1.0 + self.headroom if offer.interruptible else 1.0
        fewest = offer.min_nodes
        for least in sizes:
            taken = sum(size * count for size, count in sizes.items() if size >= least)
            usable = offer.gpus_per_node // least * least
            fewest = max(fewest, _ceil(factor * taken / usable))
        return fewest

    def cost_usd(self, nodes: Mapping[str, int]) -> float:
        """Return what nodes cost an hour."""
        total = 0.0
        for name, count in nodes.items():
            offer = self.offers.get(name)
            each = self.gone_nodes[name][2] if offer is None else float(offer.hourly_usd_at(count))
            total += each * count
        return total


def staged(
    before: Pools, after: Pools, ground: Ground, most: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the steps from one fleet to another, and what to know of them.

    Parameters
    ----------
    most
        Replicas that one step may add, and as many that it may take away.
    """
    now = {key: before.get(key, 0) for key in ground.seats}
    steps: list[dict[str, Any]] = []
    warnings: list[str] = []
    floor = min(ENOUGH, _least(ground, after))
    while any(after.get(key, 0) != n for key, n in now.items()):
        allowed = set(ground.limits(ground.nodes(now)))
        added = _additions(now, after, ground, most, allowed)
        grown = _plus(now, added)
        removed = _removals(grown, after, ground, most, floor)
        if not added and not removed:
            added = _additions(now, after, ground, most, None)
            grown = _plus(now, added)
            new = [s for s in ground.limits(ground.nodes(grown)) if s not in allowed]
            warnings += [f"step {len(steps) + 1} cannot keep every limit: {s}" for s in new]
            removed = _removals(grown, after, ground, most, floor)
        if not added and not removed:
            removed = _removals(now, after, ground, most, None)
            warnings.append(
                f"step {len(steps) + 1} takes replicas away below the load: no other order was "
                "found"
            )
        then = _plus(grown, {key: -n for key, n in removed.items()})
        steps.append(_step(len(steps) + 1, now, grown, then, added, removed, ground))
        now = then
    return steps, list(dict.fromkeys(warnings))


def _additions(
    now: Pools, after: Pools, ground: Ground, most: int, allowed: set[str] | None
) -> dict[Any, int]:
    """Return what to add: pools in proportion, so that prefill and decode grow together.

    Parameters
    ----------
    allowed
        Limits that are broken already; None where any may be.
    """
    wanted = {key: after.get(key, 0) - n for key, n in now.items() if after.get(key, 0) > n}
    found: dict[Any, int] = {}
    for key, count in apportioned(wanted, most).items():

        def fits(n: int, key: Any = key) -> bool:
            if allowed is None:
                return True
            nodes = ground.nodes(_plus(now, {**found, key: n}))
            return set(ground.limits(nodes)) <= allowed

        n = largest(count, fits)
        if n:
            found[key] = n
    return found


def _removals(
    grown: Pools, after: Pools, ground: Ground, most: int, floor: float | None
) -> dict[Any, int]:
    """Return what to take away: as much as leaves the load carried, the dearest nodes first."""
    surplus = {key: n - after.get(key, 0) for key, n in grown.items() if n > after.get(key, 0)}
    found: dict[Any, int] = {}

    def dear(key: Any) -> float:
        seat = ground.seats[key]
        offer = ground.offers.get(seat.offer_id)
        each = float("inf") if offer is None else float(offer.hourly_usd) / offer.gpus_per_node
        return -each * seat.size * seat.groups

    for key in sorted(surplus, key=lambda k: (dear(k), ground.seats[k].name)):

        def stays(n: int, key: Any = key) -> bool:
            left = _plus(grown, {k: -r for k, r in {**found, key: n}.items()})
            return floor is None or _least(ground, left) >= floor

        n = largest(min(surplus[key], most - sum(found.values())), stays)
        if n:
            found[key] = n
    return found


def largest(most: int, holds: Callable[[int], bool]) -> int:
    """Return the largest number up to `most` that holds, given that all smaller ones do then."""
    if most <= 0 or holds(most):
        return max(most, 0)
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def apportioned(wanted: Mapping[Any, int], most: int) -> dict[Any, int]:
    """Share out `most` in proportion to what is wanted, largest remainders first."""
    total = sum(wanted.values())
    if total <= most:
        return dict(wanted)
    exact = {key: most * n / total for key, n in wanted.items()}
    found = {key: int(part) for key, part in exact.items()}
    left = most - sum(found.values())
    for key in sorted(exact, key=lambda k: found[k] - exact[k])[:left]:
        found[key] += 1
    return {key: n for key, n in found.items() if n}


def _step(
    number: int,
    now: Pools,
    grown: Pools,
    then: Pools,
    added: Pools,
    removed: Pools,
    ground: Ground,
) -> dict[str, Any]:
    """Return a step as the decision document shows it."""
    nodes_now, nodes_grown = ground.nodes(now), ground.nodes(grown)
    nodes_then = ground.nodes(then)
    changes = []
    for action, counts in (("add", added), ("remove", removed)):
        at, to = (now, grown) if action == "add" else (grown, then)
        before, after = (nodes_now, nodes_grown) if action == "add" else (nodes_grown, nodes_then)
        for key, count in counts.items():
            seat = ground.seats[key]
            offer = seat.offer_id
            changes.append(
                {
                    "action": action,
                    "pool": seat.name,
                    "offer_id": offer,
                    "replicas": count,
                    "replicas_before": at[key],
                    "replicas_after": to[key],
                    "nodes_before": before.get(offer, 0),
                    "nodes_after": after.get(offer, 0),
                    "nodes": abs(after.get(offer, 0) - before.get(offer, 0)),
                }
            )
    return {
        "number": number,
        "changes": changes,
        "replicas_changed": max(sum(added.values()), sum(removed.values())),
        "capacity": {name: round(v, 6) for name, v in ground.carries(then).items()},
        "nodes": {name: n for name, n in sorted(nodes_then.items()) if n},
        "cost_per_hour_usd": round(ground.cost_usd(nodes_then), 6),
        "peak_cost_per_hour_usd": round(ground.cost_usd(nodes_grown), 6),
    }


def _plus(pools: Pools, more: Pools) -> dict[Any, int]:
    return {key: n + more.get(key, 0) for key, n in pools.items()}


def _least(ground: Ground, pools: Pools) -> float:
    return min(ground.carries(pools).values())


def _ceil(value: float) -> int:
    return -int(-(value * (1 - 1e-9)) // 1)
