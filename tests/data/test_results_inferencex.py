"""Result rows of InferenceX."""

import json

import pytest

from data.errors import CatalogError
from data.results import load_results
from data.workers import WorkerNote, read_workers

# 32 clients on 4 GPUs: 320 · 4 = 1,280 tok/s.
ROW = {
    "hw": "b200",
    "conc": 32,
    "image": "vllm/vllm-openai:v0.11.0",
    "model": "openai/gpt-oss-120b",
    "infmax_model_prefix": "gptoss",
    "framework": "vllm",
    "precision": "fp4",
    "spec_decoding": "none",
    "disagg": False,
    "isl": 1024,
    "osl": 1024,
    "is_multinode": False,
    "tp": 4,
    "ep": 1,
    "dp_attention": "false",
    "tput_per_gpu": 640.0,
    "output_tput_per_gpu": 320.0,
    "input_tput_per_gpu": 320.0,
    "mean_ttft": 0.125,
    "median_ttft": 0.0875,
    "p99_ttft": 0.4,
    "mean_tpot": 0.025,
    "median_tpot": 0.0245,
    "p99_tpot": 0.028,
    "median_intvty": 40.81632653,
    "mean_e2el": 23.1,
    "median_e2el": 23.0,
}


@pytest.fixture
def load(tmp_path):
    def load(document, facts=None):
        path = tmp_path / "agg_gptoss.json"
        path.write_text(json.dumps(document), "utf-8")
        return load_results(path, facts or {})

    return load


def test_seconds_become_ms_and_rates_those_of_the_deployment(load):
    (row,) = load(ROW)
    wanted = {
        "source": "inferencex",
        "engine": "vllm",
        "model": "openai/gpt-oss-120b",
        "gpu": "b200",
        "gpu_count": "4",
        "tp": "4",
        "ep": "1",
        "precision_weights": "fp4",
        "isl": "1024",
        "osl": "1024",
        "concurrency_or_batch": "32",
        "output_tok_per_s": "1280",
        "ttft_ms_median": "87.5",
        "ttft_ms_mean": "125",
        "ttft_ms_p99": "400",
        "tpot_ms_median": "24.5",
        "tpot_ms_mean": "25",
        "tpot_ms_p99": "28",
        "scenario": "closed-loop-agg",
    }
    assert {c: row.text(c) for c in wanted} == wanted
    assert row.notes["attention_dp"] == "1"
    assert "InferenceX" in row.notes
    assert "lengths ~U[0.8L;L]" in row.notes


def test_a_list_of_rows(load):
    rows = load([ROW, ROW | {"conc": 64, "output_tput_per_gpu": 600.0}])
    assert [r.text("concurrency_or_batch") for r in rows] == ["32", "64"]
    assert rows[1].place.endswith("result 2")


def test_the_first_layout_lacks_lengths(load):
    old = {k: v for k, v in ROW.items() if k not in ("isl", "osl", "image", "disagg")}
    (row,) = load(old, {"isl": "1024", "osl": "1024"})
    assert row.text("isl") == "1024"
    with pytest.raises(CatalogError, match=r"column isl: is unknown.*--isl"):
        load(old)


@pytest.mark.parametrize(
    ("framework", "engine"),
    [
        ("trt", "trtllm"),
        ("dynamo-trt", "trtllm"),
        ("dynamo-sglang", "sglang"),
        ("SGLang", "sglang"),
    ],
)
def test_frameworks_have_one_name(load, framework, engine):
    assert load(ROW | {"framework": framework})[0].text("engine") == engine


def test_a_runner_s_suffix_is_left_off(load):
    assert load(ROW | {"hw": "b200-trt"})[0].text("gpu") == "b200"


def test_attention_that_is_data_parallel_and_speculation_are_noted(load):
    """Four GPUs, each of which holds all of the attention: no tensor parallelism is left."""
    (row,) = load(ROW | {"dp_attention": "true", "spec_decoding": "mtp"})
    assert (row.text("tp"), row.text("gpu_count")) == ("1", "4")
    assert (row.notes["attention_dp"], row.notes["spec_decoding"]) == ("4", "mtp")


def test_prefill_and_decode_apart(load):
    apart = {
        "disagg": True,
        "is_multinode": True,
        "prefill_tp": 4,
        "decode_tp": 8,
        "decode_ep": 8,
        "decode_dp_attention": "true",
        "num_prefill_gpu": 4,
        "num_decode_gpu": 16,
        "output_tput_per_gpu": 80.0,
    }
    (row,) = load({k: v for k, v in ROW.items() if k not in ("tp", "ep")} | apart)
    found = [row.text(c) for c in ("gpu_count", "tp", "ep", "output_tok_per_s", "scenario")]
    assert found == ["20", "1", "8", "1280", "closed-loop-disagg"]
    workers = read_workers(row.text("notes"))
    assert workers["prefill"] == WorkerNote(1, tp=4)
    assert workers["decode"] == WorkerNote(2, tp=1, dp=8, ep=8)
    (row,) = load(
        {k: v for k, v in ROW.items() if k not in ("tp", "ep")}
        | apart
        | {"decode_num_workers": 4, "num_prefill_gpu": 6}
    )
    workers = read_workers(row.text("notes"))
    assert (workers["prefill"].count, workers["decode"].count) == (None, 4)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"scenario_type": "agentic-coding"}, "'agentic-coding' benchmark, which has no fixed"),
        ({"modality": "image"}, "'image' benchmark"),
        (
            {"mean_tpot": 25.0, "median_tpot": 24.5, "p99_tpot": 28.0},
            "tpot looks like ms, not seconds: median_tpot · median_intvty is 1e",
        ),
        (
            {"mean_tpot": 25.0, "median_tpot": 24.5, "p99_tpot": 28.0, "median_intvty": None},
            "tpot looks like ms, not seconds: .* where a request took",
        ),
        ({"median_ttft": None, "mean_ttft": None, "p99_ttft": "NaN"}, "not a finite number"),
        ({"tp": 0}, "tp is zero"),
        ({"hw": ""}, "column gpu: is unknown.*--gpu"),
    ],
)
def test_what_is_wrong_is_said(load, changed, sentence):
    with pytest.raises(CatalogError, match=sentence):
        load(ROW | changed)


def test_a_list_of_one_row_has_the_place_of_the_file(load):
    assert load([ROW])[0].place.endswith("agg_gptoss.json")
