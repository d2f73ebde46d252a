"""Rows of public benchmarks: settings of their scripts, cache formats, replicas side by side."""

from __future__ import annotations

import pytest
from one_replica import COEFFICIENTS

from data.benchmark_settings import find_settings
from data.measurements import MeasurementRow
from model.measured_rows import predict_row

CELLS = {
    "engine": "vllm", "model": "llama-3.1-8b-instruct", "gpu": "h100_sxm", "tp": "1",
    "precision_weights": "fp8", "isl": "1024", "osl": "128", "concurrency_or_batch": "16",
    "scenario": "closed-loop-agg",
}  # fmt: skip


def predicted(**cells):
    return predict_row(MeasurementRow("rows", {**CELLS, **cells}), COEFFICIENTS)


def test_replicas_side_by_side_share_the_load():
    """Two replicas under 32 clients are each one under 16, and put out twice as much."""
    one = predicted()
    two = predicted(concurrency_or_batch="32", notes="replicas=2")
    assert (two.ttft_ms, two.tpot_ms) == (one.ttft_ms, one.tpot_ms)
    assert two.output_tok_per_s == pytest.approx(2 * one.output_tok_per_s)


@pytest.mark.parametrize("stated", ["0", "two", "1.5"])
def test_a_number_of_replicas_that_is_none(stated):
    assert "replicas=" in predicted(notes=f"replicas={stated}").refused


def test_the_last_settings_that_hold_count():
    """Scripts of InferenceX: SGLang looks for arrivals every 10 steps, from 16 clients on every
    30; on Hopper every step, with a 16-bit cache."""
    many, few = (
        find_settings("inferencex", "sglang", "deepseek-r1", "blackwell", n) for n in (16, 15)
    )
    assert (many.poll_steps, few.poll_steps) == (30, 10)
    hopper = find_settings("inferencex", "sglang", "deepseek-r1", "hopper", 64)
    assert (hopper.poll_steps, hopper.kv) == (1, "bf16")
    assert find_settings("", "sglang", "deepseek-r1", "hopper", 64) is None


def test_looking_for_arrivals_less_often_makes_them_wait():
    """Between looks 30 steps apart a request waits 15 steps more on average."""
    run = {"engine": "sglang", "model": "qwen3.5-397b-a17b", "gpu": "B200", "tp": "8",
           "osl": "1024", "notes": "~U[0.8L;L]"}  # fmt: skip
    often = predicted(**run)
    seldom = predicted(**run, source="inferencex-1")
    assert 8 * often.tpot_ms < seldom.ttft_ms - often.ttft_ms < 30 * often.tpot_ms


def test_the_cache_follows_the_checkpoint():
    """An 8-bit cache is read in half the time, so decoding at long contexts is faster."""
    long = {"isl": "30000", "concurrency_or_batch": "4", "engine": "trtllm"}
    narrow = predicted(**long)
    stated = predicted(**long, precision_kv="fp8")
    wide = predicted(**long, precision_kv="bf16")
    assert narrow.tpot_ms == stated.tpot_ms < wide.tpot_ms
    assert predicted(**{**long, "engine": "vllm"}).tpot_ms == (
        predicted(**{**long, "engine": "vllm"}, precision_kv="bf16").tpot_ms
    )


def test_tp_written_as_the_product_of_both_degrees():
    """Some sources write TP 16 for four ranks that hold both attention and experts."""
    run = {"model": "qwen3-30b-a3b", "ep": "4"}
    assert predicted(**run, tp="16").tpot_ms == predicted(**run, tp="4").tpot_ms


def test_prefill_and_decode_workers_apart():
    """Workers stand in the notes; those whose number is not recorded cannot be predicted."""
    apart = {"scenario": "closed-loop-disagg", "tp": ""}
    one, four = (
        predicted(**apart, notes=f"P:1x(tp1) | D:{n}x(tp1)", concurrency_or_batch="64")
        for n in (1, 4)
    )
    assert four.tpot_ms < 0.8 * one.tpot_ms
    assert four.error_band_pct == predicted().error_band_pct
    unknown = predicted(**apart, notes="P:Nonex(tp1 dp1) | D:1x(tp1)")
    assert unknown.refused == "the number of prefill workers is not recorded"
    assert "no prefill and no decode workers" in predicted(**apart).refused


def test_tp_that_does_not_divide_the_heads():
    assert "TP 3 does not divide the 32 attention heads" in predicted(tp="3").refused


def test_attention_data_parallelism_written_as_a_product():
    """64 where a row's experts lie on 8 ranks and attention has no TP: 8 ranks."""
    run = {"model": "deepseek-r1", "gpu": "B200", "tp": "1", "ep": "8", "engine": "trtllm"}
    product, plain = (predicted(**run, notes=f"attention_dp={n}") for n in (64, 8))
    assert product == plain
    assert not plain.refused


def test_clients_said_to_stay_in_step():
    """Equal requests on SGLang, noted as such: TTFT of whole waves, decoding undisturbed."""
    run = {"engine": "sglang", "precision_weights": "bf16"}
    drifting, together = (predicted(**run, notes=notes) for notes in ("", "in_step"))
    assert together.ttft_ms > 1.5 * drifting.ttft_ms
    assert together.tpot_ms < drifting.tpot_ms


def test_experts_are_not_split_below_a_block():
    """2,048 elements over 32 ranks are 64, half a block of 8-bit weights: they lie apart."""
    run = {"model": "deepseek-r1", "gpu": "GB200", "engine": "sglang", "tp": "1"}
    stated, left_out = (predicted(**run, ep=ep, notes="attention_dp=32") for ep in ("32", "1"))
    assert stated == left_out
    assert not stated.refused
    wider = [predicted(**run, ep=ep, notes="attention_dp=16") for ep in ("16", "1")]
    assert wider[0] != wider[1]
