"""Every replica gets a place, each group inside one node, and no node holds too many."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_instances import candidate, instance, instances, offer

from data.errors import EngineError
from solver.fleet import cheapest_fleet
from solver.packing import place


def test_large_groups_first():
    case = instance(
        (1, 1, 1),
        [candidate(1, 0, 0), candidate(0, 1, 0, tp=2), candidate(0, 0, 1, tp=4)],
        [offer(gpus=8)],
    )
    keys = list(case.hosts)
    counts = {0: 2, 1: 3, 2: 2}
    hosted = {(keys[k], 0): n for k, n in counts.items()}
    placed = place(case, counts, hosted, {0: 2})
    assert [(p.candidate, p.replicas, p.nodes) for p in placed] == [
        (0, 2, (range(1, 2),)),
        (1, 3, (range(1, 2),)),
        (2, 2, (range(0, 1),)),
    ]


def test_stages_of_one_replica_may_lie_in_several_nodes():
    case = instance((1,), [candidate(1, tp=4, pp=2, crosses=True)], [offer(gpus=4, network=400)])
    (key,) = case.hosts
    (placed,) = place(case, {0: 1}, {(key, 0): 1}, {0: 2})
    assert placed.nodes == (range(0, 2),)


def test_candidates_of_one_kind_are_spread_over_offers():
    case = instance((1,), [candidate(1), candidate(2)], [offer(), offer(name="other", gpus=2)])
    (key,) = case.hosts
    placed = place(case, {0: 2, 1: 2}, {(key, 0): 1, (key, 1): 3}, {0: 1, 1: 2})
    assert Counter({(p.candidate, p.offer): p.replicas for p in placed}) == {
        (0, 0): 1,
        (0, 1): 1,
        (1, 1): 2,
    }


@pytest.mark.parametrize("nodes", [{}, {0: 1}])
def test_too_few_nodes_are_an_error(nodes):
    case = instance((1,), [candidate(1, tp=2)], [offer(gpus=3)])
    (key,) = case.hosts
    with pytest.raises(EngineError, match="no room"):
        place(case, {0: 2}, {(key, 0): 2}, nodes or {0: 0})


def test_replicas_without_a_host_are_an_error():
    case = instance((1,), [candidate(1)], [offer()])
    (key,) = case.hosts
    with pytest.raises(EngineError, match="no node"):
        place(case, {0: 2}, {(key, 0): 1}, {0: 2})


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(case=instances())
def test_what_the_program_buys_holds_what_it_runs(case):
    fleet = cheapest_fleet(case, gap=0.0, time_limit_s=30.0).fleet
    if fleet is None:
        return
    replicas: Counter[int] = Counter()
    taken: dict[int, int] = defaultdict(int)
    for p in fleet.placements:
        c, o = fleet.instance.candidates[p.candidate], fleet.instance.offers[p.offer]
        replicas[p.candidate] += p.replicas
        taken[p.offer] += p.replicas * c.gpus
        assert o.accelerator == c.shape.accelerator.name
        assert c.location in (None, (o.provider, o.region))
        assert not c.shape.cross_node or o.network_gbps >= c.shape.network_gbps
        assert all(span.start >= 0 and span.stop <= fleet.nodes[p.offer] for span in p.nodes)
        assert p.node_count <= p.replicas * c.groups
        usable = o.gpus_per_node // c.group_size * c.group_size
        assert p.replicas * c.gpus <= p.node_count * usable
    assert replicas == fleet.replicas
    for o, gpus in taken.items():
        assert gpus <= fleet.nodes[o] * fleet.instance.offers[o].gpus_per_node


sizes = st.sampled_from((1, 2, 4, 8))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(groups=st.lists(sizes, min_size=1, max_size=12), gpus=st.integers(1, 12))
def test_the_node_rows_are_enough(groups, gpus):
    """Where the rows ⌊G/t⌋·t·m ≥ Σ sizes ≥ t hold for every t, the groups find room."""
    groups = [g for g in groups if g <= gpus] or [1]
    nodes = max(-(-sum(g for g in groups if g >= t) // (gpus // t * t)) for t in set(groups))
    kinds = sorted(set(groups))
    case = instance((1,), [candidate(1, tp=t) for t in kinds], [offer(gpus=gpus)])
    counts = {i: groups.count(t) for i, t in enumerate(kinds)}
    keys = {k.group_size: k for k in case.hosts}
    hosted = {(keys[t], 0): counts[i] for i, t in enumerate(kinds)}
    placed = place(case, counts, hosted, {0: nodes})
    assert {p.candidate: p.replicas for p in placed} == counts


def test_nodes_left_over_by_large_groups_are_filled_by_small_ones():
    # 5 groups of 4 in nodes of 7, then 4 of 2 and 7 of 1: 35 accelerators, each node full.
    case = instance((1,), [candidate(1, tp=t) for t in (1, 2, 4)], [offer(gpus=7)])
    keys = {k.group_size: k for k in case.hosts}
    hosted = {(keys[4], 0): 5, (keys[2], 0): 4, (keys[1], 0): 7}
    placed = place(case, {0: 7, 1: 4, 2: 5}, hosted, {0: 5})
    assert [p.nodes for p in placed] == [(range(0, 5),), (range(0, 4),), (range(0, 5),)]


def test_a_huge_fleet_takes_no_longer():
    case = instance((1,), [candidate(1), candidate(1, tp=4)], [offer(gpus=8)])
    keys = {k.group_size: k for k in case.hosts}
    count = 10**9
    placed = place(
        case, {0: 4 * count, 1: count}, {(keys[1], 0): 4 * count, (keys[4], 0): count}, {0: count}
    )
    assert [p.replicas for p in placed] == [4 * count, count]
    assert [p.node_count for p in placed] == [count // 2, count // 2]
