"""Everything that goes wrong is a problem document with the right status and one sentence."""

from __future__ import annotations

import json

import anyio
import httpx
import pytest
from fastapi import FastAPI
from live_server import small
from service_kit import problem

from api.service import problems

HOSTS = ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "", "localhost.evil"]


@pytest.mark.parametrize("path", ["/v1", "/v1/nothing", "/v2/plans", "/v1/plans/a/b", "/x" * 999])
def test_paths_that_are_not_there(client, path):
    assert "Not Found" in problem(client.get(path), "not-found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/plans", {"GET", "POST"}),
        ("DELETE", "/v1/plans/plan-1", {"GET"}),
        ("GET", "/v1/estimates", {"POST"}),
        ("PATCH", "/v1/catalog/offers", {"GET", "POST"}),
        ("POST", "/healthz", {"GET"}),
    ],
)
def test_methods_that_are_not_allowed(client, method, path, allowed):
    answer = client.request(method, path)
    problem(answer, "method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "body", [b"", b"  \n", b"{", b"model: [", b"\xff", b"a: &x 1\nb: *x", b'{"a":1,"a":2}']
)
@pytest.mark.parametrize(
    "path", ["plans", "estimates", "simulations", "comparisons", "frontiers", "catalog/offers"]
)
def test_bodies_that_cannot_be_read(client, path, body):
    assert "body" in problem(client.post(f"/v1/{path}", content=body), "malformed")


def test_large_bodies_must_be_json(client):
    """YAML takes a minute where JSON takes a tenth of a second, and everybody waits."""
    rows = [{"offer_id": f"a{n}", "price_per_node_hour_usd": n} for n in range(9000)]
    text = json.dumps(rows)
    assert "JSON" in problem(client.post("/v1/catalog/offers", content="# " + text), "malformed")
    cut = problem(client.post("/v1/catalog/offers", content=text[:-1]), "malformed")
    assert "not valid JSON" in cut
    assert "9,000 rows" in problem(client.post("/v1/catalog/offers", content=text), "too-complex")


def test_a_form_is_no_body(client):
    answer = client.post("/v1/plans", files={"file": b"model: x"})
    assert "application/json" in problem(answer, "media-type")


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        ({"workload": None}, "workload"),
        ({"workload": {}, "settings": 3}, "model"),
        ({**small(), "settings": "fast"}, "settings"),
        ({**small(), "settings": {"gab": 1}}, "settings.gab"),
        ({**small(), "settings": {"gap": "small"}}, "settings.gap"),
        ({**small(), "offers": []}, "offers"),
        ({**small(), "offers": {}}, "offers"),
        ({**small(), "offers": "all"}, "offers"),
        ({**small(), "catalog_id": 7}, "catalog_id"),
        ({**small(), "workloads": {}}, "'workload'"),
        ({**small(), "measured": {"a": 1}}, "measured"),
        ({"workload": {**small()["workload"], "model": "llama-9"}}, "llama-9"),
        ({"workload": {**small()["workload"], "trace": "t.csv"}}, "trace"),
        ({"workload": {**small()["workload"], "classes": []}}, "classes"),
        ({"workload": {**small()["workload"], "model": {"config": "x.json"}}}, "reads no files"),
        ({"workload": {**small()["workload"], "sla": {"ttft_ms": -1}}}, "ttft_ms"),
    ],
    ids=str,
)
def test_the_sentence_names_the_place(client, request_, place):
    assert place in problem(client.post("/v1/plans", json=request_), "invalid")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"plan_id": "a\\u0000b"}', "plan_id"),
        ('{"plan_id": "\\ud800"}', "plan_id"),
        ("plan_id: .nan", "plan_id"),
        ("plan: {pools: [{a: .inf}]}", "plan.pools[0].a"),
        ("plan: {7: x}", "plan"),
        ("plan_id: !!binary aGVsbG8=", "plan_id"),
        ("plan: " + "{a: " * 40 + "1" + "}" * 40, "nested"),
    ],
)
def test_what_no_database_stores(client, text, place):
    assert place in problem(client.post("/v1/simulations", content=text), "invalid")


@pytest.mark.parametrize("path", ["/v1/plans/%00", "/v1/plans?model=%00", "/v1/jobs/a%00b", "/%00"])
def test_null_characters_in_the_address(client, path):
    assert "null character" in problem(client.get(path), "malformed")


def test_a_fault_of_our_own_says_nothing_of_itself():
    """What is not foreseen is logged, not shown, and the connection is closed."""
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def broken() -> None:
        raise RuntimeError("the password is sesame")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as own:
            return await own.get("/")

    answer = anyio.run(ask)
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:minfleet:problem:internal"
    assert "sesame" not in answer.text
    assert answer.headers["connection"] == "close"


# Web pages of others


@pytest.mark.parametrize("host", HOSTS)
def test_names_that_are_not_ours(client, host):
    for path in ("/v1/plans", "/v1/jobs/job-1/events", "/docs"):
        answer = client.get(path, headers={"Host": host})
        if host:
            assert "allowed_hosts" in problem(answer, "forbidden")
        else:
            assert answer.status_code in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"])
def test_names_of_this_machine(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://[::1", "http://localhost", "file://", "x"]
)
def test_pages_of_other_origins_may_not_send(client, origin):
    for send in (
        lambda: client.post("/v1/plans", json=small(), headers={"Origin": origin}),
        lambda: client.post("/v1/catalog/offers", json=[], headers={"Origin": origin}),
        lambda: client.delete("/v1/jobs/job-1", headers={"Origin": origin}),
    ):
        assert "allowed_origins" in problem(send(), "forbidden")


def test_pages_of_other_origins_may_not_read(client):
    origin = {"Origin": "https://evil.example"}
    asked = {**origin, "Access-Control-Request-Method": "POST"}
    for answer in (
        client.get("/v1/plans", headers=origin),
        client.options("/v1/plans", headers=asked),
    ):
        assert not [h for h in answer.headers if h.startswith("access-control-")]


def test_our_own_page_may_send(client, shared):
    headers = {"Origin": shared.url}
    assert client.post("/v1/plans", json=small(), headers=headers).status_code == 200
