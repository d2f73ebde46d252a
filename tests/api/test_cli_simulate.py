"""``minfleet simulate``: a readable verdict, the document, plots, and one sentence on bad input."""

from __future__ import annotations

import copy
import json
import sys
import xml.etree.ElementTree as ET

import pytest

SMALL = ("--requests", 2000)


@pytest.fixture(scope="module")
def path(planned):
    return planned[1]


@pytest.fixture
def roomy(planned, tmp_path):
    """The plan, with targets that it keeps easily."""
    document = copy.deepcopy(planned[0])
    document["workload"]["sla"].update(ttft_ms=60_000, tpot_ms=1000)
    path = tmp_path / "roomy.json"
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def tight(planned, tmp_path):
    """The plan, with a target that nothing keeps."""
    document = copy.deepcopy(planned[0])
    document["workload"]["sla"].update(ttft_ms=1)
    path = tmp_path / "tight.json"
    path.write_text(json.dumps(document))
    return path


def test_people_get_a_verdict_and_a_table(invoke, roomy):
    result = invoke("simulate", roomy, *SMALL)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    assert "All targets hold in simulation." in result.stdout
    assert "2,000 requests" in result.stdout
    for word in ("within", "good", "p50 plan", "p99 plan", "ratio", "chat TTFT"):
        assert word in result.stdout
    assert max(map(len, result.stdout.replace(str(roomy), "plan").splitlines())) <= 80


def test_a_missed_target_is_told(invoke, tight):
    result = invoke("simulate", tight, *SMALL)
    assert result.exit_code == 1
    assert "Missed in simulation: chat: TTFT" in result.stdout
    assert "> 1.0 ms" in result.stdout


def test_the_document_is_printed_and_written(invoke, roomy, tmp_path):
    out = tmp_path / "simulation.json"
    result = invoke("simulate", roomy, *SMALL, "--seed", 4, "--json", "--out", out)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document == json.loads(out.read_text())
    assert document["schema"] == "minfleet/simulation/v1"
    assert (document["seed"], document["requests"]) == (4, 2000)


def test_a_plan_may_come_from_stdin(invoke, roomy):
    result = invoke("simulate", "-", *SMALL, "--json", stdin=roomy.read_text())
    assert result.exit_code == 0, result.output


def test_a_trace_is_replayed(invoke, roomy, tmp_path):
    trace = tmp_path / "trace.jsonl"
    rows = [
        {"timestamp": 100 * k, "input_length": 1100, "output_length": 30, "hash_ids": [0, k, -k]}
        for k in range(200)
    ]
    trace.write_text("\n".join(map(json.dumps, rows)))
    result = invoke("simulate", roomy, "--trace", trace, "--router", "least_loaded")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    assert "class of the nearest lengths: chat 200" in text
    assert "prefix blocks cached" in text
    assert "the plan was made for 70" in text


@pytest.mark.parametrize("ending", ["svg", "html", "png"])
def test_plots_are_drawn(invoke, roomy, tmp_path, ending):
    plot = tmp_path / f"plot.{ending}"
    result = invoke("simulate", roomy, *SMALL, "--plot", plot)
    assert result.exit_code == 0, result.output
    raw = plot.read_bytes()
    if ending == "png":
        assert raw.startswith(b"\x89PNG")
        return
    text = raw.decode()
    assert "chat" in text
    assert "Time to first token (ms)" in text
    if ending == "svg":
        assert ET.fromstring(text).tag.endswith("svg")
    else:
        assert text.startswith("<!doctype html>")
        assert text.count("<svg") == 1
    again = tmp_path / f"again.{ending}"
    invoke("simulate", roomy, *SMALL, "--plot", again)
    assert again.read_bytes() == raw


def test_without_matplotlib_one_sentence(refusal, roomy, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = refusal("simulate", roomy, "--plot", tmp_path / "plot.svg")
    assert "pip install 'minfleet[plots]'" in said


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--plot", "plot.jpg"), "a plot ends in .svg, .png or .html"),
        (("--arrivals", "trace"), "give it with --trace"),
        (("--arrivals", "gamma:x"), "none of poisson, gamma:CV"),
        (("--requests", "1"), "--requests"),
        (("--router", "clever"), "--router"),
        (("--trace", "no-such-file.csv"), "no-such-file.csv"),
        (("--out", "no/such/folder.json"), "there is no folder"),
    ],
)
def test_bad_input_is_refused(refusal, path, options, part):
    assert part in refusal("simulate", path, *options)


def test_a_plan_without_a_model_behind_it_is_refused(
    invoke, refusal, write_workload, offers, measured, tmp_path
):
    plan = tmp_path / "plan.json"
    file = write_workload(classes=[{"name": "chat", "rate_rps": 30}], sla=None)
    files = ("--offers", offers, "--measured", measured)
    assert invoke("plan", file, *files, "--explain", "none", "--out", plan).exit_code == 0
    assert "measured capacities" in refusal("simulate", plan)


@pytest.mark.parametrize("lost", ["tp", "serves", "role", "network_bytes_per_s", "predicted"])
def test_a_damaged_plan_is_refused(refusal, planned, tmp_path, lost):
    document = copy.deepcopy(planned[0])
    del document["pools"][0][lost]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps(document))
    assert "damaged" in refusal("simulate", plan)
