"""``minfleet replan --due``: a store without a server, one that a server holds, and a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from live_server import SMALL, sqlite_url, until

from api.service.intake import Intake
from api.service.intake_registration import registration
from api.service.settings import load_settings
from api.store.store import Store

ROOT = Path(__file__).parents[3]

FAILING = {**SMALL, "hardware": {**SMALL["hardware"], "max_cost_per_hour_usd": 0.1}}


def registered(url: str, **workloads) -> None:
    """Put workloads without fleets in a store, which are due at once."""
    store = Store(url)
    store.migrate()
    store.catalogs.adopt_shipped()
    intake = Intake(store, load_settings(store_url=url))
    for name, workload in workloads.items():
        content = registration(intake, {"workload": workload})
        store.registered.put(name, content, lambda revision: True, None)
    store.close()


def run(url: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as cron does."""
    return subprocess.run(
        [sys.executable, "-m", "minfleet", "replan", "--due"],
        capture_output=True,
        text=True,
        env={**os.environ, "MINFLEET_STORE_URL": url, "MINFLEET_WORKERS": "1"},
        cwd=ROOT,
        timeout=120,
    )


def test_what_is_due_is_planned_without_a_server_and_once(tmp_path, invoke_due):
    url = sqlite_url(tmp_path)
    registered(url, chat=SMALL, tight=FAILING)
    done = run(url)
    assert done.returncode == 3, done.stderr
    first, second, last = done.stdout.splitlines()
    assert first.startswith("chat   switch       No fleet runs yet: the cheapest")
    assert "It waits for acceptance: decision-" in first
    assert second.startswith("tight  failed       no fleet serves the workload within its limits")
    assert last == "2 due workloads were planned: 1 failed, 1 switch."
    assert "Traceback" not in done.stderr
    again = invoke_due("--store-url", url, "--json")
    assert again.exit_code == 0
    empty = {"schema": "minfleet/replanned/v1", "outcomes": {}, "decisions": []}
    assert json.loads(again.stdout) == empty


def test_a_server_that_holds_the_store_is_asked_instead(shared, client, invoke_due):
    held = invoke_due("--store-url", shared.store_url)
    assert held.exit_code == 2
    assert "a minfleet server holds this store" in held.stderr
    assert "ask it with --server URL" in held.stderr

    def asked():
        """Register one that is due at once, and be faster than the server's own look at it."""
        client.delete("/v1/workloads/asked")
        assert client.put("/v1/workloads/asked", json={"workload": SMALL}).status_code == 201
        answer = invoke_due("--server", shared.url, "--json")
        assert answer.exit_code == 0, answer.output
        decided = json.loads(answer.stdout)["decisions"]
        return [entry for entry in decided if entry["workload"] == "asked"]

    (entry,) = until(asked, "a decision of its own")
    assert (entry["trigger"], entry["outcome"]) == ("first", "switch")
    assert client.get(f"/v1/decisions/{entry['id']}").json()["job_id"] == entry["job_id"]
    assert invoke_due("--server", shared.url).stdout == "No registered workload is due.\n"


@pytest.fixture
def invoke_due(invoke):
    """Run ``minfleet replan --due`` with more options."""
    return lambda *arguments: invoke("replan", "--due", *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--due", "--server", "http://x", "--store-url", "sqlite:///x.db"], "exclude each other"),
        (["--due", "--policy", "p.yaml"], "--policy has no use with --due"),
        (["--due", "chat.yaml"], "WORKLOAD has no use with --due"),
        (["chat.yaml", "--current", "p.json", "--server", "http://x"], "--server goes with --due"),
        ([], "WORKLOAD is missing"),
        (["--due", "--server", "ftp://x"], "is not a URL"),
        (["--due", "--store-url", "mysql://x"], "store_url"),
    ],
)
def test_what_does_not_go_together_is_refused(refusal, arguments, said):
    assert said in refusal("replan", *arguments)
