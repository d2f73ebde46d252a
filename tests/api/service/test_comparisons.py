"""Comparisons over HTTP: the same figures as the command's, kept, refused in one sentence."""

from __future__ import annotations

import pytest
from live_server import SMALL, small
from service_kit import LATER, ended, problem, submitted

from data.catalog import Catalog
from solver.comparison.comparison import compare
from solver.workload import Workload

CLASSES = [{"name": "chat", "rate_rps": 4, "isl": 512, "osl": 64}]
WORKLOAD = {**SMALL, "classes": CLASSES, "hardware": {}}


@pytest.fixture(scope="module")
def request_(quotes):
    return {"workload": WORKLOAD, "offers": quotes}


@pytest.fixture(scope="module")
def answer(client, request_):
    found = client.post("/v1/comparisons", json=request_)
    assert found.status_code == 200, found.text
    return found


def test_figures_are_those_of_the_command(answer, quotes):
    document = answer.json()
    expected = compare(Workload.parse(WORKLOAD), Catalog.load().with_rows(offers=quotes)).to_dict()
    assert document["schema"] == "minfleet/comparison/v1"
    assert document["complete"] is True
    assert document["offers"] == expected["offers"]
    assert document["joint"] == expected["joint"]


def test_it_is_kept_and_answers_equal_requests(client, answer, request_):
    stored = client.get(answer.headers["content-location"])
    assert stored.content == answer.content
    again = client.post("/v1/comparisons", json=request_)
    assert (again.headers["minfleet-cache"], again.content) == ("hit", answer.content)


def test_as_a_job_of_one_offer_with_a_subset(client, request_, quotes):
    name = quotes[0]["offer_id"]
    asked = {**request_, "offer_ids": [name], "subsets": {"reserved": [name]}}
    job = ended(client, submitted(client, asked, "/v1/comparisons"))
    assert (job["kind"], job["state"]) == ("comparison", "done")
    document = client.get(job["result_url"]).json()
    assert [o["offer_id"] for o in document["offers"]] == [name]
    assert [s["offer_ids"] for s in document["subsets"]] == [[name]]
    assert document["joint"]["purchases"][0]["offer_id"] == name, "the others do not compete"


def test_the_catalogue_competes_where_asked_for(client, request_, quotes):
    dear = [{**quotes[0], "price_per_node_hour_usd": 90, "confirmed": True}]
    asked = {**request_, "offers": dear, "add_catalog": True}
    document = client.post("/v1/comparisons", json=asked).json()
    (offer,) = document["offers"]
    assert document["joint"]["cost_per_hour_usd"] < offer["alone"]["cost_per_hour_usd"]
    assert offer["joint_share_pct"] == 0
    assert offer["enters_at_usd_per_node_hour"] < 90


def test_every_way_of_buying_is_compared_unless_the_workload_names_some(client, request_, quotes):
    """As on the command line, where a workload that is silent on pricing leaves none out."""
    committed = {**quotes[0], "offer_id": "year", "pricing": "committed", "term_months": 12}
    asked = {**request_, "offers": [*quotes, committed]}
    for hardware, status in (({}, "optimal"), ({"pricing": ["on_demand"]}, "filtered")):
        asked["workload"] = {**WORKLOAD, "hardware": hardware}
        offers = client.post("/v1/comparisons", json=asked).json()["offers"]
        assert {o["offer_id"]: o["alone"]["status"] for o in offers}["year"] == status


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"offers": None}, "offers: give the rows"),
        ({"offers": []}, "offers: holds no rows"),
        ({"offers": [{"offer_id": "a"}]}, "offers: column 'provider'"),
        ({"offer_ids": ["acme/eu/h10"]}, "acme/eu/h100"),
        ({"offer_ids": []}, "offer_ids"),
        ({"subsets": {"ours": ["acme/eu/h10"]}}, "subsets.ours"),
        ({"subsets": ["acme/eu/h100"]}, "subsets"),
        ({"add_catalog": "yes"}, "add_catalog"),
        ({"setings": {}}, "did you mean 'settings'"),
        ({"settings": {"explain": "full"}}, "settings.explain"),
        ({"workload": {"model": "nope", "classes": CLASSES}}, "nope"),
        ({"workload": None}, "workload: must be a mapping"),
        ({"measured": [{"accelerator": "h100_sxm"}]}, "measured: column 'class'"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(client, request_, change, named):
    asked = {**request_, **change}
    assert named in problem(client.post("/v1/comparisons", json=asked), "invalid")


def test_more_than_this_server_takes(client, request_):
    asked = {**request_, "settings": {"time_limit_s": 500}}
    assert "time_limit_s" in problem(client.post("/v1/comparisons", json=asked), "too-complex")


def test_what_is_not_there(client, request_):
    problem(client.get("/v1/comparisons/comparison-nope"), "not-found")
    asked = {**request_, "catalog_id": "0123456789abcdef"}
    answer = client.post("/v1/comparisons", json=asked, headers=LATER)
    assert "snapshot" in problem(answer, "not-found")
    assert client.get(f"/v1/comparisons/{small()['workload']['model']}").status_code == 404
