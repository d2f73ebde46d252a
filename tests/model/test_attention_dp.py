"""Attention data parallelism: who holds, reads, multiplies and sends what."""

from __future__ import annotations

import pytest
from one_replica import LLAMA_70B, arch, replicas, shape

from data.precision import precisions

DEEPSEEK = "deepseek-r1"


def test_each_group_holds_the_attention_and_a_share_of_the_experts():
    """DP 8 with EP 8 against TP 8: attention and shared experts are stored eight times, experts
    once; a token's latent on one rank of eight instead of on every one."""
    a = arch(DEEPSEEK)
    byte = precisions()["weights", "fp8"].bytes
    split, apart, mixed = replicas_of(
        shape("h200_sxm", tp=8),
        shape("h200_sxm", dp=8, ep=8),
        shape("h200_sxm", dp=8),
    )
    head = 2.0 * a.head_params / 8
    experts = byte * a.expert_params / 8
    assert split.read_always_bytes.item() == pytest.approx(byte * a.always_params / 8 + head)
    assert apart.read_always_bytes.item() == pytest.approx(byte * a.always_params + head)
    shared = (a.always_params - a.attention_params) / 8
    assert mixed.read_always_bytes.item() == pytest.approx(
        byte * (a.attention_params + shared) + head
    )
    for r, imbalance in ((split, 1.0), (apart, 1.15), (mixed, 1.0)):
        assert r.read_expert_bytes.item() == pytest.approx(experts * imbalance)
        assert r.gpus.item() == 8
    assert apart.kv_token_bytes.item() == pytest.approx(split.kv_token_bytes.item() / 8)
    assert apart.kv_token_bytes.item() == pytest.approx(61 * 576 * 2 / 8)
    grown = 7 / 8 * a.always_params
    assert apart.weight_bytes.item() - split.weight_bytes.item() > grown


def test_every_token_is_multiplied_once():
    """Groups work on different tokens, so the flops of a token and rank stay the same, and a rank
    sees the residual stream of its own group only."""
    split, mixed = replicas_of(
        shape("h200_sxm", tp=8), shape("h200_sxm", dp=8), activation_passes=12.0
    )
    assert mixed.token_flops.item() == pytest.approx(split.token_flops.item())
    assert mixed.score_flops.item() == pytest.approx(split.score_flops.item())
    assert mixed.pointwise_token_s.item() == pytest.approx(split.pointwise_token_s.item() / 8)
    assert mixed.chunk_tokens.item() == 8 * split.chunk_tokens.item()


def test_groups_exchange_tokens_for_the_mlps_only():
    """61 layers: with TP 1 no all-reduce follows the attention. Without EP the MLPs gather and
    scatter, 7/8 of a token each; with EP 58 layers send 8 copies of a token's eighth both ways."""
    a = arch(DEEPSEEK)
    gathered, routed, grouped = replicas_of(
        shape("h200_sxm", dp=8), shape("h200_sxm", dp=8, ep=8), shape("h200_sxm", tp=2, dp=4)
    )
    token, link = a.hidden * 2, 0.7 * 450e9
    assert gathered.collective_token_s.item() == pytest.approx(61 * 2 * 7 / 8 * token / link)
    assert gathered.collective_latency_s.item() == pytest.approx(61 * 16e-6)
    exchange = 58 * 2 * 7 / 8 * token * 8 / 8
    assert routed.collective_token_s.item() == pytest.approx(exchange / link)
    assert routed.collective_latency_s.item() == pytest.approx(2 * 58 * 16e-6)
    pair = 61 * 2 * 1 / 8 * token
    expected = pair + 61 * 2 * 7 / 8 * token
    assert grouped.collective_token_s.item() == pytest.approx(expected / link)
    assert grouped.collective_latency_s.item() == pytest.approx(61 * (6 + 16) * 1e-6)


def test_one_group_is_plain_tensor_parallelism():
    one, plain = replicas_of(shape(tp=4, dp=1), shape(tp=4), model=LLAMA_70B)
    assert one == plain


def replicas_of(*shapes, model=DEEPSEEK, **coefficients):
    both = replicas(model, *shapes, **coefficients)
    return [both.take(slice(i, i + 1)) for i in range(len(shapes))]
