"""Dropping dominated candidates changes no answer, whatever the limits are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_instances import candidate, instance, instances, offer

from solver import dominance
from solver.candidates import Candidate
from solver.dominance import undominated
from solver.fleet import cheapest_fleet
from solver.instance import Instance


def kept(candidates: Sequence[Candidate]) -> list[int]:
    """Return the positions that dominance keeps, role by role as the candidate search does."""
    found: list[int] = []
    for role in ("aggregated", "prefill", "decode"):
        members = [i for i, c in enumerate(candidates) if c.role == role]
        if members:
            positions = undominated(
                [candidates[i].shape for i in members],
                [(candidates[i].location, candidates[i].host.kv_gbps) for i in members],
                np.array([candidates[i].capacity_rps for i in members]),
                np.array([candidates[i].link_rps for i in members]),
                np.array([candidates[i].loss_pct for i in members]),
                match_kv=role != "aggregated",
            )
            found += [members[k] for k in positions]
    return sorted(found)


def test_equal_size_more_rate():
    assert kept([candidate(2, 3), candidate(3, 3)]) == [1]


def test_of_twins_the_first_stays():
    assert kept([candidate(2, 3), candidate(2, 3), candidate(2, 3)]) == [0]


def test_every_class_counts():
    assert kept([candidate(2, 3), candidate(3, 2)]) == [0, 1]


def test_copies_of_a_small_replica_stand_in_for_a_large_one():
    assert kept([candidate(1, 1), candidate(3.9, 4, tp=4)]) == [0]
    assert kept([candidate(1, 1), candidate(4.1, 4, tp=4)]) == [0, 1]
    assert kept([candidate(1, 1, tp=2), candidate(2, 2, tp=2, pp=2)]) == [0]


def test_a_large_replica_never_stands_in_for_a_small_one():
    assert kept([candidate(1, 1), candidate(9, 9, tp=2)]) == [0, 1]


def test_less_loss_matters():
    assert kept([candidate(2, loss=0.5), candidate(1, loss=0.0)]) == [0, 1]
    assert kept([candidate(2, loss=0.5), candidate(1, loss=0.5)]) == [0]


def test_other_accelerators_are_not_compared():
    assert kept([candidate(9), candidate(1, accelerator="b")]) == [0, 1]


@pytest.mark.parametrize(
    "other",
    [
        {"place": ("acme", "us")},
        {"kv": "fp8"},
        {"role": "decode"},
        {"links": (9.0,)},
    ],
)
def test_halves_of_pairs_are_compared_only_with_their_like(other):
    better = candidate(9, role="prefill", links=(5.0,))
    worse = candidate(1, **{"role": "prefill", "links": (5.0,), **other})
    assert kept([better, worse]) == [0, 1]
    assert kept([better, candidate(1, role="prefill", links=(5.0,))]) == [0]


def test_copies_carry_their_share_of_the_network():
    small = candidate(1, role="prefill", links=(3.0,))
    large = candidate(2, role="prefill", tp=2, links=(6.0,), network_gb_per_s=2.0)
    assert kept([small, large]) == [0]
    assert kept([small, replace(large, link_rps=(6.5,))]) == [0, 1]


def test_copies_that_ask_more_of_the_network_of_a_node_stand_in_for_nothing():
    """Two replicas of 10 GB/s each need twice the network of one on two accelerators."""
    small = candidate(1, role="decode", network_gb_per_s=10.0)
    large = candidate(2, role="decode", tp=2, network_gb_per_s=10.0)
    assert kept([small, large]) == [0, 1]


def test_the_kv_format_of_an_aggregated_pool_is_its_own_affair():
    assert kept([candidate(2, kv="fp8"), candidate(1, kv="bf16")]) == [0]


def test_pipelines_across_nodes():
    across = candidate(4, tp=4, pp=2, crosses=True)
    # 2 replicas of 4 inside a node use the same nodes, and ask nothing of the network.
    assert kept([candidate(2, tp=4), across]) == [0]
    # A pipeline across nodes needs a fast network, so it stands in for no other replica.
    assert kept([across, candidate(1, tp=4)]) == [0, 1]
    assert kept([across, candidate(1, tp=4, pp=2)]) == [0, 1]
    # It stands in for one of as many stages or more, of no smaller groups.
    assert kept([across, candidate(3, tp=4, pp=4, crosses=True)]) == [0]
    assert kept([candidate(9, tp=4, pp=4, crosses=True), across]) == [0, 1]


@st.composite
def crowded(draw: st.DrawFn) -> Instance:
    """Instances in which some candidates are others made worse, or larger."""
    case = draw(instances(max_candidates=2))
    more = list(case.candidates)
    for c in case.candidates:
        for _ in range(draw(st.integers(0, 2))):
            worse = draw(st.sampled_from((1.0, 0.9, 0.5)))
            grown = draw(st.sampled_from((1, 1, 2)))
            shape = replace(c.shape, tp=min(c.shape.tp * grown, 8))
            factor = worse * shape.tp / c.shape.tp
            more.append(
                replace(
                    c,
                    shape=shape,
                    capacity_rps=tuple(v * factor for v in c.capacity_rps),
                    link_rps=tuple(v * factor for v in c.link_rps),
                    loss_pct=c.loss_pct + draw(st.sampled_from((0.0, 0.0, 0.3))),
                )
            )
    order = draw(st.permutations(range(len(more))))
    return replace(case, candidates=tuple(more[i] for i in order))


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=crowded())
def test_the_cheapest_fleet_costs_the_same_without_the_dominated(case):
    positions = kept(case.candidates)
    few = replace(case, candidates=tuple(case.candidates[i] for i in positions))
    costs = []
    for each in (case, few):
        fleet = cheapest_fleet(each, gap=0.0, time_limit_s=30.0, screen=False).fleet
        costs.append(None if fleet is None else float(fleet.cost_usd))
    if costs[0] is None:
        assert costs[1] is None
    else:
        assert costs[1] == pytest.approx(costs[0], abs=1e-6)


def test_large_numbers_are_compared_in_blocks(monkeypatch):
    rng = np.random.default_rng(7)
    many = [
        candidate(*rng.uniform(1, 2, 3) * tp, tp=tp, loss=float(rng.choice([0.0, 0.5])))
        for tp in rng.choice([1, 2, 4], 200).tolist()
    ]
    at_once = kept(many)
    monkeypatch.setattr(dominance, "_BLOCK", 3 * 20**2)
    assert kept(many) == at_once
    assert 1 < len(at_once) < 200


def test_dropping_is_safe_when_stock_binds():
    """The large replica fills the two nodes that are left; so do copies of the small one."""
    both = [candidate(1), candidate(4, tp=4)]
    offers = [offer(gpus=4, price=4, stock=2)]
    for chosen in (both, [both[i] for i in kept(both)]):
        fleet = cheapest_fleet(instance((8,), chosen, offers), gap=0.0, time_limit_s=10.0).fleet
        assert fleet.cost_usd == 8
