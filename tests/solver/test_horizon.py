"""Commitments for the base and other offers for the peak, against enumeration."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_instances import candidate, instance, offer

from data.price_steps import PriceStep
from solver.engines.result import Termination
from solver.horizon.fleets import cheapest_over_time
from solver.horizon.periods import Period, Start, block_of, block_share
from solver.price_tiers import tiers_of


def committed(accelerator: str, price: str, *, term: int | None = 12, **more):
    """Return an offer of single accelerators that is paid for, used or not."""
    found = offer(accelerator, 1, price, **more)
    return replace(found, pricing="committed", term_months=term)


def solve(case, periods, **options):
    """Return the cheapest horizon, found with and without screening."""
    found = [
        cheapest_over_time(case, periods, gap=0.0, time_limit_s=60.0, screen=screen, **options)
        for screen in (True, False)
    ]
    for answer in found:
        if answer.fleets:
            assert float(answer.cost_usd) == pytest.approx(answer.result.objective, abs=1e-6)
            assert answer.result.bound <= answer.result.objective + 1e-6
            assert answer.result.termination is Termination.GAP_CLOSED
            assert answer.result.gap <= 1e-6
    costs = [None if a.result.objective is None else a.result.objective for a in found]
    assert costs[0] == pytest.approx(costs[1], abs=1e-6)
    return found[0]


def base_and_peak(peak_share: float) -> list[Period]:
    """Two replicas always, five at the peak (of a class at 5 requests/s)."""
    return [Period(0, 0.4, 1 - peak_share), Period(0, 1.0, peak_share)]


def one_kind(*, on_demand="2.00", reserved="1.00", **more):
    offers = [
        offer("a", 1, on_demand, name="day"),
        committed("a", reserved, name="year", **more),
    ]
    return instance((5.0,), [candidate(1.0)], offers)


def test_the_base_is_committed_and_a_short_peak_is_not():
    """2 · 1.00 always; 3 · 2.00 in a quarter of the hours: 3.50. Five committed would cost 5."""
    found = solve(one_kind(), base_and_peak(0.25))
    assert float(found.cost_usd) == pytest.approx(3.50)
    assert found.committed == {(1, 0): 2}
    assert float(found.committed_usd) == pytest.approx(2.00)
    assert float(found.flexible_usd) == pytest.approx(1.50)
    assert found.idle_usd == 0


def test_a_long_peak_is_committed_too_and_idle_at_night():
    """At 60 % of the hours five committed cost 5, two and three on demand 2 + 3.60."""
    found = solve(one_kind(), base_and_peak(0.6))
    assert float(found.cost_usd) == pytest.approx(5.00)
    assert found.committed == {(1, 0): 5}
    assert float(found.idle_usd) == pytest.approx(3 * 0.4)


def test_a_minimum_commitment():
    """Four at least: 4 + 1 · 2.00 in a quarter of the hours = 4.50; five on demand cost 5.50."""
    found = solve(one_kind(min_nodes=4), base_and_peak(0.25))
    assert float(found.cost_usd) == pytest.approx(4.50)
    assert found.committed == {(1, 0): 4}


def test_a_commitment_of_limited_stock():
    """One committed: 1 + 1 · 2.00 at all times + 3 · 2.00 in a quarter = 4.50."""
    found = solve(one_kind(stock=1), base_and_peak(0.25))
    assert float(found.cost_usd) == pytest.approx(4.50)


def test_prices_that_fall_with_the_size_of_the_commitment():
    """From four on 0.90: 4 · 0.90 + 1 · 2.00 in a quarter = 4.10; two at 1.50 and three: 4.50."""
    stepped = replace(
        committed("a", "1.50", name="year", stock=4),
        price_steps=(PriceStep(4, Decimal("0.90")),),
    )
    offers = tiers_of([offer("a", 1, "2.00", name="day"), stepped])
    case = instance((5.0,), [candidate(1.0)], offers)
    found = solve(case, base_and_peak(0.25))
    assert float(found.cost_usd) == pytest.approx(4.10)
    assert found.committed == {(2, 0): 4}
    # At the peak always: the stock of four is that of both prices together.
    always = solve(case, [Period(0, 1.0, 0.5), Period(0, 1.0, 0.5)])
    assert float(always.cost_usd) == pytest.approx(4 * 0.90 + 2.00)


def test_starting_nodes_has_a_price():
    """Three are started once a day for 2 hours at 2.00: 3 · 4/24 = 0.50 more."""
    found = solve(one_kind(), base_and_peak(0.25), start=Start(2.0, 24.0))
    assert float(found.cost_usd) == pytest.approx(4.00)
    assert float(found.start_usd) == pytest.approx(0.50)


def test_nodes_stay_on_through_a_short_trough():
    """Two on demand at all times cost 0.40; one, and a second at 4 hours in 5, with a start of 6
    hours a day, 0.2 · 0.20 + 0.8 · 0.40 + 0.20 · 6/24 = 0.41."""
    case = instance((2.0,), [candidate(1.0)], [offer("a", 1, "0.20", name="day")])
    found = solve(case, [Period(0, 0.5, 0.2), Period(0, 1.0, 0.8)], start=Start(6.0, 24.0))
    assert float(found.cost_usd) == pytest.approx(0.40)
    assert found.kept == {(0, 0): 1}
    assert float(found.idle_usd) == pytest.approx(0.04)
    assert found.start_usd == 0


def test_commitments_of_a_month_follow_growth():
    """Two months at 2 and 4 replicas: (2 + 4)/2 by the month, 4 for the whole time."""
    months = [Period(0, 0.4, 0.5), Period(1, 0.8, 0.5)]
    monthly = one_kind(term=1)
    assert float(solve(monthly, months).cost_usd) == pytest.approx(3.00)
    yearly = one_kind(term=12, on_demand="9.00")
    assert float(solve(yearly, months).cost_usd) == pytest.approx(4.00)


def test_blocks_of_terms():
    quarterly = committed("a", "1.00", term=3)
    periods = [Period(m, 1.0, 0.25) for m in (0, 2, 3, 5)]
    assert [block_of(quarterly, p) for p in periods] == [0, 0, 1, 1]
    assert block_share(quarterly, 1, periods) == 0.5
    assert block_of(offer("a"), periods[0]) is None


def test_what_nothing_serves_is_infeasible():
    case = instance((5.0,), [candidate(1.0, accelerator="b")], [offer("a")])
    found = cheapest_over_time(case, base_and_peak(0.5), gap=0.0, time_limit_s=10.0)
    assert (found.fleets, found.result.objective) == ((), None)


prices = st.integers(20, 300).map(lambda cents: f"{cents / 100:.2f}")


@settings(max_examples=40, deadline=None)
@example([2, 3], [1, 4, 1], 2, ("0.21", "0.20"), "0.20", 2, 6.0)
@example([1, 2], [1, 4, 1], 1, ("0.20", "0.20"), "0.20", 2, 6.0)
@given(
    factors=st.lists(st.integers(1, 4), min_size=2, max_size=3),
    shares=st.lists(st.integers(1, 9), min_size=3, max_size=3),
    speed=st.integers(1, 2),
    day=st.tuples(prices, prices),
    year=prices,
    least=st.integers(1, 3),
    start_hours=st.sampled_from((0.0, 0.0, 1.0, 6.0)),
)
def test_it_costs_what_enumeration_finds(factors, shares, speed, day, year, least, start_hours):
    """One class of 1 to 4 units; a serves 1 of them, b serves `speed`; only a is committed."""
    total = sum(shares[: len(factors)])
    periods = [Period(0, float(f), s / total) for f, s in zip(factors, shares, strict=False)]
    offers = [
        offer("a", 1, day[0], name="a"),
        offer("b", 1, day[1], name="b"),
        committed("a", year, name="year", min_nodes=least),
    ]
    case = instance((1.0,), [candidate(1.0), candidate(float(speed), accelerator="b")], offers)
    start = Start(start_hours, 24.0) if start_hours else None
    found = solve(case, periods, start=start)
    best = math.inf
    # Nodes may stay on between two peaks: as many as the highest needs.
    counts = list(itertools.product(range(max(factors) + 1), repeat=2))
    each = [[(a, b) for a, b in counts if a + speed * b >= f] for f in factors]
    for bought in (0, *range(least, 6)):
        for fleets in itertools.product(*each):
            nodes = [(max(a - bought, 0), b) for a, b in fleets]
            cost = bought * float(year)
            for (a, b), period in zip(nodes, periods, strict=True):
                cost += period.share * (a * float(day[0]) + b * float(day[1]))
            for t in range(len(nodes)):
                for i in (0, 1):
                    grown = max(nodes[t][i] - nodes[t - 1][i], 0)
                    cost += grown * float(day[i]) * start_hours / 24
            best = min(best, cost)
    assert found.result.objective == pytest.approx(best, abs=1e-6)
