"""Collectives and hops: bytes, latencies, and the link that really joins the ranks."""

from __future__ import annotations

import pytest
from one_replica import LLAMA_70B, arch, replicas, shape

from model.communication import joins_over_link, rank_bandwidth

TOKEN = 8192 * 2
"""Bytes of one token's activations in Llama 70B."""


def test_one_accelerator_talks_to_nobody():
    r = replicas(LLAMA_70B, shape())
    for name in ("collective_latency_s", "collective_token_s", "hop_s", "hop_token_s"):
        assert getattr(r, name).item() == 0


@pytest.mark.parametrize(("tp", "us"), [(2, 6), (4, 11), (8, 16)])
def test_two_all_reduces_a_layer(tp, us):
    """80 layers · 2 all-reduces of 1 + 5·log2(TP) µs: 0.96, 1.76 and 2.56 ms a step; a ring
    moves 2·(TP − 1)/TP of a token's 16,384 B over 0.7 · 450 GB/s."""
    r = replicas(LLAMA_70B, shape(tp=tp))
    assert r.collective_latency_s.item() == pytest.approx(160 * us * 1e-6)
    moved = 160 * 2 * (tp - 1) / tp * TOKEN
    assert r.collective_token_s.item() == pytest.approx(moved / (0.7 * 450e9))


def test_bridged_pairs_fall_back_to_pcie():
    """H100 NVL: bridges join 2 cards at 300 GB/s; 4 ranks meet over PCIe at 64 GB/s, twice the
    latency."""
    two, four = shape("h100_nvl", tp=2), shape("h100_nvl", tp=4)
    assert joins_over_link(two)
    assert not joins_over_link(four)
    assert rank_bandwidth(two) == 300e9
    assert rank_bandwidth(four) == 64e9
    r = replicas(LLAMA_70B, two, four)
    assert r.collective_latency_s.tolist() == pytest.approx([160 * 6e-6, 2 * 160 * 11e-6])
    assert r.collective_token_s[1] == pytest.approx(160 * 1.5 * TOKEN / (0.7 * 64e9))


def test_cards_without_a_link_use_pcie():
    assert not joins_over_link(shape("l40s", tp=2))
    assert rank_bandwidth(shape("l40s", tp=2)) == 32e9


def test_expert_parallel_exchanges_tokens():
    """qwen3-235b: 94 MoE layers; EP 8 keeps one all-reduce (after attention) and pays two
    all-to-alls, each moving 7/8 of a token's 8 copies, an eighth of the tokens a rank."""
    a = arch("qwen3-235b-a22b")
    plain, spread = shape("h200_sxm", tp=8), shape("h200_sxm", tp=8, ep=8)
    r = replicas(a.name, plain, spread)
    token = a.hidden * 2
    reduce, exchange = 2 * 7 / 8 * token, 7 / 8 * token * 8 / 8
    expected = [2 * 94 * reduce, 94 * reduce + 2 * 94 * exchange]
    assert r.collective_token_s.tolist() == pytest.approx([b / (0.7 * 450e9) for b in expected])
    assert r.collective_latency_s.tolist() == pytest.approx([188 * 16e-6, 282 * 16e-6])


def test_expert_parallel_waits_for_the_busiest_rank():
    r = replicas("qwen3-235b-a22b", shape("h200_sxm", tp=8), shape("h200_sxm", tp=8, ep=8))
    assert r.read_expert_bytes[1] == pytest.approx(1.15 * r.read_expert_bytes[0])


def test_pipeline_hops():
    """Two stages, one token on and back: 2 · 20 µs inside a node, 2 · 60 µs between nodes, where
    activations travel at 0.7 · 400 Gbit/s = 35 GB/s."""
    inside = shape(pp=2)
    across = shape(pp=2, cross_node=True, network_gbps=400.0)
    r = replicas(LLAMA_70B, inside, across)
    assert r.hop_s.tolist() == pytest.approx([40e-6, 120e-6])
    expected = [2 * TOKEN / (0.7 * 450e9), 2 * TOKEN / 35e9]
    assert r.hop_token_s.tolist() == pytest.approx(expected)


def test_norms_over_all_heads_reduce_once_more():
    """MiniMax M2 normalises queries and keys over the heads of all ranks: 62 more all-reduces of a
    few bytes; its experts' two a layer stay."""
    a = arch("minimax-m2")
    assert (a.layers, a.norm_reduces, arch(LLAMA_70B).norm_reduces) == (62, 62, 0)
    r = replicas(a.name, shape("b200_sxm", tp=4))
    assert r.collective_latency_s.item() == pytest.approx((2 * 62 + 62) * 11e-6)
    moved = 2 * 62 * 2 * 3 / 4 * a.hidden * 2
    assert r.collective_token_s.item() == pytest.approx(moved / (0.7 * 900e9))
