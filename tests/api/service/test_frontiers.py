"""Frontiers over HTTP: the same figures as the command's, kept, refused in one sentence."""

from __future__ import annotations

import pytest
from live_server import SMALL
from service_kit import ended, problem, submitted

from data.catalog import Catalog
from solver.frontier.frontier import frontier
from solver.workload import Workload

ASKED = {"workload": SMALL, "of": "tpot_ms", "points": 3, "resolution": 0.5}


@pytest.fixture(scope="module")
def answer(client):
    found = client.post("/v1/frontiers", json=ASKED)
    assert found.status_code == 200, found.text
    return found


def test_figures_are_those_of_the_command(answer):
    document = answer.json()
    expected = frontier(
        Workload.parse(SMALL), Catalog.load(), of="tpot_ms", points=3, resolution=0.5
    ).to_dict()
    assert document["schema"] == "minfleet/frontier/v1"
    assert document["points"] == expected["points"]
    assert document["solved"] == expected["solved"]


def test_it_is_kept_and_answers_equal_requests(client, answer):
    assert client.get(answer.headers["content-location"]).content == answer.content
    again = client.post("/v1/frontiers", json=ASKED)
    assert (again.headers["minfleet-cache"], again.content) == ("hit", answer.content)


def test_as_a_job_over_own_offers(client, quotes):
    asked = {**ASKED, "of": "providers", "offers": quotes}
    job = ended(client, submitted(client, asked, "/v1/frontiers"))
    assert (job["kind"], job["state"]) == ("frontier", "done"), job["problem"]
    (point,) = client.get(job["result_url"]).json()["points"]
    assert (point["value"], point["providers"]) == (1, ["acme"])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"of": "colour"}, "of:"),
        ({"points": 1}, "points"),
        ({"points": True}, "points"),
        ({"low": 50, "high": 10}, "range"),
        ({"resolution": 0}, "resolution"),
        ({"point": 3}, "did you mean 'points'"),
        ({"settings": {"explain": "full"}}, "settings.explain"),
        ({"offers": []}, "offers: holds no rows"),
        ({"workload": {"model": "nope", "classes": SMALL["classes"]}}, "nope"),
        ({"measured": [{"accelerator": "h100_sxm"}]}, "measured: column 'class'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(client, change, named):
    assert named in problem(client.post("/v1/frontiers", json={**ASKED, **change}), "invalid")


def test_more_than_this_server_takes(client):
    asked = {**ASKED, "settings": {"time_limit_s": 500}}
    assert "time_limit_s" in problem(client.post("/v1/frontiers", json=asked), "too-complex")


def test_what_is_not_there(client):
    problem(client.get("/v1/frontiers/frontier-nope"), "not-found")
