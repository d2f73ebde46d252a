"""The catalogue over HTTP as it ships: lists, filters, files."""

from __future__ import annotations

import csv
import io

import pytest
from service_kit import problem

from data.catalog import Catalog

SHIPPED = Catalog.load()


def offers(client, query: str = "") -> list[dict[str, object]]:
    found = client.get(f"/v1/catalog/offers{query}")
    assert found.status_code == 200, found.text
    return found.json()["offers"]


def test_every_offer_the_cheapest_first(client):
    found = client.get("/v1/catalog/offers").json()
    assert found["catalog"]["id"] == SHIPPED.id
    assert found["total"] == len(found["offers"]) == len(SHIPPED.offers)
    prices = [o["price_per_gpu_hour_usd"] for o in found["offers"]]
    assert prices == sorted(prices)


def test_pages(client):
    everything = offers(client)
    page = client.get("/v1/catalog/offers?limit=10&offset=5").json()
    assert page["offers"] == everything[5:15]
    assert page["total"] == len(everything)
    assert offers(client, "?offset=10000000") == []


def test_filters(client):
    for query, fits in (
        ("provider=lambda", lambda o: o["provider"] == "lambda"),
        ("pricing=spot", lambda o: o["pricing"] == "spot"),
        ("accelerator=H100_SXM", lambda o: o["accelerator"] == "h100_sxm"),
        ("max_price=1", lambda o: o["price_per_gpu_hour_usd"] <= 1),
        ("pricing=spot&pricing=committed", lambda o: o["pricing"] in ("spot", "committed")),
        (
            "accelerator=h100_sxm&accelerator=l40s&pricing=on_demand&max_price=2",
            lambda o: o["accelerator"] in ("h100_sxm", "l40s") and o["pricing"] == "on_demand",
        ),
    ):
        found = offers(client, f"?{query}")
        assert found, query
        assert all(fits(o) for o in found), query
        assert len(found) < len(SHIPPED.offers)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("provider=lamda", "lambda"),
        ("accelerator=h1000", "h100"),
        ("region=mars", "region"),
        ("pricing=free", "pricing"),
        ("max_price=0", "max_price"),
        ("max_price=nan", "max_price"),
        ("limit=0", "limit"),
        ("offset=-1", "offset"),
        ("format=xml", "format"),
    ],
)
def test_wrong_filters_are_named(client, query, named):
    assert named in problem(client.get(f"/v1/catalog/offers?{query}"), "invalid")


def test_accelerators(client):
    found = client.get("/v1/catalog/accelerators").json()
    assert {a["name"] for a in found["accelerators"]} == set(SHIPPED.accelerators)
    nvidia = client.get("/v1/catalog/accelerators?vendor=amd").json()["accelerators"]
    assert nvidia
    assert {a["vendor"].lower() for a in nvidia} == {"amd"}
    offered = client.get("/v1/catalog/accelerators?pricing=spot").json()["accelerators"]
    assert all(a["offers"] > 0 for a in offered)


def test_models(client):
    names = {m["name"] for m in client.get("/v1/catalog/models").json()["models"]}
    assert {"llama-3.1-8b-instruct", "llama-3.1-70b-instruct"} <= names


@pytest.mark.parametrize("table", ["offers", "accelerators"])
def test_files(client, table):
    answer = client.get(f"/v1/catalog/{table}?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f'filename="{table}.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(getattr(SHIPPED, table))
    spot = client.get("/v1/catalog/offers?format=csv&pricing=spot").text
    assert {r["pricing"] for r in csv.DictReader(io.StringIO(spot))} == {"spot"}


def test_what_is_in_force(client):
    found = client.get("/v1/catalog/history").json()
    assert [(e["catalog_id"], e["kind"]) for e in found["history"]] == [(SHIPPED.id, "shipped")]
    assert found["next"] is None


@pytest.mark.parametrize("path", ["offers", "accelerators"])
def test_a_snapshot_that_is_not_there(client, path):
    assert "nope" in problem(client.get(f"/v1/catalog/{path}?catalog_id=nope"), "not-found")
    same = client.get(f"/v1/catalog/{path}?catalog_id={SHIPPED.id}")
    assert same.content == client.get(f"/v1/catalog/{path}").content


def test_an_offer_that_never_was(client):
    problem(client.get("/v1/catalog/offers/history?offer_id=no/such"), "not-found")
    assert "offer_id" in problem(client.get("/v1/catalog/offers/history"), "invalid")
