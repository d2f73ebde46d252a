"""Imports into the catalogue over HTTP: all or nothing, remembered for good."""

from __future__ import annotations

import csv
import io
from urllib.parse import quote

import pytest
import yaml
from live_server import serving, small, sqlite_url
from service_kit import at_once, checked, problem

from data.catalog import Catalog

SHIPPED = Catalog.load()

SKYPILOT = """\
InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone
p5.48xlarge,H100,8,192,2048,,55.04,20.0,us-east-1,us-east-1a
p5.48xlarge,H100,8,192,2048,,56.00,,us-east-1,us-east-1b
m5.large,,,2,8,,0.096,,us-east-1,us-east-1a
x.odd,Quantum9,1,8,64,,1.0,,us-east-1,us-east-1a
"""

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": True,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imports")
    with serving(sqlite_url(folder), folder, workers=1, max_catalog_rows=600) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with checked(server) as connected:
        yield connected


@pytest.fixture(autouse=True)
def shipped_again(client):
    """Each test begins with what ships in force."""
    if in_force(client) != SHIPPED.id:
        rows = client.get(f"/v1/catalog/offers?format=csv&catalog_id={SHIPPED.id}").text
        imported(client, "offers?mode=replace&format=csv", content=rows)
        # Accelerators of tests before stay: they are offered by nobody.


def in_force(client) -> str:
    return str(client.get("/v1/catalog/history?limit=1").json()["history"][0]["catalog_id"])


def imported(client, path: str, **sent):
    answer = client.post(f"/v1/catalog/{path}", **sent)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    if not report["dry_run"]:
        assert in_force(client) == report["catalog_id"]
    return report


def refused(client, path: str, kind: str = "invalid", **sent) -> str:
    """Return the sentence of a refused import, after which everything is as it was."""
    before = client.get("/v1/catalog/history").content
    said = problem(client.post(f"/v1/catalog/{path}", **sent), kind)
    assert client.get("/v1/catalog/history").content == before
    return said


def test_a_catalogue_exported_and_imported_is_the_same(client):
    rows = client.get("/v1/catalog/offers?format=csv").text
    report = imported(client, "offers?mode=replace&format=csv", content=rows)
    assert report["catalog_id"] == SHIPPED.id
    assert (report["added"], report["changed"], report["removed"]) == ([], [], [])
    assert report["rows"] == len(SHIPPED.offers)


def test_an_update_changes_some_and_keeps_the_rest(client, quotes):
    known = SHIPPED.offers[0]
    (row,) = [
        r
        for r in csv.DictReader(io.StringIO(client.get("/v1/catalog/offers?format=csv").text))
        if r["offer_id"] == known.offer_id
    ]
    changed = {**row, "price_per_node_hour_usd": "9.99"}
    report = imported(client, "offers?note=monday", json=[changed, quotes[0]])
    assert report["changed"] == [known.offer_id]
    assert report["added"] == ["acme/eu/h100"]
    assert report["removed"] == []
    assert client.get("/v1/catalog/offers").json()["total"] == len(SHIPPED.offers) + 1
    entry = client.get("/v1/catalog/history?limit=1").json()["history"][0]
    assert (entry["note"], entry["kind"]) == ("monday", "imported")


def test_what_is_added_must_be_new(client, quotes):
    assert imported(client, "offers?mode=add", json=quotes)["added"] == [
        "acme/eu/h100",
        "acme/eu/l40s",
    ]
    assert "mode=update" in refused(client, "offers?mode=add", json=quotes[:1])


def test_a_replacement_is_all_there_is(client, quotes):
    report = imported(client, "offers?mode=replace", json=quotes)
    assert len(report["removed"]) == len(SHIPPED.offers)
    found = client.get("/v1/catalog/offers").json()
    assert [o["offer_id"] for o in found["offers"]] == ["acme/eu/l40s", "acme/eu/h100"]


def test_a_dry_run_changes_nothing(client, quotes):
    before = client.get("/v1/catalog/history").content
    rows = [{**q, "price_per_node_hour_usd": 1.23} for q in quotes]
    report = imported(client, "offers?dry_run=true", json=rows)
    assert report["dry_run"] is True
    assert report["added"] == ["acme/eu/h100", "acme/eu/l40s"]
    assert client.get("/v1/catalog/history").content == before
    problem(client.get(f"/v1/catalog/offers?catalog_id={report['catalog_id']}"), "not-found")
    real = imported(client, "offers", json=rows)
    assert real["catalog_id"] == report["catalog_id"]


def test_a_file_of_offers(client, quotes):
    names = list(quotes[0])
    lines = [",".join(names), *(",".join(str(q[n]) for n in names) for q in quotes)]
    text = "\r\n".join(lines) + "\r\n"
    report = imported(client, "offers?format=csv", content="\ufeff" + text)
    assert report["added"] == ["acme/eu/h100", "acme/eu/l40s"]


def test_rows_written_oddly_can_be_planned_over(client, quotes):
    """Several lines in a note, a price with an exponent: the plan names what is stored."""
    odd = [{**quotes[0], "notes": "first line\nsecond line", "price_per_node_hour_usd": "9E-1"}]
    report = imported(client, "offers", json=odd)
    plan = client.post("/v1/plans", json=small(3.1)).json()
    assert plan["catalog"]["id"] == report["catalog_id"]
    assert [p["offer_id"] for p in plan["purchases"]] == ["acme/eu/h100"]
    inline = {**small(3.1), "add_offers": [{**odd[0], "offer_id": "acme/eu/other"}]}
    assert client.post("/v1/plans", json=inline).status_code == 200


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"price_per_node_hour_usd": "free"}, "price_per_node_hour_usd"),
        ({"price_per_node_hour_usd": 0.0001}, "electricity"),
        ({"price_per_node_hour_usd": 90_000}, "above any price"),
        ({"accelerator": "h1000"}, "accelerator"),
        ({"source": ""}, "source"),
        ({"observed_at": "soon"}, "observed_at"),
        ({"price": 3}, "'price'"),
        ({"notes": "a\u0000b"}, "cannot be printed"),
        ({"stock": {"nodes": 3}}, "stock"),
    ],
    ids=str,
)
def test_one_wrong_row_refuses_all_of_it(client, quotes, change, named):
    rows = [quotes[0], {**quotes[1], **change}]
    assert named in refused(client, "offers", json=rows)
    assert client.get("/v1/catalog/offers").json()["total"] == len(SHIPPED.offers)


def test_every_wrong_row_has_a_sentence(client, quotes):
    """In rows and in CSV; nothing comes in force."""
    first, second = quotes
    bad = [{**first, "stock": -1}, second, {**second, "accelerator": "l40z"}, 3]
    answer = client.post("/v1/catalog/offers", json=bad)
    assert "3 more faults are there" in problem(answer, "invalid")
    places = [f.split(":")[0] for f in answer.json()["faults"]]
    assert places == [
        "body, row 4",
        "body, row 1, column stock",
        "body, row 3, column offer_id",
        "body, row 3, column accelerator",
    ]
    names = list(first)
    lines = [",".join(str(r[n]) for n in names) for r in ({**first, "gpus_per_node": 0}, second)]
    text = "\n".join([",".join(names), *lines, "cut,short"])
    answer = client.post("/v1/catalog/offers?format=csv", content=text)
    problem(answer, "invalid")
    assert [f.split(":")[0] for f in answer.json()["faults"]] == [
        "body, line 4",
        "body, line 2, column gpus_per_node",
    ]
    single = client.post("/v1/catalog/offers", json=bad[:1])
    assert "faults" not in single.json()
    assert in_force(client) == SHIPPED.id


@pytest.mark.parametrize(
    "steps", ["8: 17; 32: 15.5", {"8": 17, "32": 15.5}, [{"from_nodes": 8, "price": 17}]], ids=str
)
def test_quotes_as_they_are_sold(client, quotes, steps):
    """18 euros at 1.1 dollars is 19.80; it leaves as CSV and comes back the same."""
    euros = {"currency": "EUR", "usd_per_unit": 1.1, "rate_date": "2026-11-01"}
    row = {k: v for k, v in quotes[0].items() if k != "price_per_node_hour_usd"}
    row |= {**euros, "gpus_per_node": 8, "price_per_node_hour": 18, "price_steps": steps}
    report = imported(client, "offers?mode=replace", json=[row])
    [shown] = client.get("/v1/catalog/offers").json()["offers"]
    assert (shown["price_per_node_hour_usd"], shown["currency"]) == (19.8, "EUR")
    assert (shown["usd_per_unit"], shown["rate_date"]) == (1.1, "2026-11-01")
    assert shown["price_steps"][0] == {"from_nodes": 8, "price_per_node_hour_usd": 18.7}
    assert shown["confirmed"] is False
    text = client.get("/v1/catalog/offers?format=csv").text
    again = imported(client, "offers?mode=replace&format=csv", content=text)
    assert again["catalog_id"] == report["catalog_id"]
    told = client.get("/v1/catalog/offers/history?offer_id=acme/eu/h100").json()["changes"]
    assert told[0]["price_per_node_hour_usd"] == 19.8
    inline = {**small(3.1), "add_offers": [{**row, "offer_id": "acme/eu/other"}]}
    assert client.post("/v1/plans", json=inline).status_code == 200


def test_a_price_of_an_accelerator_in_place_of_a_node_is_asked_about(client, quotes):
    row = {**quotes[0], "gpus_per_node": 8, "price_per_node_hour_usd": 2.1}
    assert "set confirmed to true" in refused(client, "offers", json=[row])
    assert imported(client, "offers", json=[{**row, "confirmed": True}])["added"]


def test_what_is_no_list_of_offers(client):
    for body in ({}, [], [3], "text", 7):
        refused(client, "offers", json=body)
    refused(client, "offers", "malformed", content=b"\xff\xfe")
    refused(client, "offers?format=csv", content="no,such\n1,2\n")
    refused(client, "offers?format=csv", content="offer_id\n")
    refused(client, "offers?mode=merge", json=[])
    refused(client, "offers", "media-type", files={"file": b"a"})
    assert "600" in refused(client, "offers", "too-complex", json=[{"offer_id": "a"}] * 601)


def test_a_list_of_skypilot(client):
    path = "offers?format=skypilot&provider=cumulus&observed_at=2026-11-01"
    report = imported(client, path, content=SKYPILOT)
    assert report["rows"] == 4
    assert len(report["added"]) == 2
    assert report["skipped"][0]["what"] == "x.odd"
    assert "Quantum9" in report["skipped"][0]["reason"]
    found = client.get("/v1/catalog/offers?provider=cumulus").json()["offers"]
    assert sorted(o["price_per_node_hour_usd"] for o in found) == [20.0, 55.04]


def test_a_list_of_skypilot_says_neither_cloud_nor_day(client):
    assert "observed_at" in refused(client, "offers?format=skypilot", content=SKYPILOT)
    assert "observed_at" in refused(
        client, "offers?format=skypilot&provider=a&observed_at=x", content=SKYPILOT
    )


def test_an_accelerator_is_added_and_offered(client, quotes):
    listed = client.get("/v1/catalog/accelerators?format=csv&accelerator=h100_sxm").text
    (row,) = csv.DictReader(io.StringIO(listed))
    ours = {**row, "name": "ours", "notes": "engineering sample"}
    report = imported(client, "accelerators?note=sample", json=[ours])
    assert report["added"] == ["ours"]
    imported(client, "offers", json=[{**quotes[0], "accelerator": "ours"}])
    request = small(3.2)
    request["workload"]["hardware"] = {"accelerators": ["ours"]}
    plan = client.post("/v1/plans", json=request).json()
    assert {p["accelerator"] for p in plan["pools"]} == {"ours"}
    assert client.post("/v1/simulations", json={"plan_id": plan["id"], "requests": 100}).is_success


def test_an_accelerator_that_makes_an_offer_impossible_is_refused(client, quotes):
    """Else the catalogue in force could not be read again, by anybody."""
    cheap = [{**quotes[0], "accelerator": "t4", "price_per_node_hour_usd": 0.1}]
    imported(client, "offers?mode=replace", json=cheap)
    listed = client.get("/v1/catalog/accelerators?format=csv&accelerator=t4").text
    (row,) = csv.DictReader(io.StringIO(listed))
    said = refused(client, "accelerators", json=[{**row, "tdp_w": "9000"}])
    assert "electricity" in said
    assert client.get("/v1/catalog/offers").json()["total"] == 1


def test_a_plan_keeps_the_snapshot_that_it_was_made_of(client, quotes):
    first = in_force(client)
    before = client.post("/v1/plans", json=small(3.3)).json()
    report = imported(client, "offers", json=quotes)
    after = client.post("/v1/plans", json=small(3.3)).json()
    assert (before["catalog"]["id"], after["catalog"]["id"]) == (first, report["catalog_id"])
    assert after["cost_per_hour_usd"] < before["cost_per_hour_usd"]
    assert client.get(f"/v1/plans/{before['id']}").json() == before
    old = {**small(3.3), "catalog_id": before["catalog"]["id"]}
    assert client.post("/v1/plans", json=old).json() == before
    listed = client.get(f"/v1/catalog/offers?catalog_id={SHIPPED.id}").json()
    assert listed["total"] == len(SHIPPED.offers)


def test_history_of_an_offer_whose_id_has_slashes(client, quotes):
    offer = quotes[0]
    imported(client, "offers", json=[offer])
    imported(client, "offers?note=unrelated", json=[quotes[1]])
    imported(client, "offers", json=[{**offer, "price_per_node_hour_usd": 1.1, "stock": 3}])
    imported(client, "offers?mode=replace", json=[quotes[1]])
    path = f"/v1/catalog/offers/history?offer_id={quote(offer['offer_id'], safe='')}"
    told = client.get(path).json()
    assert told["offer_id"] == "acme/eu/h100"
    prices = [(c["price_per_node_hour_usd"], c["stock"]) for c in told["changes"]]
    assert prices[:3] == [(None, None), (1.1, 3), (0.9, None)]
    since = [c["since"] for c in told["changes"]]
    assert since == sorted(since, reverse=True)


def test_the_history_in_pages(client, quotes):
    for n in range(3):
        rows = [{**quotes[0], "price_per_node_hour_usd": 2 + n}]
        imported(client, f"offers?note=n{n}", json=rows)
    seen, path = [], "/v1/catalog/history?limit=2"
    while path:
        page = client.get(path).json()
        seen += [e["number"] for e in page["history"]]
        path = page["next"]
    assert seen == list(range(len(seen), 0, -1))
    assert "limit" in problem(client.get("/v1/catalog/history?limit=0"), "invalid")


def test_imports_at_once_lose_none_of_their_rows(client, server, quotes):
    """Each adds a row to what the others made of the catalogue."""

    def add(n: int) -> int:
        row = {**quotes[0], "offer_id": f"acme/eu/{n}"}
        with server.client() as own:
            return own.post("/v1/catalog/offers?mode=add", json=[row]).status_code

    assert set(at_once([lambda n=n: add(n) for n in range(5)])) == {200}
    ids = {o["offer_id"] for o in client.get("/v1/catalog/offers?provider=acme").json()["offers"]}
    assert {f"acme/eu/{n}" for n in range(5)} <= ids


# Models


def test_a_model_is_imported_listed_and_planned_with(client):
    model = {"name": "ours-1b", "config": CONFIG, "note": "trained in house"}
    assert imported(client, "models?dry_run=true", json=model)["added"] == ["ours-1b"]
    request = small(3.4)
    request["workload"]["model"] = "ours-1b"
    unknown = client.post("/v1/plans", json=request)
    assert "unknown model 'ours-1b'" in problem(unknown, "invalid")
    assert imported(client, "models", json=model)["added"] == ["ours-1b"]
    assert "ours-1b" in [m["name"] for m in client.get("/v1/catalog/models").json()["models"]]
    plan = client.post("/v1/plans", json=request).json()
    assert plan["status"] == "optimal"
    listed = client.get("/v1/plans?model=ours-1b").json()["plans"]
    assert [p["id"] for p in listed] == [plan["id"]]
    estimate = {"model": "ours-1b", "accelerator": "l40s"}
    assert client.post("/v1/estimates", json=estimate).status_code == 200
    simulation = {"plan_id": plan["id"], "requests": 100}
    assert client.post("/v1/simulations", json=simulation).status_code == 200


def test_a_model_imported_again_is_a_new_version(client):
    request = small(3.5)
    request["workload"]["model"] = "versioned"
    plans = []
    for layers in (16, 64):
        config = {**CONFIG, "num_hidden_layers": layers}
        imported(client, "models", json={"name": "versioned", "config": config})
        plans.append(client.post("/v1/plans", json=request).json())
    assert plans[0]["id"] != plans[1]["id"]
    told = client.get("/v1/catalog/models/history?name=versioned").json()["models"]
    assert [m["config"]["num_hidden_layers"] for m in told] == [64, 16]
    assert told[0]["number"] > told[1]["number"]
    assert client.get("/v1/catalog/models/history?name=nobody").json() == {"models": []}


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ({"name": "llama-3.1-8b-instruct", "config": CONFIG}, "ships with minfleet"),
        ({"name": "LLAMA-3.1-8B-Instruct", "config": CONFIG}, "ships with minfleet"),
        ({"name": "a b", "config": CONFIG}, "name"),
        ({"name": "../x", "config": CONFIG}, "name"),
        ({"name": "ours"}, "config"),
        ({"name": "ours", "config": "/etc/passwd"}, "config"),
        ({"name": "ours", "config": {"hidden_size": -1}}, "ours"),
        ({"name": "ours", "config": CONFIG, "nota": "x"}, "note"),
        ([], "mapping"),
    ],
    ids=str,
)
def test_wrong_models(client, model, named):
    assert named in refused(client, "models", json=model)
    assert "ours" not in [m["name"] for m in client.get("/v1/catalog/models").json()["models"]]


def test_a_config_in_yaml_with_a_day_in_it(client):
    text = yaml.safe_dump({"name": "dated", "config": CONFIG}) + "\n"
    text = text.replace("config:\n", "config:\n  released: 2026-01-31\n")
    imported(client, "models", content=text)
    (told,) = client.get("/v1/catalog/models/history?name=dated").json()["models"]
    assert told["config"]["released"] == "2026-01-31"
