"""The outbox at work: two servers, a receiver in a mood, and a store that is away for a moment."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest

from api.notices.deliverer import Deliverer
from api.notices.sending import NotDeliveredError
from api.service.metrics import Metrics
from api.service.settings import Settings
from data.errors import StoreError


class Recorder:
    """Stands for the receivers: takes messages, or what `refuse` says of them."""

    def __init__(self, refuse=lambda event, subscription: None):
        self.taken, self.tried, self._refuse = Counter(), Counter(), refuse
        self.at_once = Counter()
        self.most_at_once = 0

    async def send(self, event, subscription):
        self.tried[event.id, subscription.id] += 1
        self.at_once[subscription.id] += 1
        self.most_at_once = max(self.most_at_once, self.at_once[subscription.id])
        await anyio.sleep(0.001)
        self.at_once[subscription.id] -= 1
        error = self._refuse(event, subscription)
        if error is not None:
            raise error
        self.taken[event.id, subscription.id] += 1


@pytest.fixture
def settings():
    return Settings(
        store_url="sqlite:///unused.db",
        notify_pause_s=0.01,
        notify_max_pause_s=0.05,
        notify_attempts=4,
    )


def deliver(store, settings, senders, done):
    """Let a server work for each sender until `done` holds; return their metrics."""
    metrics = [Metrics() for _ in senders]

    async def work():
        async with anyio.create_task_group() as group:
            servers = [
                Deliverer(store, settings, m, f"server-{n}", sender)
                for n, (sender, m) in enumerate(zip(senders, metrics, strict=True))
            ]
            for server in servers:
                group.start_soon(server.run)
            with anyio.fail_after(60):
                while not await anyio.to_thread.run_sync(done):
                    await anyio.sleep(0.02)
            for server in servers:
                await server.drain()

    anyio.run(work)
    return metrics


def all_done(store):
    return lambda: store.deliveries.waiting() == 0


def subscribed(store, number):
    target = "https://chat.example.com/x"
    return [store.subscriptions.create("slack", target).id for _ in range(number)]


def test_two_servers_deliver_each_message_once(any_store, settings, put_event):
    subscriptions = subscribed(any_store, 3)
    events = [put_event(any_store) for _ in range(10)]
    senders = [Recorder(), Recorder()]
    deliver(any_store, settings, senders, all_done(any_store))
    taken = senders[0].taken + senders[1].taken
    assert taken == dict.fromkeys(((e, s) for e in events for s in subscriptions), 1)
    assert max(s.most_at_once for s in senders) == 1


def test_it_is_tried_again_and_given_up_in_the_end(store, settings, put_event):
    bad, good = subscribed(store, 2)
    event = put_event(store)

    def refuse(event, subscription):
        return NotDeliveredError("answers 500.") if subscription.id == bad else None

    sender = Recorder(refuse)
    (metrics,) = deliver(store, settings, [sender], all_done(store))
    assert sender.tried == {(event, bad): 4, (event, good): 1}
    (delivery,) = store.deliveries.list(bad, 10)
    assert (delivery.state, delivery.error) == ("failed", "answers 500.")
    counted = metrics.text().decode()
    assert 'minfleet_deliveries_total{kind="slack",state="failed"} 1.0' in counted
    assert 'minfleet_deliveries_total{kind="slack",state="retried"} 3.0' in counted


def test_who_wants_no_more_is_not_asked_again(store, settings, put_event):
    (gone,) = subscribed(store, 1)
    event = put_event(store)
    sender = Recorder(lambda *_: NotDeliveredError("410 Gone.", final=True))
    deliver(store, settings, [sender], all_done(store))
    assert sender.tried == {(event, gone): 1}


def test_a_fault_in_a_library_loses_nothing(store, settings, put_event):
    (only,) = subscribed(store, 1)
    event = put_event(store)
    faults = [ZeroDivisionError("in a library"), None]
    sender = Recorder(lambda *_: faults.pop(0))
    deliver(store, settings, [sender], all_done(store))
    assert sender.taken == {(event, only): 1}


def test_a_store_that_is_away_for_a_moment_doubles_nothing(store, settings, put_event, monkeypatch):
    """The message has arrived, and the store does not take that in at first."""
    (only,) = subscribed(store, 1)
    event = put_event(store)
    outbox = type(store.outbox("probe", 1.0))
    record, away = outbox.delivered, [StoreError("the store is away."), None, None]

    def delivered(self, claim):
        error = away.pop(0)
        if error is not None:
            raise error
        return record(self, claim)

    monkeypatch.setattr(outbox, "delivered", delivered)
    sender = Recorder()
    deliver(store, settings, [sender], all_done(store))
    assert sender.tried == {(event, only): 1}


def test_what_is_under_way_when_the_server_stops_waits_again(
    store, settings, put_event, monkeypatch
):
    monkeypatch.setattr("api.notices.deliverer.LAST_S", 0.1)
    (only,) = subscribed(store, 1)
    put_event(store)

    class Silent(Recorder):
        async def send(self, event, subscription):
            self.tried[event.id, subscription.id] += 1
            await anyio.sleep_forever()

    sender = Silent()
    deliver(store, settings, [sender], lambda: bool(sender.tried))
    (delivery,) = store.deliveries.list(only, 10)
    assert (delivery.state, delivery.attempts) == ("waiting", 0)
