"""``minfleet subscriptions``: added, listed, tried, sent again, removed; secrets are shown once."""

from __future__ import annotations

import json

import pytest
from receivers import Receiver

from api.store.events import record_event
from api.store.store import Store

SLACK = "https://hooks.slack.com/services/T0001/B0002/SECRET-TOKEN"


@pytest.fixture
def run(invoke, tmp_path, monkeypatch):
    """Run the command on a store of its own; receivers on loopback are allowed."""
    monkeypatch.setenv("MINFLEET_STORE_URL", f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setenv("MINFLEET_NOTIFY_PRIVATE_HOSTS", '["127.0.0.1"]')
    return lambda *arguments, **more: invoke("subscriptions", *arguments, **more)


def test_from_first_to_last(run, tmp_path):
    receiver = Receiver().start()
    made = run("add", "webhook", receiver.url, "--event", "catalog.held")
    receiver.secret, said = made.stdout.strip(), made.stderr
    assert receiver.secret.startswith("whsec_")
    assert "SECRET-PATH" not in said
    (listed,) = json.loads(run("list", "--json").stdout)["subscriptions"]
    name = listed["id"]
    assert f"{name} tells http://127.0.0.1:{receiver.port}/… of catalog.held." in said
    assert "took it" in run("test", name).stdout
    receiver.stop()
    failed = run("test", name)
    assert failed.exit_code == 1
    assert "connection refused" in failed.stderr

    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    event_id = store.database.write(lambda c: record_event(c, "catalog.held", "gpuhunt", {}))
    outbox = store.outbox("server-a", 60.0)
    outbox.failed(outbox.claim(), "127.0.0.1 answers 500.")
    store.close()
    shown = run("deliveries", name).stdout
    assert "failed" in shown
    assert "127.0.0.1 answers 500." in shown
    assert run("send-again", name).stdout == "1 message will be sent again.\n"
    assert run("send-again", name, "--event", event_id).exit_code == 0
    assert run("remove", name).stdout == f"{name} is removed.\n"
    assert json.loads(run("list", "--json").stdout)["subscriptions"] == []


def test_a_target_on_stdin_stands_in_no_history(run):
    made = run("add", "slack", "-", "--name", "#fleet", "--json", stdin=f"{SLACK}\n")
    found = json.loads(made.stdout)
    assert (found["target"], found["secret"]) == ("https://hooks.slack.com/…", None)
    assert "SECRET-TOKEN" not in run("list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("add", "webhook", "https://10.0.0.1/SECRET-TOKEN"), "no public address"),
        (("add", "slack", SLACK, "--event", "decision.swich"), "'decision.switch'"),
        (("remove", "sub-nope"), "unknown subscription 'sub-nope'"),
        (("test", "sub-nope"), "list them with 'minfleet subscriptions list'"),
    ],
)
def test_what_is_wrong(run, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said.lower() in result.stderr.lower()
    assert "SECRET-TOKEN" not in result.stderr
