"""Plans over HTTP: what is sent, what comes back, what is answered from the store."""

from __future__ import annotations

import copy
import datetime as dt

import pytest
import yaml
from live_server import small
from service_kit import at_once, checked, problem

MEASURED = [{"accelerator": "h100_sxm", "class": "chat", "capacity_rps": 2.0}]


def planned(client, request, **more):
    answer = client.post("/v1/plans", json=request, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_plan_and_where_it_is_kept(client):
    answer = client.post("/v1/plans", json=small(5.5))
    document = answer.json()
    assert document["status"] == "optimal"
    assert answer.headers["content-location"] == f"/v1/plans/{document['id']}"
    assert answer.headers["minfleet-cache"] == "miss"
    assert answer.headers["minfleet-job"].startswith("job-")
    assert client.get(answer.headers["content-location"]).content == answer.content
    again = client.post("/v1/plans", json=small(5.5))
    assert again.headers["minfleet-cache"] == "hit"
    assert again.content == answer.content


def test_the_same_in_yaml(client):
    request = small(5.75)
    first = planned(client, request)
    text = "# for the chat team\n" + yaml.safe_dump(request)
    for media in ("application/yaml", "text/plain", "application/json"):
        answer = client.post("/v1/plans", content=text, headers={"Content-Type": media})
        assert answer.json()["id"] == first["id"]


def test_a_workload_alone_is_a_request(client):
    request = small(6.0)
    bare = client.post("/v1/plans?explain=none&second_engine=false", json=request["workload"])
    assert bare.json()["id"] == planned(client, request)["id"]


def test_days_in_yaml(client):
    text = yaml.safe_dump(small(6.25)).replace("settings:\n", "settings:\n  as_of: 2026-11-03\n")
    answer = client.post("/v1/plans", content=text)
    assert answer.status_code == 200, answer.text
    assert answer.json()["catalog"]["as_of"] == "2026-11-03"


def test_other_objectives_and_batches(client):
    """What a workload may ask for, it may ask for over HTTP."""
    request = small(7.25)
    request["workload"]["objective"] = {"minimize": "carbon", "pue": 1.2}
    document = planned(client, request)
    assert document["objective"]["minimize"] == "carbon"
    assert document["certificate"]["then"]["minimize"] == "cost"
    assert document["assumptions"]["footprint"]["pue"] == 1.2
    request["workload"]["objective"] = {"maximize": "load"}
    request["workload"]["hardware"] = {"max_gpus": 2, **request["workload"].get("hardware", {})}
    load = planned(client, request)["load"]
    assert load["none_from_factor"] / load["factor"] - 1 <= 1.01e-4
    del request["workload"]["objective"]
    request["workload"]["batch"] = {"deadline_h": 2}
    for spec in request["workload"]["classes"]:
        del spec["rate_rps"]
        spec["requests"] = 50_000
    drained = planned(client, request)
    assert drained["batch"]["finish_h"] <= 2
    assert drained["status"] == "optimal"


def test_offers_in_the_place_of_the_catalogue(client, quotes, plan):
    document = planned(client, {**small(), "offers": quotes})
    assert {p["offer_id"] for p in document["purchases"]} == {"acme/eu/h100"}
    assert document["catalog"]["id"] != plan["catalog"]["id"]
    again = planned(client, {**small(), "offers": copy.deepcopy(quotes)})
    assert again["id"] == document["id"]


def test_offers_besides_the_catalogue(client, quotes):
    document = planned(client, {**small(), "add_offers": quotes[:1]})
    assert {p["offer_id"] for p in document["purchases"]} == {"acme/eu/h100"}
    clash = {**small(), "add_offers": [quotes[0], quotes[0]]}
    assert "acme/eu/h100" in problem(client.post("/v1/plans", json=clash), "invalid")


def test_an_accelerator_of_our_own(client, quotes):
    listed = client.get("/v1/catalog/accelerators?accelerator=h100_sxm").json()
    known = {k: v for k, v in listed["accelerators"][0].items() if "least" not in k}
    row = {k: v for k, v in known.items() if k != "offers"} | {"name": "ours"}
    request = small()
    request["workload"]["hardware"] = {"accelerators": ["ours"]}
    offers = [{**quotes[0], "accelerator": "ours"}]
    document = planned(client, {**request, "offers": offers, "accelerators": [row]})
    assert {p["accelerator"] for p in document["pools"]} == {"ours"}
    unknown = client.post("/v1/plans", json={**request, "offers": offers})
    assert "'ours'" in problem(unknown, "invalid")


def test_measured_capacities(client):
    document = planned(client, {**small(), "measured": MEASURED})
    assert document["gpus"] == 2
    wrong = [{**MEASURED[0], "capacity_rps": -1}]
    answer = client.post("/v1/plans", json={**small(), "measured": wrong})
    assert "capacity_rps" in problem(answer, "invalid")
    assert answer.json()["instance"].startswith("/v1/jobs/job-")


def test_coefficients_of_our_own(client, plan):
    wrong = [{"name": "no_such", "value": 1}]
    answer = client.post("/v1/plans", json={**small(), "coefficients": wrong})
    assert "coefficients" in problem(answer, "invalid")


def test_settings_of_the_query_go_over_those_of_the_body(client):
    request = small(7.0)
    answer = client.post("/v1/plans?explain=auto", json=request)
    plan_id = answer.json()["id"]
    assert client.get(f"/v1/plans/{plan_id}/explanation").status_code == 200
    assert planned(client, request)["id"] != plan_id
    gap = client.post("/v1/plans?gap=0.5", json=request)
    assert gap.json()["id"] not in (plan_id, planned(client, request)["id"])


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("gap=2", "gap"),
        ("gap=x", "gap"),
        ("explain=loud", "explain"),
        ("time_limit_s=0", "time_limit_s"),
        ("as_of=yesterday", "as_of"),
        ("second_engine=perhaps", "second_engine"),
    ],
)
def test_wrong_settings_in_the_query(client, query, named):
    assert named in problem(client.post(f"/v1/plans?{query}", json=small()), "invalid")


def test_more_time_than_the_server_gives(client):
    request = small()
    request["settings"]["time_limit_s"] = 500
    assert "120" in problem(client.post("/v1/plans", json=request), "too-complex")


def test_what_no_fleet_can_serve_is_an_answer(client):
    request = small()
    request["workload"]["hardware"]["max_cost_per_hour_usd"] = 0.01
    document = planned(client, request)
    assert (document["status"], document["purchases"]) == ("infeasible", [])
    assert client.post("/v1/plans", json=request).headers["minfleet-cache"] == "hit"


def test_another_day_is_another_request(client):
    request = small(8.0)
    first = planned(client, request)
    assert first["catalog"]["as_of"] == dt.date.today().isoformat()
    request["settings"]["as_of"] = "2026-10-01"
    assert planned(client, request)["id"] != first["id"]


def test_ten_equal_requests_at_once_make_one_plan(shared, client):
    def send():
        with checked(shared) as own:
            return own.post("/v1/plans", json=small(9.0))

    answers = at_once([send] * 10)
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["id"] for a in answers}) == 1
    workload_id = client.get("/v1/plans?limit=1").json()["plans"][0]["workload_id"]
    listed = client.get(f"/v1/plans?workload_id={workload_id}").json()["plans"]
    assert [p["id"] for p in listed] == [answers[0].json()["id"]]


def test_a_fresh_plan_takes_the_place_of_the_stored_one(client):
    first = planned(client, small(9.5))
    answer = client.post("/v1/plans", json=small(9.5), headers={"Cache-Control": "no-cache"})
    assert answer.headers["minfleet-cache"] == "miss"
    fresh = answer.json()["id"]
    assert fresh != first["id"]
    assert planned(client, small(9.5))["id"] == fresh
    assert client.get(f"/v1/plans/{first['id']}").json() == first


# Idempotency


def test_a_request_sent_again_under_its_key_is_done_once(client):
    headers = {"Idempotency-Key": "order-1"}
    first = client.post("/v1/plans", json=small(10.0), headers=headers)
    fresh = {**headers, "Cache-Control": "no-cache"}
    again = client.post("/v1/plans", json=small(10.0), headers=fresh)
    assert again.json() == first.json()
    assert again.headers["content-location"] == first.headers["content-location"]


def test_a_key_whose_first_answer_came_from_the_store(client):
    stored = planned(client, small(10.25))
    headers = {"Idempotency-Key": "order-2"}
    assert planned(client, small(10.25), headers=headers)["id"] == stored["id"]
    client.post("/v1/plans", json=small(10.25), headers={"Cache-Control": "no-cache"})
    assert planned(client, small(10.25), headers=headers)["id"] == stored["id"]


def test_a_key_used_for_another_request(client):
    headers = {"Idempotency-Key": "order-3"}
    planned(client, small(10.5), headers=headers)
    other = client.post("/v1/plans", json=small(10.75), headers=headers)
    assert "give each its own" in problem(other, "idempotency-reused")
    query = client.post("/v1/plans?gap=0.1", json=small(10.5), headers=headers)
    problem(query, "idempotency-reused")
    elsewhere = client.post("/v1/simulations", json=small(10.5), headers=headers)
    problem(elsewhere, "idempotency-reused")


@pytest.mark.parametrize("name", ["", "two words", "x" * 256, "tab\tbed", "schlüssel"])
def test_what_is_no_key(client, name):
    headers = {"Idempotency-Key": name.encode("latin-1")}
    answer = client.post("/v1/plans", json=small(), headers=headers)
    assert "Idempotency-Key" in problem(answer, "invalid")


# What is stored


def test_explanations(client):
    request = small(11.0)
    request["settings"]["explain"] = "auto"
    document = planned(client, request)
    found = client.get(f"/v1/plans/{document['id']}/explanation").json()
    assert found["plan_id"] == document["id"]
    for part in ("status", "binding", "why_not", "alternatives", "infeasibility"):
        assert found[part] == document[part]
    assert found["why_not"]


def test_a_plan_that_was_not_explained(client, plan):
    answer = client.get(f"/v1/plans/{plan['id']}/explanation")
    assert "explain=auto" in problem(answer, "conflict")


@pytest.mark.parametrize("what", ["", "/explanation"])
@pytest.mark.parametrize("odd", ["plan-nope", "%20", "x" * 3000, "..%2e", "%F0%9F%8E%88", "%ff"])
def test_plans_that_are_not_there(client, odd, what):
    assert "no plan" in problem(client.get(f"/v1/plans/{odd}{what}"), "not-found")


def test_pages_of_plans(client):
    made = [planned(client, small(12 + n / 8))["id"] for n in range(3)]
    first = client.get("/v1/plans?limit=2").json()
    assert [p["id"] for p in first["plans"]] == made[:0:-1]
    second = client.get(first["next"]).json()
    assert second["plans"][0]["id"] == made[0]
    everything = client.get("/v1/plans?limit=200").json()
    assert everything["next"] is None
    count = len(everything["plans"])
    assert client.get(f"/v1/plans?limit={count}").json()["next"] is None
    pages, path = [], "/v1/plans?limit=7"
    while path:
        page = client.get(path).json()
        pages += [p["id"] for p in page["plans"]]
        path = page["next"]
    assert pages == [p["id"] for p in everything["plans"]]


def test_plans_by_status_and_model(client, plan):
    request = small(13.0)
    request["workload"]["hardware"]["max_cost_per_hour_usd"] = 0.02
    refused = planned(client, request)["id"]
    listed = client.get("/v1/plans?status=infeasible&limit=1").json()["plans"]
    assert [p["id"] for p in listed] == [refused]
    assert (listed[0]["cost_per_hour_usd"], listed[0]["gpus"]) == (None, 0)
    ours = client.get("/v1/plans?model=llama-3.1-8b-instruct&limit=200").json()["plans"]
    assert plan["id"] in [p["id"] for p in ours]
    assert client.get("/v1/plans?model=nobody%26s").json() == {"plans": [], "next": None}


def test_a_filter_that_goes_on_over_pages(client):
    page = client.get("/v1/plans?limit=1&model=llama-3.1-8b-instruct").json()
    assert "model=llama-3.1-8b-instruct" in page["next"]
    assert len(client.get(page["next"]).json()["plans"]) == 1


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "status=great", "model=" + "x" * 401]
)
def test_wrong_filters(client, query):
    named = query.split("=")[0]
    assert named in problem(client.get(f"/v1/plans?{query}"), "invalid")


def test_a_page_after_a_plan_that_is_not_there(client):
    assert "plan-nope" in problem(client.get("/v1/plans?after=plan-nope"), "not-found")


def test_a_snapshot_that_is_not_there(client):
    answer = client.post("/v1/plans", json={**small(), "catalog_id": "nope"})
    assert "no snapshot 'nope'" in problem(answer, "not-found")
