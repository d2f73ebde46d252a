"""``-`` reads a workload or a plan from stdin, within the limits of a file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BARE = ("--explain", "none", "--no-second-engine")


def test_a_workload_from_stdin_gives_the_plan_of_its_file(
    invoke, workload, offers, planned, tmp_path
):
    result = invoke("plan", "-", "--offers", offers, *BARE, "--json", stdin=workload.read_text())
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    for key in ("cost_per_hour_usd", "pools", "purchases", "workload"):
        assert found[key] == planned[0][key]


def test_yaml_and_its_place_are_shown(invoke, offers):
    text = (
        "model: llama-3.1-8b-instruct\nclasses:\n  - {name: chat, rate_rps: 5, isl: 512, osl: 64}\n"
    )
    result = invoke("plan", "-", "--offers", offers, *BARE, stdin=text)
    assert result.exit_code == 0, result.output
    assert "5 requests/s of stdin" in result.stdout


def test_relative_paths_start_from_the_current_folder(invoke, offers, tmp_path, monkeypatch):
    rows = "".join(
        f"2024-05-10 00:00:{second:02d}.000000,{400 + 10 * second},{60 + second}\n"
        for second in range(40)
    )
    (tmp_path / "trace.csv").write_text(f"TIMESTAMP,ContextTokens,GeneratedTokens\n{rows}")
    monkeypatch.chdir(tmp_path)
    text = "{model: llama-3.1-8b-instruct, trace: trace.csv}"
    result = invoke("plan", "-", "--offers", offers, *BARE, "--json", stdin=text)
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)["workload"]["classes"]) > 1


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "mapping"),
        (b"model: [", "line"),
        (b"clases: []\nmodel: x\n", "'classes'"),
        (b"\xff\xfe\x00\x01", "UTF-8"),
        (b"# " + b"x" * 20_000_001, "too large for workload"),
    ],
)
def test_faults_are_named_as_those_of_a_file(refusal, offers, content, part):
    sentence = refusal("plan", "-", "--offers", offers, stdin=content)
    assert sentence.startswith("Error: stdin")
    assert part in sentence
    assert sentence.count("\n") == 1


def test_a_file_of_that_name_is_still_within_reach(invoke, workload, offers, tmp_path, monkeypatch):
    (tmp_path / "-").write_text(workload.read_text())
    monkeypatch.chdir(tmp_path)
    result = invoke("plan", "./-", "--offers", offers, *BARE, stdin="")
    assert result.exit_code == 0, result.output


def test_a_plan_or_its_workload_from_stdin_is_verified(invoke, workload, offers, planned):
    document, path = planned
    here = ("--offers", offers)
    result = invoke("verify", "-", *here, stdin=json.dumps(document))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("stdin: the plan holds")
    assert (
        invoke("verify", path, "--workload", "-", *here, stdin=workload.read_text()).exit_code == 0
    )
    other = json.loads(workload.read_text())
    other["classes"][0]["rate_rps"] = 700
    found = invoke("verify", path, "--workload", "-", *here, stdin=json.dumps(other))
    assert found.exit_code == 1


def test_stdin_holds_one_document_only(refusal):
    assert "cannot both be stdin" in refusal("verify", "-", "--workload", "-", stdin="{}")
    assert "stdin, line 1" in refusal("verify", "-", stdin="{")


def test_a_closed_stdin_is_told():
    program = Path(sys.executable).parent / "minfleet"
    ended = subprocess.run(
        ["sh", "-c", f"'{program}' plan - <&-"], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "Error: stdin: is closed; give the workload as a file.\n"
