"""The clairvoyant optimum against every sequence of fleets there is."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_paths import MEASURED, NODES, RATE_RPS, path_of, workload

from data.coefficients import shipped_coefficients
from solver.replay.baselines import always, never
from solver.replay.change import ChangeCost
from solver.replay.clairvoyant import clairvoyant
from solver.replay.course import course_of
from solver.replay.known import sequence_usd
from solver.replay.reach import offers_within, within
from solver.replay.stage import Stage, prepare


def stage_of(prices, days, rate_rps=RATE_RPS):
    path = path_of(prices, days)
    return prepare(workload(rate_rps), path, shipped_coefficients(), measured=MEASURED)


def solved(stage: Stage, change: ChangeCost, gap=1e-6):
    cheapest = [stage.cheapest(t, gap=gap, time_limit_s=20) for t in range(len(stage.path))]
    return cheapest, clairvoyant(stage, change, cheapest, gap=gap, time_limit_s=20)


def every_fleet(rate_rps):
    """Yield the replicas on small, large and big nodes of every fleet that is of use."""
    most, few = math.ceil(rate_rps / 3), math.ceil(rate_rps / 12)
    for small, large, big in itertools.product(range(most + 1), range(most + 1), range(few + 1)):
        if small + large <= most and 3 * (small + large) + 12 * big >= rate_rps:
            yield {"small": small, "large": large, "big": big}


def nodes_of(fleet):
    return {"small": fleet["small"], "large": math.ceil(fleet["large"] / 4), "big": fleet["big"]}


def least_usd(prices, days, change: ChangeCost, rate_rps):
    """Return the cost of the best sequence by dynamic programming over all fleets."""
    fleets, last = list(every_fleet(rate_rps)), {}
    best = [0.0] * len(fleets)
    for t, (now, length) in enumerate(zip(prices, days, strict=True)):
        last |= now
        reached = []
        for fleet in fleets:
            bought = nodes_of(fleet)
            if any(n and o not in now for o, n in bought.items()):
                reached.append(math.inf)
                continue
            ways = [0.0] if t == 0 else []
            for g, other in enumerate(fleets) if t else ():
                held = nodes_of(other)
                left = sum(last.get(o, 0) * max(held[o] - bought[o], 0) for o in NODES)
                moved = sum(fleet[o] != other[o] for o in NODES)
                ways.append(best[g] + change.overlap_h * left + change.usd_per_pool * moved)
            hourly = sum(now.get(o, 0) * n for o, n in bought.items())
            reached.append(min(ways) + 24 * length * hourly)
        best = reached
    return min(best)


usd = st.integers(10, 400).map(lambda cents: cents / 100)
some_prices = st.fixed_dictionaries({"big": usd}, optional={"small": usd, "large": usd})


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(some_prices, st.integers(1, 3)), min_size=2, max_size=4),
    st.sampled_from([0.0, 1.0, 12.0, 24.0]),
    st.sampled_from([0.0, 5.0, 30.0]),
    st.sampled_from([12.0, 14.0]),
)
def test_no_sequence_is_cheaper(stretches, overlap_h, usd_per_pool, rate_rps):
    prices, days = [p for p, _ in stretches], [n for _, n in stretches]
    change = ChangeCost(overlap_h, usd_per_pool)
    stage = stage_of(prices, days, rate_rps)
    cheapest, found = solved(stage, change)
    assert found.proven
    assert found.usd == pytest.approx(least_usd(prices, days, change, rate_rps), rel=1e-5)
    assert found.bound_usd <= found.usd
    assert sequence_usd(stage.path, change, found.sequence) == pytest.approx(found.usd)
    first = cheapest[0].standing
    for course in (
        never(stage.path, first, cheapest),
        always(stage.path, first, cheapest, 1e-6),
        course_of(stage.path, found.sequence),
    ):
        assert course.account(stage.path, change).usd >= found.usd * (1 - 1e-5)


def test_it_stays_where_each_change_alone_would_not_pay():
    # Four L4s at $1, or an H100 at $4.20. For one day the L4s cost $4.40: to move there and back
    # saves 24 · $0.20 = $4.80, and costs $5 for each of two pools, twice, besides the overlap.
    low, high = {"small": 1.0, "big": 4.2}, {"small": 1.1, "big": 4.2}
    stage = stage_of([low, high, low], [5, 1, 5])
    _, found = solved(stage, ChangeCost(1.0, 5.0))
    assert {tuple(s.nodes.items()) for s in found.sequence} == {(("small", 4),)}
    assert found.usd == pytest.approx(24 * (5 * 4.0 + 4.4 + 5 * 4.0))


def test_it_moves_early_where_the_day_after_pays_for_it():
    # Four L4s cost $3.60, $4.00 on the eleventh day and $12.00 from then on; the H100 $4.10. On
    # the eleventh day that is dearer by 24 · $0.10; but to leave the L4s costs 24 · $4.00 then,
    # and 24 · $12.00 a day later. The H100 from the first day on would cost 240 · $0.50.
    prices = [{"small": 0.9, "big": 4.1}, {"small": 1.0, "big": 4.1}, {"small": 3.0, "big": 4.1}]
    stage = stage_of(prices, [10, 1, 10])
    change = ChangeCost(24.0, 0.0)
    _, found = solved(stage, change)
    assert [tuple(s.nodes) for s in found.sequence] == [("small",), ("big",), ("big",)]
    ran = 24 * (10 * 3.6 + 4.1 + 10 * 4.1)
    assert found.usd == pytest.approx(ran + 24 * 4 * 1.0)


def test_an_offer_that_is_withdrawn_is_left_at_its_last_price():
    prices = [{"small": 1.0, "big": 6.0}, {"big": 6.0}]
    stage = stage_of(prices, [10, 1])
    change = ChangeCost(2.0, 5.0)
    cheapest, found = solved(stage, change)
    # Four L4s for ten days, then an H100: 2 h of four nodes at $1, and two pools.
    worth = 24 * (10 * 4.0 + 6.0) + 2 * 4.0 + 2 * 5.0
    assert found.usd == pytest.approx(worth)
    course = never(stage.path, cheapest[0].standing, cheapest)
    assert (course.switches, course.forced) == (1, 1)
    assert course.account(stage.path, change).usd == pytest.approx(worth)


def test_offers_out_of_reach_are_in_no_fleet_within_it():
    stage = stage_of([{"small": 1.0, "large": 4.4, "big": 5.0}], [1])
    instance = stage.instance(0)
    # π = 4 L4 replicas at $1. A large node is $0.40 dearer than its accelerators are elsewhere.
    names = [instance.offers[o].offer_id for o in offers_within(instance.rated(), 4.3)]
    assert sorted(names) == ["big", "small"]
    names = [instance.offers[o].offer_id for o in offers_within(instance.rated(), 4.5)]
    assert sorted(names) == ["big", "large", "small"]
    assert {o.offer_id for o in within(instance, 4.3).offers} == {"small"}
