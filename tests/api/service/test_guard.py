"""The guard around any application: which names it answers to, which pages may send."""

from __future__ import annotations

import anyio
import httpx
import pytest
from service_kit import problem
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from api.service.guard import Guard
from api.service.metrics import Metrics
from api.service.settings import load_settings

PAGE = "https://plans.example"


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def send(method: str = "POST", headers: dict[str, str] | None = None, **given: object):
    """Return the answer of an application behind a guard of some settings."""
    metrics = Metrics()
    inner = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    app = Guard(inner, load_settings(**given), metrics)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, "/", headers=headers, content=b"four")

    return anyio.run(ask), metrics


def test_a_page_that_was_let_in():
    assert send(headers={"Origin": PAGE}, allowed_origins=[PAGE])[0].text == "4"
    other = {"Origin": PAGE + ".evil"}
    problem(send(headers=other, allowed_origins=[PAGE])[0], "forbidden")
    assert send(headers={"Origin": "null"}, allowed_origins=["*"])[0].status_code == 200


def test_names_that_were_given():
    names = ["Plans.Example", "other"]
    for host in ("plans.example", "PLANS.example:443", "other"):
        assert send("GET", {"Host": host}, allowed_hosts=names)[0].status_code == 200
    for host in ("localhost", "plans.example.evil", "[::1"):
        problem(send("GET", {"Host": host}, allowed_hosts=names)[0], "forbidden")


def test_any_name_where_keys_are_asked_for():
    assert send("GET", {"Host": "any"}, require_keys=True)[0].status_code == 200
    problem(send("GET", {"Host": "any"}, require_keys=True, allowed_hosts=["one"])[0], "forbidden")


@pytest.mark.parametrize("host", ["any", ""])
def test_what_is_refused_is_counted(host):
    answer, metrics = send("GET", {"Host": host})
    assert answer.status_code == 403
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b'minfleet_refusals_total{kind="forbidden"} 1.0' in metrics.text()
    assert b'minfleet_requests_total{method="GET",route="none",status="403"} 1.0' in metrics.text()
