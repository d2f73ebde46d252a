"""KV on the move between pools."""

from __future__ import annotations

import math

import numpy as np
import pytest
from one_replica import LLAMA_70B, replicas, requests, shape

from model.lengths import normal_quantile
from model.transfer import handover_s, prompt_kv_bytes


def test_a_1024_token_prompt_of_70b():
    """1,024 · 327,680 B = 335.5 MB in 16 bits, however TP divides it; half of that in 8 bits."""
    r = replicas(
        LLAMA_70B, shape("h200_sxm"), shape("h200_sxm", tp=8), shape("h200_sxm", kv="fp8", tp=4)
    )
    sizes = prompt_kv_bytes(r, [requests(1024)])[:, 0]
    assert sizes.tolist() == [335_544_320, 335_544_320, 167_772_160]


def test_over_400_gbit_per_s():
    """335.5 MB over 0.7 · 50 GB/s: 9.587 ms."""
    r = replicas(LLAMA_70B, shape("h200_sxm", tp=8))
    seconds = handover_s(r, [requests(1024)], np.array([50e9]))
    assert seconds.item() == pytest.approx(335_544_320 / 35e9)
    assert seconds.item() == pytest.approx(9.587e-3, rel=1e-3)


def test_no_network_no_hand_over():
    r = replicas(LLAMA_70B, shape("h200_sxm"))
    assert handover_s(r, [requests()], np.array([0.0])).item() == math.inf


def test_replicated_heads_are_sent_once_a_rank():
    """8 KV heads on 16 ranks: each pair of ranks holds the same head, so twice the bytes. The
    latent of DeepSeek is whole on each of 8 ranks: eightfold."""
    grouped = replicas(LLAMA_70B, shape("trainium2", tp=8), shape("trainium2", tp=16))
    assert np.divide(*prompt_kv_bytes(grouped, [requests()])[::-1, 0]) == 2
    latent = replicas("deepseek-v3", shape("h200_sxm"), shape("h200_sxm", tp=8))
    assert np.divide(*prompt_kv_bytes(latent, [requests()])[::-1, 0]) == 8


def test_long_prompts_count_at_the_percentile():
    r = replicas(LLAMA_70B, shape("h200_sxm"))
    spread = requests(1024, isl_sigma=0.5, percentile=95.0)
    ratio = handover_s(r, [spread], np.array([1e9])) / handover_s(
        r, [requests(1024)], np.array([1e9])
    )
    assert ratio.item() == pytest.approx(math.exp(normal_quantile(0.95) * 0.5 - 0.125))
