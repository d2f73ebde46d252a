"""Summaries of MLPerf inference."""

import pytest

from data.errors import CatalogError
from data.results import load_results

FACTS = {
    "gpu": "h200_sxm",
    "gpu_count": "8",
    "tp": "1",
    "model": "llama-2-70b-chat",
    "isl": "294",
    "engine": "trtllm",
}

# 37,757 ms ≈ 963 + (29,522.56 / 104 − 1) · 126.3; Poisson arrivals of 104.15 a second.
SERVER = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 104.00
Completed tokens per second: 29522.56
Result is : VALID
  Performance constraints satisfied : Yes
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: Yes
TTFT Early Stopping Result:
 * Run successful.
TPOT Early Stopping Result:
 * Run successful.

================================================
Additional Stats
================================================
Scheduled samples per second : 104.15
Min latency (ns)                : 756127764
Max latency (ns)                : 150606473583
Mean latency (ns)               : 37756807070
50.00 percentile latency (ns)   : 32917446649
99.00 percentile latency (ns)   : 121801757289

Completed tokens per second                 : 29522.56
Min First Token latency (ns)                : 46040396
Max First Token latency (ns)                : 2522969250
Mean First Token latency (ns)               : 963332124
50.00 percentile first token latency (ns)   : 950532291
99.00 percentile first token latency (ns)   : 1760966679
99.90 percentile first token latency (ns)   : 2226588311

Min Time per Output Token (ns)                : 32461425
Max Time per Output Token (ns)                : 1358427611
Mean Time per Output Token (ns)               : 126269215
50.00 percentile time to output token (ns)   : 132613828
99.00 percentile time to output token (ns)   : 164964162

================================================
Test Parameters Used
================================================
samples_per_query : 1
target_qps : 104
ttft_latency (ns): 2000000000
tpot_latency (ns): 200000000
min_duration (ms): 600000

No warnings encountered during test.
"""

OFFLINE = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : Offline
Mode     : PerformanceOnly
Samples per second: 107.5
Tokens per second: 31605.00
Result is : VALID
  Min duration satisfied : Yes
  Min queries satisfied : Yes
  Early stopping satisfied: Yes

================================================
Additional Stats
================================================
Min latency (ns)                : 3243344120
Mean latency (ns)               : 409326545001
50.00 percentile latency (ns)   : 412926545001
"""


@pytest.fixture
def load(tmp_path):
    def load(text, facts=FACTS):
        path = tmp_path / "mlperf_log_summary.txt"
        path.write_text(text, "utf-8")
        return load_results(path, facts)

    return load


def test_server_with_ns_become_ms(load):
    (row,) = load(SERVER)
    wanted = {
        "source": "mlperf-inference",
        "model": "llama-2-70b-chat",
        "gpu": "h200_sxm",
        "gpu_count": "8",
        "isl": "294",
        "osl": "283.870769",
        "request_rate": "104.15",
        "req_per_s": "104",
        "output_tok_per_s": "29522.56",
        "ttft_ms_median": "950.532291",
        "ttft_ms_mean": "963.332124",
        "ttft_ms_p99": "1760.96668",
        "tpot_ms_median": "132.613828",
        "tpot_ms_mean": "126.269215",
        "tpot_ms_p99": "164.964162",
        "scenario": "open-loop",
    }
    assert {c: row.text(c) for c in wanted} == wanted
    assert (row.notes["sut"], row.notes["replicas"]) == ("PySUT", "8")


def test_the_gpus_of_the_system_make_whole_replicas(load):
    (row,) = load(SERVER, FACTS | {"tp": "4", "pp": "2"})
    assert "replicas" not in row.notes
    with pytest.raises(CatalogError, match="8 GPUs do not make whole replicas of 16"):
        load(SERVER, FACTS | {"tp": "16"})


def test_the_older_wording_of_time_per_output_token(load):
    (row,) = load(SERVER.replace("Time per Output Token", "Time to Output Token"))
    assert row.text("tpot_ms_mean") == "126.269215"


def test_offline_has_rates_alone(load):
    (row,) = load(OFFLINE)
    assert row.scenario == "max-throughput-offline"
    found = [row.text(c) for c in ("req_per_s", "output_tok_per_s", "osl", "request_rate")]
    assert found == ["107.5", "31605", "294", ""]
    assert row.text("ttft_ms_median") == ""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "Result is : VALID\n  Performance constraints satisfied : Yes",
            "Result is : INVALID\n  Performance constraints satisfied : NO",
            r"result is INVALID \(performance constraints not satisfied\); only VALID results",
        ),
        ("Result is : VALID\n", "", "no line 'Result is'; the file is cut short"),
        ("Scenario : Server", "Scenario : SingleStream", "scenario is 'SingleStream'"),
        ("PerformanceOnly", "AccuracyOnly", "mode is 'AccuracyOnly'; give the summary of the perf"),
        ("Completed tokens per second", "Completed images", "counts no tokens"),
        ("irst Token latency", "irst Answer latency", "lacks first-token latencies"),
        ("Completed samples per second    : 104.00", "Completed samples per second : 0", "zero"),
        (": 950532291", ": 950532", "ttft looks like µs, not ns: ttft is .* at least 1e"),
    ],
)
def test_what_is_wrong_is_said(load, old, new, sentence):
    text = SERVER.replace(old, new)
    if "Answer" in new:
        text = text.replace(old.lower(), new.lower())
    with pytest.raises(CatalogError, match=sentence):
        load(text)


@pytest.mark.parametrize("column", ["gpu", "gpu_count", "model", "tp", "isl"])
def test_what_no_summary_says_must_be_given(load, column):
    with pytest.raises(CatalogError, match=f"column {column}: is unknown"):
        load(SERVER, {c: v for c, v in FACTS.items() if c != column})
