"""The outbox: written with the change, claimed once, never lost, given up only by its owner."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from api.store.deliveries import Outbox
from api.store.records import now
from api.store.tables import deliveries

LONGEST_S = 100.0


def outbox(store, owner="server-a"):
    return store.outbox(owner, LONGEST_S)


def subscribed(store, *events, kind="slack"):
    return store.subscriptions.create(kind, "https://chat.example.com/x", events)


def test_an_event_waits_for_everyone_who_wants_its_kind(any_store, put_event):
    everything = subscribed(any_store)
    held = subscribed(any_store, "catalog.held")
    subscribed(any_store, "decision.keep")
    event_id = put_event(any_store)
    for found in (everything, held):
        (delivery,) = any_store.deliveries.list(found.id, 10)
        assert (delivery.event_id, delivery.state, delivery.attempts) == (event_id, "waiting", 0)
    assert any_store.deliveries.waiting() == 2


def test_what_is_undone_is_told_to_nobody(store):
    from api.store.events import record_event

    subscribed(store)

    def work(connection):
        record_event(connection, "catalog.held", "gpuhunt", {})
        raise RuntimeError("the change came to nothing")

    with pytest.raises(RuntimeError):
        store.database.write(work)
    assert store.events.list(10) == []
    assert outbox(store).claim() is None


def test_many_claimers_never_share_a_delivery(any_store, put_event):
    for _ in range(3):
        subscribed(any_store)
    for _ in range(6):
        put_event(any_store)
    together = threading.Barrier(6)

    def drain(owner: str) -> list[int]:
        own: Outbox = outbox(any_store, owner)
        together.wait(20)
        found = []
        while (claim := own.claim()) is not None:
            found.append(claim.number)
            assert own.delivered(claim)
        return found

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(drain, [f"server-{n}" for n in range(6)]))
    claimed = list(itertools.chain(*done))
    assert len(claimed) == len(set(claimed)) == 18
    assert any_store.deliveries.waiting() == 0


def test_a_subscription_gets_one_message_at_a_time_from_a_server(store, put_event):
    one, other = subscribed(store), subscribed(store)
    put_event(store)
    put_event(store)
    own = outbox(store)
    first = own.claim()
    second = own.claim([first.subscription.id])
    assert {first.subscription.id, second.subscription.id} == {one.id, other.id}
    assert own.claim([one.id, other.id]) is None


def test_what_did_not_get_through_waits_and_counts(store, put_event):
    found = subscribed(store)
    put_event(store)
    own = outbox(store)
    claim = own.claim()
    assert own.put_off(claim, "chat.example.com answers 500.", 60.0)
    assert own.claim() is None
    (delivery,) = store.deliveries.list(found.id, 10)
    assert (delivery.state, delivery.attempts) == ("waiting", 1)
    assert delivery.error == "chat.example.com answers 500."
    assert 55 < (delivery.due_at - now()).total_seconds() <= 60
    assert store.deliveries.send_again(found.id, claim.event.id) == 1
    again = own.claim()
    assert (again.number, again.attempts) == (claim.number, 1)


def test_an_attempt_that_was_broken_off_does_not_count(store, put_event):
    subscribed(store)
    put_event(store)
    own = outbox(store)
    assert own.put_off(own.claim(), None, 0.0)
    assert own.claim().attempts == 1


def test_a_clock_set_back_delays_nothing_beyond_the_longest_pause(store, put_event):
    """A delivery put off to a time that the clock will not reach for days is due at once."""
    subscribed(store)
    put_event(store)
    far = now() + dt.timedelta(seconds=LONGEST_S + 60)
    store.database.write(lambda c: c.execute(update(deliveries).values(due_at=far)))
    assert outbox(store).claim() is not None


def test_what_a_dead_server_was_sending_is_taken_over(any_store, put_event):
    subscribed(any_store)
    put_event(any_store)
    dead, own = outbox(any_store, "server-dead"), outbox(any_store)
    lost = dead.claim()
    queue = any_store.queue("server-a")
    assert "server-dead" in queue.beat(), "who claims is known before its first beat"
    assert own.take_over() == 0, "it lives as far as anyone knows"
    queue.take_over(["server-dead"], why="died")
    assert own.take_over() == 1
    taken = own.claim()
    assert (taken.number, taken.attempts, taken.event.id) == (lost.number, 2, lost.event.id)
    assert not dead.delivered(lost), "a server that slept through its burial"
    assert not dead.failed(lost, "late")
    assert own.delivered(taken)


def test_a_server_does_not_leave_while_it_sends(store, put_event):
    subscribed(store)
    put_event(store)
    own, queue = outbox(store), store.queue("server-a")
    claim = own.claim()
    queue.leave()
    assert "server-a" in store.queue("server-b").beat()
    own.delivered(claim)
    queue.leave()
    assert "server-a" not in store.queue("server-b").beat()


def test_a_claim_whose_answer_never_came_is_released_by_its_owner(store, put_event):
    subscribed(store)
    put_event(store)
    own = outbox(store)
    lost = own.claim()
    assert own.own() == {lost.number}
    assert outbox(store, "server-b").release([lost.number]) == 0
    assert own.release([lost.number]) == 1
    assert own.claim().number == lost.number


def test_a_removed_subscription_is_told_nothing_and_forgets_its_secrets(store, put_event):
    found = subscribed(store, kind="webhook")
    assert found.secret.startswith("whsec_")
    put_event(store)
    assert store.subscriptions.remove(found.id)
    assert not store.subscriptions.remove(found.id)
    assert outbox(store).claim() is None
    assert store.subscriptions.get(found.id) is None
    (delivery,) = store.deliveries.list(found.id, 10)
    assert delivery.state == "cancelled"
    with store.database.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT target, secret FROM subscriptions").all()
    assert rows == [("", None)]


def test_failed_ones_are_sent_again_all_or_one(store, put_event):
    found = subscribed(store)
    ids = [put_event(store) for _ in range(3)]
    own = outbox(store)
    for _ in range(2):
        own.failed(own.claim(), "given up")
    own.delivered(own.claim())
    assert store.deliveries.counts(found.id) == {"failed": 2, "delivered": 1}
    assert store.deliveries.send_again(found.id, ids[2]) == 1, "one that was delivered, too"
    assert store.deliveries.send_again(found.id) == 2
    assert store.deliveries.counts(found.id) == {"waiting": 3}
    assert store.deliveries.send_again(found.id, "event-nope") == 0
