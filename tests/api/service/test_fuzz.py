"""schemathesis sends thousands of requests that OpenAPI allows, and as many that it does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from live_server import serving, sqlite_url

from api.service.examples import QUOTES
from api.store.store import Store

CASES = 2000

BODIES_EACH = 60
"""Requests to each operation that takes a body."""

OTHERS_EACH = 12
"""Requests to each other operation in the phases that draw them."""

SLOW = "^/v1/(comparisons|frontiers|simulations)$"
"""What takes seconds a request, so that fewer are sent."""

SLOW_EACH = 15

EVERYTHING = "MINFLEET_FUZZ_EVERYTHING"
"""Set it to enumerate every violation of every body, too: some 12,000 requests (``make fuzz``)."""

BODIES = ("POST", "PUT")

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
        with_body = [f"--include-method={method}" for method in BODIES]
        without = [f"--exclude-method={method}" for method in BODIES]
        runs = [
            [f"--max-examples={OTHERS_EACH}", *without],
            [f"--max-examples={BODIES_EACH}", f"--exclude-path-regex={SLOW}", *with_body],
            [f"--max-examples={SLOW_EACH}", f"--include-path-regex={SLOW}"],
        ]
        if EVERYTHING not in os.environ:
            runs[1:] = [[*run, "--phases=examples,fuzzing"] for run in runs[1:]]
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
