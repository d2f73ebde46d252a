"""The fractional bound is below every fleet, and what screening drops no cheaper fleet uses."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_instances import candidate, instance, instances, offer

from solver.engines.highs import solve_highs
from solver.fleet import cheapest_fleet
from solver.instance import Instance
from solver.multipliers import Multipliers, multipliers_of
from solver.program import compile_program
from solver.screening import fractional_prices, promising, screened

quietly = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def least(case: Instance) -> float | None:
    """Return the optimum of the whole program."""
    return solve_highs(compile_program(case), gap=0.0, time_limit_s=30.0).objective


def test_prices_by_hand():
    # a: nodes of 2 at $3 and of 8 at $10, so $1.25 an accelerator; b: $4.
    case = instance(
        (10, 6),
        [candidate(5, 2, tp=2), candidate(4, 0, accelerator="b"), candidate(1, 1, accelerator="c")],
        [offer("a", 2, 3), offer("a", 8, 10, name="large"), offer("b", 1, 4)],
    )
    prices = fractional_prices(case)
    assert prices.replica_usd.tolist() == [2.5, 4.0, math.inf]
    assert prices.share_usd.tolist() == [[5.0, 10.0, math.inf], [7.5, math.inf, math.inf]]
    assert prices.class_usd.tolist() == [5.0, 7.5]
    assert prices.bound_usd == 12.5


def test_price_of_a_pair():
    # Prefill 3/1 · $2 and decode 3/2 · $4 at one place; the cheaper prefill elsewhere has no mate.
    case = instance(
        (3,),
        [
            candidate(1, role="prefill"),
            candidate(2, accelerator="b", role="decode"),
            candidate(9, role="prefill", place=("acme", "us")),
        ],
        [
            offer("a", 1, 2, network=100),
            offer("b", 1, 4, network=100),
            offer("a", 1, 1, network=100, place=("acme", "us")),
        ],
    )
    prices = fractional_prices(case)
    assert prices.class_usd.tolist() == [12.0]
    assert prices.allowance_usd[0, :2].tolist() == [6.0, 6.0]


def test_small_groups_fill_what_large_ones_leave():
    # A pair and a single share the node of 3 at $3: a pair costs $2 there, not $3.
    shared = [candidate(1, 0, tp=2), candidate(0, 1), candidate(1, 1, accelerator="b")]
    case = instance((1, 1), shared, [offer(gpus=3, price=3), offer("b", price="1.90")])
    assert fractional_prices(case).replica_usd.tolist() == [2.0, 1.0, 1.9]
    assert float(cheapest_fleet(case, gap=0.0, time_limit_s=10.0).fleet.cost_usd) == 3.0


def test_pairs_alone_cannot_fill_an_odd_node():
    case = instance((1,), [candidate(1, tp=2)], [offer(gpus=3, price=3)])
    assert fractional_prices(case).replica_usd.tolist() == [3.0]


def test_capacity_and_network_may_bind_for_different_classes():
    # 10 replicas compute the first class, 10 carry the second: 11 do both (10.1), not 20.
    prefill = candidate(1, 100, role="prefill", links=(100, 1))
    decode = candidate(100, 100, role="decode")
    case = instance((10, 10), [prefill, decode], [offer(network=100)])
    assert fractional_prices(case).bound_usd <= least(case) == 12


def test_stock_raises_the_bound():
    # 10 replicas: 4 nodes at $1 and the rest at $3, so at least 4 + 18; $10 without multipliers.
    offers = [offer(price=1, stock=4), offer(price=3, name="dear")]
    case = instance((10,), [candidate(1)], offers)
    assert fractional_prices(case).bound_usd == pytest.approx(10)
    found = multipliers_of(case, compile_program(case))
    assert found.stock_usd == pytest.approx({0: 2.0})
    assert fractional_prices(case, found).bound_usd == pytest.approx(22)
    assert least(case) == pytest.approx(22)


def test_power_raises_the_bound():
    """10 replicas within 1.2 kW: x of 300 W at $1 and 10 − x of 75 W at $3, so x ≤ 2: 2 + 8·3.

    A watt less takes 1/225 of a replica from one to the other, for $2.
    """
    offers = [offer("a", price=1), offer("c", price=3)]
    choices = [candidate(1), candidate(1, accelerator="c")]
    case = instance((10,), choices, offers, max_power_kw=1.2)
    assert fractional_prices(case).bound_usd == pytest.approx(10)
    found = multipliers_of(case, compile_program(case))
    assert found.power_usd_per_w == pytest.approx(2 / 225)
    assert fractional_prices(case, found).bound_usd == pytest.approx(26)
    assert least(case) == pytest.approx(26)


@quietly
@given(case=instances(), data=st.data())
def test_any_multipliers_bound_the_optimum(case, data):
    optimum = least(case)
    limited = [i for i, o in enumerate(case.offers) if o.stock is not None]
    sigma = {i: data.draw(st.floats(0, 5), label=f"multiplier {i}") for i in limited}
    powered = case.caps.max_power_kw is not None
    per_watt = data.draw(st.floats(0, 0.05), label="multiplier of power") if powered else 0.0
    if optimum is not None:
        found = fractional_prices(case, Multipliers(sigma, per_watt))
        assert found.bound_usd <= optimum + 1e-6


@quietly
@given(case=instances())
def test_the_cheapest_fleet_survives_screening_at_its_own_cost(case):
    optimum = least(case)
    if optimum is None:
        return
    rest = screened(case, fractional_prices(case), optimum)
    kept = {id(c) for c in rest.candidates}
    assert kept <= {id(c) for c in case.candidates}
    assert least(rest) == pytest.approx(optimum, abs=1e-6)


@quietly
@given(case=instances(), extra=st.floats(0, 3))
def test_nothing_gets_cheaper_by_screening_at_a_higher_cost(case, extra):
    optimum = least(case)
    if optimum is None:
        return
    rest = screened(case, fractional_prices(case), optimum * (1 + extra))
    assert least(rest) == pytest.approx(optimum, abs=1e-6)


def test_promising_candidates_are_nearly_the_cheapest_of_some_class():
    case = instance(
        (4, 4),
        [candidate(2, 1), candidate(1.96, 2), candidate(1.5, 1.5), candidate(1, 2)],
        [offer()],
    )
    few = promising(case, fractional_prices(case))
    assert few.candidates == tuple(case.candidates[i] for i in (0, 1, 3))


def test_a_loose_bound_still_gives_a_proof():
    """A first fleet that is already the cheapest leaves nothing to solve."""
    solved = cheapest_fleet(instance((2,), [candidate(1)], [offer()]), gap=1e-4, time_limit_s=10.0)
    assert (solved.result.objective, solved.result.bound) == (2.0, 2.0)


def test_first_fleet_may_need_what_is_not_promising():
    # The promising candidate has a stock of 1 node; the rest must come from the dear one.
    case = instance(
        (3,),
        [candidate(1), candidate(1, accelerator="b")],
        [offer(price=1, stock=1), offer("b", price=Decimal(9))],
    )
    fleet = cheapest_fleet(case, gap=0.0, time_limit_s=10.0).fleet
    assert fleet.cost_usd == 19
    none_left = replace(case, offers=(case.offers[0],), candidates=case.candidates[:1])
    assert cheapest_fleet(none_left, gap=0.0, time_limit_s=10.0).fleet is None
