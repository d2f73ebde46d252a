"""The receiver of webhooks is down for a while, and the server is killed and started meanwhile.

Proves that every event arrives exactly once after the receiver is back: connections are refused,
then answered with 500, then not answered at all; the server is killed with ``kill -9`` while a
message is under way. Fails if an event is lost, is taken twice, or is not signed, or if the log
holds a secret.
"""

from __future__ import annotations

import pytest
from faults_kit import power_cut, started, until
from live_server import sqlite_url
from receivers import Receiver

from api.store.events import record_event
from api.store.store import Store

QUICK = {
    "notify_private_hosts": '["127.0.0.1"]',
    "notify_pause_s": 0.2,
    "notify_max_pause_s": 0.5,
    "notify_attempts": 100,
    "notify_timeout_s": 0.5,
}


@pytest.fixture
def receiver():
    made = Receiver().start()
    made.stop()  # its port is known, and nobody listens
    yield made
    made.stop()


def told(store, subscription, state):
    return len(store.deliveries.list(subscription.id, 200, state=state))


def test_each_event_arrives_once_after_it_is_back(tmp_path, receiver):
    url = sqlite_url(tmp_path)
    store = Store(url)
    store.migrate()
    hook = store.subscriptions.create("webhook", receiver.url, ["catalog.refused"])
    receiver.secret = hook.secret

    def happen(number, kind="catalog.refused"):
        def work(connection):
            return [record_event(connection, kind, f"feed-{n}", {"n": n}) for n in range(number)]

        return store.database.write(work)

    ids = happen(5)
    happen(2, "catalog.held")  # nobody wants these
    with started(url, tmp_path, **QUICK) as server:
        until(lambda: store.deliveries.list(hook.id, 1)[0].attempts >= 2, "a second attempt")
        (latest, *_) = store.deliveries.list(hook.id, 1)
        assert latest.error == "127.0.0.1 could not be reached (connection refused)."
        receiver.mood = 500
        receiver.start()
        until(lambda: receiver.tries["500"] >= 3, "answers with 500")
        ids += happen(5)
        receiver.mood = "slow"
        until(lambda: receiver.tries["slow"] >= 1, "an attempt that is not answered")
        until(lambda: told(store, hook, "sending"), "a message under way")
        power_cut(server)
    assert told(store, hook, "sending") == 1, "the server died with a message under way"
    ids += happen(5)
    assert receiver.ids == {}
    with started(url, tmp_path, **QUICK) as server, server.client() as client:
        until(lambda: receiver.tries["slow"] >= 3, "an attempt of the next server")
        receiver.mood = "well"
        until(lambda: told(store, hook, "delivered") == 15, "every event")
        counts = {
            line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in client.get("/metrics").text.splitlines()
            if line.startswith("minfleet_deliveries")
        }
        assert counts['minfleet_deliveries_total{kind="webhook",state="delivered"}'] == 15
        assert counts['minfleet_deliveries_total{kind="webhook",state="retried"}'] >= 2
        secret = hook.secret.removeprefix("whsec_")
        log = server.log_path.read_text()
        tried = client.post(f"/v1/subscriptions/{hook.id}/test").json()
        assert tried["delivered"], tried
        assert receiver.taken.pop()["body"]["type"] == "subscription.test"
        assert "SECRET-PATH" not in log
        assert secret not in log
        assert server.stop() == 0
    assert receiver.ids == dict.fromkeys(ids, 1)
    assert [t["body"]["type"] for t in receiver.taken] == ["catalog.refused"] * 15
    store.close()
