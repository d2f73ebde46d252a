"""Refreshes over HTTP: the gate, decisions, prices over time, and what metrics tell."""

from __future__ import annotations

import pytest
from live_server import serving, sqlite_url, until
from service_kit import checked, families, problem

from api.cli import main
from api.client import Client
from data.catalog import Catalog

HEADER = (
    "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,"
    "observed_at,source\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refreshes")
    with serving(sqlite_url(folder), folder, workers=1, max_catalog_rows=600) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with checked(server) as connected:
        yield connected


def content(*prices: float, provider: str = "acme") -> str:
    rows = [
        f"{provider}/{n},{provider},eu,l4,4,{price},on_demand,2026-11-20,quote"
        for n, price in enumerate(prices)
    ]
    return HEADER + "\n".join(rows) + "\n"


def body(name: str, *prices: float, **more: object) -> dict[str, object]:
    """Return a request whose provider is called as the feed."""
    text = content(*prices, provider=name)
    return {"feed": "csv", "name": name, "files": [{"content": text, "place": "q.csv"}], **more}


def refreshed(client, request) -> dict:
    answer = client.post("/v1/catalog/refreshes", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def in_force(client) -> str:
    return client.get("/v1/catalog/history?limit=1").json()["history"][0]["catalog_id"]


def test_a_refresh_is_held_approved_and_listed(client):
    first = refreshed(client, body("one", 2.0, 2.2))
    assert (first["state"], first["name"], in_force(client)) == (
        *("accepted", "one"),
        first["catalog_id"],
    )
    assert client.get("/v1/catalog/history?limit=1").json()["history"][0]["kind"] == "refreshed"
    held = refreshed(client, body("one", 9.9, 2.2))
    path = f"/v1/catalog/refreshes/{held['id']}"
    assert (held["state"], in_force(client)) == ("held", first["catalog_id"])
    assert client.get(path).json() == held
    done = client.post(f"{path}/approval").json()
    assert (done["state"], done["decided_by"]) == ("accepted", "anyone")
    assert in_force(client) == done["catalog_id"]
    for verb in ("approval", "rejection"):
        assert "only held ones" in problem(client.post(f"{path}/{verb}"), "conflict")
        problem(client.post(f"/v1/catalog/refreshes/refresh-0/{verb}"), "not-found")
    problem(client.get("/v1/catalog/refreshes/refresh-0"), "not-found")
    page = client.get("/v1/catalog/refreshes?name=one&limit=1").json()
    assert [r["id"] for r in page["refreshes"]] == [held["id"]]
    rest = client.get(page["next"]).json()
    assert ([r["id"] for r in rest["refreshes"]], rest["next"]) == ([first["id"]], None)
    prices = client.get("/v1/catalog/prices?provider=one&accelerator=L4").json()
    [change] = [o for o in prices["offers"] if o["offer_id"] == "one/0"]
    assert [p["price_per_node_hour_usd"] for p in change["points"]] == [2.0, 9.9]
    assert "accelerator" in problem(client.get("/v1/catalog/prices?accelerator=x9"), "invalid")


def test_a_dry_run_changes_nothing(client):
    before = in_force(client)
    answer = client.post("/v1/catalog/refreshes?dry_run=true", json=body("dry", 2.0))
    found = answer.json()
    assert (found["id"], found["state"], found["report"]["added"]) == (None, "accepted", ["dry/0"])
    assert in_force(client) == before
    assert client.get("/v1/catalog/refreshes?name=dry").json()["refreshes"] == []


def test_a_bad_feed_is_a_problem_that_was_recorded(client):
    before = in_force(client)
    html = {"content": "<!DOCTYPE html><html></html>", "place": "q.csv"}
    answer = client.post("/v1/catalog/refreshes", json=body("bad") | {"files": [html]})
    assert "q.csv: is a web page (HTML)" in problem(answer, "invalid")
    recorded = client.get(answer.json()["instance"]).json()
    assert (recorded["state"], recorded["report"]["faults"]) == ("refused", 1)
    answer = client.post("/v1/catalog/refreshes", json=body("bad", 2000, 2200))
    assert len(answer.json()["faults"]) == 2
    assert "above any price ever listed" in problem(answer, "invalid")
    assert in_force(client) == before


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ([], "mapping"),
        ({"feed": "mail"}, "feed"),
        ({"feed": "csv"}, "give at least one"),
        ({"feed": "csv", "files": [{}]}, "files.0.content"),
        ({"feed": "csv", "fils": []}, "did you mean 'files'"),
        ({"feed": "skypilot-csv", "files": [{"content": "a"}]}, "provider"),
        ({"feed": "csv", "files": [{"content": "a"}], "max_move_pct": -1}, "max_move_pct"),
        ({"feed": "csv", "files": [{"content": "a"}], "name": "a\tb"}, "name"),
    ],
    ids=str,
)
def test_what_is_asked_wrongly(client, request_, named):
    before = client.get("/v1/catalog/refreshes").content
    answer = client.post("/v1/catalog/refreshes", json=request_)
    assert answer.status_code in (400, 422)
    assert named in answer.json()["detail"]
    assert client.get("/v1/catalog/refreshes").content == before


def test_more_rows_than_the_server_takes(client):
    answer = client.post("/v1/catalog/refreshes", json=body("many", *[2.0] * 601))
    assert "600" in problem(answer, "too-complex")


def test_metrics_tell_what_the_store_holds(client):
    def look(name: str) -> float:
        return families(client).get(name, 0.0)

    refused = 'minfleet_catalog_refreshes_total{feed="csv",state="refused"}'
    at = 'minfleet_catalog_refreshed_timestamp_seconds{feed="csv",name="told"}'
    refreshed(client, body("told", 2.0))
    client.post("/v1/catalog/refreshes", json=body("told", 2000))
    stored = client.get("/v1/catalog/refreshes?state=refused").json()["refreshes"]
    until(lambda: look(refused) == len(stored), "the refusals in the metrics")
    assert look(at) > 1.7e9
    assert look('minfleet_catalog_refreshes_total{feed="csv",state="accepted"}') >= 1


def test_the_command_line_goes_through_the_server(server, tmp_path, monkeypatch):
    from click.testing import CliRunner

    monkeypatch.setenv("MINFLEET_SERVER", server.url)
    path, out = tmp_path / "q.csv", tmp_path / "out.csv"

    def run(*words: object, status: int = 0) -> str:
        found = CliRunner().invoke(main, ["catalog", *map(str, words)])
        assert found.exit_code == status, found.output
        return found.output

    path.write_text(content(2.0, 2.2, provider="far"))
    ask = ("refresh", "--from", "csv", "--name", "far", path)
    assert "would come in force" in run(*ask, "--dry-run")
    assert "came in force" in run(*ask, "--out", out)
    assert "far/0,far" in out.read_text()
    path.write_text(content(2.0, 8.2, provider="far"))
    run(*ask, status=1)
    with Client(server.url) as client:
        [held] = client.refreshes(name="far", state="held").refreshes
        assert client.prices(offer_id="far/1").offers[0].points[-1].price_per_node_hour_usd == 2.2
    assert held.id in run("refreshes", "--name", "far")
    assert "rejected by anyone" in run("refreshes", "--reject", held.id)
    assert "far/1,far" in run("export", "--provider", "far")
    path.write_text("<html></html>")
    assert "web page" in run(*ask, status=2)
    assert "refused" in run("refreshes", "--name", "far", "--state", "refused")
    assert len(Catalog.load(out).offers) > 400
