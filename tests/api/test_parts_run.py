"""Tables that are written part by part: a run that ends early goes on, to the same file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from api.cli import main
from api.parquet_parts import Parts, part_rows
from data.errors import InputError
from solver.crew.work import Work
from solver.portfolio.row import solve_row
from solver.sweep.document import COLUMNS
from solver.workload import Workload

ROOT = Path(__file__).parents[2]
VARY = ("--vary", "rate=0.05:2:20", "--vary", "price:acme=0.5:2:4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_workload):
    found = tmp_path_factory.mktemp("portfolio")
    content = Workload.load(write_workload()).to_dict()
    with (found / "workloads.jsonl").open("w") as file:
        for number in range(40):
            content["classes"][0]["rate_rps"] = 1 + 7 * number % 83
            file.write(json.dumps({"name": f"team-{number}", "workload": content}) + "\n")
    return found


@pytest.fixture(scope="module")
def replan(folder, offers, measured):
    def run(out, *options, file="workloads.jsonl", catch=True):
        given = ("--portfolio", folder / file, "--offers", offers, "--measured", measured)
        where = () if "--jobs" in options else ("--jobs", 1)
        line = list(map(str, (*given, "--out", out, *where, *options)))
        return CliRunner().invoke(main, ["replan", *line], catch_exceptions=catch)

    return run


@pytest.fixture(scope="module")
def whole(replan, tmp_path_factory):
    """The table of a run that nobody interrupted."""
    path = tmp_path_factory.mktemp("whole") / "whole.parquet"
    done = replan(path, catch=False)
    assert done.exit_code == 0, done.output
    return path


def interrupted(replan, out, monkeypatch, after):
    """Run into `out` until so many rows are solved."""
    solved = []

    def stop(ground, task):
        if len(solved) == after:
            raise KeyboardInterrupt
        solved.append(task)
        return solve_row(ground, task)

    with monkeypatch.context() as patch:
        patch.setattr("solver.crew.crew.START_S", 1e9)
        patch.setattr("solver.portfolio.row.ROWS", Work(stop, str))
        return replan(out)


def test_an_interrupted_run_goes_on_to_the_same_table(replan, whole, tmp_path, monkeypatch):
    out = tmp_path / "out.parquet"
    for after, kept in ((35, 32), (0, 32)):
        stopped = interrupted(replan, out, monkeypatch, after)
        assert f"{out}: {kept} of 40 rows are kept; the same command goes on" in stopped.stderr
        assert not out.exists()
    assert len(pq.read_table(out.with_name("out.parquet.parts") / "part-000000.parquet")) == 16
    done = replan(out)
    assert done.exit_code == 0
    assert f"{out}: going on after 32 of 40 rows." in done.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert list(tmp_path.iterdir()) == [out]


def test_other_inputs_are_noticed(replan, folder, whole, tmp_path, monkeypatch):
    out = tmp_path / "out.parquet"
    interrupted(replan, out, monkeypatch, 20)
    more = folder / "more.jsonl"
    more.write_text((folder / "workloads.jsonl").read_text() + "{}\n")
    parts = f"{out}.parts"
    for options, said in (
        (("--gap", "0.01"), "other --gap;"),
        (("--time-limit", "9", "--gap", "0"), "other --gap and --time-limit;"),
    ):
        refused = replan(out, *options)
        assert refused.exit_code == 2
        assert f"{parts}: holds part of a run with {said} give --restart" in refused.stderr
    refused = replan(out, file="more.jsonl")
    assert "a run with other workloads;" in refused.stderr
    again = replan(out, "--restart")
    assert again.exit_code == 0
    assert again.stderr == ""
    assert out.read_bytes() == whole.read_bytes()


def test_the_moment_of_a_run_is_that_of_its_begin(replan, tmp_path, monkeypatch):
    out = tmp_path / "out.parquet"
    interrupted(replan, out, monkeypatch, 20)
    note = json.loads((tmp_path / "out.parquet.parts" / "run.json").read_text())
    interrupted(replan, out, monkeypatch, 0)
    again = json.loads((tmp_path / "out.parquet.parts" / "run.json").read_text())
    assert again == note


def test_the_summary(replan, whole, tmp_path):
    rows = pq.read_table(whole).to_pylist()
    said = json.loads(replan(tmp_path / "again.parquet", "--json").stdout)
    assert said["rows"] == said["workloads"] == len(rows) == 40
    assert said["outcomes"] == {"plan": 40}
    (today,) = said["scenarios"]
    cost = sum(r["cost_per_hour_usd"] for r in rows)
    assert today["cost_per_hour_usd"] == pytest.approx(cost, abs=1e-5)
    assert (said["unproven"], said["errors"]) == (0, [])
    shown = replan(tmp_path / "again.parquet").stdout
    assert "40 workloads: 40 rows in" in shown
    assert f"${cost:,.2f}" in shown


def test_a_killed_sweep_goes_on_to_the_same_table(
    invoke, write_workload, offers, measured, tmp_path
):
    """SIGKILL after the first part; 80 points in parts of 16."""
    chat, killed, calm = write_workload(), tmp_path / "killed.parquet", tmp_path / "calm.parquet"
    line = ("sweep", chat, *VARY, "--offers", offers, "--measured", measured, "--jobs", "1")
    command = [sys.executable, "-m", "minfleet", *map(str, line), "--out", str(killed)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        first = tmp_path / "killed.parquet.parts" / "part-000000.parquet"
        while not first.exists():
            assert process.poll() is None
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
    assert not killed.exists()
    for path in (killed, calm):
        done = invoke(*line, "--out", path)
        assert done.exit_code == 0, done.output
        assert ("going on after" in done.stderr) is (path is killed)
    assert killed.read_bytes() == calm.read_bytes()
    table = pq.read_table(calm)
    assert table.column_names == ["rate", "price:acme", *COLUMNS]
    assert len(table) == 80


def test_a_streamed_sweep_is_the_sweep(invoke, write_workload, offers, measured, tmp_path):
    vary = ("--vary", "rate=0.5,1,2", "--vary", "engine=vllm,sglang", "--vary", "max_gpus=null,9")
    line = ("sweep", write_workload(), *vary, "--offers", offers, "--measured", measured)
    streamed, table = tmp_path / "streamed.parquet", tmp_path / "table.parquet"
    assert invoke(*line, "--out", streamed).exit_code == 0
    assert invoke(*line, "--parquet", table).exit_code == 0
    assert pq.read_table(streamed).to_pylist() == pq.read_table(table).to_pylist()


@pytest.mark.parametrize("option", ["--csv", "--plot", "--parquet"])
def test_what_needs_all_rows_does_not_go_with_a_stream(
    refusal, write_workload, offers, tmp_path, option
):
    line = ("sweep", write_workload(), *VARY, "--offers", offers, "--out", tmp_path / "a.parquet")
    assert f"{option} needs all rows at once" in refusal(*line, option, tmp_path / "b.svg")


def parts_of(path):
    return Parts(path, {"x": "integer"}, 2)


def test_two_runs_into_one_table_are_told_apart(tmp_path):
    table = tmp_path / "t.parquet"
    with (
        parts_of(table).begun(4, {}, "now") as first,
        pytest.raises(InputError, match="another run is writing it"),
        parts_of(table).begun(4, {}, "now"),
    ):
        assert first == 0


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    folder = tmp_path / "t.parquet.parts"
    folder.mkdir()
    (folder / "precious").write_text("data")
    with (
        pytest.raises(InputError, match="is not from an unfinished run; move it away"),
        parts_of(tmp_path / "t.parquet").begun(4, {}, "now", restart=True),
    ):
        pass
    assert (folder / "precious").read_text() == "data"


def test_row_groups_join_parts_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr("api.parquet_parts.GROUP_ROWS", 6)
    parts = parts_of(tmp_path / "t.parquet")
    with parts.begun(9, {}, "now"):
        for number in range(5):
            parts.write(number, [{"x": 2 * number}, {"x": 2 * number + 1}][: 9 - 2 * number])
        parts.join()
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(2)] == [6, 3]
    assert file.read()["x"].to_pylist() == list(range(9))


def test_the_size_of_parts():
    """A 128th of the rows, from 16 to 512."""
    assert [part_rows(n) for n in (1, 4_000, 40_000, 10**6)] == [16, 31, 312, 512]
