"""A replica under load: identities that hold exactly, order, and the ends of the range."""

from __future__ import annotations

import math

import numpy as np
import pytest
from one_replica import LLAMA_8B, LLAMA_70B, replicas, requests, shape, station

from model.service import operate
from model.step_time import decode_step, prefill_gemm_s, prefill_work_s
from model.traffic import traffic_of

ROLES = ("aggregated", "decode", "prefill")


def swept(s, points=60, top=0.98):
    """Operate a station at rising loads."""
    load = np.linspace(1e-6, top, points)
    many = s.take(np.zeros(points, dtype=int))
    if s.prefill_only:
        return operate(many, 0.0, load * many.saturation_rps)
    return operate(many, load * many.slots)


def at_percentile(r, cls, percentile, load, role="aggregated"):
    s = station(r, type(cls)(**{**vars(cls), "percentile": percentile}), role=role)
    # The batch keeps the same room for KV at every percentile asked for.
    s = type(s)(**{**vars(s), "slots": np.array([64.0]), "saturation_rps": np.array([load[1]])})
    return operate(s, load[0], 0.7 * load[1])


def test_littles_law():
    """Concurrency = λ·(osl − 1)·tpot, whatever the load; a little more than the load says."""
    s = station(replicas(LLAMA_70B, shape(tp=2)), requests())
    for b in (4.0, 16.0, 60.0):
        o = operate(s, np.array([b]))
        assert o.rate_rps * 255 * o.tpot_s == pytest.approx(o.concurrency)
        assert o.load.item() == b <= o.concurrency.item() < 1.03 * b


def test_tpot_by_hand():
    """70B fp8 on two H100, load of 16 (17 with the one that looks), 1,024 in and 256 out.

    Step: engine 2.000 + layers 1.040 + matrices √(13.355² + 1.079²) = 13.399 (weights; 17 tokens of
    68.451e9 flops/1,108.18e12 and head) + KV 17·1,152·163,840 B/1.32325e12 = 2.425 + collectives
    0.960 + 17·0.008322 = 1.101: 19.965 ms. 1 + 16/255 prompts share a step: 1,105.25 tokens and
    18.06 through the head take 68.300 ms, √(13.355² + 68.300²) − 13.399 = 56.195, 52.877 ms a
    prompt; attention 1,310,720·1,024²/2 flops/395.76e12 = 1.736 ms and collectives
    1,024·0.008322 = 8.522 ms: 63.135 ms. λ = 16/(255·19.965 + 16·63.135 ms) = 2.6225/s.
    """
    r = replicas(LLAMA_70B, shape(tp=2))
    o = operate(station(r, requests()), np.array([16.0]))
    assert o.step_s.item() == pytest.approx(19.965e-3, abs=1e-6)
    assert o.rate_rps.item() == pytest.approx(2.6225, abs=2e-4)
    # Prompts left behind come on top: about λ·0.062 s·(0.085 s to prefill) = 14 ms in 255 tokens.
    assert o.tpot_s.item() == pytest.approx(16 / 255 / 2.6225 + 14e-3 / 255 / 0.75, rel=2e-3)


def test_idle_ttft_is_the_prompts_own_time():
    """Nobody waits on an idle replica: one step plus what the prompt adds to it."""
    r = replicas(LLAMA_70B, shape(tp=2))
    o = operate(station(r, requests()), np.array([1e-9]))
    own = decode_step(r, 1152.0).seconds(1.0) + prefill_work_s(r, 1024.0, 0.0, 1.0)
    assert o.ttft_tail_s.item() == pytest.approx(own.item(), rel=1e-6)


def test_prefills_of_a_crowded_engine_share_steps():
    """8 in, 2 out, 256 sequences: each of the 257 prompts a step adds its share of one step.

    tpot is then the time of a step with 256 sequences and 2,048 prompt tokens, exactly."""
    r = replicas(LLAMA_8B, shape(weights="bf16", batch_cap=256))
    o = operate(station(r, requests(8, 2)), np.array([256.0]))
    gemm = prefill_gemm_s(r, 8.0, 256.0, 257.0).item() * 256
    fixed = (prefill_work_s(r, 8.0, 0.0, 256.0) - prefill_gemm_s(r, 8.0, 256.0)).item() * 256
    step = decode_step(r, 9.0).seconds(256.0).item()
    assert o.tpot_s.item() == pytest.approx(step + gemm + fixed)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", [LLAMA_8B, "qwen3-30b-a3b", "deepseek-v3"])
@pytest.mark.parametrize(("isl", "osl"), [(1, 1), (60, 2), (1024, 256), (20_000, 40)])
def test_no_throughput_beyond_the_arithmetic(role, model, isl, osl):
    """A replica never multiplies more than its rate allows, even when short prompts ride free."""
    tp = 8 if model == "deepseek-v3" else 1
    r = replicas(model, shape("h200_sxm", tp=tp, batch_cap=16), chunk_tokens=2048)
    s = station(r, requests(isl, osl), role=role)
    new = 0 if role == "decode" else isl
    token_s = (r.token_s + r.expert_token_s).item()
    assert s.saturation_rps.item() * (new + (osl - 1) * (role != "prefill")) * token_s <= 1 + 1e-9


def test_a_busy_prefill_pool_fills_its_steps():
    """1,024-token prompts at 8,192 a step: eight share a step that streams the weights once."""
    r = replicas(LLAMA_70B, shape(tp=4))
    s = station(r, requests(), role="prefill")
    step = decode_step(r, 0.0).seconds(0.0).item()
    filled = step + 8 * prefill_gemm_s(r, 1024.0, 0.0, 8.0).item()
    filled += 8 * (prefill_work_s(r, 1024.0, 0.0, 0.0) - prefill_gemm_s(r, 1024.0, 0.0)).item()
    assert 1 / s.saturation_rps.item() == pytest.approx(filled / 8)


def test_a_decode_pool_prefills_nothing():
    r = replicas(LLAMA_70B, shape(tp=4))
    o = operate(station(r, requests(), role="decode"), np.array([16.0]))
    assert o.tpot_s.item() == pytest.approx(decode_step(r, 1152.0).seconds(17.0).item())
    assert o.wait_tail_s.item() < o.tpot_s.item() * 1.01


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", [LLAMA_70B, "qwen3-30b-a3b", "gemma-3-27b-it"])
@pytest.mark.parametrize("scv", [0.0, 1.0, 4.0])
def test_everything_grows_with_load(role, model, scv):
    r = replicas(model, shape("h200_sxm", tp=2, batch_cap=256))
    o = swept(station(r, requests(arrival_scv=scv, isl_sigma=0.4, osl_sigma=0.4), role=role))
    for name in ("rate_rps", "tpot_s", "ttft_s", "ttft_tail_s", "wait_tail_s", "utilization"):
        values = np.asarray(getattr(o, name), dtype=float).reshape(60)
        assert np.isfinite(values).all()
        assert (np.diff(values) >= -1e-12 * values[:-1]).all(), name
    # The spread of TPOT may shrink where experts are read anyway; see the documentation.
    tails = o.tpot_tail_s[:, 0]
    assert (np.diff(tails) >= -2e-3 * tails[:-1]).all()


@pytest.mark.parametrize("load", [1e-6, 8.0, 40.0, 60.0])
def test_percentiles_are_in_order(load):
    r = replicas(LLAMA_70B, shape(tp=2))
    cls = requests(isl_sigma=0.5, osl_sigma=0.5)
    s = station(r, cls)
    many = [at_percentile(r, cls, p, (load, s.saturation_rps.item())) for p in (50, 90, 95, 99)]
    for name in ("ttft_tail_s", "tpot_tail_s", "e2e_tail_s"):
        values = [getattr(o, name).item() for o in many]
        assert values == sorted(values)
        assert values[0] >= 0


def test_one_token_out_ends_with_the_first():
    """osl = 1: the request is over at its first token."""
    o = operate(station(replicas(LLAMA_8B, shape()), requests(500, 1)), np.array([3.0]))
    assert o.e2e_tail_s.item() == pytest.approx(o.ttft_tail_s.item())


def test_a_prefill_pool_ends_with_the_first_token():
    s = station(replicas(LLAMA_8B, shape()), requests(), role="prefill")
    o = operate(s, 0.0, 0.5 * s.saturation_rps)
    assert o.e2e_tail_s.item() == pytest.approx(o.ttft_tail_s.item())
    assert o.concurrency.item() == 0


def test_end_to_end_of_fixed_lengths():
    """An idle replica: e2e = ttft + 255 tpot."""
    o = operate(station(replicas(LLAMA_8B, shape()), requests()), np.array([1e-9]))
    assert o.e2e_tail_s.item() == pytest.approx((o.ttft_s + 255 * o.tpot_s).item(), rel=1e-4)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("percentile", [50.0, 99.99])
@pytest.mark.parametrize("scv", [0.0, 170.0])
@pytest.mark.parametrize(("isl", "osl"), [(1, 1), (1, 2), (300, 2), (50_000, 1), (10, 4000)])
@pytest.mark.parametrize("cached", [0.0, 0.99])
@pytest.mark.parametrize("cap", [1, 512])
def test_extremes_stay_finite(role, percentile, scv, isl, osl, cached, cap):
    r = replicas(LLAMA_8B, shape(batch_cap=cap), chunk_tokens=512)
    cls = requests(isl, osl, percentile=percentile, arrival_scv=scv, cached_share=cached)
    o = swept(station(r, cls, role=role), points=5, top=0.9)
    for name, value in vars(o).items():
        assert not np.isnan(value).any(), name
        assert (np.asarray(value) >= 0).all(), name
    assert np.isfinite(o.tpot_tail_s).all()


def test_saturated_slots_wait_for_ever():
    s = station(replicas(LLAMA_8B, shape()), requests())
    o = operate(s, s.slots)
    assert o.utilization.item() == pytest.approx(1)
    assert o.ttft_s.item() == math.inf


def test_mixed_outputs_wait_longer_than_equal_ones():
    """Classes of 10 and 500 tokens: their spread counts, though each is of fixed length."""
    r = replicas(LLAMA_8B, shape(batch_cap=16))
    mixed = station(r, requests(100, 11), requests(100, 501))
    even = station(r, requests(100, 256), requests(100, 256))
    slow, fast = (operate(s, np.array([15.0])) for s in (mixed, even))
    assert slow.wait_tail_s.max() > fast.wait_tail_s.max()


def test_long_outputs_are_found_more_often():
    """σ = 0.8: scv = e^0.64 − 1 = 0.896; the context of a sequence found decoding is
    1024 + 256·1.896/2 = 1,266.7 tokens, not 1,152."""
    s = station(replicas(LLAMA_8B, shape()), requests(osl_sigma=0.8))
    assert s.context.item() == pytest.approx(1024 + 256 * math.exp(0.64) / 2)


def test_random_prompts_spread_tpot():
    r = replicas(LLAMA_8B, shape())
    fixed, random = (
        operate(station(r, requests(4000, isl_sigma=sigma)), np.array([20.0]))
        for sigma in (0.0, 0.8)
    )
    assert (random.tpot_tail_s / random.tpot_s).item() > (fixed.tpot_tail_s / fixed.tpot_s).item()


def test_a_step_streams_no_less_than_its_weights():
    r = replicas(LLAMA_8B, shape())
    o = operate(station(r, requests()), np.array([10.0]))
    assert o.tpot_s.item() > r.always_read_s.item()


def test_traffic_marks_a_decode_pools_prompts_as_cached():
    classes = [requests(1000, cached_share=0.25)]
    assert traffic_of(classes, np.ones(1)).cached.tolist() == [250]
    assert traffic_of(classes, np.ones(1), role="decode").cached.tolist() == [1000]
