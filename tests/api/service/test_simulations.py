"""Simulations over HTTP: of a stored plan, of a plan that is sent, along a trace."""

from __future__ import annotations

import copy

import pytest
from live_server import small
from service_kit import LATER, ended, problem, submitted

TRACE = [{"arrival_s": 0.3 * n, "isl": 400 + n, "osl": 30} for n in range(60)]


def simulated(client, request, **more):
    answer = client.post("/v1/simulations", json=request, **more)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_stored_plan(client, plan):
    request = {"plan_id": plan["id"], "requests": 300}
    answer = simulated(client, request)
    document = answer.json()
    assert document["schema"] == "minfleet/simulation/v1"
    assert answer.headers["content-location"] == f"/v1/simulations/{document['id']}"
    assert client.get(answer.headers["content-location"]).content == answer.content
    again = simulated(client, request)
    assert (again.headers["minfleet-cache"], again.content) == ("hit", answer.content)
    fresh = simulated(client, request, headers={"Cache-Control": "no-cache"})
    assert fresh.json()["id"] != document["id"]
    assert fresh.json()["classes"] == document["classes"], "the same seed gives the same figures"


def test_a_plan_that_is_sent(client, plan):
    answer = simulated(client, {"plan": plan, "requests": 300})
    stored = simulated(client, {"plan_id": plan["id"], "requests": 300})
    assert answer.json()["classes"] == stored.json()["classes"]
    assert answer.json()["id"] != stored.json()["id"]


def test_a_trace(client, plan):
    document = simulated(client, {"plan_id": plan["id"], "trace": TRACE}).json()
    assert document["schema"] == "minfleet/simulation/v1"
    few = simulated(client, {"plan_id": plan["id"], "trace": TRACE, "requests": 20}).json()
    assert few["id"] != document["id"]


def test_routers_and_seeds_are_other_requests(client, plan):
    request = {"plan_id": plan["id"], "requests": 200}
    changes = ({}, {"router": "least_loaded"}, {"seed": 7}, {"arrivals": "gamma:3"})
    assert len({simulated(client, {**request, **c}).json()["id"] for c in changes}) == 4


def test_a_plan_over_offers_of_its_own(client, quotes):
    plan = client.post("/v1/plans", json={**small(4.25), "offers": quotes}).json()
    assert plan["status"] == "optimal", plan["infeasibility"]
    simulated(client, {"plan_id": plan["id"], "requests": 200})


def test_later(client, plan):
    request = {"plan_id": plan["id"], "requests": 400}
    job = ended(client, submitted(client, request, "/v1/simulations"))
    assert (job["kind"], job["state"]) == ("simulation", "done")
    assert client.get(job["result_url"]).json()["id"] == job["result_id"]


def test_a_plan_without_a_fleet(client):
    request = small(4.75)
    request["workload"]["hardware"]["max_cost_per_hour_usd"] = 0.01
    plan_id = client.post("/v1/plans", json=request).json()["id"]
    answer = client.post("/v1/simulations", json={"plan_id": plan_id})
    assert "no fleet" in problem(answer, "invalid")


def test_a_plan_that_is_not_there(client):
    answer = client.post("/v1/simulations", json={"plan_id": "plan-nope"}, headers=LATER)
    assert "plan-nope" in problem(answer, "not-found")
    problem(client.get("/v1/simulations/simulation-nope"), "not-found")


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({}, "either plan_id"),
        ({"plan_id": "p", "plan": {}}, "either plan_id"),
        ({"plan": {"schema": "else"}}, "not a plan document"),
        ({"plan_id": "p", "requests": 1}, "requests"),
        ({"plan_id": "p", "router": "best"}, "router"),
        ({"plan_id": "p", "rooter": "random"}, "router"),
        ({"plan_id": "p", "trace": [{"arrival_s": 0, "isl": 1, "osl": 1}]}, "trace"),
        ({"plan_id": 7}, "plan_id"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(client, request_, named):
    assert named in problem(client.post("/v1/simulations", json=request_), "invalid")


@pytest.mark.parametrize("arrivals", ["gamma:-1", "weekly", "trace"])
def test_wrong_arrivals(client, plan, arrivals):
    request = {"plan_id": plan["id"], "arrivals": arrivals, "requests": 50}
    assert "arrivals" in problem(client.post("/v1/simulations", json=request), "invalid")


def test_more_requests_than_the_server_simulates(client, plan):
    request = {"plan_id": plan["id"], "requests": 2_000_000}
    assert "1,000,000" in problem(client.post("/v1/simulations", json=request), "too-complex")


def test_a_plan_whose_figures_were_tampered_with(client, plan):
    """What is sent is not believed: a sentence, never a fault."""
    for change in ({"pools": [{}]}, {"pools": "x"}, {"workload": 3}, {"classes": None}):
        sent = {**copy.deepcopy(plan), **change}
        answer = client.post("/v1/simulations", json={"plan": sent, "requests": 50})
        if answer.status_code != 200:
            problem(answer, "invalid")
