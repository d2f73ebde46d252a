"""Shares sum to one exactly, keep every limit, and load pools evenly."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from small_instances import candidate, instance, instances, offer

from data.errors import EngineError
from solver.fleet import cheapest_fleet
from solver.shares import GRID, balanced_shares


def test_load_is_spread_evenly():
    # 3 requests/s on replicas of 1 and of 2 (both at 3/4 of what they admit … 3 = t·(1·1 + 2·1.5)).
    case = instance((3,), [candidate(1), candidate(1.5)], [offer()])
    shares = balanced_shares(case, {0: 1, 1: 2})
    assert shares == {(0, 0): Decimal("0.25"), (0, 1): Decimal("0.75")}


def test_spares_take_no_load():
    case = instance((2,), [candidate(2), candidate(1)], [offer()], spare_replicas=1)
    shares = balanced_shares(case, {0: 2, 1: 3})
    assert shares == {(0, 0): Decimal("0.5"), (0, 1): Decimal("0.5")}


def test_of_equal_splits_the_one_that_loses_least():
    # One replica of either does all; the exact one takes it.
    case = instance((1,), [candidate(1, loss=1.0), candidate(1)], [offer()])
    loads = balanced_shares(case, {0: 1, 1: 1})
    assert loads == {(0, 0): Decimal("0.5"), (0, 1): Decimal("0.5")}
    limited = instance(
        (1,), [candidate(1, loss=1.0), candidate(1)], [offer()], max_quality_loss_pct=0.25
    )
    assert balanced_shares(limited, {0: 1, 1: 1}) == {
        (0, 0): Decimal("0.25"),
        (0, 1): Decimal("0.75"),
    }


def test_a_third_is_rounded_so_that_the_sum_is_one():
    case = instance((1,), [candidate(1)] * 3, [offer()])
    shares = balanced_shares(case, {0: 1, 1: 1, 2: 1})
    assert sum(shares.values()) == 1
    assert all(abs(s - Decimal(1) / 3) <= 2 * GRID for s in shares.values())


def test_pools_that_cannot_serve_are_an_error():
    case = instance((2,), [candidate(1)], [offer()])
    with pytest.raises(EngineError, match="does not serve"):
        balanced_shares(case, {0: 1})


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=instances())
def test_shares_of_the_cheapest_fleet(case):
    fleet = cheapest_fleet(case, gap=0.0, time_limit_s=30.0).fleet
    if fleet is None:
        return
    case = fleet.instance
    started: dict[int, Decimal] = defaultdict(Decimal)
    flows: dict[object, Decimal] = defaultdict(Decimal)
    losses: dict[int, Decimal] = defaultdict(Decimal)
    loads: dict[int, Fraction] = defaultdict(Fraction)
    traffic: dict[int, Fraction] = defaultdict(Fraction)
    for (w, i), share in fleet.shares.items():
        c = case.candidates[i]
        assert 0 < share <= 1
        assert share == share.quantize(GRID)
        if c.role != "decode":
            started[w] += share
        if c.role != "aggregated":
            sign = 1 if c.role == "prefill" else -1
            flows[w, c.location, c.shape.kv] += sign * share
            traffic[i] += Fraction(share) * Fraction(case.rates_rps[w] / c.link_rps[w])
        losses[w] += share * Decimal(c.loss_pct) * Decimal(1 if c.role == "aggregated" else "0.5")
        loads[i] += Fraction(share) * Fraction(case.rates_rps[w]) / Fraction(c.capacity_rps[w])
    assert started == {w: Decimal(1) for w in range(len(case.rates_rps))}
    assert not any(flows.values())
    spare, allowed = case.caps.spare_replicas, case.caps.max_quality_loss_pct
    assert allowed is None or all(v <= Decimal(allowed) + Decimal("1e-6") for v in losses.values())
    slack = 1 + Fraction(1, 10**6)
    for i, count in fleet.replicas.items():
        assert 0 < loads[i] <= (count - spare) * slack
        assert traffic[i] <= count * slack
