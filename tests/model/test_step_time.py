"""Terms of a step against hand arithmetic; the limits that physics sets on their sum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from one_replica import LLAMA_8B, LLAMA_70B, arch, replicas, shape

from model.step_time import (
    attention_prefill_s,
    decode_step,
    decode_terms,
    expert_share,
    experts_s,
    gemm_s,
    prefill_budget,
    prefill_fixed_s,
    prefill_gemm_s,
    prefill_steps,
    prefill_work_s,
)

HEAD = 128_256 * 8192


def test_streaming_the_weights_of_70b_in_8_bits():
    """Layers 68,451,041,280 · 8.016/8 B + head 1,050,673,152 · 2 B = 70.689 GB (the embedding is
    looked up, not streamed); over 0.79 · 3.35e12 B/s: 26.71 ms."""
    r = replicas(LLAMA_70B, shape())
    read = 68_451_041_280 * 1.002 + HEAD * 2
    assert r.always_read_s.item() == pytest.approx(read / (0.79 * 3.35e12))
    assert r.always_read_s.item() == pytest.approx(26.71e-3, rel=1e-3)


def test_every_term_of_a_decode_step():
    """70B fp8 on one H100, 32 sequences of 2,000 tokens, KV in 16 bits.

    engine 2 ms; layers 80·(9 + 4·8192/8192) µs = 1.04 ms;
    compute 32·(2·68,451,041,280/(0.56·1978.9e12) + 2·1,050,673,152/(0.63·989.4e12)) s;
    KV 32·2000·327,680 B/(0.79·3.35e12/2) = 15.85 ms; no collectives, no hops.
    """
    terms = decode_terms(replicas(LLAMA_70B, shape()), np.array([32.0]), np.array([2000.0]))
    assert terms.engine.item() == 2e-3
    assert terms.layers.item() == pytest.approx(1.04e-3)
    layers, head = 2 * 68_451_041_280 / (0.56 * 1978.9e12), 2 * HEAD / (0.63 * 989.4e12)
    assert terms.compute.item() == pytest.approx(32 * (layers + head))
    assert terms.kv.item() == pytest.approx(32 * 2000 * 327_680 / (0.79 * 3.35e12 / 2))
    assert terms.collectives.item() == terms.hops.item() == 0
    gemm = math.hypot(terms.weights.item(), terms.compute.item())
    assert terms.experts.item() == 0
    assert terms.total.item() == pytest.approx(2e-3 + 1.04e-3 + gemm + terms.kv.item())


@pytest.mark.parametrize("batch", [1, 16, 64])
def test_eight_cards_are_three_times_as_fast_not_eight(batch):
    r = replicas(LLAMA_70B, shape(kv="fp8"), shape(kv="fp8", tp=8))
    one, eight = decode_step(r, 1024.0).seconds(batch)
    assert 2.7 <= one / eight <= 3.6


def test_distinct_experts():
    """128 experts, 8 visited: 1 − (120/128)^b: 6.25 % for one token, 64.4 % for 16."""
    r = replicas("qwen3-30b-a3b", shape())
    assert expert_share(r, 0.0).item() == 0
    assert expert_share(r, 1.0).item() == pytest.approx(8 / 128)
    assert expert_share(r, 16.0).item() == pytest.approx(1 - (120 / 128) ** 16)
    assert expert_share(r, 16.0).item() == pytest.approx(0.644, abs=1e-3)
    assert expert_share(r, 1e6).item() == 1


def test_a_token_reads_its_experts_only():
    """One token reads 8 of 128 experts a layer, a million reads all; each multiplies by 8 besides,
    which the ragged products of experts hardly hide behind reading."""
    a = arch("qwen3-30b-a3b")
    r = replicas(a.name, shape(weights="bf16"))
    read = 2 / (0.79 * 3.35e12)
    multiply = 2 * a.routed_params / (0.63 * 989.4e12)
    expected = [a.routed_params * read + multiply, a.expert_params * read + 1e6 * multiply]
    assert experts_s(r, np.array([1.0, 1e6])).tolist() == pytest.approx(expected)
    assert r.always_read_s.item() == pytest.approx((a.always_params + a.head_params) * read)


def test_dense_models_visit_no_experts():
    r = replicas(LLAMA_8B, shape())
    assert expert_share(r, 5.0).item() == experts_s(r, 5.0).item() == 0


def test_streaming_and_multiplying_overlap_but_for_the_corner():
    """Where both alone take as long, a dense product takes √2 times that; far from there, the
    longer. Kernels in 16 bits follow this with a median error of 5 to 7 % (`make kernels`)."""
    r = replicas(LLAMA_8B, shape())
    corner = (r.always_read_s / (r.token_s + r.head_s)).item()
    read = r.always_read_s.item()
    assert gemm_s(r, corner, corner).item() == pytest.approx(math.sqrt(2) * read)
    assert gemm_s(r, 1.0, 1.0).item() == pytest.approx(read, rel=1e-3)
    many = 100 * corner
    multiply = many * (r.token_s + r.head_s).item()
    assert gemm_s(r, many, many).item() == pytest.approx(multiply, rel=1e-3)


@pytest.mark.parametrize(
    ("accelerator", "weights", "rate"),
    [
        ("h100_sxm", "bf16", 0.63 * 989.4e12),
        ("h100_sxm", "fp8", 0.56 * 1978.9e12),
        ("h100_sxm", "int4", 0.63 * 989.4e12),  # weight-only: widened to 16 bits
        ("a100_sxm_80gb", "fp8", 0.63 * 312e12),  # no 8-bit float units
        ("a100_sxm_80gb", "int8", 0.5 * 624e12),
        ("gaudi3", "fp8", 0.63 * 1835e12),  # same peak as in 16 bits, so no slower either
        ("b200_sxm", "fp4", 0.45 * 9000e12),
        ("h100_sxm", "fp4", 0.63 * 989.4e12),
    ],
)
def test_compute_rate_follows_the_compute_format(accelerator, weights, rate):
    r = replicas(LLAMA_8B, shape(accelerator, weights))
    assert r.gemm_flops_per_s.item() == pytest.approx(rate)


def test_the_head_multiplies_in_16_bits():
    """gemm of sampled tokens alone: 2·128,256·4096 flops at 0.63 of the 16-bit rate."""
    r = replicas(LLAMA_8B, shape())
    seconds = r.head_flops.item() / r.gemm_flops_per_s.item()
    assert seconds == pytest.approx(2 * 128_256 * 4096 / (0.63 * 989.4e12))


def test_fp4_mixtures_multiply_the_rest_in_16_bits():
    a = arch("gpt-oss-120b")
    r = replicas(a.name, shape("b200_sxm", "fp4"))
    assert r.token_s.item() == pytest.approx(2 * a.always_params / (0.63 * 2250e12))
    assert r.expert_token_s.item() == pytest.approx(2 * a.routed_params / (0.45 * 9000e12))


def test_prefill_attention_triangle():
    """Llama 3.1 8B, 4,096 tokens: 32 layers · 4·4096 flops · 4096²/2 pairs = 4.398e12 flops;
    at 0.4 · 989.4e12 flop/s: 11.11 ms. With 2,048 tokens cached three quarters remain."""
    r = replicas(LLAMA_8B, shape())
    whole = attention_prefill_s(r, 4096.0).item()
    assert whole == pytest.approx(32 * 4 * 4096 * 4096**2 / 2 / (0.4 * 989.4e12))
    assert whole == pytest.approx(11.11e-3, rel=1e-3)
    assert attention_prefill_s(r, 4096.0, 2048.0).item() == pytest.approx(0.75 * whole)
    assert attention_prefill_s(r, 4096.0, 4096.0).item() == 0


def test_window_layers_look_back_no_further():
    """Gemma 3 27B: beyond 1,024 tokens a window layer does 1024²/2 + (n − 1024)·1024 pairs."""
    r = replicas("gemma-3-27b-it", shape("h200_sxm", "bf16"))
    n, flops = 5000.0, 4 * 32 * 128
    pairs = 10 * n**2 / 2 + 52 * (1024**2 / 2 + (n - 1024) * 1024)
    assert attention_prefill_s(r, n).item() == pytest.approx(flops * pairs / (0.4 * 989e12))


def test_prefill_of_one_prompt_alone():
    """8B fp8 on an H100, 2,000 tokens into an idle engine: the weights are streamed anyway
    (3.04 ms) and multiplication takes 25.2 ms: √(3.04² + 25.2²) − 3.04; attention comes on top."""
    r = replicas(LLAMA_8B, shape())
    read = r.always_read_s.item()
    multiply = 2000 * r.token_flops.item() / r.gemm_flops_per_s.item()
    multiply += r.head_flops.item() / r.gemm_flops_per_s.item()
    attention = attention_prefill_s(r, 2000.0).item()
    added = math.hypot(read, multiply) - read
    assert prefill_work_s(r, 2000.0, 0.0, 0.0).item() == pytest.approx(added + attention)


def test_short_prompts_ride_nearly_free_once_a_step():
    """64 tokens beside 16 sequences multiply in a third of the time in which the weights stream:
    they add less than a fifth of it. Eight such prompts in one step add more than eight times as
    much, and the step pays for its tokens exactly."""
    r = replicas(LLAMA_8B, shape("h100_sxm", "bf16"))
    alone = prefill_gemm_s(r, 64.0, 16.0).item()
    assert 0 < alone < 0.2 * 64 * r.token_s.item()
    together = 8 * prefill_gemm_s(r, 64.0, 16.0, 8.0).item()
    step = gemm_s(r, 16 + 8 * 64, 16 + 8) - gemm_s(r, 16, 16)
    assert together == pytest.approx(step.item())
    assert together > 8 * alone


def test_prompts_never_multiply_faster_than_the_rate():
    """However many prompts share a step, the flops of all of them are done in it."""
    for name in (LLAMA_8B, "qwen3-30b-a3b"):
        r = replicas(name, shape())
        for n in (1.0, 4.0, 64.0):
            added = n * prefill_gemm_s(r, 100.0, 8.0, n).item()
            flops = n * 100 * (r.token_s + r.expert_token_s).item()
            assert gemm_s(r, 8.0, 8.0).item() + added >= flops * (1 - 1e-12)


def test_long_prompts_go_in_chunks():
    """20,000 tokens at 8,192 a step: three steps. Each chunk streams the weights anew, so a
    smaller budget hides more of the multiplication behind them."""
    r = replicas(LLAMA_8B, shape(), shape())
    assert prefill_steps(r, np.array([20_000.0, 8192.0])).tolist() == [3, 1]
    assert prefill_steps(r, 0.0).tolist() == [1, 1]
    assert prefill_budget(r, 192.0).tolist() == [8000, 8000]
    small = replicas(LLAMA_8B, shape(), chunk_tokens=1024)
    large = replicas(LLAMA_8B, shape(), chunk_tokens=8192)
    assert prefill_gemm_s(small, 20_000.0, 0.0) < prefill_gemm_s(large, 20_000.0, 0.0)


@pytest.mark.parametrize("name", [LLAMA_8B, "qwen3-30b-a3b", "gemma-3-27b-it"])
@pytest.mark.parametrize("decoding", [0.0, 7.0, 300.0])
def test_prefill_work_grows_with_the_prompt(name, decoding):
    r = replicas(name, shape("h200_sxm"), chunk_tokens=2048)
    prompts = np.concatenate([np.arange(1.0, 60), np.linspace(2000, 2100, 101), [4096, 4097, 9e4]])
    work = prefill_work_s(r, prompts, 0.0, decoding)
    assert (np.diff(work) >= -1e-15).all()
    assert (work >= 0).all()


def test_cached_prompts_cost_nothing():
    r = replicas(LLAMA_8B, shape())
    assert prefill_work_s(r, 3000.0, 3000.0, 5.0).item() == 0


def test_random_lengths_raise_the_mean_of_attention():
    """Attention grows with the square of the length, whose mean is (1 + scv) the square."""
    r = replicas(LLAMA_8B, shape())
    even, spread = prefill_fixed_s(r, 4096.0, 0.0), prefill_fixed_s(r, 4096.0, 0.0, 0.5)
    assert spread.item() == pytest.approx(1.5 * even.item())


def test_pipeline_splits_the_batch_not_the_time():
    """Two stages: a token still passes all layers, in micro-batches of half the batch, at the
    loss of 1 + 0.2·½; two hops come on top."""
    one, two = shape("h200_sxm"), shape("h200_sxm", pp=2)
    terms = decode_terms(replicas(LLAMA_70B, one, two), np.array(32.0), np.array(1000.0))
    assert terms.weights[1] == pytest.approx(1.1 * terms.weights[0])
    assert terms.compute[1] == pytest.approx(1.1 * terms.compute[0] / 2)
    assert terms.kv[1] == pytest.approx(1.1 * terms.kv[0] / 2)
    assert terms.hops[1] > terms.hops[0] == 0


def test_an_indexer_takes_time_in_every_layer_that_has_one():
    """GLM-5 picks tokens in all 78 layers, DeepSeek R1 in none: 78 · 20 µs."""
    glm, deepseek = arch("glm-5"), arch("deepseek-r1")
    assert (glm.indexed_layers, deepseek.indexed_layers) == (glm.layers, 0) == (78, 0)
    with_one, without = (
        replicas(glm.name, shape("b200_sxm", tp=8), **changes)
        for changes in ({}, {"indexer_us": 0.0})
    )
    assert (with_one.layer_s - without.layer_s).item() == pytest.approx(78 * 20e-6)


def test_every_rank_does_the_residual_stream():
    """12 passes over 8,192 · 2 B in 80 layers at 0.79 · 3.35e12 B/s: 5.94 µs a token, at any TP; a
    prompt of 1,024 tokens takes 6.1 ms longer for it."""
    plain, passing = (
        replicas(LLAMA_70B, shape(), shape(tp=8), activation_passes=n) for n in (0.0, 12.0)
    )
    each = 80 * 12 * 8192 * 2 / (0.79 * 3.35e12)
    assert each == pytest.approx(5.94e-6, rel=1e-3)
    assert passing.pointwise_token_s.tolist() == pytest.approx([each, each])
    prompt = [prefill_fixed_s(r, 1024.0, 0.0) for r in (plain, passing)]
    assert (prompt[1] - prompt[0]).tolist() == pytest.approx([1024 * each] * 2)
    steps = [decode_terms(r, 32.0, 1000.0).layers for r in (plain, passing)]
    assert (steps[1] - steps[0]).tolist() == pytest.approx([32 * each] * 2)


def test_copies_of_a_token_move_to_its_experts():
    """DeepSeek R1, 58 MoE layers of 8 experts, 7,168 wide: 6 passes over 8 copies of 14,336 B at
    4.8 TB/s are 8.31 µs a token for every rank of TP 8, and an eighth, times the imbalance, for
    those of EP 8, whose ranks move only what goes to their own experts."""
    none, moved = (
        replicas(
            "deepseek-r1",
            shape("h200_sxm", tp=8),
            shape("h200_sxm", tp=8, ep=8),
            expert_passes_fp8=passes,
        )
        for passes in (0.0, 6.0)
    )
    each = 6 * 58 * 8 * 7168 * 2 / 4.8e12
    assert each == pytest.approx(8.31e-6, rel=1e-3)
    added = moved.expert_token_s - none.expert_token_s
    assert added.tolist() == pytest.approx([each, 1.15 * each / 8])
    assert (experts_s(moved, 64.0) - experts_s(none, 64.0)).tolist() == pytest.approx(64 * added)
