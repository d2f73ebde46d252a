"""What fits: weights by rank, KV budget, replicated heads, blocks, slots."""

from __future__ import annotations

import math

import numpy as np
import pytest
from one_replica import LLAMA_8B, LLAMA_70B, arch, replicas, requests, shape, station

from model.kv_cache import kv_bytes, kv_reserved_bytes, with_caps
from model.service import operate

MIB = 2**20


def test_llama_70b_weights_by_rank():
    """70,553,706,496 parameters · 2 B = 141.107 GB; norms (1,318,912 · 2 B) sit on each rank."""
    r = replicas(LLAMA_70B, *[shape("h100_sxm", "bf16", tp=tp) for tp in (1, 2, 4, 8)])
    norms = (2 * 8192 * 80 + 8192) * 2
    expected = [(70_553_706_496 * 2 - norms) / tp + norms for tp in (1, 2, 4, 8)]
    assert r.weight_bytes.tolist() == pytest.approx(expected)
    assert (r.weight_bytes / 1e9).tolist() == pytest.approx([141.1, 70.6, 35.3, 17.6], abs=0.06)


def test_llama_70b_kv_budget_of_two_h200():
    """Two H200 in 16 bits, a GPU: 0.9·143,771 MiB = 135.679 GB
    − weights 70.555 GB (half of 141.107, norms whole)
    − workspace 8,192·(6·8192 + 2·28,672/2)·2 B = 1.275 GB + 64·128,256·4/2 B = 0.016 GB
    − reserve 1 GB = 62.833 GB, at 163,840 B a token (4 of 8 heads): 383,504 tokens.
    """
    r = replicas(LLAMA_70B, shape("h200_sxm", "bf16", tp=2))
    norms = 1_318_912 * 2
    budget = (
        0.9 * 143_771 * MIB
        - ((141_107_412_992 - norms) / 2 + norms)
        - (8192 * (6 * 8192 + 28_672) * 2 + 64 * 128_256 * 4 / 2)
        - 1e9
    )
    assert r.kv_budget_bytes.item() == pytest.approx(budget)
    assert budget == pytest.approx(62.83e9, rel=1e-3)
    assert r.kv_token_bytes.item() == 163_840


def test_llama_70b_does_not_fit_one_card_in_16_bits():
    r = replicas(LLAMA_70B, shape("h100_sxm", "bf16"), shape("h200_sxm", "bf16"))
    assert (r.kv_budget_bytes < 0).all()


def test_heads_replicate_beyond_their_number():
    """8 KV heads: TP 8 splits the cache eightfold, TP 16 no further."""
    r = replicas(LLAMA_70B, *[shape("trainium2", "bf16", tp=tp) for tp in (1, 8, 16)])
    assert r.kv_token_bytes.tolist() == [327_680, 40_960, 40_960]


def test_stages_split_layers_and_cache():
    """126 layers in 4 stages: the longest has 32; embeddings and head sit on different stages."""
    a = arch("llama-3.1-405b-instruct")
    whole, staged = replicas(a.name, shape("h200_sxm"), shape("h200_sxm", pp=4)).weight_bytes
    layers = a.always_params * 1.002
    assert whole == pytest.approx(layers + 2 * a.head_params * 2 + a.other_params * 2)
    assert staged == pytest.approx(layers * 32 / 126 + a.head_params * 2 + a.other_params * 2)
    r = replicas(a.name, shape("h200_sxm"), shape("h200_sxm", pp=4))
    assert r.kv_token_bytes[0] == 4 * r.kv_token_bytes[1]


def test_fp4_of_a_mixture_quantises_experts_only():
    """gpt-oss-120b, MXFP4: experts at 4.5 bits, the rest at 16; published size about 65 GB."""
    a = arch("gpt-oss-120b")
    expected = a.expert_params * 4.5 / 8 + (a.params_total - a.expert_params) * 2
    r = replicas(a.name, shape("h100_sxm", "fp4"))
    assert r.weight_bytes.item() == pytest.approx(expected, rel=1e-3)
    assert r.weight_bytes.item() == pytest.approx(65e9, rel=0.06)


def test_blocks_round_up():
    """1,000 tokens take 63 blocks of 16: 1,008 tokens."""
    r = replicas(LLAMA_8B, shape())
    assert kv_reserved_bytes(r, 1000.0) == kv_bytes(r, 1008.0)
    assert kv_reserved_bytes(r, 1008.0) == kv_bytes(r, 1008.0)


def test_slots_of_equal_lengths():
    """383,504 tokens over sequences of 15,000 + 1,000 (1,000 blocks): 23; short ones: the cap."""
    r = replicas(LLAMA_70B, shape("h200_sxm", "bf16", tp=2))
    assert station(r, requests(15_000, 1000)).slots.item() == 23
    assert station(r, requests(1024, 256)).slots.item() == 64


def test_slots_of_random_lengths_keep_a_reserve():
    r = replicas(LLAMA_70B, shape("h200_sxm", "bf16", tp=2))
    fixed = station(r, requests(15_000, 1000)).slots.item()
    spread = station(r, requests(15_000, 1000, isl_sigma=0.6)).slots.item()
    median = station(r, requests(15_000, 1000, isl_sigma=0.6, percentile=50.0)).slots.item()
    assert spread < median <= fixed + 1


def test_a_prefill_pool_holds_no_outputs():
    r = replicas(LLAMA_70B, shape("h200_sxm", "bf16", tp=2))
    long = requests(1000, 1_000_000)
    assert station(r, long).slots.item() == 0
    assert station(r, long, role="prefill").slots.item() == 64


@pytest.mark.parametrize("sigma", [0.0, 0.5, 1.5])
def test_a_full_batch_fits_its_cache(sigma):
    r = replicas(LLAMA_70B, shape("h200_sxm", "bf16", tp=2, batch_cap=512))
    s = station(r, requests(3000, 2000, osl_sigma=sigma))
    assert operate(s, s.slots).kv_occupancy.item() <= 1 + 1e-12


def test_only_caps_that_matter():
    """8B in 16 bits on an A10 holds under 64 sequences of 2,000 tokens, so 256 is not tried."""
    base = replicas(LLAMA_8B, shape("a10", "bf16", batch_cap=16), shape("h200_sxm", batch_cap=16))
    index, cap, r = with_caps(base, [requests(1500, 500)], (16, 64, 256), arch(LLAMA_8B).vocab)
    most = math.floor(base.kv_budget_bytes[0] / (2000 * 131_072))
    assert 16 > most > 0
    assert index.tolist() == [0, 1, 1, 1]
    assert cap.tolist() == [16, 16, 64, 256]
    direct = replicas(LLAMA_8B, shape("h200_sxm", batch_cap=256))
    assert np.allclose(r.workspace_bytes[-1], direct.workspace_bytes)
