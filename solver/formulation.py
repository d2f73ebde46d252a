"""The program as algebra: one named function per constraint.

``docs/formulation.md`` shows each formula beside the function that builds it. Sets: classes w,
candidates c, offers o, host keys k (candidates that ask the same of a node). Variables: n_c
replicas, m_o nodes, h_ko replicas of key k hosted on nodes of offer o, x_wc share of class w
on candidate c, y_c whether c is used (only with spares), b_o whether o is bought (only with
minimum purchases), v_q whether provider q is bought from (only where their number is limited).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from solver.formulation_change import (
    define_change,
    define_changed_pools,
    define_disruption,
    define_least_saving,
    define_running,
)
from solver.hosting import HostKey
from solver.instance import Instance
from solver.light_pyomo import pyo
from solver.market import Location
from solver.objective import COST, Objective
from solver.power import WATTS_PER_KW
from solver.price_tiers import alike

LOSS_TOLERANCE_PCT = 1e-9
"""Losses within this of the limit are at the limit (sums of decimal figures)."""

Model = Any
"""A ``pyomo.environ.ConcreteModel``; Pyomo ships no types."""


def formulate(instance: Instance) -> Model:
    """Return the program of an instance as a Pyomo model."""
    model = pyo.ConcreteModel("minfleet")
    define_variables(model, instance)
    define_objective(model, instance)
    define_serve_all(model, instance)
    define_capacity(model, instance)
    define_kv_link(model, instance)
    define_handover(model, instance)
    define_presence(model, instance)
    define_hosting(model, instance)
    define_nodes(model, instance)
    define_spot_share(model, instance)
    define_spares(model, instance)
    define_minimum_purchase(model, instance)
    define_shared_stock(model, instance)
    define_max_gpus(model, instance)
    define_max_power(model, instance)
    define_max_providers(model, instance)
    define_budget(model, instance)
    define_held(model, instance)
    define_quality(model, instance)
    define_change(model, instance)
    define_changed_pools(model, instance)
    define_least_saving(model, instance)
    define_disruption(model, instance)
    define_running(model, instance)
    return model


def define_variables(model: Model, instance: Instance) -> None:
    """n_c, m_o, h_ko ∈ ℤ₊ within proven upper bounds; x_wc ∈ [0, X_wc].

    Stock is the bound of m_o: m_o ≤ A_o. X_wc is 1, or less where a known fleet shows that no
    cheaper one gives candidate c more of class w (see `solver.screening`).
    """
    keys = list(instance.hosts)
    classes = range(len(instance.class_names))
    pairs = [
        (w, c)
        for c in instance.deployable
        for w in classes
        if instance.load(w, c) is not None and instance.largest_share(w, c) > 0
    ]
    places = [(k, o) for k, key in enumerate(keys) for o in instance.hosts[key][1]]
    model.n = pyo.Var(
        list(instance.deployable),
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, c: (0, instance.most_replicas(c)),
    )
    model.m = pyo.Var(
        sorted({o for _, o in places}),
        domain=pyo.NonNegativeIntegers,
        bounds=lambda _, o: (0, instance.most_nodes(o)),
    )
    model.h = pyo.Var(places, domain=pyo.NonNegativeIntegers)
    model.x = pyo.Var(
        pairs,
        domain=pyo.NonNegativeReals,
        bounds=lambda _, w, c: (0, instance.largest_share(w, c)),
    )


def define_objective(model: Model, instance: Instance) -> None:
    """Min Σ_o a_o·m_o + Σ_wc b_c·(λ_w/μ_wc)·x_wc.

    For cost a_o = p_o, for accelerators G_o, and b_c = 0; for energy and carbon see
    `solver.objective`.
    """
    model.objective = pyo.Objective(expr=_charged(model, instance, instance.objective))


def _charged(model: Model, instance: Instance, objective: Objective) -> Any:
    """Return what a fleet is charged by an objective, as an expression."""
    nodes = [objective.node(o) for o in instance.offers]
    charged = pyo.quicksum(nodes[o] * model.m[o] for o in model.m)
    if not objective.charges_load:
        return charged
    busy = instance.busy_weights(objective).tolist()
    return charged + pyo.quicksum(
        busy[c] * (instance.load(w, c) or 0.0) * model.x[w, c] for w, c in model.x
    )


def _by_class(model: Model, instance: Instance, roles: tuple[str, ...]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for w, c in model.x:
        if instance.candidates[c].role in roles:
            found[w].append(c)
    return found


def define_serve_all(model: Model, instance: Instance) -> None:
    """Σ_{c aggregated} x_wc + Σ_{c prefill} x_wc = 1 for every class w.

    What prefill pools take on, decode pools finish: see `define_handover`. A class that nothing
    serves gets a row that cannot hold.
    """
    starts = _by_class(model, instance, ("aggregated", "prefill"))

    def rule(_: Model, w: int) -> Any:
        if not starts[w]:
            return model.nobody == 1
        return pyo.quicksum(model.x[w, c] for c in starts[w]) == 1

    if any(not starts[w] for w in range(len(instance.class_names))):
        model.nobody = pyo.Var(bounds=(0, 0))
    model.serve_all = pyo.Constraint(range(len(instance.class_names)), rule=rule)


def define_capacity(model: Model, instance: Instance) -> None:
    """Σ_w (λ_w/μ_wc)·x_wc ≤ n_c − s·y_c for every candidate c (s spare replicas a pool)."""
    spare = instance.caps.spare_replicas
    if spare:
        model.y = pyo.Var(list(model.n), domain=pyo.Binary)
    served: dict[int, list[int]] = defaultdict(list)
    for w, c in model.x:
        served[c].append(w)

    def rule(_: Model, c: int) -> Any:
        load = pyo.quicksum(instance.load(w, c) * model.x[w, c] for w in served[c])
        return load <= model.n[c] - (spare * model.y[c] if spare else 0)

    model.capacity = pyo.Constraint(list(model.n), rule=rule)


def define_kv_link(model: Model, instance: Instance) -> None:
    """Σ_w (λ_w·KV_w/B_c)·x_wc ≤ n_c for prefill and decode candidates.

    KV_w is the cache of a prompt of class w (bytes), B_c the network of a replica (bytes/s):
    what leaves a prefill pool, or enters a decode pool, fits its network.
    """
    served: dict[int, list[int]] = defaultdict(list)
    for w, c in model.x:
        if instance.link_load(w, c) > 0:
            served[c].append(w)

    def rule(_: Model, c: int) -> Any:
        traffic = pyo.quicksum(instance.link_load(w, c) * model.x[w, c] for w in served[c])
        return traffic <= model.n[c]

    model.kv_link = pyo.Constraint(sorted(served), rule=rule)


def define_handover(model: Model, instance: Instance) -> None:
    """Σ_{c prefill at ℓ, f} x_wc = Σ_{c decode at ℓ, f} x_wc for every w, location ℓ, KV format f.

    The cache a prefill pool writes is read by a decode pool of the same model at the same
    provider and region, in the same format.
    """
    pools: dict[tuple[int, Location | None, str, str], tuple[list[int], list[int]]]
    pools = defaultdict(lambda: ([], []))
    for w, c in model.x:
        candidate = instance.candidates[c]
        if candidate.role != "aggregated":
            key = (w, candidate.location, candidate.shape.kv, candidate.model)
            pools[key][candidate.role == "decode"].append(c)
    model.handover = pyo.ConstraintList()
    for (w, *_), (prefill, decode) in pools.items():
        model.handover.add(
            pyo.quicksum(model.x[w, c] for c in prefill)
            == pyo.quicksum(model.x[w, c] for c in decode)
        )


def define_presence(model: Model, instance: Instance) -> None:
    """x_wc ≤ X_wc·n_c where (λ_w/μ_wc)·X_wc < 1: no share without a replica.

    Implied by the capacity row and integrality, but it tightens the relaxation.
    """
    pairs = [
        (w, c)
        for w, c in model.x
        if (instance.load(w, c) or 1.0) * instance.largest_share(w, c) < 1
    ]
    model.presence = pyo.Constraint(
        pairs, rule=lambda _, w, c: model.x[w, c] <= instance.largest_share(w, c) * model.n[c]
    )


def define_hosting(model: Model, instance: Instance) -> None:
    """Σ_{c ∈ k} n_c = Σ_o h_ko for every host key k: each replica has a place."""

    def rule(_: Model, k: int) -> Any:
        group, fitting = instance.hosts[keys[k]]
        return pyo.quicksum(model.n[c] for c in group) == pyo.quicksum(
            model.h[k, o] for o in fitting
        )

    keys = list(instance.hosts)
    model.hosting = pyo.Constraint(range(len(keys)), rule=rule)


def define_nodes(model: Model, instance: Instance) -> None:
    """φ_o·Σ_{k: t_k ≥ t} t_k·groups_k·h_ko ≤ ⌊G_o/t⌋·t·m_o for every offer o and group size t.

    A group of t accelerators never crosses a node. Group sizes are powers of two, so each
    divides the next; then these rows are not only necessary but sufficient: filling nodes with
    the largest groups first, a group of size t finds no room only if every node holds ⌊G_o/t⌋·t
    accelerators in groups of at least t, which the row of t excludes. Rows that the row of the
    next smaller size implies are left out. φ_o is 1, or 1 + headroom for interruptible offers:
    the nodes that stay free take the replicas of nodes that are taken back.
    """
    keys = list(instance.hosts)
    on_offer: dict[int, list[int]] = defaultdict(list)
    for k, o in model.h:
        on_offer[o].append(k)
    rows = []
    for o, members in on_offer.items():
        room = None
        for t in sorted({keys[k].group_size for k in members}):
            usable = instance.offers[o].gpus_per_node // t * t
            if room is None or usable < room:
                rows.append((o, t, usable))
                room = usable
    model.nodes = pyo.ConstraintList()
    for o, t, usable in rows:
        taken = pyo.quicksum(
            _accelerators(keys[k]) * model.h[k, o] for k in on_offer[o] if keys[k].group_size >= t
        )
        model.nodes.add(instance.room_factor(o) * taken <= usable * model.m[o])


def define_spot_share(model: Model, instance: Instance) -> None:
    """Σ_{o interruptible} h_ko ≤ S·Σ_o h_ko for every host key k, each of one candidate then.

    At least 1 − S of the replicas of every candidate survive if all spot nodes are taken at once.
    """
    most = instance.caps.max_spot_share
    if most is None:
        return
    offers: dict[int, list[int]] = defaultdict(list)
    for k, o in model.h:
        offers[k].append(o)

    def rule(_: Model, k: int) -> Any:
        return (
            pyo.quicksum(
                ((1.0 if instance.offers[o].interruptible else 0.0) - most) * model.h[k, o]
                for o in offers[k]
            )
            <= 0
        )

    limited = [
        k for k, group in offers.items() if any(instance.offers[o].interruptible for o in group)
    ]
    model.spot_share = pyo.Constraint(limited, rule=rule)


def _accelerators(key: HostKey) -> int:
    return key.group_size * key.groups


def define_spares(model: Model, instance: Instance) -> None:
    """n_c ≤ N_c·y_c: a pool in use counts as used (N_c its proven upper bound)."""
    if not instance.caps.spare_replicas:
        return
    model.spares = pyo.Constraint(
        list(model.n), rule=lambda _, c: model.n[c] <= instance.most_replicas(c) * model.y[c]
    )


def define_minimum_purchase(model: Model, instance: Instance) -> None:
    """b_o·min_o ≤ m_o ≤ b_o·M_o for offers sold from a minimum number of nodes."""
    bulk = [o for o in model.m if instance.offers[o].min_nodes > 1]
    if not bulk:
        return
    model.b = pyo.Var(bulk, domain=pyo.Binary)
    model.minimum = pyo.Constraint(
        bulk, rule=lambda _, o: model.m[o] >= instance.offers[o].min_nodes * model.b[o]
    )
    model.bought = pyo.Constraint(
        bulk, rule=lambda _, o: model.m[o] <= instance.most_nodes(o) * model.b[o]
    )


def define_shared_stock(model: Model, instance: Instance) -> None:
    """Σ_{o ∈ i} m_o ≤ A_i for the prices o of every offer i of limited stock that has several."""
    groups = [
        [o for o in group if o in model.m]
        for group in alike(instance.offers)
        if instance.offers[group[0]].stock is not None
    ]
    groups = [group for group in groups if len(group) > 1]
    if not groups:
        return
    model.shared_stock = pyo.Constraint(
        range(len(groups)),
        rule=lambda _, i: (
            pyo.quicksum(model.m[o] for o in groups[i]) <= instance.offers[groups[i][0]].stock
        ),
    )


def define_max_gpus(model: Model, instance: Instance) -> None:
    """Σ_o G_o·m_o ≤ max_gpus."""
    if instance.caps.max_gpus is None:
        return
    bought = pyo.quicksum(instance.offers[o].gpus_per_node * model.m[o] for o in model.m)
    model.max_gpus = pyo.Constraint(expr=bought <= instance.caps.max_gpus)


def define_max_power(model: Model, instance: Instance) -> None:
    """Σ_o W_o·m_o ≤ 1000·max_power_kw."""
    most = instance.caps.max_power_kw
    if most is None:
        return
    drawn = pyo.quicksum((instance.node_power_w(o) or 0.0) * model.m[o] for o in model.m)
    model.max_power = pyo.Constraint(expr=drawn <= WATTS_PER_KW * most)


def define_max_providers(model: Model, instance: Instance) -> None:
    """m_o ≤ M_o·v_q for every offer o of provider q, and Σ_q v_q ≤ max_providers."""
    most = instance.caps.max_providers
    number = {name: q for q, name in enumerate(instance.providers)}
    of = {o: number[instance.offers[o].provider] for o in model.m}
    if most is None or len(set(of.values())) <= most:
        return
    model.v = pyo.Var(sorted(set(of.values())), domain=pyo.Binary)
    model.provider = pyo.Constraint(
        list(model.m), rule=lambda _, o: model.m[o] <= instance.most_nodes(o) * model.v[of[o]]
    )
    model.max_providers = pyo.Constraint(expr=pyo.quicksum(model.v.values()) <= most)


def define_budget(model: Model, instance: Instance) -> None:
    """Σ_o p_o·m_o ≤ budget."""
    if instance.caps.max_cost_per_hour_usd is None:
        return
    cost = _charged(model, instance, COST)
    model.budget = pyo.Constraint(expr=cost <= instance.caps.max_cost_per_hour_usd)


def define_held(model: Model, instance: Instance) -> None:
    """Σ_o a_o·m_o + Σ_wc b_c·(λ_w/μ_wc)·x_wc ≤ most for every objective that comes before."""
    if not instance.caps.held:
        return
    model.held = pyo.ConstraintList()
    for objective, most in instance.caps.held:
        model.held.add(_charged(model, instance, objective) <= most)


def define_quality(model: Model, instance: Instance) -> None:
    """Σ_{c aggregated} loss_c·x_wc + ½·Σ_{c prefill, decode} loss_c·x_wc ≤ allowed for every w.

    Where prefill and decode are split, each answers for half of a request. Left out where no
    candidate loses more than allowed.
    """
    allowed = instance.caps.max_quality_loss_pct
    losses = [c.loss_pct for c in instance.candidates]
    if allowed is None or max(losses, default=0.0) <= allowed + LOSS_TOLERANCE_PCT:
        return
    every = _by_class(model, instance, ("aggregated", "prefill", "decode"))
    part = [c.loss_pct * (1.0 if c.role == "aggregated" else 0.5) for c in instance.candidates]

    def rule(_: Model, w: int) -> Any:
        if not every[w]:
            return pyo.Constraint.Skip
        return pyo.quicksum(part[c] * model.x[w, c] for c in every[w]) <= allowed

    model.quality = pyo.Constraint(range(len(instance.class_names)), rule=rule)
