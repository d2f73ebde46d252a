"""schemathesis sends thousands of requests that OpenAPI allows, and as many that it does not."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from live_server import serving, sqlite_url

from api.service.examples import QUOTES
from api.store.store import Store

CASES = 2000

EXAMPLES_EACH = 12
"""Of each operation and phase; `CASES` in all come of it."""

SLOW = "^/v1/(comparisons|frontiers|simulations)$"
"""What takes seconds a request, so that fewer are sent."""

SLOW_EACH = 15

LEFT_OUT = "positive_data_acceptance"
"""What a schema allows may still name a model that does not exist: 422 is right then."""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What schemathesis prints about a server that asks for keys and sells two quotes."""
    folder: Path = tmp_path_factory.mktemp("fuzz")
    url = sqlite_url(folder)
    store = Store(url)
    store.migrate()
    _, key = store.keys.create("fuzz", "admin", 1_000_000)
    store.close()
    settings = {"require_keys": True, "job_time_limit_s": 5, "max_simulated_requests": 5000}
    with serving(url, folder, **settings) as server:
        with server.client(Authorization=f"Bearer {key}") as client:
            imported = client.post("/v1/catalog/offers?mode=replace", json=QUOTES)
            assert imported.status_code == 200
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{server.url}/openapi.json",
            f"--header=Authorization: Bearer {key}",
            "--checks=all",
            f"--exclude-checks={LEFT_OUT}",
            "--continue-on-failure",
            "--request-timeout=60",
            "--seed=1",
        ]
        runs = [
            [f"--max-examples={EXAMPLES_EACH}", f"--exclude-path-regex={SLOW}"],
            [f"--max-examples={SLOW_EACH}", f"--include-path-regex={SLOW}", "--phases=fuzzing"],
        ]
        done = [
            subprocess.run([*command, *run], capture_output=True, text=True, cwd=folder)
            for run in runs
        ]
        faults = [event for event in server.log() if event["level"] in ("error", "critical")]
        yield done, faults


def test_no_request_breaks_the_server_or_its_own_description(report):
    done, _ = report
    for run in done:
        assert run.returncode == 0, run.stdout[-6000:]


def test_there_were_enough_of_them(report):
    done, _ = report
    counts = [re.search(r"([\d,]+) generated", run.stdout) for run in done]
    assert all(counts), done[-1].stdout[-2000:]
    assert sum(int(found[1].replace(",", "")) for found in counts if found) >= CASES


def test_nothing_was_logged_as_a_fault(report):
    _, faults = report
    assert [f for f in faults if f["event"] != "job took too long"] == []
