"""Which samples are held, which calibrate, and which are left out and why."""

import pytest

from benchmarks.accuracy import split as rules
from benchmarks.accuracy.split import fault_of, part_of, split


@pytest.mark.parametrize(
    ("model", "system", "part"),
    [
        ("Qwen/Qwen3-32B", "h100_sxm", "held-model"),
        ("nvidia/Qwen3-32B-NVFP4", "gb200", "held-model"),
        ("moonshotai/Kimi-K2.5", "h200_sxm", "held-model"),
        ("zhipuai/GLM-5", "b200_sxm", "held-model"),
        ("MiniMaxAI/MiniMax-M2.5", "b300_sxm", "held-model"),
        ("deepseek-ai/DeepSeek-R1", "gb300", "held-gpu"),
        ("meta-llama/Llama-3.1-70B", "b200_sxm", "held-combo"),
        ("Qwen/Qwen3-235B-A22B-FP8", "h200_sxm", "held-combo"),
        ("meta-llama/Llama-3.1-70B", "h100_sxm", "calibrates"),
        ("Qwen/Qwen3-235B-A22B-FP8", "h100_sxm", "calibrates"),
        ("Qwen/Qwen3.5-397B-A17B", "b200_sxm", "calibrates"),
    ],
)
def test_part(sample, model, system, part):
    assert part_of(sample(model_path=model, system=system)) == part


@pytest.mark.parametrize("kind", ["aggregated", "disaggregated", "own"])
def test_sound_samples_are_used(sample, kind):
    assert fault_of(sample(kind)) == ""


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"silicon_ttft_ms": ""}, rules.NO_LATENCY),
        ({"silicon_tpot_ms": "0"}, rules.NO_LATENCY),
        ({"silicon_data_source": "db-dump/2026-04-27"}, rules.NO_CONCURRENCY),
        ({"attention_dp_size": "4", "moe_ep_size": "4", "batch_size": "32"}, rules.BOTH_PARALLEL),
        ({"tp_size": "64", "moe_tp_size": "8", "moe_ep_size": "8"}, rules.BEYOND_BOARD),
        ({"tp_size": "1", "attention_dp_size": "64", "batch_size": "2"}, rules.BEYOND_BOARD),
        ({"tp_size": "2"}, rules.MORE_EXPERT_RANKS),
        ({"batch_size": "32"}, rules.OTHER_CONCURRENCY),
    ],
)
def test_ambiguous_samples_are_left_out(sample, changed, reason):
    assert fault_of(sample(**changed)) == reason
    assert reason in rules.REASONS


def test_attention_ranks_share_the_concurrency(sample):
    ranks = {"tp_size": "1", "attention_dp_size": "4", "moe_tp_size": "1", "moe_ep_size": "4"}
    assert fault_of(sample(**ranks, batch_size="32")) == ""
    assert fault_of(sample(**ranks, batch_size="128")) == rules.OTHER_CONCURRENCY


def test_zero_attention_ranks_are_unknown_not_none(sample):
    assert fault_of(sample(attention_dp_size="0")) == ""


def test_disaggregated_deepseek_on_trtllm_is_left_out(sample):
    assert fault_of(sample("disaggregated", backend="trtllm")) == rules.SPECULATIVE
    other = sample("disaggregated", backend="trtllm", model_path="openai/gpt-oss-120b")
    assert fault_of(other) == ""


def test_a_measurement_counts_once(sample):
    again = sample(id="other", model_path="MiniMax-M2.5", silicon_ttft_ms="972.310982")
    slower = sample(id="slower", silicon_ttft_ms="972.32")
    found = [p.left_out for p in split([sample(), again, slower])]
    assert found == ["", rules.REPEATED, ""]


def test_a_sample_left_out_does_not_hide_its_sound_copy(sample):
    wide = sample(tp_size="64", moe_tp_size="8", moe_ep_size="8")
    found = list(split([wide, sample()]))
    assert [p.left_out for p in found] == [rules.BEYOND_BOARD, ""]
    assert {p.part for p in found} == {"held-model"}
