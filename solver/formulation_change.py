"""The part of the program that knows a running fleet: what a change from it is charged.

Built by `solver.formulation`; the figures are those of `solver.change`. A pool q is a kind of
replica on an offer; n_q are its replicas, the sum of h_ko over the host keys of that kind and the
prices of that offer. Further variables: d_o nodes of offer o that leave, s_o committed nodes that
stay idle, z_q whether a running pool changes, a_q whether a pool appears, r_q replicas of a running
pool that do not run on.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from solver.change import Change, PoolKey, kind_of
from solver.instance import Instance
from solver.light_pyomo import pyo

Model = Any
"""A ``pyomo.environ.ConcreteModel``; Pyomo ships no types."""


def define_change(model: Model, instance: Instance) -> None:
    """Adds Σ_o (e_o·d_o + i_o·s_o) to the objective; d_o ≥ m̄_o − m_o, s_o ≥ S_o − m_o.

    e_o = p_o·overlap_h/H, and 0 where all running nodes of the offer are committed; i_o = p_o − e_o
    for committed nodes. m_o counts the nodes at every price of the offer.
    """
    change = instance.change
    if change is None:
        return
    numbers = range(len(change.offers))
    running = [change.nodes.get(o, 0) for o in change.offers]
    sunk = [change.sunk.get(o, 0) for o in change.offers]
    leave = [i for i in numbers if running[i] and change.leaving_usd(change.offers[i]) > 0]
    idle = [i for i in numbers if sunk[i]]
    model.d = pyo.Var(leave, domain=pyo.NonNegativeIntegers, bounds=lambda _, i: (0, running[i]))
    model.s = pyo.Var(idle, domain=pyo.NonNegativeIntegers, bounds=lambda _, i: (0, sunk[i]))
    nodes = _nodes_by_offer(model, instance, change)
    model.leaving = pyo.Constraint(leave, rule=lambda _, i: model.d[i] + nodes[i] >= running[i])
    model.idle = pyo.Constraint(idle, rule=lambda _, i: model.s[i] + nodes[i] >= sunk[i])
    model.objective.expr += pyo.quicksum(
        change.leaving_usd(change.offers[i]) * model.d[i] for i in leave
    ) + pyo.quicksum(change.idle_usd(change.offers[i]) * model.s[i] for i in idle)


def define_changed_pools(model: Model, instance: Instance) -> None:
    """Adds (F/H)·(Σ_q z_q + Σ_q a_q); n̄_q·(1 − z_q) ≤ n_q ≤ n̄_q + N_q·z_q, and n_q ≤ N_q·a_q.

    z_q for the pools q that run, a_q for others; N_q is as many replicas as are of use. Left out
    where a changed pool costs nothing.
    """
    change = instance.change
    if change is None or not change.pool_usd:
        return
    hosted = _hosted(model, instance)
    numbers = range(len(change.running))
    places = {key: hosted.pop(key, []) for key in change.running}
    model.z = pyo.Var(numbers, domain=pyo.Binary)

    def fewer(_: Model, i: int) -> Any:
        key = change.running[i]
        stay = pyo.quicksum(model.h[place] for place in places[key])
        return stay + change.pools[key] * model.z[i] >= change.pools[key]

    def more(_: Model, i: int) -> Any:
        key = change.running[i]
        if not places[key]:
            return pyo.Constraint.Skip
        now = pyo.quicksum(model.h[place] for place in places[key])
        most = _most(instance, places[key])
        return now - max(most - change.pools[key], 0) * model.z[i] <= change.pools[key]

    model.fewer = pyo.Constraint(numbers, rule=fewer)
    model.more = pyo.Constraint(numbers, rule=more)
    fresh = {group[0]: group for group in hosted.values()}
    model.a = pyo.Var(list(fresh), domain=pyo.Binary)
    model.appear = pyo.Constraint(
        list(fresh),
        rule=lambda _, k, o: (
            pyo.quicksum(model.h[place] for place in fresh[k, o])
            <= _most(instance, fresh[k, o]) * model.a[k, o]
        ),
    )
    each = change.pool_usd / change.payback_h
    model.objective.expr += each * (pyo.quicksum(model.z.values()) + pyo.quicksum(model.a.values()))


def define_least_saving(model: Model, instance: Instance) -> None:
    """Σ_o p_o·m_o + Σ_o p_o·s_o ≤ C̄ − saving: what a policy asks a change to save at least."""
    change = instance.change
    if change is None or change.rules is None or change.rules.most_usd is None:
        return
    model.least_saving = pyo.Constraint(
        expr=_bill(model, instance, change) <= change.rules.most_usd
    )


def define_disruption(model: Model, instance: Instance) -> None:
    """Σ_o p_o·m_o + Σ_o p_o·s_o + ρ·Σ_q r_q ≤ C̄, and r_q ≥ n̄_q − n_q for every running pool q.

    C̄ is what the running fleet costs and ρ what a policy asks to be saved for each replica that
    does not run on: its score times the running cost without what is sunk, over Σ_q n̄_q.
    """
    change = instance.change
    if change is None or change.rules is None or change.rules.per_replica_usd is None:
        return
    hosted = _hosted(model, instance)
    numbers = range(len(change.running))

    def stopped(_: Model, i: int) -> Any:
        key = change.running[i]
        stay = pyo.quicksum(model.h[place] for place in hosted.get(key, []))
        return stay + model.r[i] >= change.pools[key]

    model.r = pyo.Var(
        numbers,
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, i: (0, change.pools[change.running[i]]),
    )
    model.stopped = pyo.Constraint(numbers, rule=stopped)
    lost = change.rules.per_replica_usd * pyo.quicksum(model.r.values())
    model.disruption = pyo.Constraint(
        expr=_bill(model, instance, change) + lost <= change.rules.running_usd
    )


def define_running(model: Model, instance: Instance) -> None:
    """n_q = n̄_q and m_o = m̄_o for every pool and offer, 0 where none runs: the fleet as it is.

    Only where nothing may change; a pool or an offer that is not there any more gives a row that
    cannot hold.
    """
    change = instance.change
    if change is None or not change.fixed:
        return
    model.absent = pyo.Var(bounds=(0, 0))
    hosted = _hosted(model, instance)
    nodes = _nodes_by_offer(model, instance, change)
    model.pools_run_on = pyo.Constraint(
        range(len(change.running)),
        rule=lambda _, i: (
            model.absent + pyo.quicksum(model.h[p] for p in hosted.get(change.running[i], []))
            == change.pools[change.running[i]]
        ),
    )
    model.nodes_run_on = pyo.Constraint(
        range(len(change.offers)),
        rule=lambda _, i: model.absent + nodes[i] == change.nodes.get(change.offers[i], 0),
    )
    others = [
        model.h[p] for key, places in hosted.items() if key not in change.pools for p in places
    ]
    others += [model.m[o] for o in model.m if instance.offers[o].offer_id not in change.offers]
    model.nothing_else = pyo.Constraint(expr=model.absent + pyo.quicksum(others) == 0)


def _bill(model: Model, instance: Instance, change: Change) -> Any:
    """Return what is paid an hour, idle commitments included, as an expression."""
    return pyo.quicksum(instance.node_weight(o) * model.m[o] for o in model.m) + pyo.quicksum(
        change.price_usd[change.offers[i]] * model.s[i] for i in model.s
    )


def _nodes_by_offer(model: Model, instance: Instance, change: Change) -> list[Any]:
    """Return the nodes of each offer of a change, over its prices, as expressions."""
    positions: dict[str, list[int]] = defaultdict(list)
    for o in model.m:
        positions[instance.offers[o].offer_id].append(o)
    return [pyo.quicksum(model.m[o] for o in positions[name]) for name in change.offers]


def _hosted(model: Model, instance: Instance) -> dict[PoolKey, list[tuple[int, int]]]:
    """Return the places (host key, offer) of each pool that could be."""
    kinds = [kind_of(instance.candidates[group[0]]) for group, _ in instance.hosts.values()]
    found: dict[PoolKey, list[tuple[int, int]]] = defaultdict(list)
    for k, o in model.h:
        found[kinds[k], instance.offers[o].offer_id].append((k, o))
    return dict(found)


def _most(instance: Instance, places: list[tuple[int, int]]) -> int:
    """Return N_q: as many replicas as are of use in places of one pool."""
    groups = [group for group, _ in instance.hosts.values()]
    keys = {k for k, _ in places}
    return sum(instance.most_replicas(c) for k in keys for c in groups[k])
