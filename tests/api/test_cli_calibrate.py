"""``minfleet calibrate``: from result files to coefficients that plans use."""

import csv
import json

import pytest

from data.coefficients import Coefficient, shipped_coefficients
from data.measurements import MeasurementRow
from model.measured_rows import predict_row

DEPLOYED = ("--gpu", "h100_sxm", "--tp", "2", "--engine", "vllm", "--precision-weights", "fp8")
MODEL = "meta-llama/Llama-3.1-8B-Instruct"


def result(clients, isl=1024, osl=128, **changes):
    """A result of vLLM's benchmark, as an engine with 60 ms more TTFT would give it."""
    slow = [Coefficient("vllm", "hopper", "request_ms", 80.0, "ms", "", "")]
    cells = {
        "engine": "vllm", "model": MODEL, "gpu": "h100_sxm", "tp": "2", "precision_weights": "fp8",
        "isl": f"{isl}", "osl": f"{osl}", "concurrency_or_batch": f"{clients}",
        "scenario": "closed-loop-agg",
    }  # fmt: skip
    of = predict_row(MeasurementRow("", cells), shipped_coefficients().over(slow))
    count = 10 * clients
    span = count * osl / of.output_tok_per_s
    return {
        "date": "20260901-120000", "backend": "vllm", "model_id": MODEL, "num_prompts": count,
        "request_rate": "inf", "burstiness": 1.0, "max_concurrency": clients, "duration": span,
        "completed": count, "total_input_tokens": count * isl, "total_output_tokens": count * osl,
        "request_throughput": count / span, "output_throughput": count * osl / span,
        "total_token_throughput": count * (isl + osl) / span,
        **{f"{what}_ttft_ms": of.ttft_ms for what in ("mean", "median")}, "p99_ttft_ms": 900.0,
        **{f"{what}_tpot_ms": of.tpot_ms for what in ("mean", "median")}, "p99_tpot_ms": 99.0,
        **changes,
    }  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    paths = []
    for clients in (1, 4, 16, 64):
        paths.append(folder / f"c{clients}.json")
        paths[-1].write_text(json.dumps(result(clients)))
    return paths


def test_result_files_become_coefficients_that_plans_use(invoke, files, tmp_path, write_workload,
                                                         offers):  # fmt: skip
    out = tmp_path / "mine.csv"
    done = invoke("calibrate", *files, *DEPLOYED, "--out", out)
    assert done.exit_code == 0, done.output
    assert "4 measured runs" in done.output
    assert "before → after" in done.output
    assert "What they do not tell" in done.output
    rows = {r["coefficient"]: r for r in csv.DictReader(out.open())}
    assert float(rows["request_ms"]["value"]) == pytest.approx(80, rel=0.25)
    assert rows["request_ms"]["engine"] == "vllm"
    assert rows["fit_rows"]["value"] == "4"
    assert "c16.json" in rows["fit_tp"]["source"]
    file = write_workload(sla={"ttft_ms": 900, "tpot_ms": 40})
    plans = [
        json.loads(invoke("plan", file, "--offers", offers, "--json", *more).stdout)
        for more in ((), ("--coefficients", out))
    ]
    for plan in plans:
        assert plan["status"] == "optimal"
    first, mine = (
        max(c["ttft_ms"] for p in plan["pools"] for c in p["predicted"]["classes"].values())
        for plan in plans
    )
    assert mine != first


def test_json(invoke, files):
    done = invoke("calibrate", *files, *DEPLOYED, "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == "minfleet/calibration/v1"
    assert document["runs"] == 4
    assert {e["by"] for e in document["errors"]} == {
        "all", "model", "accelerator", "TP", "concurrency"
    }  # fmt: skip
    assert document["not_identifiable"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: json.dumps(result(4))[:-40], ("bad.json",)),
        (lambda: json.dumps(result(4, median_ttft_ms=0.0, mean_ttft_ms=0.0)), ("ttft",)),
        (lambda: json.dumps(result(4, mean_tpot_ms=0.004, median_tpot_ms=0.004)), ("tpot",)),
        (lambda: json.dumps({"hello": 1}), ("bad.json",)),
        (lambda: "<html></html>", ("bad.json",)),
    ],
)
def test_bad_files_are_one_sentence_and_change_nothing(invoke, files, tmp_path, make, words):
    bad, out = tmp_path / "bad.json", tmp_path / "mine.csv"
    bad.write_text(make())
    done = invoke("calibrate", *files, bad, *DEPLOYED, "--out", out)
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr
    assert not out.exists()


def test_one_run_is_too_few(invoke, files, tmp_path):
    out = tmp_path / "mine.csv"
    done = invoke("calibrate", files[0], *DEPLOYED, "--out", out)
    assert done.exit_code == 1
    assert "1 of 1 measured runs can be used" in done.stderr
    assert not out.exists()


def test_what_the_file_lacks_is_asked_for(invoke, files):
    done = invoke("calibrate", *files, "--engine", "vllm")
    assert done.exit_code == 2
    assert "--gpu" in done.stderr
