"""Who may see the page: keys where the service asks for them, no web page of another origin."""

from __future__ import annotations

import socket

import httpx
import pytest
from live_server import LiveServer, serving, sqlite_url, until

from api.store.store import Store


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server that asks for keys, one that may plan, and one that may read."""
    folder = tmp_path_factory.mktemp("guarded")
    store = Store(sqlite_url(folder))
    store.migrate()
    keys = [store.keys.create(name, scope, 600)[1] for name, scope in ROLES]
    store.close()
    with serving(sqlite_url(folder), folder, require_keys=True, page=True, workers=1) as server:
        yield server, *keys


ROLES = (("planner", "plan"), ("reader", "read"))


def test_without_a_key_every_view_leads_to_the_log_in(guarded):
    server, *_ = guarded
    with server.client() as client:
        for path in ("/", "/compare", "/history", "/diff?a=x&b=y", "/plans/x", "/compare/x"):
            answer = client.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/login?next=")
        for path in ("/download/plans.csv", "/download/plans/x.json"):
            assert client.get(path).status_code == 401, path


def test_a_key_opens_the_page_and_stays_secret(opened, guarded):
    server, key, _ = guarded
    view = opened("/history", server)
    view.get_by_label("API key").fill(key)
    view.get_by_role("button", name="Log in").click()
    view.wait_for_url("**/history")
    view.get_by_role("link", name="Plan", exact=True).click()
    view.wait_for_selector(".chip.good")
    (cookie,) = view.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert key not in view.content() + str(view.context.storage_state()) + view.url
    assert key not in server.log_path.read_text()
    view.get_by_role("button", name="Log out").click()
    view.wait_for_url("**/login")
    view.goto("/")
    assert view.url.endswith("/login?next=%2F")


def test_a_key_that_may_only_read_makes_no_plans(opened, guarded):
    server, _, key = guarded
    view = opened("/login?next=/", server)
    view.get_by_label("API key").fill(key)
    view.get_by_role("button", name="Log in").click()
    view.wait_for_selector(".head .fault")
    assert "this needs 'plan'" in view.locator(".head .fault").inner_text()


def test_a_wrong_key_is_told(guarded):
    server, *_ = guarded
    with server.client() as client:
        answer = client.post("/login", content=b"key=mf_wrong&next=/", headers=FORM)
        assert answer.status_code == 401
        assert "unknown or was revoked" in answer.text
        assert "set-cookie" not in answer.headers


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_log_in_leads_to_no_other_server(guarded, target):
    server, key, _ = guarded
    with server.client() as client:
        answer = client.post("/login", data={"key": key, "next": target})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


def websocket_status(server: LiveServer, **headers: str) -> int:
    """Return what a server answers to the beginning of a websocket."""
    host, port = server.url.removeprefix("http://").split(":")
    given = {"Host": f"{host}:{port}", "Connection": "Upgrade", "Upgrade": "websocket",
             "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
             **headers}  # fmt: skip
    lines = ["GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in given.items()]
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(100).split()[1])


def test_websockets_of_other_origins_and_names_are_refused(server):
    assert websocket_status(server, Origin=server.url) == 101
    assert websocket_status(server) == 101
    assert websocket_status(server, Origin="https://evil.example") == 403
    assert websocket_status(server, Origin="null") == 403
    assert websocket_status(server, Host="evil.example", Origin="http://evil.example") == 403


def test_the_service_is_the_same_without_its_page(tmp_path):
    server = LiveServer(sqlite_url(tmp_path), tmp_path, page=False, workers=1)
    with server.client() as client:
        until(lambda: is_answering(client), "an answer")
        assert client.get("/").status_code == 404
        assert client.get("/docs").status_code == 200
        assert client.get("/v1/plans").json()["plans"] == []
    server.kill()


def is_answering(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False
