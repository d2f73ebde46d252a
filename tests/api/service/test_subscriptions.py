"""Subscriptions and events over REST: secrets are shown once, targets never, refusals are told."""

from __future__ import annotations

import pytest
from live_server import until
from service_kit import problem

from api.store.events import record_event
from api.store.store import Store

SLACK = "https://hooks.slack.com/services/T0001/B0002/SECRET-TOKEN"


@pytest.fixture
def subscribed(client):
    made = []

    def make(**more):
        content = {"kind": "slack", "target": SLACK, "events": ["decision.failed"], **more}
        answer = client.post("/v1/subscriptions", json=content)
        assert answer.status_code == 201, answer.text
        found = answer.json()
        assert answer.headers["location"] == f"/v1/subscriptions/{found['id']}"
        made.append(found["id"])
        return found

    yield make
    for name in made:
        client.delete(f"/v1/subscriptions/{name}")


def test_the_target_is_never_shown_again(client, subscribed):
    made = subscribed(name="#fleet")
    assert made["secret"] is None
    for path in (f"/v1/subscriptions/{made['id']}", "/v1/subscriptions"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "SECRET-TOKEN" not in answer.text
        assert "https://hooks.slack.com/…" in answer.json().get("target", answer.json().__str__())


def test_the_secret_of_a_webhook_is_shown_once(client, subscribed):
    made = subscribed(kind="webhook", target="https://ops.example.com/hooks/SECRET-TOKEN")
    assert made["secret"].startswith("whsec_")
    again = client.get(f"/v1/subscriptions/{made['id']}").json()
    assert again == {k: v for k, v in made.items() if k != "secret"}


def test_removed_is_gone(client, subscribed):
    made = subscribed()
    assert client.delete(f"/v1/subscriptions/{made['id']}").status_code == 200
    problem(client.get(f"/v1/subscriptions/{made['id']}"), "not-found")
    problem(client.delete(f"/v1/subscriptions/{made['id']}"), "not-found")
    problem(client.post(f"/v1/subscriptions/{made['id']}/test"), "not-found")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "pigeon"}, "kind"),
        ({"events": ["decision.swich"]}, "events.0"),
        ({"target": "http://169.254.169.254/latest/meta-data"}, "no public address"),
        ({"target": "https://10.0.0.1:1/SECRET-TOKEN"}, "no public address"),
        ({"kind": "email", "target": "ops:SECRET-TOKEN@example.com"}, "mailtos://USER"),
        ({"events": None, "evnts": []}, "evnts"),
    ],
)
def test_what_is_wrong_is_told_without_the_target(client, change, said):
    content = {"kind": "webhook", "target": SLACK, **change}
    content = {k: v for k, v in content.items() if v is not None}
    detail = problem(client.post("/v1/subscriptions", json=content), "invalid")
    assert said in detail
    assert "SECRET-TOKEN" not in detail


def test_a_test_tells_why_it_did_not_arrive(client, subscribed):
    made = subscribed(target="https://no-such-host.invalid/SECRET-TOKEN")
    found = client.post(f"/v1/subscriptions/{made['id']}/test").json()
    assert not found["delivered"]
    assert found["error"] == "no-such-host.invalid is not known to the name server."


def test_events_and_what_became_of_them(client, shared, subscribed):
    made = subscribed(target="https://no-such-host.invalid/SECRET-TOKEN")
    store = Store(shared.store_url)
    told = {"reasons": ["no plan within 60 s"], "outcome": "failed"}
    event_id = store.database.write(lambda c: record_event(c, "decision.failed", "chat/eu", told))
    store.close()
    (event,) = client.get("/v1/events", params={"subject": "chat/eu", "limit": 1}).json()["events"]
    assert event["id"] == event_id
    assert event["title"] == "chat/eu could not be planned again"
    assert event["text"] == "no plan within 60 s."
    assert client.get(f"/v1/events/{event_id}").json() == event
    assert client.get("/v1/events", params={"kind": "catalog.held"}).json()["events"] == []
    path = f"/v1/subscriptions/{made['id']}"

    def tried():
        (found,) = client.get(f"{path}/deliveries").json()["deliveries"]
        return found if found["error"] else None

    found = until(tried, "an attempt")
    assert (found["event_id"], found["state"]) == (event_id, "waiting")
    assert found["attempts"] >= 1
    again = client.post(f"{path}/send-again", params={"event_id": event_id})
    assert again.json() == {"deliveries": 1}
    assert client.post(f"{path}/send-again").json() == {"deliveries": 0}, "none failed for good"
    problem(client.post(f"{path}/send-again", params={"event_id": "event-nope"}), "conflict")
    problem(client.get("/v1/events/event-nope"), "not-found")
