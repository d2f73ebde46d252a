"""Reports of GuideLLM in its three layouts."""

import json

import pytest

from data.errors import CatalogError
from data.results import load_results

FACTS = {"gpu": "h100_sxm", "tp": "1", "engine": "vllm"}


def spread(mean, median=None, p99=None):
    median = mean if median is None else median
    found = {
        "mean": mean,
        "median": median,
        "std_dev": 0.1,
        "count": 100,
        "percentiles": {"p50": median, "p95": p99 or mean, "p99": p99 or mean},
    }
    return {"successful": found, "errored": spread_of_none(), "incomplete": spread_of_none()}


def spread_of_none():
    return {"mean": 0.0, "median": 0.0, "percentiles": {"p50": 0.0, "p99": 0.0}}


def metrics(**changed):
    """8 clients: a request takes 40 + 127 · 10 = 1,310 ms, so 6.1 requests/s are served."""
    return {
        "requests_per_second": spread(6.1),
        "request_concurrency": spread(7.99),
        "request_latency": spread(1.31, 1.3, 1.6),
        "prompt_token_count": spread(512.0),
        "output_token_count": spread(128.0),
        "time_to_first_token_ms": spread(40.0, 38.5, 95.0),
        "time_per_output_token_ms": spread(10.23, 10.2, 12.0),
        "inter_token_latency_ms": spread(10.0, 9.75, 11.5),
        "output_tokens_per_second": spread(780.8),
    } | changed


TOTALS = {"successful": 100, "errored": 2, "incomplete": 3, "total": 105}
STRATEGY = {"type_": "concurrent", "streams": 8}


def report_02(strategy=STRATEGY, **changed):
    """0.2 and 0.3."""
    return {
        "benchmarks": [
            {
                "type_": "generative_benchmark",
                "args": {"profile": {"type_": "concurrent"}, "strategy": strategy},
                "run_stats": {"requests_made": TOTALS},
                "worker": {"backend_type": "openai_http", "backend_model": "llama-3.1-8b-instruct"},
                "request_loader": {"data": "prompt_tokens=512,output_tokens=128"},
                "metrics": metrics(**changed),
                "request_totals": TOTALS,
            }
        ]
    }


def report_05(strategy=STRATEGY, **changed):
    """0.4 to 0.6."""
    return {
        "metadata": {"version": 1, "guidellm_version": "0.5.3"},
        "args": {"target": "http://server:8000", "model": "llama-3.1-8b-instruct"},
        "benchmarks": [
            {
                "type_": "generative_benchmark",
                "config": {"strategy": strategy, "backend": {"model": None}},
                "metrics": metrics(request_totals=TOTALS, **changed),
            }
        ],
    }


def report_07(strategy=STRATEGY, **changed):
    """0.7 and 0.8."""
    return {
        "metadata": {"version": 2, "guidellm_version": "0.7.3"},
        "config": {"spec": {"backend": {"kind": "openai_http", "model": "llama-3.1-8b-instruct"}}},
        "benchmarks": [
            {
                "type": "generative_benchmark",
                "config": {"strategy": {"kind": strategy["type_"], **strategy}},
                "metrics": metrics(request_totals=TOTALS, **changed),
            }
        ],
    }


LAYOUTS = pytest.mark.parametrize("report", [report_02, report_05, report_07])


@pytest.fixture
def load(tmp_path):
    def load(document, facts=FACTS):
        path = tmp_path / "benchmarks.json"
        path.write_text(json.dumps(document), "utf-8")
        return load_results(path, facts)

    return load


@LAYOUTS
def test_the_layouts_hold_the_same(load, report):
    (row,) = load(report())
    wanted = {
        "source": "guidellm",
        "model": "llama-3.1-8b-instruct",
        "isl": "512",
        "osl": "128",
        "concurrency_or_batch": "8",
        "request_rate": "",
        "req_per_s": "6.1",
        "output_tok_per_s": "780.8",
        "ttft_ms_median": "38.5",
        "ttft_ms_mean": "40",
        "ttft_ms_p99": "95",
        "tpot_ms_median": "9.75",  # its inter-token latency, not its time per output token
        "tpot_ms_mean": "10",
        "tpot_ms_p99": "11.5",
        "scenario": "closed-loop-agg",
    }
    assert {c: row.text(c) for c in wanted} == wanted
    assert (row.notes["completed"], row.notes["failed"], row.notes["cut_off"]) == ("100", "2", "3")


@pytest.mark.parametrize(
    ("strategy", "clients", "rate", "scenario"),
    [
        ({"type_": "synchronous"}, "1", "", "closed-loop-agg"),
        ({"type_": "throughput", "max_concurrency": 16}, "16", "", "closed-loop-agg"),
        ({"type_": "throughput", "max_concurrency": None}, "8", "", "closed-loop-agg"),
        ({"type_": "constant", "rate": 6.25}, "", "6.25", "open-loop"),
        ({"type_": "poisson", "rate": 6.25}, "", "6.25", "open-loop"),
    ],
)
def test_strategies(load, strategy, clients, rate, scenario):
    changed = {"requests_per_second": spread(0.76), "output_tokens_per_second": spread(97.3)}
    (row,) = load(report_05(strategy, **(changed if clients == "1" else {})))
    assert row.text("concurrency_or_batch") == clients
    assert row.text("request_rate") == rate
    assert row.scenario == scenario


def test_a_sweep_gives_a_row_for_each_benchmark(load):
    report = report_05()
    report["benchmarks"] += report_05({"type_": "constant", "rate": 5.0})["benchmarks"]
    rows = load(report)
    assert [r.scenario for r in rows] == ["closed-loop-agg", "open-loop"]
    assert rows[1].place.endswith("benchmarks.json, benchmark 2")


def test_a_benchmark_without_a_success_is_named(load):
    report = report_05()
    failed = metrics(request_totals={"successful": 0, "errored": 50, "incomplete": 0, "total": 50})
    report["benchmarks"].append(report["benchmarks"][0] | {"metrics": failed})
    with pytest.raises(CatalogError, match=r"benchmark 2: no request completed \(0 of 50\)"):
        load(report)


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (report_05({"type_": "replay"}), "strategy 'replay' is not a steady load"),
        (report_05() | {"metadata": {"version": 9, "guidellm_version": "2.0"}}, "version '9'"),
        (report_05() | {"benchmarks": []}, "holds no benchmark"),
        (report_05(time_to_first_token_ms=spread(0.0)), "ttft is zero.*without streaming"),
        (
            report_05(inter_token_latency_ms=spread(0.01)),
            "tpot looks like seconds, not ms: .* where a request took 1,310 ms",
        ),
        (
            report_05(request_latency=spread(1310.0)),
            "request latency looks 1,000 times too long: .* is 1,310 ms where a request took",
        ),
        (report_05(time_to_first_token_ms=spread(-5.0)), "below zero"),
        (report_05(time_to_first_token_ms=spread(float("nan"))), "not a finite number"),
    ],
)
def test_what_is_wrong_is_said(load, report, sentence):
    with pytest.raises(CatalogError, match=sentence):
        load(report)
