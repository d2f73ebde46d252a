"""What `load_results` refuses, whatever the format, and that it says what, where and what to do."""

import copy
import gzip
import json

import pytest

from data.errors import CatalogError, InputError
from data.results import load_results

FACTS = {"gpu": "h100_sxm", "tp": "4", "isl": "1024", "osl": "256"}

VLLM = {
    "backend": "vllm",
    "model_id": "meta-llama/Llama-3.1-70B-Instruct",
    "num_prompts": 500,
    "request_rate": "inf",
    "max_concurrency": 32,
    "completed": 500,
    "total_input_tokens": 512_000,
    "total_output_tokens": 128_000,
    "request_throughput": 5.5,
    "output_throughput": 1408.0,
    "mean_ttft_ms": 150.0,
    "median_ttft_ms": 120.5,
    "p99_ttft_ms": 480.0,
    "mean_tpot_ms": 22.0,
    "median_tpot_ms": 21.5,
    "p99_tpot_ms": 25.0,
}


def figures(mean, p99=None):
    return {"successful": {"mean": mean, "median": mean, "percentiles": {"p99": p99 or mean}}}


GUIDELLM = {
    "metadata": {"version": 1, "guidellm_version": "0.5.3"},
    "args": {"model": "llama-3.1-70b-instruct"},
    "benchmarks": [
        {
            "config": {"strategy": {"type_": "concurrent", "streams": 32}},
            "metrics": {
                "request_totals": {"successful": 500, "errored": 0, "incomplete": 0},
                "requests_per_second": figures(5.5),
                "request_latency": figures(5.76),
                "prompt_token_count": figures(1024.0),
                "output_token_count": figures(256.0),
                "output_tokens_per_second": figures(1408.0),
                "time_to_first_token_ms": figures(150.0, 480.0),
                "inter_token_latency_ms": figures(22.0, 25.0),
            },
        }
    ],
}

AIPERF = {
    "schema_version": "1.4",
    "request_throughput": {"unit": "requests/sec", "avg": 5.5},
    "request_latency": {"unit": "ms", "avg": 5760.0, "p50": 5700.0, "p99": 7000.0},
    "request_count": {"unit": "requests", "avg": 500.0},
    "time_to_first_token": {"unit": "ms", "avg": 150.0, "p50": 120.5, "p99": 480.0},
    "inter_token_latency": {"unit": "ms", "avg": 22.0, "p50": 21.5, "p99": 25.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 1408.0},
    "output_sequence_length": {"unit": "tokens", "avg": 256.0},
    "input_sequence_length": {"unit": "tokens", "avg": 1024.0},
    "input_config": {
        "endpoint": {"model_names": ["llama-3.1-70b-instruct"]},
        "loadgen": {"concurrency": 32},
    },
}

INFERENCEX = {
    "hw": "h100",
    "conc": 32,
    "model": "meta-llama/Llama-3.1-70B-Instruct",
    "framework": "vllm",
    "precision": "fp8",
    "isl": 1024,
    "osl": 256,
    "tp": 4,
    "ep": 1,
    "dp_attention": "false",
    "tput_per_gpu": 1760.0,
    "output_tput_per_gpu": 352.0,
    "mean_ttft": 0.15,
    "median_ttft": 0.1205,
    "p99_ttft": 0.48,
    "mean_tpot": 0.022,
    "median_tpot": 0.0215,
    "p99_tpot": 0.025,
}

DOCUMENTS = {"vllm": VLLM, "guidellm": GUIDELLM, "aiperf": AIPERF, "inferencex": INFERENCEX}

every_document = pytest.mark.parametrize("name", DOCUMENTS)


@pytest.fixture
def load(tmp_path):
    def load(document, facts=FACTS, name="results.json"):
        path = tmp_path / name
        text = document if isinstance(document, str) else json.dumps(document)
        path.write_text(text, "utf-8")
        return load_results(path, facts)

    return load


@every_document
def test_the_documents_are_good_as_they_stand(load, name):
    (row,) = load(DOCUMENTS[name])
    assert row.text("osl") == "256"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is empty", "accepted are vLLM"]),
        (" \n ", ["is empty"]),
        ("<!DOCTYPE html><html></html>", ["web page", "download the raw file", "MLPerf"]),
        ("hello, world\n1, 2\n", ["not recognised", "begins 'hello, world'", "Accepted are vLLM"]),
        ('{"a": 1', ["line 1", "cut short"]),
        ('{"a": "un', ["cut short"]),
        ('{"a": 1,\n "b": x}', ["line 2", "not valid JSON"]),
        (json.dumps(VLLM) + "\n" + json.dumps(VLLM)[:200], ["line 2", "cut short"]),
        ("[" * 100_000, ["nested too deep"]),
        ("[]", ["is an empty list"]),
        ("[1, 2]", ["result 1: is 1, not a JSON object"]),
        ("{}", ["JSON of no known benchmark (its keys: none)", "Accepted are vLLM"]),
        ('{"speed": 3}', ["no known benchmark (its keys: 'speed')"]),
        ('{"completed": true}', ["no known benchmark"]),
        ('{"benchmarks": [], "machine_info": {}}', ["pytest-benchmark"]),
        ('{"avg_latency": 1, "latencies": [], "percentiles": {}}', ["latency benchmark", "serve"]),
        ('{"elapsed_time": 9, "tokens_per_second": 8}', ["throughput benchmark", "bench serve"]),
        ('{"experiments": [], "service_kind": "x"}', ["give profile_export_genai_perf.json"]),
        ('{"metadata": {}, "metrics": {}, "error": null}', ["one request of AIPerf"]),
        ('{"metadata": {}, "metrics": {}}', ["an aggregate of several AIPerf runs"]),
        ('[{"benchmark": {}, "model": {}, "metric": {}}]', ["PyTorch benchmark database"]),
    ],
)
def test_a_file_of_something_else(load, text, words):
    with pytest.raises(CatalogError) as refused:
        load(text)
    for word in ["results.json", *words]:
        assert word in str(refused.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="no such file; check the path of the benchmark results"):
        load_results(tmp_path / "absent.json")
    with pytest.raises(InputError, match="this is a folder"):
        load_results(tmp_path)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_results(binary)
    cut = tmp_path / "cut.json.gz"
    cut.write_bytes(gzip.compress(b"{}" * 1000)[:20])
    with pytest.raises(InputError, match="gzip data is damaged or cut short"):
        load_results(cut)


def test_a_large_file_is_to_be_zipped(tmp_path):
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(21_000_000)
    with pytest.raises(CatalogError, match=r"is 21 MB, more than the 20 MB.*gzip it"):
        load_results(large)


@every_document
def test_json_that_is_cut_anywhere_is_refused(load, name):
    text = json.dumps(DOCUMENTS[name], indent=1)
    for end in range(1, len(text), 37):
        with pytest.raises(CatalogError, match=r"cut short|not valid JSON"):
            load(text[:end])


def leaves(document, path=()):
    """Yield the path of every value in a document, those of its parts too."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))


def outcome(load, document):
    """Return the rows of a document, or the sentence that refuses it."""
    try:
        rows = load(document)
    except CatalogError as refused:
        return str(refused)
    for row in rows:
        assert row.positive("osl")
        assert row.positive("tp")
        assert "{" not in row.text("model")
    return rows


@every_document
@pytest.mark.parametrize("junk", [None, "x", "", -1, 0, True, 1e300, float("nan"), [], {}, [{}]])
def test_junk_anywhere_is_read_or_refused_in_a_sentence(load, name, junk):
    for path in leaves(DOCUMENTS[name]):
        document = copy.deepcopy(DOCUMENTS[name])
        inside = document
        for key in path[:-1]:
            inside = inside[key]
        inside[path[-1]] = junk
        said = outcome(load, document)
        assert isinstance(said, list) or ("results.json" in said and "\n" not in said)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"completed": 0}, ["no request completed (0 of 500)", "run it again"]),
        ({"completed": 0, "failed": 7}, ["no request completed (0 of 7)"]),
        ({"median_ttft_ms": 0.0}, ["ttft is zero", "without streaming"]),
        ({"mean_tpot_ms": 0.0}, ["tpot is zero"]),
        ({"mean_ttft_ms": -3.0}, ["mean TTFT is -3.0, below zero"]),
        ({"mean_tpot_ms": float("nan")}, ["mean TPOT is nan, not a finite number"]),
        ({"p99_tpot_ms": float("inf")}, ["p99 TPOT is inf, not a finite number"]),
        ({"median_tpot_ms": "fast"}, ["median TPOT is 'fast', not a number"]),
        ({"p99_ttft_ms": 12.0}, ["p99 of ttft, 12 ms, is below its median, 120.5 ms", "swapped"]),
        ({"tp": "two"}, ["tp is 'two', not a number"]),
        ({"tp": 1.5}, ["tp is 1.5, not a whole number"]),
        ({"model_id": ["a", "b"]}, ["model is ['a', 'b'], not one value"]),
        ({"request_throughput": 0}, ["request_throughput is zero"]),
        ({"ramp_up_strategy": "linear"}, ["rate rose during the run", "one rate"]),
        (
            {"output_throughput": 1.408},
            ["output_tok_per_s looks like thousands of tokens", "make 1,408"],
        ),
        (
            {"max_concurrency": 1},
            [
                "5.5 requests/s at concurrency 1 leave 181.8 ms for each",
                "the concurrency or a rate",
            ],
        ),
    ],
)
def test_figures_that_cannot_be(load, changed, words):
    with pytest.raises(CatalogError) as refused:
        load(VLLM | changed)
    for word in ["results.json", *words]:
        assert word in str(refused.value)


@pytest.mark.parametrize("missing", [["ttft", "tpot"], ["isl"], ["osl"]])
def test_what_is_missing_is_named(load, missing):
    keys = {"isl": ["total_input_tokens"], "osl": ["total_output_tokens"]}
    gone = {
        k for m in missing for k in keys.get(m, [f"{f}_{m}_ms" for f in ("mean", "median", "p99")])
    }
    run = {k: v for k, v in VLLM.items() if k not in gone}
    sentence = "neither TTFT nor TPOT" if "ttft" in missing else f"give it with --{missing[0]}"
    with pytest.raises(CatalogError, match=sentence):
        load(run, {"gpu": "h100_sxm", "tp": "4"})


def scaled(document, ttft=1.0, tpot=1.0, e2e=1.0):
    factors = {"ttft": ttft, "tpot": tpot, "e2el": e2e}
    return document | {
        f"{f}_{m}_ms": document[f"{f}_{m}_ms"] * factor
        for m, factor in factors.items()
        for f in ("mean", "median", "p99")
        if f"{f}_{m}_ms" in document
    }


WITH_E2E = VLLM | {"mean_e2el_ms": 5760.0, "median_e2el_ms": 5700.0, "p99_e2el_ms": 7000.0}
OPEN = WITH_E2E | {"request_rate": 5.5, "max_concurrency": None}
OPEN_ALONE = VLLM | {"request_rate": 5.5, "max_concurrency": None}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (scaled(VLLM, tpot=1e-3), "tpot looks like seconds, not ms: ttft + (osl − 1)·tpot is"),
        (scaled(VLLM, ttft=1e-3, tpot=1e-3), "ttft and tpot look like seconds, not ms"),
        (scaled(VLLM, tpot=1e3), "tpot looks like µs, not ms"),
        (scaled(VLLM, ttft=1e3, tpot=1e3), "ttft and tpot look like µs, not ms"),
        (scaled(VLLM, ttft=1e3), "ttft looks like µs, not ms"),
        (scaled(VLLM, ttft=1e-3), "ttft looks like seconds, not ms: ttft is 0.15 ms where"),
        (scaled(OPEN, tpot=1e-3), "tpot looks like seconds, not ms"),
        (scaled(OPEN, ttft=1e-3, tpot=1e-3), "ttft and tpot look like seconds, not ms"),
        (scaled(OPEN, e2e=1e-3), "request latency looks 1,000 times too short"),
        (scaled(OPEN, e2e=1e3), "request latency looks 1,000 times too long"),
        (scaled(OPEN_ALONE, tpot=1e-3), "tpot looks like seconds, not ms: tpot is 0.022 ms where"),
        (scaled(OPEN_ALONE, tpot=1e3), "tpot looks like µs, not ms: tpot is 2.2e+04 ms where"),
        (
            scaled(OPEN, e2e=1 / 20),
            "is 5,760 ms where a request took 288 ms; the figures are not of one run",
        ),
    ],
)
def test_units_off_by_a_thousand(load, run, words):
    with pytest.raises(CatalogError) as refused:
        load(run)
    assert words in str(refused.value)


@pytest.mark.parametrize("run", [VLLM, WITH_E2E, OPEN, OPEN_ALONE])
def test_true_figures_pass(load, run):
    assert load(run)
    assert load(scaled(run, ttft=2.0))
    assert load(run | {"request_rate": 0.5, "max_concurrency": 512})
