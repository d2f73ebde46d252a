"""Fewest accelerators, least energy, least carbon: by hand, by enumeration, pruned and unpruned."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from brute_force import _matrix, accepts, holds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from small_instances import PLACES, candidate, chip, instance, instances, offer

from data.grid import GridFactors
from solver.engines.cpsat import bound_cpsat
from solver.engines.result import Termination
from solver.footprint import Footprint
from solver.in_order import best_fleet
from solver.objective import COST, Objective

TDP_W = {"a": 400.0, "b": 700.0, "c": 1000.0}
FOOTPRINT = Footprint(
    pue=1.3,
    idle_share=0.1,
    accelerators={name: replace(chip(name), tdp_w=watts) for name, watts in TDP_W.items()},
    grid=GridFactors(by_region={"acme/eu": 100.0, "acme/us": 400.0}),
)
GPUS = Objective("gpus")
ENERGY = Objective("energy", FOOTPRINT)
CARBON = Objective("carbon", FOOTPRINT)
GAP = 1e-6


def cases(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def best(case, *order, screen=True, gap=GAP):
    return best_fleet(case, order, gap=gap, time_limit_s=60.0, screen=screen)


def test_energy_by_hand():
    """10 requests/s at 4 a replica: a load of 2.5 on 3 replicas of one 400 W accelerator each.

    1.3 · 0.4 kW · (3 · 0.1 idle + 2.5 · 0.9 busy) = 1.3 · 0.4 · 2.55 = 1.326 kWh an hour; at 100 g
    a kilowatt-hour that is 0.1326 kg.
    """
    case = instance((10,), [candidate(4.0)], [offer("a", 1, 2)])
    fleet = best(case, ENERGY, COST).fleet
    assert fleet.value(ENERGY) == pytest.approx(1.326)
    assert fleet.value(CARBON) == pytest.approx(0.1326)
    assert (fleet.value(COST), fleet.value(GPUS)) == (6.0, 3.0)


def test_fewest_accelerators_then_cheapest():
    """One b replaces three a at any price; of two offers of b the cheaper is bought."""
    case = instance(
        (10,),
        [candidate(4.0), candidate(10.0, accelerator="b")],
        [offer("a", 1, 1), offer("b", 1, 9), offer("b", 1, 8, stock=1, name="last")],
    )
    solved = best(case, GPUS, COST)
    assert solved.fleet.value(GPUS) == 1
    assert solved.fleet.value(COST) == 8.0
    assert (solved.result.objective, solved.result.bound) == (1.0, 1.0)
    assert (solved.then.result.objective, solved.then.result.bound) == (8.0, pytest.approx(8.0))
    assert best(case, COST).fleet.value(COST) == 3.0


def test_load_goes_where_the_grid_is_clean():
    """Stock holds 2 of 3 replicas in eu; eu runs full, us the half replica that is left.

    eu: 0.52 kWh · (0.2 + 1.8) · 0.1 kg = 0.104 kg; us: 0.52 · (0.1 + 0.45) · 0.4 = 0.1144 kg.
    """
    case = instance(
        (10,),
        [candidate(4.0)],
        [
            offer("a", 1, 5, stock=2, place=PLACES[0]),
            offer("a", 1, 1, place=PLACES[1]),
        ],
    )
    fleet = best(case, CARBON, COST).fleet
    assert fleet.value(CARBON) == pytest.approx(0.104 + 0.1144)
    shares = {
        next(iter(fleet.instance.candidates[c].grid))[1]: float(share)
        for (_, c), share in fleet.shares.items()
    }
    assert shares == {"eu": pytest.approx(0.8), "us": pytest.approx(0.2)}


def test_cheapest_then_cleanest():
    case = instance(
        (4,),
        [candidate(4.0)],
        [
            offer("a", 1, 2, place=PLACES[1]),
            offer("a", 1, 2, place=PLACES[0]),
            offer("a", 1, 3, place=("acme", "nz")),
        ],
    )
    fleet = best(case, COST, CARBON).fleet
    assert fleet.value(COST) == 2.0
    assert {fleet.instance.offers[o].region for o in fleet.nodes} == {"eu"}


@st.composite
def small(draw):
    """Few enough (candidate, offer) pairs to enumerate every fleet."""
    classes = draw(st.integers(1, 2))
    rates = tuple(float(draw(st.integers(2, 9))) for _ in range(classes))
    candidates = [
        candidate(
            *(rate / (draw(st.integers(1, 15)) / 10) for rate in rates),
            accelerator=draw(st.sampled_from("ab")),
            tp=draw(st.sampled_from((1, 1, 2))),
        )
        for _ in range(2)
    ]
    offers = [
        offer(
            c.shape.accelerator.name,
            draw(st.sampled_from((2, 2, 3))) if c.group_size == 2 else draw(st.integers(1, 2)),
            draw(st.integers(1, 9)),
            name=f"o{i}",
            stock=draw(st.one_of(st.none(), st.integers(1, 3))),
            place=draw(st.sampled_from(PLACES)),
        )
        for i, c in enumerate([*candidates, candidates[0]])
    ]
    caps = {
        "spare_replicas": draw(st.sampled_from((0, 0, 1))),
        "max_gpus": draw(st.one_of(st.none(), st.none(), st.integers(3, 9))),
    }
    return instance(rates, candidates, offers, **caps)


def enumerated(case, objective):
    """Return (value, cost) of every fleet worth a look: replicas of each candidate on each offer.

    Load may differ between offers of one candidate: a pool each. Spares count for a candidate in
    each grid, since its pools there are apart.
    """
    places = [
        (c, o)
        for c in range(len(case.candidates))
        for o in range(len(case.offers))
        if accepts(case.offers[o], case.candidates[c])
    ]
    ranges = []
    for c, _ in places:
        loads = zip(case.rates_rps, case.candidates[c].capacity_rps, strict=True)
        most = math.ceil(sum(r / m for r, m in loads if m > 0) - 1e-9)
        ranges.append(range(most + case.caps.spare_replicas + 1))
    for counts in itertools.product(*ranges):
        nodes = nodes_for(case, places, counts)
        if nodes is None:
            continue
        busy = least_busy(case, places, counts, objective)
        if busy is not None:
            charged = sum(objective.node(o) * n for o, n in zip(case.offers, nodes, strict=True))
            cost = sum(COST.node(o) * n for o, n in zip(case.offers, nodes, strict=True))
            yield charged + busy, cost


def nodes_for(case, places, counts):
    nodes = []
    for i, o in enumerate(case.offers):
        wanted = [
            (case.candidates[c], n)
            for (c, at), n in zip(places, counts, strict=True)
            if at == i and n
        ]
        most = sum(n for _, n in wanted) if o.stock is None else o.stock
        fit = [n for n in range(most + 1) if holds((o,), [n], wanted)]
        if not fit:
            return None
        nodes.append(fit[0])
    gpus = sum(o.gpus_per_node * n for o, n in zip(case.offers, nodes, strict=True))
    within = case.caps.max_gpus is None or gpus <= case.caps.max_gpus
    return nodes if within else None


def least_busy(case, places, counts, objective):
    """Return the least charge of load that some split of the classes has; None if none serves."""
    classes, width = range(len(case.rates_rps)), len(places) * len(case.rates_rps)
    column = {(w, p): w * len(places) + p for w in classes for p in range(len(places))}
    pools = {}
    for p, (c, o) in enumerate(places):
        where = case.offers[o].region if objective.located else None
        pools.setdefault((c, where), []).append(p)
    at_most, charge = [], np.zeros(width)
    for (c, _), members in pools.items():
        load = {}
        for w, p in itertools.product(classes, members):
            each = case.rates_rps[w] / case.candidates[c].capacity_rps[w]
            load[column[w, p]] = each
            offered = case.offers[places[p][1]]
            charge[column[w, p]] = each * objective.busy(offered) * case.candidates[c].gpus
        room = sum(counts[p] for p in members) - case.caps.spare_replicas
        at_most.append((load, max(room, 0)))
    equal = [({column[w, p]: 1.0 for p in range(len(places))}, 1.0) for w in classes]
    answer = linprog(
        charge,
        A_ub=_matrix(at_most, width),
        b_ub=[right for _, right in at_most],
        A_eq=_matrix(equal, width),
        b_eq=[right for _, right in equal],
        bounds=(0, 1),
    )
    return float(answer.fun) if answer.status == 0 else None


@pytest.mark.parametrize("objective", [GPUS, ENERGY, CARBON], ids=lambda o: o.name)
@cases(6)
@given(case=small())
def test_as_enumeration_says(objective, case):
    fleets = list(enumerated(case, objective))
    solved = best(case, objective, COST)
    if not fleets:
        assert solved.result.termination is Termination.INFEASIBLE
        return
    least = min(value for value, _ in fleets)
    cheapest = min(cost for value, cost in fleets if value <= least * (1 + GAP))
    assert solved.fleet.value(objective) == pytest.approx(least, rel=1e-5)
    assert solved.fleet.value(COST) == pytest.approx(cheapest)
    assert solved.result.bound == pytest.approx(least, rel=1e-5)
    assert solved.then.result.bound == pytest.approx(cheapest, rel=1e-5)


@pytest.mark.parametrize("objective", [GPUS, ENERGY, CARBON], ids=lambda o: o.name)
@cases(25)
@given(case=instances())
def test_screening_changes_nothing_and_the_second_engine_never_contradicts(objective, case):
    whole = best(case, objective, COST, screen=False)
    solved = best(case, objective, COST)
    if whole.fleet is None:
        assert solved.fleet is None
        return
    for fleet in (solved.fleet, whole.fleet):
        again = fleet.value(objective)
        assert again == pytest.approx(whole.result.bound, rel=1e-5, abs=1e-6)
    assert solved.fleet.value(COST) == pytest.approx(whole.fleet.value(COST), rel=1e-5)
    for part in (whole, whole.then):
        value = part.result.objective * (1 + 1e-6)
        second = bound_cpsat(
            part.program, at_most_usd=value, gap=1e-6, work_limit=0.2, time_limit_s=9.0
        )
        assert second.termination is not Termination.INFEASIBLE
        assert second.bound <= value + 1e-6
