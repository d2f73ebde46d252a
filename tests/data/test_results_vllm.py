"""Results of vLLM's serving benchmark: what is read, and how facts fill what they lack."""

import gzip
import json

import pytest

from data.errors import CatalogError
from data.results import load_results

FACTS = {"gpu": "h100_sxm", "tp": "4"}

# One closed-loop run: 32 clients, mean request of 150 + 255 · 22 = 5,760 ms, so 5.5 requests/s.
VLLM = {
    "date": "20260617-164242",
    "endpoint_type": "vllm",
    "backend": "vllm",
    "label": None,
    "model_id": "meta-llama/Llama-3.1-70B-Instruct",
    "tokenizer_id": "meta-llama/Llama-3.1-70B-Instruct",
    "num_prompts": 500,
    "request_rate": "inf",
    "burstiness": 1.0,
    "max_concurrency": 32,
    "duration": 90.9,
    "completed": 500,
    "failed": 0,
    "total_input_tokens": 512_000,
    "total_output_tokens": 128_000,
    "request_throughput": 5.5,
    "request_goodput": None,
    "output_throughput": 1408.0,
    "total_token_throughput": 7040.0,
    "mean_ttft_ms": 150.25,
    "median_ttft_ms": 120.5,
    "std_ttft_ms": 60.0,
    "p99_ttft_ms": 480.75,
    "mean_tpot_ms": 22.0,
    "median_tpot_ms": 21.5,
    "std_tpot_ms": 1.0,
    "p99_tpot_ms": 25.125,
    "mean_itl_ms": 22.0,
    "median_itl_ms": 20.0,
    "p99_itl_ms": 60.0,
}


@pytest.fixture
def write(tmp_path):
    def write(text, name="result.json"):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
        return path

    return write


def test_a_closed_loop(write):
    path = write(VLLM)
    (row,) = load_results(path, FACTS)
    known = {c: v for c, v in row.cells.items() if v}
    assert known == {
        "source": "vllm-bench-serve",
        "source_url_or_path": str(path),
        "date": "2026-06-17",
        "engine": "vllm",
        "model": "meta-llama/Llama-3.1-70B-Instruct",
        "gpu": "h100_sxm",
        "tp": "4",
        "isl": "1024",
        "osl": "256",
        "concurrency_or_batch": "32",
        "req_per_s": "5.5",
        "output_tok_per_s": "1408",
        "ttft_ms_median": "120.5",
        "ttft_ms_mean": "150.25",
        "ttft_ms_p99": "480.75",
        "tpot_ms_median": "21.5",
        "tpot_ms_mean": "22",
        "tpot_ms_p99": "25.125",
        "scenario": "closed-loop-agg",
        "notes": "lengths are means | backend=vllm | completed=500",
    }
    assert row.scenario == "closed-loop-agg"
    assert row.place == str(path)


def test_results_that_were_appended(write):
    second = VLLM | {"max_concurrency": 1, "request_throughput": 0.17, "output_throughput": 43.5}
    path = write(json.dumps(VLLM) + "\n" + json.dumps(second))
    rows = load_results(path, FACTS)
    assert [r.text("concurrency_or_batch") for r in rows] == ["32", "1"]
    assert [r.place for r in rows] == [f"{path}, result 1", f"{path}, result 2"]


def test_gzip(tmp_path):
    path = tmp_path / "result.json.gz"
    path.write_bytes(gzip.compress(json.dumps(VLLM).encode()))
    assert len(load_results(path, FACTS)) == 1


def test_an_open_loop(write):
    run = VLLM | {"request_rate": 4.0, "max_concurrency": None, "burstiness": 0.5}
    (row,) = load_results(write(run), FACTS)
    assert (row.text("request_rate"), row.text("concurrency_or_batch")) == ("4", "")
    assert row.scenario == "open-loop"
    assert row.notes["burstiness"] == "0.5"


def test_all_requests_at_once(write):
    run = VLLM | {"max_concurrency": None, "failed": 20, "num_prompts": 520}
    (row,) = load_results(write(run), FACTS)
    assert (row.scenario, row.text("concurrency_or_batch")) == ("static-batch", "520")
    assert row.notes["failed"] == "20"


def test_metadata_given_to_the_benchmark_is_read(write):
    run = VLLM | {"tp": "2", "version": "0.9.1", "gpu": "H200", "kv_cache_dtype": "fp8"}
    (row,) = load_results(write(run))
    found = [row.text(c) for c in ("tp", "engine_version", "gpu", "precision_kv")]
    assert found == ["2", "0.9.1", "H200", "fp8"]


def test_the_client_s_protocol_gives_way_to_the_engine_that_is_named(write):
    (row,) = load_results(write(VLLM), FACTS | {"engine": "sglang"})
    assert row.text("engine") == "sglang"


def test_a_result_of_sglang_lacks_the_model(write):
    run = {k: v for k, v in VLLM.items() if k != "model_id"} | {"backend": "sglang"}
    (row,) = load_results(write(run), FACTS | {"model": "llama-3.1-70b-instruct"})
    assert (row.text("engine"), row.text("model")) == ("sglang", "llama-3.1-70b-instruct")


def test_one_token_has_no_time_after_the_first(write):
    run = VLLM | {
        "total_output_tokens": 500,
        "output_throughput": 5.5,
        "max_concurrency": 1,
        **{f"{f}_tpot_ms": 0.0 for f in ("mean", "median", "p99")},
    }
    (row,) = load_results(write(run), FACTS)
    assert [row.text(f"tpot_ms_{f}") for f in ("median", "mean", "p99")] == ["", "", ""]
    assert row.text("ttft_ms_median") == "120.5"


def test_a_mean_alone_stands_for_the_median_and_the_notes_say_so(write):
    run = {k: v for k, v in VLLM.items() if k != "median_ttft_ms"}
    (row,) = load_results(write(run), FACTS)
    assert (row.text("ttft_ms_median"), row.text("ttft_ms_mean")) == ("150.25", "150.25")
    assert row.notes["ttft_central"] == "mean"


@pytest.mark.parametrize(
    ("column", "fact"),
    [
        ("model", "llama-3.1-70b-instruct"),  # another name of the same model
        ("isl", "1000"),  # the mean of a run is near its nominal length
        ("osl", "256"),
    ],
)
def test_a_fact_that_agrees_leaves_what_is_stated(write, column, fact):
    (row,) = load_results(write(VLLM), FACTS | {column: fact})
    assert row.text(column) == load_results(write(VLLM), FACTS)[0].text(column)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"model": "llama-3.1-8b-instruct"}, "column model: the file states .* where --model give"),
        ({"isl": "2048"}, "column isl: the file states '1024' where --isl gives '2048'"),
        ({"concurrency_or_batch": "64"}, "column concurrency_or_batch: .* where --concurrency"),
        ({"gpu": ""}, "column gpu: is unknown.*give it with --gpu"),
        ({"tp": ""}, "column tp: is unknown.*give it with --tp"),
        ({"tp": "0"}, "--tp: '0' is not a whole number above zero"),
        ({"tp": "2.5"}, "--tp: '2.5' is not a whole number above zero"),
        ({"tp": "nan"}, "--tp: 'nan' is not a whole number above zero"),
        ({"isl": "long"}, "--isl: 'long' is not a number above zero"),
        ({"gpus": "h100"}, "'gpus' is not a fact of a deployment; did you mean 'gpu'"),
        ({"zzz": "1"}, "'zzz' is not a fact of a deployment; known: gpu, "),
    ],
)
def test_facts_that_do_not_fit(write, facts, sentence):
    with pytest.raises(CatalogError, match=sentence):
        load_results(write(VLLM), FACTS | facts)


@pytest.mark.parametrize(
    ("stated", "fact", "agree"),
    [
        ("NVIDIA H100 80GB HBM3", "h100_sxm", True),
        ("H200", "h100_sxm", False),
    ],
)
def test_accelerators_agree_by_any_of_their_names(write, stated, fact, agree):
    path = write(VLLM | {"gpu": stated})
    if agree:
        assert load_results(path, FACTS | {"gpu": fact})[0].text("gpu") == stated
    else:
        with pytest.raises(CatalogError, match="column gpu: the file states 'H200'"):
            load_results(path, FACTS | {"gpu": fact})
