"""Registered workloads over HTTP: refusals, revisions, decisions now, acceptance, removal."""

from __future__ import annotations

import datetime as dt
import itertools

import httpx
import pytest
from live_server import SMALL, small, until
from service_kit import LATER, ended, families, problem

from api.client import Client
from data.errors import RequestRefusedError, ServerProblem

NUMBERS = itertools.count()

DAILY = {"cron": "0 6 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def path():
    """Path of a name that nobody has registered."""
    return f"/v1/workloads/w-{next(NUMBERS)}"


def held(stored, **more):
    """Return a registration of a workload whose fleet is a stored plan."""
    return {"workload": SMALL, "plan_id": stored["id"], **more}


def test_one_is_registered_read_listed_and_removed(client, plan, path):
    made = client.put(path, json=held(plan, schedule=DAILY))
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert made.headers["location"] == path
    found = made.json()
    assert found["plan_id"] == plan["id"]
    assert found["fleet"]["id"] == plan["id"]
    assert found["policy"]["min_saving_pct"] == 10
    assert found["schedule"] == {**DAILY, "on": None}
    assert dt.datetime.fromisoformat(found["due_at"]) > dt.datetime.now(dt.UTC)
    read = client.get(path)
    assert (read.json(), read.headers["etag"]) == (found, '"1"')
    name = found["name"]
    page = client.get("/v1/workloads", params={"limit": 1}).json()
    names = [w["name"] for w in page["workloads"]]
    while page["next"]:
        page = client.get(page["next"]).json()
        names += [w["name"] for w in page["workloads"]]
    assert names == sorted(set(names))
    assert name in names
    assert client.delete(path).status_code == 204
    problem(client.get(path), "not-found")
    problem(client.delete(path), "not-found")
    assert client.put(path, json=held(plan)).headers["etag"] == '"2"'


def test_two_writers_do_not_overwrite_each_other(client, plan, path):
    client.put(path, json=held(plan))
    other = {"If-Match": '"1"'}
    assert client.put(path, json=held(plan, paused=True), headers=other).status_code == 200
    said = problem(client.put(path, json=held(plan, schedule=DAILY), headers=other), "moved-on")
    assert "is at revision 2 by now" in said
    problem(client.delete(path, headers=other), "moved-on")
    assert client.get(path).json()["paused"] is True
    problem(client.put(path, json=held(plan), headers={"If-None-Match": "*"}), "moved-on")
    problem(client.put(f"{path}-new", json=held(plan), headers={"If-Match": "*"}), "moved-on")
    assert client.put(path, json=held(plan), headers={"If-Match": '"1", "2"'}).status_code == 200


def test_a_fleet_that_is_not_named_stays(client, plan, path):
    client.put(path, json=held(plan))
    found = client.put(path, json={"workload": small(3.5)["workload"]}).json()
    assert (found["revision"], found["plan_id"], found["paused"]) == (2, plan["id"], False)


@pytest.mark.parametrize(
    ("more", "kind", "said"),
    [
        ({"schedule": {"cron": "0 6 * *"}}, "invalid", "schedule.cron: '0 6 * *' cannot be read"),
        ({"schedule": {**DAILY, "timezone": "Berlin"}}, "invalid", "schedule.timezone"),
        ({"schedule": {}}, "invalid", "schedule: says no time"),
        ({"schedule": {"on": "monday"}}, "invalid", "schedule.on"),
        ({"policy": {"min_savings_pct": 5}}, "invalid", "did you mean"),
        ({"policy": {"min_saving_pct": -1}}, "invalid", "min_saving_pct"),
        ({"plan": {"schema": "minfleet/plan/v1"}}, "invalid", "give either plan_id"),
        ({"plan_id": "plan-none"}, "not-found", "there is no plan 'plan-none'"),
        ({"plan_id": None, "plan": {}}, "invalid", "plan: is not a plan document"),
        ({"plan_id": None, "plan": [1]}, "invalid", "plan: must be a plan document"),
        ({"running_since": "2999-01-01T00:00:00Z"}, "invalid", "is in the future"),
        ({"running_since": "2026-01-01T00:00:00"}, "invalid", "says no time zone"),
        ({"settings": {"time_limit_s": 9999}}, "too-complex", "time_limit_s"),
        ({"workload": {**SMALL, "objective": "carbon"}}, "invalid", "objective: re-planning"),
        ({"scedule": DAILY}, "invalid", "did you mean 'schedule'?"),
        ({"workload": {"model": "no-such", "classes": []}}, "invalid", "classes"),
    ],
)
def test_what_is_wrong_is_named(client, plan, path, more, kind, said):
    assert said in problem(client.put(path, json=held(plan, **more)), kind)


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("pools", {"tp": 0}, "plan.pools.0.tp: should be greater than or equal to 1"),
        ("pools", {"replicas": "x"}, "plan.pools.0.replicas"),
        ("purchases", {"nodes": -3}, "plan.purchases.0.nodes"),
        ("purchases", {"offer_id": None}, "plan.purchases.0.offer_id"),
    ],
)
def test_a_fleet_that_was_written_wrongly_is_refused(client, plan, path, part, change, said):
    broken = {**plan, part: [{**plan[part][0], **change}]}
    assert said in problem(client.put(path, json={"workload": SMALL, "plan": broken}), "invalid")
    none = client.put(path, json={"workload": SMALL, "plan": {**plan, "purchases": []}})
    assert "plan.purchases" in problem(none, "invalid")


def test_a_plan_document_is_a_fleet_as_good_as_a_stored_one(client, plan, path):
    made = client.put(path, json={"workload": SMALL, "plan": plan})
    assert (made.status_code, made.json()["plan_id"]) == (201, None)
    assert client.post(f"{path}/replanning").json()["outcome"] == "keep"


def test_names_headers_and_pages_that_cannot_be(client, plan):
    body = held(plan)
    problem(client.put("/v1/workloads/-a", json=body), "invalid")
    problem(client.put(f"/v1/workloads/{'a' * 101}", json=body), "invalid")
    problem(client.put("/v1/workloads/a", json=body, headers={"If-None-Match": "1"}), "invalid")
    problem(client.put("/v1/workloads/a", content=b"{"), "malformed")
    problem(client.get("/v1/workloads", params={"limit": 0}), "invalid")
    problem(client.get("/v1/workloads/none/decisions"), "not-found")
    problem(client.post("/v1/workloads/none/replanning"), "not-found")
    problem(client.get("/v1/decisions/none"), "not-found")
    problem(client.post("/v1/decisions/none/acceptance"), "not-found")


def test_a_first_fleet_is_proposed_and_accepted(client, path):
    made = client.put(path, json={"workload": SMALL, "schedule": DAILY}).json()
    assert (made["fleet"], made["paused"]) == (None, True)
    listed = f"{path}/decisions"
    (entry,) = until(lambda: client.get(listed).json()["decisions"], "the first decision")
    assert (entry["trigger"], entry["outcome"], entry["accepted_at"]) == ("first", "switch", None)
    assert client.get(f"/v1/plans/{entry['proposed_plan_id']}").status_code == 200
    for _ in range(2):
        accepted = client.post(f"/v1/decisions/{entry['id']}/acceptance")
        assert accepted.status_code == 200
        assert accepted.json()["accepted_at"]
    found = client.get(path).json()
    assert (found["plan_id"], found["paused"], found["revision"]) == (
        entry["proposed_plan_id"],
        False,
        2,
    )
    assert dt.datetime.fromisoformat(found["due_at"]).minute == 0
    decided = client.post(f"{path}/replanning")
    assert decided.status_code == 200
    document = decided.json()
    assert decided.headers["content-location"] == f"/v1/decisions/{document['id']}"
    assert (document["trigger"], document["outcome"], document["revision"]) == (
        "request",
        "keep",
        2,
    )
    assert client.get(f"/v1/decisions/{document['id']}").json() == document
    problem(client.post(f"/v1/decisions/{document['id']}/acceptance"), "conflict")
    page = client.get(listed, params={"limit": 1}).json()
    assert [d["id"] for d in page["decisions"]] == [document["id"]]
    assert [d["id"] for d in client.get(page["next"]).json()["decisions"]] == [entry["id"]]
    assert client.get(listed, params={"outcome": "failed"}).json()["decisions"] == []
    problem(client.get(listed, params={"after": "none"}), "not-found")


def test_a_workload_that_no_fleet_serves_is_told_as_failed(client, path):
    tight = {**SMALL, "hardware": {**SMALL["hardware"], "max_cost_per_hour_usd": 0.1}}
    client.put(path, json={"workload": tight})
    (entry,) = until(lambda: client.get(f"{path}/decisions").json()["decisions"], "a decision")
    assert entry["outcome"] == "failed"
    assert "no fleet serves the workload within its limits" in entry["reasons"][0]
    assert client.get(f"/v1/decisions/{entry['id']}").json()["problem"]["detail"]
    name = 'minfleet_replannings_total{outcome="failed",trigger="first"}'
    assert families(client)[name] >= 1


def test_a_decision_can_be_waited_for_as_a_job(client, plan, path):
    client.put(path, json=held(plan))
    answer = client.post(f"{path}/replanning", headers=LATER)
    assert answer.status_code == 202
    job = ended(client, answer.json()["id"])
    assert (job["kind"], job["state"]) == ("replanning", "done")
    assert client.get(job["result_url"]).json()["job_id"] == job["id"]
    again = {"Idempotency-Key": path.rpartition("/")[2]}
    found = [client.post(f"{path}/replanning", headers=again).json()["id"] for _ in range(2)]
    assert found[0] == found[1]


def test_what_is_due_can_be_asked_for(client):
    found = client.post("/v1/replannings").json()
    assert set(found) == {"jobs", "left"}


def test_the_client_has_a_call_for_each(shared, plan, path):
    name = path.rpartition("/")[2]
    with Client(shared.url) as calls:
        made = calls.register(name, SMALL, plan_id=plan["id"], schedule=DAILY)
        assert (made.name, made.revision) == (name, 1)
        with pytest.raises(ServerProblem, match="is at revision 1 by now"):
            calls.register(name, SMALL, revision=7, paused=True)
        assert calls.workload(name).due_at == made.due_at
        assert name in [w.name for w in calls.workloads(limit=200).workloads]
        decision = calls.replan(name)
        assert calls.decision(decision.id).outcome == "keep"
        assert [d.id for d in calls.decisions(name).decisions] == [decision.id]
        assert calls.replan_due().left >= 0
        with pytest.raises(ServerProblem, match="proposes no other fleet"):
            calls.accept(decision.id)
        with pytest.raises(RequestRefusedError):
            calls.register(name, {"model": "no-such", "classes": []})
        calls.remove_workload(name, revision=1)
        with pytest.raises(ServerProblem, match="registered"):
            calls.workload(name)


def test_reading_needs_one_scope_and_changing_another(client):
    scopes = {
        (method, path): next(iter(operation["security"][0].values()))
        for path, operations in client.get("/openapi.json").json()["paths"].items()
        for method, operation in operations.items()
        if path.startswith(("/v1/workloads", "/v1/decisions", "/v1/replannings"))
    }
    assert {m for m, _ in scopes} == {"get", "put", "post", "delete"}
    for (method, _), found in scopes.items():
        assert found == ["read" if method == "get" else "plan"]


def test_a_request_that_breaks_off_is_refused(shared):
    with httpx.Client(base_url=shared.url) as plain:
        problem(plain.put("/v1/workloads/x", content=b"  "), "malformed")
