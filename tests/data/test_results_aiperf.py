"""Exports of AIPerf and GenAI-Perf, JSON and CSV."""

import json

import pytest

from data.errors import CatalogError
from data.results import load_results

FACTS = {"gpu": "h100_sxm", "tp": "2", "engine": "trtllm"}

# 100 clients: a request takes 1,588.8 + 95.85 · 51.76 = 6,550 ms, so 13.2 requests/s are served.
METRICS = {
    "request_throughput": {"unit": "requests/sec", "avg": 13.16},
    "request_latency": {"unit": "ms", "avg": 6550.356, "p50": 5799.9, "p99": 9381.6},
    "request_count": {"unit": "requests", "avg": 200.0},
    "time_to_first_token": {"unit": "ms", "avg": 1588.8, "p50": 787.5, "p99": 4119.33},
    "inter_token_latency": {"unit": "ms", "avg": 51.76, "p50": 51.98, "p99": 55.87},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 1274.6},
    "output_sequence_length": {"unit": "tokens", "avg": 96.85, "p50": 97.0},
    "input_sequence_length": {"unit": "tokens", "avg": 550.0},
}

AIPERF = METRICS | {
    "schema_version": "1.5",
    "aiperf_version": "0.11.0",
    "start_time": "2025-10-17T20:22:08.939332",
    "was_cancelled": False,
    "error_request_count": None,
    "input_config": {
        "endpoint": {"model_names": ["openai/gpt-oss-20b"], "type": "chat", "streaming": True},
        "loadgen": {"concurrency": 100, "request_rate_mode": "concurrency_burst"},
    },
}

CSV = """\
Metric,avg,min,max,p1,p5,p10,p25,p50,p75,p90,p95,p99,std
Input Sequence Length (tokens),550.00,550.00,550.00,550,550,550,550,550.00,550,550,550,550.00,0.00
Inter Token Latency (ms),51.76,46.81,56.30,50.41,50.50,50.53,50.86,51.98,52.17,53.1,54.3,55.87,1.2
Output Sequence Length (tokens),96.85,91.00,97.00,91,97,97,97,97.00,97,97,97,97.00,0.88
Request Latency (ms),6550.36,4996,9383,5523,5641,5649,5678,5799.90,7314,8594,8980,9381.63,1171.14
Time to First Token (ms),1588.80,382,4121,403,547,641,659,787.54,2439,3695,4051,4119.33,1189.99

Metric,Value
Benchmark Duration (sec),15.20
Output Token Throughput (tokens/sec),1274.63
Request Count,200.00
Request Throughput (requests/sec),13.16


Endpoint,GPU_Index,GPU_Name,GPU_UUID,Metric,avg,min,max,p50,p99,std
localhost:9401,0,NVIDIA H100 80GB HBM3,GPU-f3,GPU Power Usage (W),43.37,26.68,299.28,26.68,299,65
"""

GENAI_CSV = """\
Metric,avg,min,max,p99,p95,p90,p75,p50,p25
Time To First Token (ms),766.25,21.14,"1,521.64","1,520.21",1500.00,"1,409.15","1,145.33",766.25,21
Request Latency (ms),"4,160.00","4,100.00","4,337.91",4337,4337,4337,4336,"4,160.00",4100
Inter Token Latency (ms),22.62,17.64,27.65,27.63,27.00,26.89,25.13,22.60,18.00
Output Sequence Length (tokens),151.00,150.00,151.00,151.00,151.00,151.00,151.00,151.00,151.00
Input Sequence Length (tokens),"3,000.09","3,000.00","3,001.00",3001,3001,3001,3000,3000,3000

Metric,Value
Output Token Throughput (per sec),557.49
Request Throughput (per sec),3.69
Request Count (count),32.00
"""


@pytest.fixture
def load(tmp_path):
    def load(document, facts=FACTS, name="profile_export.json"):
        path = tmp_path / name
        text = document if isinstance(document, str) else json.dumps(document)
        path.write_text(text, "utf-8")
        return load_results(path, facts)

    return load


WANTED = {
    "model": "openai/gpt-oss-20b",
    "isl": "550",
    "osl": "96.85",
    "concurrency_or_batch": "100",
    "req_per_s": "13.16",
    "output_tok_per_s": "1274.6",
    "ttft_ms_median": "787.5",
    "ttft_ms_mean": "1588.8",
    "ttft_ms_p99": "4119.33",
    "tpot_ms_median": "51.98",
    "tpot_ms_mean": "51.76",
    "tpot_ms_p99": "55.87",
    "scenario": "closed-loop-agg",
    "date": "2025-10-17",
}


def test_json(load):
    (row,) = load(AIPERF)
    assert {c: row.text(c) for c in WANTED} == WANTED
    assert row.notes["aiperf"] == "0.11.0"


def times(factor, unit):
    def scaled(block):
        figures = {k: v * factor for k, v in block.items() if k != "unit"}
        return figures | {"unit": unit}

    names = ("request_latency", "time_to_first_token", "inter_token_latency")
    return {n: scaled(METRICS[n]) for n in names}


@pytest.mark.parametrize(("factor", "unit"), [(1e6, "ns"), (1e3, "us"), (1e-3, "sec")])
def test_the_unit_is_that_of_the_file(load, factor, unit):
    (row,) = load(AIPERF | times(factor, unit))
    assert row.number("ttft_ms_median") == pytest.approx(787.5)
    assert row.number("tpot_ms_p99") == pytest.approx(55.87)


@pytest.mark.parametrize(
    ("config", "clients", "rate"),
    [
        ({"model": ["m"], "concurrency": 100, "request_rate": None}, "100", ""),
        ({"model": "m", "concurrency": [100]}, "100", ""),
        ({"model_names": ["m"], "perf_analyzer": {"stimulus": {"concurrency": 100}}}, "100", ""),
        (
            {
                "models": {"items": [{"name": "m"}]},
                "phases": [
                    {"name": "warmup", "concurrency": 1},
                    {"name": "profiling", "concurrency": 100},
                ],
            },
            "100",
            "",
        ),
        (
            {"models": ["m"], "phases": [{"kind": "profiling", "type": "poisson", "rate": 13.0}]},
            "",
            "13",
        ),
        ({"models": ["m"], "loadgen": {"request_rate": 13.0}}, "", "13"),
    ],
)
def test_configurations_of_each_generation(load, config, clients, rate):
    (row,) = load(AIPERF | {"input_config": config})
    assert row.text("model") == "m"
    assert (row.text("concurrency_or_batch"), row.text("request_rate")) == (clients, rate)


def test_the_accelerator_that_telemetry_saw_is_taken_unless_another_is_named(load):
    gpus = {"gpu_0": {"gpu_name": "NVIDIA H200"}, "gpu_1": {"gpu_name": "NVIDIA H200"}}
    run = AIPERF | {"telemetry_data": {"endpoints": {"localhost:9401": {"gpus": gpus}}}}
    assert load(run, {"tp": "2"})[0].text("gpu") == "NVIDIA H200"
    assert load(run, FACTS)[0].text("gpu") == "h100_sxm"


def test_csv_needs_model_and_load(load):
    given = FACTS | {"model": "gpt-oss-20b", "concurrency_or_batch": "100"}
    (row,) = load(CSV, given, "profile_export_aiperf.csv")
    wanted = WANTED | {
        "model": "gpt-oss-20b",
        "output_tok_per_s": "1274.63",
        "ttft_ms_median": "787.54",
        "date": "",
    }
    assert {c: row.text(c) for c in wanted} == wanted
    with pytest.raises(CatalogError, match=r"column model: is unknown.*--model"):
        load(CSV, FACTS)
    with pytest.raises(CatalogError, match="--concurrency, or its rate with --request-rate"):
        load(CSV, FACTS | {"model": "gpt-oss-20b"})


def test_csv_of_genai_perf_with_separated_thousands(load):
    (row,) = load(GENAI_CSV, FACTS | {"model": "m", "concurrency_or_batch": "16"}, "x.csv")
    assert row.text("isl") == "3000.09"
    assert (row.text("ttft_ms_p99"), row.text("tpot_ms_median")) == ("1520.21", "22.6")
    assert row.text("output_tok_per_s") == "557.49"


def test_a_cancelled_run_with_failures_says_so(load):
    (row,) = load(AIPERF | {"was_cancelled": True, "error_request_count": {"avg": 3.0}})
    assert "cancelled" in row.notes
    assert row.notes["failed"] == "3"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"schema_version": "2.0"}, "schema '2.0' is not 1.x"),
        ({"request_count": {"avg": 0.0}}, "no request completed"),
        (
            {"time_to_first_token": None, "inter_token_latency": None},
            "neither time_to_first_token nor inter_token_latency; measure with --streaming",
        ),
        ({"time_to_first_token": {"unit": "ticks", "avg": 5.0}}, "'ticks', which is none of ns"),
        ({"time_to_first_token": {"unit": "ms", "avg": "fast"}}, "'fast', not a number"),
        (
            {"inter_token_latency": {"unit": "ms", "avg": 0.05176}},
            "tpot looks like seconds, not ms: .* where a request took 6,550 ms",
        ),
        (
            {"inter_token_latency": {"unit": "ns", "avg": 51760.0}},
            "tpot looks like µs, not ns",
        ),
        (
            {"input_config": {"model": "m", "concurrency": 4}},
            "13.16 requests/s at concurrency 4 leave 304 ms for each; the concurrency or a rate",
        ),
    ],
)
def test_what_is_wrong_is_said(load, changed, sentence):
    with pytest.raises(CatalogError, match=sentence):
        load(AIPERF | changed)


def test_a_csv_that_is_cut_short(load):
    with pytest.raises(CatalogError, match="line 3: has 3 cells where the header has 14"):
        load(CSV[: CSV.index(",46.81,") + 6], FACTS | {"model": "m"})
