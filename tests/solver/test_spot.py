"""Interruptible offers: how much of a fleet may stand on them, and what is kept free for it."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import math
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalog import catalog, workload, write_table
from small_instances import candidate, instance, offer

from data.coefficients import shipped_coefficients
from solver.checker import PlanChecker
from solver.explain.infeasible import explain_infeasible
from solver.fleet import cheapest_fleet
from solver.market import open_market
from solver.measured import load_measured
from solver.planner import plan
from solver.problem import build_problem

DAY = dt.date(2026, 7, 15)


def spot(accelerator: str, price: str, **more):
    """Return an interruptible offer of single accelerators."""
    return replace(offer(accelerator, 1, price, **more), pricing="spot", interruptible=True)


def cost(case):
    """Return the cost of the cheapest fleet, found with and without screening."""
    found = []
    for screen in (True, False):
        fleet = cheapest_fleet(case, gap=0.0, time_limit_s=60.0, screen=screen).fleet
        found.append(None if fleet is None else float(fleet.cost_usd))
    assert found[0] == pytest.approx(found[1], abs=1e-9)
    return found[0]


def eight_replicas(**caps):
    """Eight replicas of a: 1.00 an hour each, or 0.40 where they can be interrupted."""
    offers = [offer("a", 1, "1.00", name="kept"), spot("a", "0.40", name="spot")]
    return instance((8.0,), [candidate(1.0)], offers, **caps)


def test_spot_alone_is_cheapest():
    assert cost(eight_replicas()) == pytest.approx(8 * 0.40)


def test_half_of_it_may_be_interrupted():
    """4 · 1.00 + 4 · 0.40."""
    assert cost(eight_replicas(max_spot_share=0.5)) == pytest.approx(5.60)


def test_a_share_that_is_no_whole_replica_is_rounded_down():
    """0.3 · 8 = 2.4: 2 replicas. 6 · 1.00 + 2 · 0.40."""
    assert cost(eight_replicas(max_spot_share=0.3)) == pytest.approx(6.80)


def test_none_may_be_interrupted():
    assert cost(eight_replicas(max_spot_share=0.0)) == pytest.approx(8.00)


def test_a_quarter_of_the_nodes_is_kept_free():
    """8 · 1.25 = 10 nodes at 0.40."""
    assert cost(eight_replicas(spot_headroom=0.25)) == pytest.approx(4.00)


def test_headroom_can_make_spot_dearer_than_the_rest():
    """At 2.5 nodes for each in use spot costs 1.00 a replica, at 2.6 it is not bought."""
    assert cost(eight_replicas(spot_headroom=1.6)) == pytest.approx(8.00)


def test_both_limits_together():
    """4 · 1.00, and 4 · 1.25 = 5 nodes at 0.40."""
    both = eight_replicas(max_spot_share=0.5, spot_headroom=0.25)
    assert cost(both) == pytest.approx(6.00)


def test_idle_replicas_of_something_cheap_do_not_make_room_for_spot():
    """The limit holds for each candidate: cheap c beside it would be no protection."""
    offers = [
        offer("a", 1, "1.00", name="kept"),
        spot("a", "0.40", name="spot"),
        offer("c", 1, "0.01", name="cheap"),
    ]
    slow = candidate(1e-6, accelerator="c")
    case = instance((8.0,), [candidate(1.0), slow], offers, max_spot_share=0.5)
    assert cost(case) == pytest.approx(5.60)


def test_spot_makes_no_other_offer_pointless_where_it_is_limited():
    offers = [offer("a", 1, "1.00", name="kept"), spot("a", "0.40", name="spot")]
    free = open_market(offers, pair_locations=False)
    apart = open_market(offers, pair_locations=False, spot_apart=True)
    assert [o.offer_id for o in free.offers] == ["spot"]
    assert [o.offer_id for o in apart.offers] == ["spot", "kept"]
    dear = [offer("a", 1, "1.00", name="kept"), spot("a", "1.40", name="spot")]
    assert [
        o.offer_id for o in open_market(dear, pair_locations=False, spot_apart=True).offers
    ] == ["kept"]


prices = st.integers(10, 300).map(lambda cents: f"{cents / 100:.2f}")


@settings(max_examples=60, deadline=None)
@given(
    rate=st.integers(1, 12),
    speeds=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    kept=st.tuples(prices, prices),
    at_risk=st.tuples(prices, prices),
    share=st.sampled_from((None, 0.0, 0.25, 1 / 3, 0.5, 0.8, 1.0)),
    headroom=st.sampled_from((0.0, 0.1, 0.25, 0.5, 1.0)),
)
def test_it_costs_what_enumeration_finds(rate, speeds, kept, at_risk, share, headroom):
    chips = ("a", "b")
    offers = [offer(c, 1, p, name=f"kept-{c}") for c, p in zip(chips, kept, strict=True)]
    offers += [spot(c, p, name=f"spot-{c}") for c, p in zip(chips, at_risk, strict=True)]
    choices = [candidate(float(s), accelerator=c) for s, c in zip(speeds, chips, strict=True)]
    case = instance((float(rate),), choices, offers, max_spot_share=share, spot_headroom=headroom)
    best = math.inf
    for counts in itertools.product(range(rate + 1), repeat=2):
        if sum(n * s for n, s in zip(counts, speeds, strict=True)) < rate:
            continue
        parts = zip(counts, kept, at_risk, strict=True)
        best = min(best, sum(_cheapest(n, k, s, share, headroom) for n, k, s in parts))
    assert cost(case) == pytest.approx(float(best), abs=1e-6)


def _cheapest(replicas, kept, at_risk, share, headroom):
    """Return the least cost of replicas of one accelerator, over how many are interruptible."""
    most = Fraction(1) if share is None else Fraction(share)
    costs = []
    for number in range(replicas + 1):
        if number <= most * replicas + Fraction(1, 10**9):
            nodes = math.ceil(number * (1 + Fraction(str(headroom))))
            costs.append((replicas - number) * Fraction(kept) + nodes * Fraction(at_risk))
    return min(costs)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Capacities: 10 requests/s on an H100."""
    path = tmp_path_factory.mktemp("measured") / "measured.csv"
    return write_table(path, [{"accelerator": "h100_sxm", "class": "chat", "capacity_rps": "10"}])


KEPT, SPOT = "h100-1", "l40s-1"


def two_quotes(folder, stock=""):
    """Return single H100 at 2.00 an hour, and at 1.00 where they can be interrupted."""
    changes = {
        KEPT: {"price": "2.00", "stock": stock},
        SPOT: {"accelerator": "h100_sxm", "price": "1.00", "pricing": "spot"},
    }
    return catalog(folder, changes, only=(KEPT, SPOT))


@pytest.fixture
def quotes(tmp_path):
    return two_quotes(tmp_path)


def chat(**hardware):
    """Return a workload that takes eight H100 at the measured capacity."""
    return workload(
        classes=[{"name": "chat", "rate_rps": 80}],
        sla={},
        hardware={"pricing": ["on_demand", "spot"], **hardware},
    )


def test_the_plan_says_what_the_limits_cost(quotes, measured):
    """Half on spot: 4 · 2.00 + 4 · 1.25 · 1.00 = 13; 12 without headroom, 10 all on spot."""
    wanted = chat(max_spot_share=0.5, spot_headroom=0.25)
    found = plan(wanted, quotes, measured=measured, as_of=DAY)
    document = found.to_dict()
    assert document["cost_per_hour_usd"] == 13
    assert {p["offer_id"]: p["nodes"] for p in document["purchases"]} == {KEPT: 4, SPOT: 5}
    worth = {b["limit"]: b["cost_per_hour_usd"] for b in document["binding"]}
    assert worth["hardware.max_spot_share"] == 10
    assert worth["hardware.spot_headroom"] == 12
    assert any("25% more nodes than are in use" in text for text in document["warnings"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"max_spot_share": 0.4}, "4 of 8 replicas can be interrupted, more than a share of 0.4"),
        ({"spot_headroom": 0.5}, f"{SPOT}: fewer nodes are free than spot_headroom asks for"),
    ],
)
def test_the_checker_finds_too_much_at_risk(quotes, measured, change, said):
    limits = {"max_spot_share": 0.5, "spot_headroom": 0.25}
    document = plan(chat(**limits), quotes, measured=measured, as_of=DAY).to_dict()
    check = PlanChecker(
        copy.deepcopy(document),
        chat(**{**limits, **change}),
        quotes,
        shipped_coefficients(),
        measured=load_measured(measured),
    ).check()
    assert any(said in failure for failure in check.failures), check.failures


def test_what_to_give_up_where_too_little_is_uninterruptible(tmp_path, measured):
    """Two nodes are kept: at most 6 of 8 replicas are at risk only from a share of 0.75 on."""
    quotes = two_quotes(tmp_path, stock="2")
    problem = build_problem(
        chat(max_spot_share=0.5), quotes, shipped_coefficients(),
        measured=load_measured(measured), as_of=DAY,
    )  # fmt: skip
    found = explain_infeasible(problem, gap=1e-4, time_limit_s=30.0)
    entry = next(r for r in found["relaxations"] if r["field"] == "hardware.max_spot_share")
    assert (entry["from"], entry["to"], entry["cost_per_hour_usd"]) == (0.5, 0.75, 10.0)
