"""Prices that fall with the number of nodes, in the program and in the plan."""

from __future__ import annotations

import copy
import datetime as dt
import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalog import catalog, workload, write_table
from small_instances import candidate, instance, offer

from data.coefficients import shipped_coefficients
from data.price_steps import PriceStep
from solver.checker import PlanChecker
from solver.fleet import cheapest_fleet
from solver.measured import load_measured
from solver.planner import plan
from solver.price_tiers import best_tiers, tiers_of

DAY = dt.date(2026, 7, 15)


def stepped(price, *steps, **more):
    """Return an offer of single accelerators whose price falls: (from_nodes, price), …"""
    parsed = tuple(PriceStep(n, Decimal(str(p))) for n, p in steps)
    return replace(offer("a", 1, price, **more), price_steps=parsed)


def cost(replicas, offers):
    """Return the cost of so many replicas, found with and without screening."""
    case = instance((float(replicas),), [candidate(1.0)], tiers_of(offers))
    found = []
    for screen in (True, False):
        fleet = cheapest_fleet(case, gap=0.0, time_limit_s=60.0, screen=screen).fleet
        found.append(None if fleet is None else float(fleet.cost_usd))
    assert found[0] == pytest.approx(found[1], abs=1e-9)
    return found[0]


def test_every_price_is_an_offer():
    first, second, third = tiers_of([stepped("3.00", (8, 2.5), (32, 2))])
    assert [o.price_per_node_hour_usd for o in (first, second, third)] == [3, Decimal("2.5"), 2]
    assert [o.min_nodes for o in (first, second, third)] == [1, 8, 32]
    assert {o.offer_id for o in (first, second, third)} == {first.offer_id}


@pytest.mark.parametrize(
    ("replicas", "usd"),
    [
        (1, 3.0),
        (6, 18.0),
        (7, 20.0),  # eight nodes at 2.50 are cheaper than seven at 3.00
        (8, 20.0),
        (25, 62.5),
        (26, 64.0),  # so are 32 at 2.00 than 26 at 2.50
        (40, 80.0),
    ],
)
def test_all_nodes_cost_the_price_that_their_number_reaches(replicas, usd):
    assert cost(replicas, [stepped("3.00", (8, 2.5), (32, 2))]) == pytest.approx(usd)


def test_stock_holds_for_all_prices_together():
    """Nine nodes at 2.50, and the tenth elsewhere."""
    offers = [stepped("3.00", (8, 2.5), stock=9), offer("a", 1, "4.00", name="other")]
    assert cost(10, offers) == pytest.approx(9 * 2.5 + 4)


def test_what_is_bought_at_two_prices_is_moved_to_the_lower():
    offers = tiers_of([stepped("3.00", (8, 2.5), (32, 2)), offer("b", name="other")])
    assert best_tiers(offers, {0: 3, 1: 8, 3: 2}) == {0: 1, 1: 1, 3: 3}
    assert best_tiers(offers, {0: 30, 1: 8}) == {0: 2, 1: 2}
    assert best_tiers(offers, {0: 5}) == {0: 0}


prices = st.integers(10, 300)


@settings(max_examples=60, deadline=None)
@given(
    replicas=st.integers(1, 12),
    cents=st.lists(prices, min_size=3, max_size=3, unique=True),
    starts=st.lists(st.integers(2, 14), min_size=2, max_size=2, unique=True),
    other=prices,
    stock=st.one_of(st.none(), st.integers(1, 14)),
)
def test_it_costs_what_enumeration_finds(replicas, cents, starts, other, stock):
    falling = sorted(cents, reverse=True)
    steps = [(n, p / 100) for n, p in zip(sorted(starts), falling[1:], strict=True)]
    first = stepped(f"{falling[0] / 100:.2f}", *steps, stock=stock)
    rest = offer("a", 1, f"{other / 100:.2f}", name="other")
    best = math.inf
    for nodes in range(15):
        if stock is None or nodes <= stock:
            paid = nodes * float(first.price_at(nodes))
            best = min(best, paid + max(replicas - nodes, 0) * other / 100)
    assert cost(replicas, [first, rest]) == pytest.approx(best, abs=1e-6)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Capacities: 10 requests/s on an H100."""
    path = tmp_path_factory.mktemp("measured") / "measured.csv"
    return write_table(path, [{"accelerator": "h100_sxm", "class": "chat", "capacity_rps": "10"}])


def test_a_plan_states_the_price_that_is_paid(tmp_path, measured):
    """Seven H100 are needed; eight at 2.50 cost less than seven at 3.00."""
    changes = {"h100-1": {"price": "3.00", "price_steps": "8: 2.50"}}
    quotes = catalog(tmp_path, changes, only=("h100-1",))
    wanted = workload(classes=[{"name": "chat", "rate_rps": 70}], sla={})
    document = plan(wanted, quotes, measured=measured, as_of=DAY).to_dict()
    (bought,) = document["purchases"]
    assert (bought["nodes"], bought["price_per_node_hour_usd"]) == (8, 2.5)
    assert document["cost_per_hour_usd"] == 20
    assert document["certificate"]["check"]["passed"]
    wrong = copy.deepcopy(document)
    wrong["purchases"][0]["price_per_node_hour_usd"] = 3.0
    check = PlanChecker(
        wrong, wanted, quotes, shipped_coefficients(), measured=load_measured(measured)
    ).check()
    assert any("costs $2.5 a node-hour, not $3" in f for f in check.failures), check.failures
