"""A Dask cluster of two workers beside this process: the same answers, whoever is killed.

The tests follow each other on one cluster: the last ones kill a worker of it and start another.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
import time
from functools import partial

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from dask_cluster import DaskCluster
from distributed import LocalCluster

from api.cli import main
from data.errors import InputError
from solver.crew import cluster as on_dask
from solver.crew.crew import Crew
from solver.crew.versions import difference, versions
from solver.sweep.point import AT_POINTS
from solver.workload import Workload

SCENARIOS = """\
scenario,provider,accelerator,factor
today,,,
dearer,,,1.1
acme falls,acme,,0.5
l40s rises,,l40s,2
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    started = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def portfolio(tmp_path_factory, write_workload):
    """Sixty workloads, some of them bad, and a file of price scenarios."""
    folder = tmp_path_factory.mktemp("portfolio")
    content = Workload.load(write_workload()).to_dict()
    lines = []
    for number in range(60):
        content["classes"][0]["rate_rps"] = 1 + 7 * number % 83
        lines.append(json.dumps({"name": f"team-{number}", "workload": content}))
    lines[3] = lines[3].replace("rate_rps", "rate_rsp")
    lines[50] = lines[50][:-20]
    (folder / "workloads.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "scenarios.csv").write_text(SCENARIOS)
    return folder


def replan(portfolio, offers, measured, out, *options):
    given = (
        *("--portfolio", portfolio / "workloads.jsonl", "--offers", offers, "--out", out),
        *("--scenarios", portfolio / "scenarios.csv", "--measured", measured, *options),
    )
    return CliRunner().invoke(main, ["replan", *map(str, given)], catch_exceptions=False)


def test_a_document_is_that_of_one_process(
    cluster, invoke, write_workload, offers, measured, monkeypatch
):
    chat, prices = write_workload(), ("--offers", offers)
    monkeypatch.setattr("solver.crew.crew.START_S", -1.0)  # two processes are always worth it
    for question in (
        ("sweep", chat, *prices, "--vary", "rate=0.5,1,2", "--vary", "price:l40s=0.5,1"),
        ("frontier", chat, *prices, "--of", "power_kw", "--points", "3"),
        ("compare", chat, offers, "--subset", "h100=acme-h100,acme-h100x8"),
    ):
        places = [("--jobs", "1"), ("--dask", cluster.address)]
        places += [("--jobs", "2")] * (question[0] == "compare")  # the others have such tests
        alone, *others = (
            invoke(*question, "--measured", measured, "--json", *where) for where in places
        )
        assert alone.exit_code == 0, alone.output
        for other in others:
            assert other.stdout == alone.stdout, other.output + cluster.said()


def test_an_error_of_a_worker_is_that_of_the_task(
    cluster, invoke, write_workload, offers, measured
):
    vary = ("--vary", "hardware.providers=acme,nobody", "--offers", offers)
    alone, there = (
        invoke("sweep", write_workload(), *vary, "--measured", measured, *where)
        for where in (("--jobs", "1"), ("--dask", cluster.address))
    )
    assert alone.exit_code == there.exit_code == 2
    assert alone.stderr == there.stderr


def test_workers_that_differ_are_refused(cluster, monkeypatch):
    mine = {**versions(), "numpy": "1.0"}
    monkeypatch.setattr(on_dask, "difference", lambda here, there: difference(mine, there))
    with pytest.raises(InputError, match=r"worker tcp://.* has numpy 1\.0 here and [\d.]+ there"):
        Crew(AT_POINTS, None, dask=cluster.address)


def test_a_worker_without_minfleet_is_told(cluster, monkeypatch, tmp_path):
    """Asked for a module that it does not have, as one without minfleet would be."""
    (tmp_path / "only_here.py").write_text("def versions():\n    return {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(on_dask, "versions", importlib.import_module("only_here").versions)
    with pytest.raises(InputError, match="has no module 'only_here'; install minfleet there"):
        Crew(AT_POINTS, None, dask=cluster.address)


def test_what_cannot_be_reached_is_told(monkeypatch):
    monkeypatch.setattr(on_dask, "CONNECT_S", 0.3)
    with pytest.raises(InputError, match=r"no scheduler answers there within 0\.3 s"):
        Crew(AT_POINTS, None, dask="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="is no address of a scheduler; write tcp://HOST:8786"):
        Crew(AT_POINTS, None, dask="somewhere:8786")


def test_a_cluster_without_workers_is_told(monkeypatch):
    monkeypatch.setattr(on_dask, "WORKERS_S", 0.2)
    with (
        LocalCluster(n_workers=0, dashboard_address=":0", processes=False) as empty,
        pytest.raises(InputError, match="the cluster has no worker; start some with 'dask worker"),
    ):
        Crew(AT_POINTS, None, dask=empty.scheduler_address)


def test_without_the_extra_it_is_named():
    script = (
        "import sys; sys.modules['distributed'] = None\n"
        "from solver.crew.crew import Crew\n"
        "Crew(None, None, dask='tcp://127.0.0.1:9')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    said = "needs the package distributed, which is not installed; run pip install 'minfleet[dask]'"
    assert said in done.stderr


def swept(chat, offers, measured, out, *options):
    """Sweep 240 rates and prices into a file."""
    rates = ",".join(f"{1 + number / 40:g}" for number in range(60))
    vary = ("--vary", f"rate={rates}", "--vary", "price:l40s=0.5,0.8,1,1.2")
    given = ("sweep", chat, *vary, "--offers", offers, "--measured", measured, "--out", out)
    return CliRunner().invoke(main, [*map(str, given), *options], catch_exceptions=False)


@pytest.fixture(params=["sweep", "portfolio"])
def solve(request, portfolio, write_workload, offers, measured):
    """What makes a table of 240 rows, and its exit status."""
    if request.param == "sweep":
        return partial(swept, write_workload(), offers, measured), 0
    return partial(replan, portfolio, offers, measured), 1  # two workloads fail, as they should


def test_a_killed_worker_changes_nothing(cluster, solve, request, tmp_path):
    """One of two workers is killed after the first part; the table is that of one process."""
    make, status = solve
    alone, there = tmp_path / "alone.parquet", tmp_path / "there.parquet"
    first = make(alone, "--jobs", "1")
    assert first.exit_code == status, first.output
    parts, left = tmp_path / "there.parquet.parts", []
    cluster.wait_for_workers(2)

    def kill():
        while not (parts / "part-000000.parquet").exists():
            time.sleep(0.005)
        cluster.kill_worker()
        left.append(240 // 16 - len(list(parts.glob("part-*"))))

    killer = threading.Thread(target=kill)
    killer.start()
    second = make(there, "--dask", cluster.address)
    killer.join()
    cluster.add_worker()  # for the next
    assert second.exit_code == status, second.output + cluster.said()
    assert left[0] > 5, "the worker was killed when nearly all was solved"
    assert there.read_bytes() == alone.read_bytes()
    rows = pq.read_table(there).to_pylist()
    assert len(rows) == 240
    assert [r.get("outcome") for r in rows].count("failed") == 8 * status
    assert not parts.exists()
