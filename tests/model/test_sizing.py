"""Whiteboard sizing against figures worked by hand."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from model.sizing import (
    GB,
    WHITEBOARD_MODELS,
    batch_ceiling,
    cost_per_million_tokens_usd,
    exact,
    fleet_size,
    gpu_lower_bound,
    kv_bytes_per_sequence,
    memory_wall_tokens_per_s,
    node_count,
    ring_all_reduce,
    weights_gb_per_gpu,
)

BAD = [0, -1, math.nan, math.inf, -math.inf, 1e300, 10**400, 1e-300, True, "12", None]
rates = st.decimals(min_value="0.01", max_value=10**6, places=2).map(float)
shares = st.integers(1, 100).map(lambda percent: percent / 100)


def example(**levers: float):
    """12,000 requests/s, 85 a node, 70 %, $3.10, a month of 720 hours."""
    return fleet_size(12_000, 85, 0.70, 3.10, hours_per_month=720, **levers)


def test_worked_fleet():
    # 12,000 / (0.70 · 85) = 12,000 / 59.5 = 201.68; 202 · 3.10 = 626.20; · 720 = 450,864.
    fleet = example()
    assert fleet.nodes == 202
    assert fleet.cost_per_hour_usd == 626.20
    assert fleet.cost_per_month_usd == 450_864
    assert fleet.spare_share == pytest.approx(1 - 12_000 / (202 * 59.5))


@pytest.mark.parametrize(
    ("levers", "nodes", "cost", "saved_pct"),
    [
        ({"rate_factor": 2}, 101, 313.10, 50.0),  # 12,000 / 119 = 100.84
        ({"price_factor": 0.65}, 202, 407.03, 35.0),  # 3.10 · 0.65 = 2.015
        ({"rate_factor": 2, "price_factor": 0.65}, 101, 203.515, 67.5),
        ({"rate_factor": 1.4}, 145, 449.50, 28.2),  # 85 · 1.4 = 119; / 83.3 = 144.06
    ],
)
def test_worked_levers(levers, nodes, cost, saved_pct):
    fleet = example(**levers)
    assert (fleet.nodes, fleet.cost_per_hour_usd) == (nodes, cost)
    assert round(100 * (1 - cost / 626.20), 1) == saved_pct


def test_the_month_is_that_of_the_plan_document_unless_told():
    fleet = fleet_size(1, 1, 1, 2)
    assert (fleet.hours_per_month, fleet.cost_per_month_usd) == (730, 1_460)


@pytest.mark.parametrize(
    ("load", "node_rps", "utilization", "nodes"),
    [
        (119, 85, 0.7, 2),  # the float quotient is 2.0000000000000004
        (595, 85, 0.7, 10),
        (0.1 + 0.2, 0.1, 1, 3),  # the load itself carries noise
        (3.0000000001, 1, 1, 4),  # this one is really more than three
        (Fraction(100, 3), Fraction(100, 9), 1, 3),
        (10**18, 1, 1, 10**18),
    ],
)
def test_float_noise_buys_no_node(load, node_rps, utilization, nodes):
    assert node_count(load, node_rps, utilization) == nodes


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(1, 100))
def test_an_exact_multiple_needs_exactly_that_many_nodes(nodes, rate_tenths, percent):
    load = Fraction(nodes * rate_tenths * percent, 1000)
    assert node_count(load, rate_tenths / 10, percent / 100) == nodes


@given(rates, rates, rates, shares)
def test_more_load_never_needs_fewer_nodes(load, more, rate, share):
    assert node_count(load + more, rate, share) >= node_count(load, rate, share)


@given(rates, rates, shares)
def test_the_fleet_carries_the_load_and_one_node_fewer_does_not(load, rate, share):
    nodes = node_count(load, rate, share)
    capacity = exact("share", share) * exact("rate", rate)
    assert (nodes - 1) * capacity < exact("load", load) <= nodes * capacity


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("position", range(4))
def test_bad_figures_of_a_fleet_are_refused(bad, position):
    figures = [12_000, 85, 0.7, 3.1]
    figures[position] = bad
    with pytest.raises(InputError):
        fleet_size(*figures)


def test_the_refusal_names_the_figure_and_the_fix():
    with pytest.raises(InputError, match=r"utilization is 1.5; give a share above 0 and at most 1"):
        fleet_size(12_000, 85, 1.5, 3.1)


@pytest.mark.parametrize(
    ("gqa", "tokens", "requests", "gpus"),
    [
        # KV values a token 2·L·H: 262,144; 1,310,720; 4,128,768; two bytes each.
        # 8B: 16 + 134.2 = 150.2 GB; 70B: 140 + 671.1 = 811.1; 405B: 810 + 2,113.9 = 2,923.9.
        (1, 8_000, 32, (2, 11, 37)),
        # 16 + 17,179.9; 140 + 85,899.3; 810 + 270,583 GB.
        (1, 128_000, 256, (215, 1_076, 3_393)),
        # 16 + 16.8 = 32.8; 140 + 83.9 = 223.9; 810 + 264.2 = 1,074.2 GB.
        (8, 8_000, 32, (1, 3, 14)),
        # 16 + 2,147.5; 140 + 10,737.4; 810 + 33,822.9 GB.
        (8, 128_000, 256, (28, 136, 433)),
    ],
)
def test_gpu_lower_bound(gqa, tokens, requests, gpus):
    found = [
        gpu_lower_bound(m.parameters, m.layers, m.hidden, tokens, requests, gqa_factor=gqa)
        for m in WHITEBOARD_MODELS
    ]
    assert tuple(bound.gpus for bound in found) == gpus
    for bound in found:
        assert bound.kv_share == pytest.approx(bound.kv_gb / (bound.kv_gb + bound.weights_gb))


def test_kv_share_of_the_8b_model():
    # 2 · 32 · 4,096 · 2 · 8,000 · 32 = 134,217,728,000 bytes beside 16e9.
    bound = gpu_lower_bound(8e9, 32, 4_096, 8_000, 32)
    assert bound.kv_gb == 134.217728
    assert bound.kv_share == pytest.approx(134.217728 / 150.217728)


@pytest.mark.parametrize("change", [{"gqa_factor": 0.5}, {"bytes_per_kv": 0}, {"layers": 1.5}])
def test_bad_figures_of_the_bound_are_refused(change):
    figures = {"parameters": 8e9, "layers": 32, "hidden": 4_096}
    with pytest.raises(InputError):
        gpu_lower_bound(**{**figures, "context_tokens": 8_000, "requests": 32, **change})


@pytest.mark.parametrize(("billions", "tokens_per_s"), [(70, 14.3), (7, 142.9), (405, 2.5)])
def test_memory_wall(billions, tokens_per_s):
    # 2,000 GB/s over 140, 14 and 810 GB.
    assert round(memory_wall_tokens_per_s(billions * GB, 2, 2_000), 1) == tokens_per_s


@pytest.mark.parametrize(
    ("kv_heads", "tokens", "gb"),
    [
        (8, 4_096, 1.34217728),  # 2 · 80 · 8 · 128 · 2 = 327,680 bytes a token
        (64, 4_096, 10.73741824),
        (8, 131_072, 42.94967296),
    ],
)
def test_kv_of_a_sequence(kv_heads, tokens, gb):
    assert kv_bytes_per_sequence(80, kv_heads, 128, tokens) == gb * GB


@pytest.mark.parametrize(
    ("memory", "weights", "kv", "ceiling"),
    [
        (80, 14, 5, 13),  # 66 / 5 = 13.2
        (80, 14, 6.6, 10),  # a float quotient may fall below 10
        (80, 80, 5, 0),
        (80, 140, 5, 0),
    ],
)
def test_batch_ceiling(memory, weights, kv, ceiling):
    assert batch_ceiling(memory, weights, kv) == ceiling


def test_weights_by_tensor_parallelism():
    assert [weights_gb_per_gpu(140, tp) for tp in (1, 2, 4, 8)] == [140, 70, 35, 17.5]


@pytest.mark.parametrize(
    ("price", "speed", "cost"), [(2.50, 800, 0.87), (20, 3_000, 1.85), (32, 8_000, 1.11)]
)
def test_cost_per_million_tokens(price, speed, cost):
    # 2.50 / 2.88 = 0.868; 20 / 10.8 = 1.852; 32 / 28.8 = 1.111 (millions of tokens an hour).
    assert round(cost_per_million_tokens_usd(price, speed), 2) == cost


def test_ring_all_reduce_of_one_token():
    # 8 ranks: 14 hops of 0.6 us = 8.4; 14/8 · 16,384 B / 450 GB/s = 28,672 / 450,000 us.
    time = ring_all_reduce(8, 8_192 * 2, 0.6, 450)
    assert time.latency_us == 8.4
    assert time.transfer_us == pytest.approx(28_672 / 450_000)
    assert time.total_us == pytest.approx(time.latency_us + time.transfer_us)


def test_one_rank_reduces_nothing_and_latency_may_be_zero():
    assert ring_all_reduce(1, 16_384, 0.6, 450).total_us == 0
    assert ring_all_reduce(2, 16_384, 0, 450).latency_us == 0


@pytest.mark.parametrize(
    "figures", [(0, 1, 1, 1), (2.5, 1, 1, 1), (2, 0, 1, 1), (2, 1, -1, 1), (2, 1, 1, math.inf)]
)
def test_bad_figures_of_an_all_reduce_are_refused(figures):
    with pytest.raises(InputError):
        ring_all_reduce(*figures)


@pytest.mark.parametrize("bad", BAD)
def test_bad_figures_of_the_single_formulas_are_refused(bad):
    for call in (
        lambda: memory_wall_tokens_per_s(bad, 2, 2_000),
        lambda: kv_bytes_per_sequence(80, bad, 128, 4_096),
        lambda: batch_ceiling(80, 14, bad),
        lambda: weights_gb_per_gpu(140, bad),
        lambda: cost_per_million_tokens_usd(2.5, bad),
    ):
        with pytest.raises(InputError):
            call()
