"""``minfleet replan --due``: a store that no server serves, one that a server holds, and a server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from live_server import SMALL, serving, sqlite_url

from api.commands.replan_due import replan_due
from api.errors import MinfleetGroup
from api.service.intake import Intake
from api.service.intake_registration import registration
from api.service.settings import load_settings
from api.store.store import Store
from data.errors import InputError

ROOT = Path(__file__).parents[2]

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


RUN = """
from api.commands.replan_due import replan_due
if __name__ == "__main__":
    import sys
    replan_due(store_url=sys.argv[1], server=None, api_key=None, as_json="--json" in sys.argv)
"""


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as cron does."""
    script = tmp_path / "run.py"
    script.write_text(RUN)
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MINFLEET_WORKERS": "1"},
        timeout=120,
    )


def test_what_is_due_is_planned_without_a_server_and_once(tmp_path):
    url = sqlite_url(tmp_path)
    registered(url, chat=SMALL, tight=FAILING)
    done = run(tmp_path, url)
    assert done.returncode == 3, done.stderr
    first, second, last = done.stdout.splitlines()
    assert first.startswith("chat   switch       No fleet runs yet: the cheapest")
    assert "It waits for acceptance: decision-" in first
    assert second.startswith("tight  failed       no fleet serves the workload within its limits")
    assert last == "2 due workloads were planned: 1 failed, 1 switch."
    assert "Traceback" not in done.stderr
    again = run(tmp_path, url, "--json")
    assert again.returncode == 0
    empty = {"schema": "minfleet/replanned/v1", "outcomes": {}, "decisions": []}
    assert json.loads(again.stdout) == empty


def test_a_server_that_holds_the_store_is_asked_instead(tmp_path, invoke_due):
    url = sqlite_url(tmp_path)
    with serving(url, tmp_path, scheduler="false", workers=1) as server:
        with server.client() as client:
            assert client.put("/v1/workloads/chat", json={"workload": SMALL}).status_code == 201
            assert client.get("/v1/workloads/chat/decisions").json()["decisions"] == []
        held = invoke_due("--store-url", url)
        assert held.exit_code == 2
        assert "a minfleet server holds this store" in held.stderr
        assert "ask it with --server URL" in held.stderr
        asked = invoke_due("--server", server.url, "--json")
        assert asked.exit_code == 0, asked.output
        found = json.loads(asked.stdout)
        assert found["outcomes"] == {"switch": 1}
        (entry,) = found["decisions"]
        assert (entry["workload"], entry["trigger"]) == ("chat", "first")
        nothing = invoke_due("--server", server.url)
        assert nothing.stdout == "No registered workload is due.\n"


@pytest.fixture
def invoke_due():
    """Run ``replan --due`` with its options, as the command line does."""

    @click.command("due")
    @click.option("--store-url")
    @click.option("--server")
    @click.option("--json", "as_json", is_flag=True)
    def due(**given):
        replan_due(api_key=None, **given)

    group = MinfleetGroup(commands={"due": due})
    return lambda *arguments: CliRunner().invoke(group, ["due", *arguments])


def test_a_store_beside_a_server_is_refused():
    with pytest.raises(InputError, match="exclude each other"):
        replan_due(store_url="sqlite:///x.db", server="http://x", api_key=None, as_json=False)
