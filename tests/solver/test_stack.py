"""The optimisation stack: the worked example, conditional factors and the orders."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from solver.stack import (
    EXAMPLE,
    EXAMPLE_LEVERS,
    After,
    Lever,
    analyse_orders,
    load_levers,
    run_stack,
)

BATCHING = Lever("batching", throughput_factor=1.5)
DRAFTING = Lever("drafting", throughput_factor=1.8, after=(After("batching", 1.2),))

factors = st.integers(10, 400).map(lambda hundredths: hundredths / 100)


def test_worked_example():
    # Node rates 30, 40.5, 56.7, 70.875, 127.575, 153.09; 4,000 / (0.6 · rate) =
    # 222.2, 164.6, 117.6, 94.06, 52.3, 43.5. Memory: 180, 110, 75, 55 GB over 80.
    stages = run_stack(EXAMPLE, EXAMPLE_LEVERS)
    assert [s.nodes for s in stages] == [223, 165, 118, 95, 53, 44]
    assert [s.gpus_per_node for s in stages] == [4, 2, 1, 1, 1, 1]
    assert [s.weights_gb + s.kv_gb for s in stages] == [180, 110, 75, 55, 55, 55]
    assert [s.cost_per_hour_usd for s in stages] == [2676, 1980, 1416, 1140, 636, 528]
    assert stages[-1].node_rps == 153.09
    assert round(stages[-1].cost_reduction_factor, 1) == 5.1
    assert stages[-1].cumulative_throughput_factor == 5.103


def test_the_baseline_needs_three_gpus_for_memory_and_is_given_four():
    given_four = run_stack(EXAMPLE, ())[0]
    assert (given_four.gpus_per_node, given_four.gpus_for_memory) == (4, 3)
    from_memory = run_stack(replace(EXAMPLE, gpus_per_node=None), ())[0]
    assert (from_memory.gpus_per_node, from_memory.gpus_for_memory) == (3, 3)


def test_the_gpus_given_hold_until_a_lever_changes_what_the_memory_needs():
    # 180 GB need 3 GPUs, 140 · 0.9 + 40 = 166 GB still do, 140 · 0.45 + 40 = 103 GB need 2.
    levers = [BATCHING, Lever("a", weight_factor=0.9), Lever("b", weight_factor=0.5)]
    assert [s.gpus_per_node for s in run_stack(EXAMPLE, levers)] == [4, 4, 4, 2]


def test_cost_if_billed_by_the_gpu():
    # $12 over 4 GPUs is $3 an hour of a GPU; 44 nodes of one GPU are $132.
    assert run_stack(EXAMPLE, EXAMPLE_LEVERS)[-1].cost_at_baseline_gpu_price_usd == 132


def test_a_price_factor():
    # 223 · 12 · 0.65 = 1,739.40.
    stage = run_stack(EXAMPLE, [Lever("cheaper nodes", price_factor=0.65)])[-1]
    assert (stage.nodes, stage.price_per_node_hour_usd) == (223, 7.8)
    assert stage.cost_per_hour_usd == 1_739.40


def test_the_example_ends_the_same_in_every_order():
    orders = analyse_orders(EXAMPLE, EXAMPLE_LEVERS)
    assert orders.orders == 120
    assert orders.order_independent
    assert (orders.spread_nodes, orders.spread_cost_per_hour_usd) == (0, 0)
    assert (orders.best.nodes, orders.worst.nodes) == (44, 44)
    # On the way they differ. Largest factor first: rates 30, 54, 75.6, 102.06, 127.575 give
    # 223, 124, 89, 66, 53 nodes: 555 · 12 / 5 = 1,332. Smallest first: 30, 36, 45, 60.75, 85.05
    # give 223, 186, 149, 110, 79: 747 · 12 / 5 = 1,792.80.
    assert orders.best.levers[0] == "continuous batching"
    assert orders.best.mean_cost_per_hour_usd == 1_332
    assert orders.worst.levers[0] == "prefix reuse"
    assert orders.worst.mean_cost_per_hour_usd == 1_792.80


def test_a_conditional_factor_makes_the_order_matter():
    # drafting first: 30 · 1.8 · 1.5 = 81; 4,000 / 48.6 = 82.3: 83 nodes, $996.
    # batching first: 30 · 1.5 · 1.2 = 54; 4,000 / 32.4 = 123.5: 124 nodes, $1,488.
    first = run_stack(EXAMPLE, [DRAFTING, BATCHING])
    second = run_stack(EXAMPLE, [BATCHING, DRAFTING])
    assert [s.nodes for s in first] == [223, 124, 83]
    assert [s.nodes for s in second] == [223, 149, 124]
    assert [s.throughput_factor for s in second] == [1, 1.5, 1.2]
    orders = analyse_orders(EXAMPLE, [BATCHING, DRAFTING])
    assert not orders.order_independent
    assert orders.best.levers == ("drafting", "batching")
    assert orders.worst.levers == ("batching", "drafting")
    assert (orders.best.nodes, orders.worst.nodes, orders.spread_nodes) == (83, 124, 41)
    assert orders.spread_cost_per_hour_usd == 492
    # (2,676 + 1,488) / 2 and (2,676 + 1,788) / 2: the baseline and the stage before the last.
    assert orders.best.mean_cost_per_hour_usd == 2_082
    assert orders.worst.mean_cost_per_hour_usd == 2_232


def test_the_first_condition_that_gives_a_factor_sets_it():
    lever = Lever(
        "x",
        throughput_factor=2,
        after=(After("a", weight_factor=0.5), After("b", 1.5), After("a", 1.25, 0.25)),
    )
    stage = run_stack(EXAMPLE, [Lever("a"), Lever("b"), lever])[-1]
    assert (stage.throughput_factor, stage.weights_gb) == (1.5, 70)


@settings(max_examples=40)
@given(st.lists(st.tuples(factors, factors, factors), min_size=1, max_size=4), st.randoms())
def test_factors_commute(rows, random):
    baseline = replace(EXAMPLE, gpus_per_node=None)
    levers = [
        Lever(str(i), throughput_factor=q, weight_factor=w, price_factor=p)
        for i, (q, w, p) in enumerate(rows)
    ]
    shuffled = random.sample(levers, len(levers))
    one, other = run_stack(baseline, levers)[-1], run_stack(baseline, shuffled)[-1]
    assert replace(one, name="", throughput_factor=1) == replace(
        other, name="", throughput_factor=1
    )
    assert analyse_orders(baseline, levers).order_independent


@settings(max_examples=25)
@given(st.lists(st.tuples(factors, factors), min_size=1, max_size=4), st.data())
def test_the_order_analysis_agrees_with_running_every_order(rows, data):
    names = [str(i) for i in range(len(rows))]
    levers = [
        Lever(
            name,
            throughput_factor=own,
            after=tuple(
                After(other, throughput_factor=then)
                for other in names
                if other != name and data.draw(st.booleans())
            ),
        )
        for name, (own, then) in zip(names, rows, strict=True)
    ]
    ends = []
    for order in itertools.permutations(levers):
        stages = run_stack(EXAMPLE, order)
        mean = math.fsum(s.cost_per_hour_usd for s in stages[:-1]) / len(levers)
        ends.append((stages[-1].cost_per_hour_usd, mean, stages[-1].nodes))
    found = analyse_orders(EXAMPLE, levers)
    for order, end in ((found.best, min(ends)), (found.worst, max(ends))):
        assert order.cost_per_hour_usd == end[0]
        assert order.mean_cost_per_hour_usd == pytest.approx(end[1])
        assert order.nodes == end[2]
    nodes = [end[2] for end in ends]
    assert found.spread_nodes == max(nodes) - min(nodes)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_more_load_never_needs_fewer_nodes(load, more):
    small, large = (
        run_stack(replace(EXAMPLE, load_rps=rps), EXAMPLE_LEVERS) for rps in (load, load + more)
    )
    assert all(a.nodes <= b.nodes for a, b in zip(small, large, strict=True))


def test_no_levers_have_one_order():
    orders = analyse_orders(EXAMPLE, ())
    assert (orders.orders, orders.order_independent) == (1, True)
    assert orders.best == orders.worst
    assert orders.best.mean_cost_per_hour_usd == 2_676


def test_eight_levers_are_analysed_and_nine_refused():
    levers = [Lever(str(i), throughput_factor=1.1) for i in range(9)]
    assert analyse_orders(EXAMPLE, levers[:8]).orders == math.factorial(8)
    with pytest.raises(InputError, match="at most 8"):
        analyse_orders(EXAMPLE, levers)
    assert len(run_stack(EXAMPLE, levers)) == 10


@pytest.mark.parametrize(
    "change",
    [
        {"load_rps": 0},
        {"node_rps": math.nan},
        {"utilization": 1.2},
        {"price_per_node_hour_usd": math.inf},
        {"weights_gb": -1},
        {"kv_gb": -1},
        {"gpu_memory_gb": 0},
        {"gpus_per_node": 2},
        {"gpus_per_node": 3.5},
    ],
)
def test_bad_baselines_are_refused(change):
    with pytest.raises(InputError):
        run_stack(replace(EXAMPLE, **change), EXAMPLE_LEVERS)


@pytest.mark.parametrize(
    "levers",
    [
        [Lever("a", throughput_factor=0)],
        [Lever("a", weight_factor=math.nan)],
        [Lever("a"), Lever("a")],
        [Lever("a", after=(After("a", 2),))],
        [Lever("batching"), Lever("b", after=(After("batchin", 2),))],
        [Lever("a"), Lever("b", after=(After("a", -2),))],
    ],
)
def test_bad_levers_are_refused(levers):
    with pytest.raises(InputError):
        run_stack(EXAMPLE, levers)
    with pytest.raises(InputError):
        analyse_orders(EXAMPLE, levers)


YAML = """
levers:
  - {name: batching, throughput_factor: 1.5}
  - name: drafting
    throughput_factor: 1.8
    after: [{lever: batching, throughput_factor: 1.2}]
"""


def test_levers_from_a_file(tmp_path):
    file = tmp_path / "levers.yaml"
    file.write_text(YAML, encoding="utf-8")
    assert load_levers(file) == (BATCHING, DRAFTING)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "levers"),
        ("levers: []", "levers"),
        ("just text", "levers"),
        ("levers: [1]", "lever 1"),
        ("levers: [{name: a, thruput_factor: 2}]", "throughput_factor"),
        ("levers: [{throughput_factor: 2}]", "name"),
        ("levers: [{name: 3}]", "name"),
        ("levers: [{name: a, why: 3}]", "why"),
        ("levers: [{name: a, throughput_factor: fast}]", "throughput_factor"),
        ("levers: [{name: a, throughput_factor: }]", "throughput_factor"),
        ("levers: [{name: a, throughput_factor: .nan}]", "throughput_factor"),
        ("levers: [{name: a, throughput_factor: true}]", "throughput_factor"),
        ("levers: [{name: a, after: b}]", "after"),
        ("levers: [{name: a, after: [{throughput_factor: 2}]}]", "after 1"),
        ("levers: [{name: a, after: [{lever: b}]}]", "'b'"),
        ("levers: [{name: a}, {name: a}]", "twice"),
        ("levers: [{name: a", "line"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path, text, part):
    file = tmp_path / "levers.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_levers(file)
    assert "levers.yaml" in str(caught.value)
    assert part in str(caught.value)
