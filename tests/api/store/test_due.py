"""Registered workloads in the store: revisions, due times claimed once, decisions, acceptance."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from api.store.catalogs import as_stored
from api.store.decisions import NotAcceptableError, store_decision, waits
from api.store.due import DueWorkloads
from api.store.queue import Queue
from api.store.registered import Content, ExpectationError, newest_catalog
from api.store.tables import events, registered
from data.catalog import Catalog

DAILY = {"cron": "0 6 * * *", "timezone": "UTC", "on": None}
ON_PRICES = {"cron": None, "timezone": "UTC", "on": "price_change"}
HOUR = dt.timedelta(hours=1)
LIMIT = 200


def always(revision):
    return True


def content(fleet="held", **changes) -> Content:
    catalog = {"id": Catalog.load().id}
    plan = {"id": fleet, "status": "optimal", "cost_per_hour_usd": 3.0, "catalog": catalog}
    given = Content(
        workload={"model": "llama-3.1-8b-instruct", "classes": []},
        policy={"accept": "manual"},
        schedule=DAILY,
        basis={"measured": None, "coefficients": None, "settings": {"gap": 1e-4}},
        fleet=plan if fleet else None,
        plan_id=None,
        memory={"since": "2026-11-01T00:00:00+00:00"},
        paused=False,
    )
    return replace(given, **changes)


def put(store, name="chat", expected=always, **changes):
    return store.registered.put(name, content(**changes), expected, None)[0]


def set_due(store, *names, at=None):
    at = at or dt.datetime.now(dt.UTC) - HOUR
    where = registered.c.name.in_(names)
    store.database.write(lambda c: c.execute(update(registered).where(where).values(due_at=at)))
    return at


def worked_off(store, outcome="keep", proposed=None, memory=None):
    """Decide every open job as a server would; return the decisions' documents."""
    queue, found = store.queue("server-a"), []
    while (job := queue.claim()) is not None:
        live = store.registered.get(job.task["workload"])
        job = replace(
            job,
            task={
                **job.task,
                **live.basis,
                "revision": live.revision,
                "content": live.workload,
                "policy": live.policy,
                "memory": live.memory,
                "catalog_id": Catalog.load().id,
                "moment": "2026-11-02T00:00:00+00:00",
            },
        )
        document = decision(job, outcome, proposed)
        kept = queue.finish(
            job,
            "done",
            attempt={"ended": "answered"},
            result_id=document["id"],
            store_result=lambda c, j=job, d=document: store_decision(
                c, j, d, memory or {"confirmations": 1}
            ),
        )
        assert kept
        found.append(document)
    return found


def decision(job, outcome, proposed):
    return {
        "id": f"decision-of-{job.id}",
        "workload": job.task["workload"],
        "revision": job.task["revision"],
        "trigger": job.task["trigger"],
        "outcome": outcome,
        "reasons": ["because"],
        "proposed": proposed,
        "memory_if_accepted": {"since": None, "proposal": ""} if proposed else None,
    }


def test_each_change_counts_and_the_same_again_changes_nothing(store):
    assert put(store).revision == 1
    assert put(store).revision == 1
    assert put(store, paused=True).revision == 2
    found, new = store.registered.put("other", content(), always, "key-1")
    assert (new, found.revision, found.key_id) == (True, 1, "key-1")
    assert [w.name for w in store.registered.list(10)] == ["chat", "other"]
    assert [w.name for w in store.registered.list(10, after="chat")] == ["other"]


def test_of_two_writers_who_read_the_same_one_is_told(store):
    put(store)
    put(store, paused=True, expected=lambda revision: revision == 1)
    with pytest.raises(ExpectationError) as error:
        put(store, policy={"accept": "automatic"}, expected=lambda revision: revision == 1)
    assert error.value.args == (2,)
    assert store.registered.get("chat").policy == {"accept": "manual"}


def test_writers_at_once_each_make_a_revision_of_their_own(store):
    put(store)
    found = []

    def write(number):
        found.append(put(store, memory={"n": number}, basis={"n": number}).revision)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [2, 3, 4, 5, 6, 7, 8, 9]


def test_a_removed_name_goes_on_counting(store):
    put(store)
    assert store.registered.remove("chat", always)
    assert store.registered.get("chat") is None
    assert not store.registered.remove("chat", always)
    assert store.registered.list(10) == []
    assert put(store).revision == 2


def test_a_schedule_is_due_at_its_next_time_alone(store):
    found = put(store)
    assert found.due_at > dt.datetime.now(dt.UTC)
    assert (found.due_at.hour, found.due_at.minute) == (6, 0)
    assert store.due.claim(LIMIT).jobs == {}
    at = found.due_at
    assert store.due.claim(LIMIT, at - dt.timedelta(seconds=1)).jobs == {}
    claimed = store.due.claim(LIMIT, at)
    job = store.jobs.get(claimed.jobs["chat"])
    assert (job.kind, job.task["trigger"]) == ("replanning", "schedule")
    assert dt.datetime.fromisoformat(job.task["due_at"]) == at
    assert store.registered.get("chat").due_at == at + dt.timedelta(days=1)


def test_missed_times_are_caught_up_once(store):
    put(store)
    set_due(store, "chat", at=dt.datetime.now(dt.UTC) - dt.timedelta(days=9))
    assert list(store.due.claim(LIMIT).jobs) == ["chat"]
    worked_off(store)
    assert store.due.claim(LIMIT).jobs == {}
    assert store.registered.get("chat").due_at > dt.datetime.now(dt.UTC)


def test_a_clock_that_jumps_back_plans_no_due_time_twice(store):
    at = put(store).due_at
    assert store.due.claim(LIMIT, at + HOUR).jobs
    worked_off(store)
    for hours in (1, 0, -5, -48):
        assert store.due.claim(LIMIT, at + hours * HOUR).jobs == {}


def test_what_is_planned_at_the_moment_stays_due(store):
    put(store)
    set_due(store, "chat")
    assert len(store.due.claim(LIMIT).jobs) == 1
    at = set_due(store, "chat")
    claimed = store.due.claim(LIMIT)
    assert (claimed.jobs, claimed.left) == ({}, 1)
    assert store.registered.get("chat").due_at == at
    worked_off(store)
    assert len(store.due.claim(LIMIT).jobs) == 1


def test_the_queue_is_filled_by_half_and_the_longest_due_come_first(store):
    names = [f"w{n}" for n in range(9)]
    now = dt.datetime.now(dt.UTC)
    for number, name in enumerate(names):
        put(store, name)
        set_due(store, name, at=now - (number + 1) * HOUR)
    claimed = store.due.claim(8)
    assert (list(claimed.jobs), claimed.left) == (["w8", "w7", "w6", "w5"], 5)
    assert store.due.claim(8).jobs == {}
    worked_off(store)
    assert list(store.due.claim(8).jobs) == ["w4", "w3", "w2", "w1"]
    worked_off(store)
    assert (list(store.due.claim(8).jobs), store.due.count()) == (["w0"], 0)


def test_a_schedule_that_cannot_be_read_any_more_holds_up_no_other(store):
    for name in ("gone", "well"):
        put(store, name)
    set_due(store, "gone", "well")
    gone = json.dumps({**DAILY, "timezone": "Atlantis/Capital"})
    where = registered.c.name == "gone"
    store.database.write(lambda c: c.execute(update(registered).where(where).values(schedule=gone)))
    claimed = store.due.claim(LIMIT)
    assert set(claimed.jobs) == {"gone", "well"}
    assert "'Atlantis/Capital' is not known" in claimed.broken["gone"]
    assert store.registered.get("gone").due_at is None


def test_many_claimers_at_once_plan_each_once(store):
    names = [f"w{n:02}" for n in range(24)]
    for name in names:
        put(store, name)
    set_due(store, *names)
    barrier, found, lock = threading.Barrier(6), Counter(), threading.Lock()

    def claim():
        other = DueWorkloads(store.database)
        barrier.wait()
        for _ in range(6):
            jobs = other.claim(1000).jobs
            with lock:
                found.update(jobs.keys())

    threads = [threading.Thread(target=claim) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(names, 1)
    assert len(store.jobs.open("replanning")) == len(names)
    assert store.due.count() == 0


def test_another_catalogue_makes_due_once(store, quotes_catalog):
    put(store, schedule=ON_PRICES)
    put(store, "by-the-clock")
    assert store.due.claim(LIMIT).jobs == {}
    store.catalogs.bring_in_force(quotes_catalog, "quotes", None)
    job_id = store.due.claim(LIMIT).jobs["chat"]
    assert store.jobs.get(job_id).task["trigger"] == "price_change"
    worked_off(store)
    assert store.due.claim(LIMIT).jobs == {}
    number, _ = store.database.read(newest_catalog)
    assert store.registered.get("chat").planned_history == number


def test_a_fleet_of_other_prices_is_due_at_once(store, quotes_catalog):
    store.catalogs.bring_in_force(quotes_catalog, "quotes", None)
    put(store, schedule=ON_PRICES)  # its plan is of the shipped catalogue
    assert list(store.due.claim(LIMIT).jobs) == ["chat"]


@pytest.fixture
def quotes_catalog():
    from api.service.examples import QUOTES

    return as_stored(Catalog.load().with_rows(offers=QUOTES))


def test_a_paused_one_is_never_due(store, quotes_catalog):
    assert put(store, paused=True, schedule={**DAILY, "on": "price_change"}).due_at is None
    store.catalogs.bring_in_force(quotes_catalog, "quotes", None)
    assert store.due.claim(LIMIT, dt.datetime.now(dt.UTC) + 48 * HOUR).jobs == {}
    assert put(store, paused=False).due_at is not None


def test_a_due_time_outlives_a_change_of_something_else(store):
    put(store)
    at = set_due(store, "chat")
    assert put(store, policy={"accept": "automatic"}).due_at == at
    assert put(store, schedule={**DAILY, "cron": "0 7 * * *"}).due_at > at


def test_without_a_fleet_one_is_proposed_and_then_it_waits(store, plan_of):
    assert put(store, fleet=None).waiting
    claimed = store.due.claim(LIMIT)
    assert store.jobs.get(claimed.jobs["chat"]).task["trigger"] == "first"
    proposed = plan_of()
    (made,) = worked_off(store, "switch", proposed)
    assert store.due.claim(LIMIT, dt.datetime.now(dt.UTC) + 48 * HOUR).jobs == {}
    accepted = store.decisions.accept(made["id"], "key-1")
    assert (accepted.accepted_by, accepted.accepted_at is None) == ("key-1", False)
    found = store.registered.get("chat")
    assert (found.plan_id, found.revision) == (proposed["id"], 2)
    assert found.due_at > dt.datetime.now(dt.UTC)
    assert json.loads(store.plans.document(proposed["id"])) == proposed


def kinds(store):
    return store.database.read(lambda c: list(c.execute(select(events.c.kind)).scalars()))


def test_a_decision_is_stored_with_its_plan_its_memory_and_its_event(store, plan_of):
    put(store)
    set_due(store, "chat")
    store.due.claim(LIMIT)
    (made,) = worked_off(store, "switch", plan_of(), {"confirmations": 5})
    found = store.registered.get("chat")
    assert (found.memory, found.revision, found.plan_id) == ({"confirmations": 5}, 1, None)
    assert kinds(store) == ["decision.switch"]
    stored = store.decisions.get(made["id"])
    assert (stored.workload, stored.trigger, stored.outcome) == ("chat", "schedule", "switch")
    assert [d.id for d in store.decisions.list(5, workload="chat")] == [made["id"]]
    with pytest.raises(LookupError):
        store.decisions.list(5, after="none")


def test_a_policy_may_accept_by_itself(store, plan_of):
    put(store, policy={"accept": "automatic"})
    set_due(store, "chat")
    store.due.claim(LIMIT)
    proposed = plan_of()
    (made,) = worked_off(store, "must_switch", proposed)
    found = store.registered.get("chat")
    assert (found.plan_id, found.fleet, found.revision) == (proposed["id"], proposed, 2)
    assert store.decisions.get(made["id"]).accepted_by == "policy"
    assert dt.datetime.fromisoformat(found.memory["since"]) <= dt.datetime.now(dt.UTC)


def test_a_decision_on_what_was_changed_meanwhile_changes_nothing(store, plan_of):
    put(store, policy={"accept": "automatic"})
    set_due(store, "chat")
    store.due.claim(LIMIT)
    queue = store.queue("server-a")
    job = queue.claim()
    began = store.registered.get("chat")
    put(store, policy={"accept": "automatic"}, schedule=ON_PRICES)
    more = {"policy": began.policy, "memory": began.memory, "content": {}, **began.basis}
    more |= {"catalog_id": Catalog.load().id, "moment": "2026-11-02"}
    job = replace(job, task={**job.task, **more})
    document = decision(job, "switch", plan_of())
    queue.finish(
        job,
        "done",
        result_id=document["id"],
        store_result=lambda c: store_decision(c, job, document, {"confirmations": 9}),
    )
    found = store.registered.get("chat")
    assert (found.revision, found.plan_id, found.memory) == (2, None, began.memory)
    assert store.decisions.get(document["id"]).accepted_at is None
    with pytest.raises(NotAcceptableError, match="made for revision 1 of 'chat', which is at 2"):
        store.decisions.accept(document["id"], None)


def test_only_the_last_word_can_be_accepted(store, plan_of):
    put(store)
    made = []
    for outcome, proposed in (("switch", plan_of()), ("keep", None)):
        set_due(store, "chat")
        store.due.claim(LIMIT)
        made += worked_off(store, outcome, proposed)
    with pytest.raises(NotAcceptableError, match=f"{made[1]['id']} is a newer decision"):
        store.decisions.accept(made[0]["id"], None)
    with pytest.raises(NotAcceptableError, match="proposes no other fleet"):
        store.decisions.accept(made[1]["id"], None)
    assert store.decisions.accept("decision-none", None) is None


def test_what_waits_for_acceptance_is_what_can_be_accepted(store, plan_of):
    """A failed run between hides no proposal; a change of the workload ends it."""
    put(store)
    set_due(store, "chat")
    store.due.claim(LIMIT)
    (made,) = worked_off(store, "switch", plan_of())
    set_due(store, "chat")
    store.due.claim(LIMIT)
    for owner in ("server-a", "server-b"):
        assert store.queue(owner).claim() is not None
        store.queue("server-c").take_over([owner], why="the server that ran it died")
    assert store.decisions.list(1)[0].outcome == "failed"
    standing = store.decisions.standing("chat")
    assert standing.id == made["id"]
    assert waits(standing.to_dict(), revision=1)
    assert not waits(standing.to_dict(), revision=2)
    accepted = store.decisions.accept(made["id"], None)
    assert not waits(accepted.to_dict(), revision=1)
    assert store.decisions.standing("nothing") is None


def test_accepting_at_once_is_done_once(store, plan_of):
    put(store)
    set_due(store, "chat")
    store.due.claim(LIMIT)
    (made,) = worked_off(store, "switch", plan_of())
    barrier, found = threading.Barrier(4), []

    def accept(number):
        barrier.wait()
        found.append(store.decisions.accept(made["id"], f"key-{number}").accepted_by)

    threads = [threading.Thread(target=accept, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert store.registered.get("chat").revision == 2


def test_a_removed_one_is_planned_no_more(store):
    put(store)
    set_due(store, "chat")
    job_id = store.due.claim(LIMIT).jobs["chat"]
    store.registered.remove("chat", always)
    assert store.jobs.get(job_id).state == "cancelled"
    assert store.queue("server-a").claim() is None


def test_what_kills_two_servers_is_told_as_failed(store):
    put(store)
    set_due(store, "chat")
    job_id = store.due.claim(LIMIT).jobs["chat"]
    for owner in ("server-a", "server-b"):
        assert store.queue(owner).claim().id == job_id
        store.queue("server-c").take_over([owner], why="the server that ran it died")
    (made,) = store.decisions.list(5)
    assert (made.outcome, made.job_id) == ("failed", job_id)
    assert "the server that ran it died" in made.document["reasons"][0]
    assert kinds(store) == ["decision.failed"]


def test_a_server_may_take_some_kinds_of_jobs_alone(store, new_job):
    store.jobs.submit(new_job(1), LIMIT)
    put(store)
    set_due(store, "chat")
    store.due.claim(LIMIT)
    only = Queue(store.database, "server-a", ("replanning",))
    assert only.claim().kind == "replanning"
    assert only.claim() is None
