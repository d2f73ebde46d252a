"""API keys over HTTP: who may do what, how often, and that no log ever holds a secret."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from live_server import LiveServer, small, sqlite_url
from service_kit import checked, families, is_answering, problem, until

from api.cli import main
from api.store.store import Store

READS = (
    *("/v1/plans", "/v1/jobs", "/v1/catalog/offers?limit=1", "/v1/catalog/history", "/metrics"),
    *("/v1/subscriptions", "/v1/events"),
)
OPEN = ("/healthz", "/docs", "/openapi.json")


@pytest.fixture(scope="module")
def store_url(tmp_path_factory):
    return sqlite_url(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def keys(store_url):
    """The secret of a key of each scope."""
    store = Store(store_url)
    store.migrate()
    made = {scope: store.keys.create(scope, scope, 1000)[1] for scope in ("read", "plan", "admin")}
    made["slow"] = store.keys.create("slow", "read", 3)[1]
    store.close()
    return made


@pytest.fixture(scope="module")
def server(store_url, keys, tmp_path_factory):
    """A server that asks for keys; its workers need not be warm."""
    folder = tmp_path_factory.mktemp("server")
    running = LiveServer(store_url, folder, workers=1, require_keys=True, log_level="debug")
    until(lambda: is_answering(running), "the first answer")
    yield running
    assert running.stop() == 0


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def client(server):
    with checked(server) as connected:
        yield connected


@pytest.mark.parametrize("path", READS)
def test_without_a_key_nothing_is_shown(client, path):
    answer = client.get(path)
    assert "Bearer" in problem(answer, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_without_a_key_nothing_is_done(client):
    for method, path in (
        ("POST", "/v1/plans"),
        ("POST", "/v1/estimates"),
        ("POST", "/v1/simulations"),
        ("POST", "/v1/comparisons"),
        ("POST", "/v1/frontiers"),
        ("POST", "/v1/catalog/offers"),
        ("POST", "/v1/catalog/models"),
        ("POST", "/v1/subscriptions"),
        ("DELETE", "/v1/jobs/job-1"),
    ):
        problem(client.request(method, path, content=b"{}"), "unauthorized")


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_to_all(client, path):
    assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer nonsense",
        "Bearer mf_000000000000_AAAA",
        "Bearer",
        "Basic dTpw",
        "mf_abc",
        "Bearer " + "x" * 5000,
        "Bearer mf_é_é",
    ],
)
def test_wrong_keys(client, header):
    answer = client.get("/v1/plans", headers={"Authorization": header.encode("latin-1")})
    problem(answer, "unauthorized")


def test_a_key_in_the_address_is_none(client, keys):
    problem(client.get(f"/v1/plans?key={keys['admin']}"), "unauthorized")


def test_each_scope_includes_those_before(client, keys):
    estimate = {"model": "llama-3.1-8b-instruct", "accelerator": "h100_sxm"}
    asks = {
        "read": lambda h: client.get("/v1/plans", headers=h),
        "plan": lambda h: client.post("/v1/estimates", json=estimate, headers=h),
        "admin": lambda h: client.post("/v1/catalog/offers", json=[], headers=h),
    }
    order = list(asks)
    for having in order:
        for needed, ask in asks.items():
            answer = ask(bearer(keys[having]))
            if order.index(needed) <= order.index(having):
                assert answer.status_code in (200, 422), (having, needed)
            else:
                said = problem(answer, "forbidden")
                assert repr(having) in said
                assert repr(needed) in said


def test_cancelling_needs_more_than_reading(client, keys):
    problem(client.delete("/v1/jobs/job-1", headers=bearer(keys["read"])), "forbidden")
    problem(client.delete("/v1/jobs/job-1", headers=bearer(keys["plan"])), "not-found")


def test_only_who_administers_may_subscribe(client, keys):
    """Whoever may plan sees that there are subscriptions, and sends nothing anywhere."""
    content = {"kind": "webhook", "target": "https://ops.example.com/x"}
    planner, admin = bearer(keys["plan"]), bearer(keys["admin"])
    problem(client.post("/v1/subscriptions", json=content, headers=planner), "forbidden")
    made = client.post("/v1/subscriptions", json=content, headers=admin).json()
    path = f"/v1/subscriptions/{made['id']}"
    assert client.get(path, headers=planner).status_code == 200
    for call in (f"{path}/test", f"{path}/send-again"):
        problem(client.post(call, headers=planner), "forbidden")
    problem(client.delete(path, headers=planner), "forbidden")
    assert client.delete(path, headers=admin).status_code == 200


def test_too_many_requests(client, keys):
    answers = [client.get("/v1/jobs", headers=bearer(keys["slow"])) for _ in range(5)]
    assert [a.status_code for a in answers[:3]] == [200] * 3
    assert "3 requests a minute" in problem(answers[4], "rate-limited")
    assert 1 <= int(answers[4].headers["retry-after"]) <= 60
    assert client.get("/v1/jobs", headers=bearer(keys["read"])).status_code == 200


def test_a_revoked_key_is_refused_at_once(client, store_url):
    store = Store(store_url)
    made, secret = store.keys.create("short", "read", 100)
    assert client.get("/v1/plans", headers=bearer(secret)).status_code == 200
    store.keys.revoke(made.id)
    store.close()
    assert "revoked" in problem(client.get("/v1/plans", headers=bearer(secret)), "unauthorized")


def test_each_key_has_its_own_idempotency_keys(client, keys):
    again = {"Idempotency-Key": "one", "Prefer": "respond-async"}
    sent = {
        name: client.post("/v1/plans", json=small(rate), headers={**bearer(keys[name]), **again})
        for name, rate in (("plan", 4.0), ("admin", 5.0))
    }
    assert {a.status_code for a in sent.values()} == {202}
    assert len({a.json()["id"] for a in sent.values()}) == 2


def test_pages_of_others_need_a_key_too(client, keys):
    """A key is no cookie: whoever holds it may use any Host, but no foreign page may send."""
    headers = {**bearer(keys["plan"]), "Host": "plans.example"}
    assert client.get("/v1/plans", headers=headers).status_code == 200
    foreign = {**headers, "Origin": "https://evil.example"}
    problem(client.post("/v1/plans", json=small(), headers=foreign), "forbidden")


def test_refusals_are_counted(client, keys):
    client.get("/v1/plans")
    with_key = bearer(keys["read"])
    client.headers.update(with_key)
    assert families(client)['minfleet_refusals_total{kind="unauthorized"}'] >= 1


def test_no_secret_in_any_log(client, server, keys):
    client.get("/v1/plans", headers=bearer(keys["read"] + "x"))
    client.get(f"/v1/plans?key={keys['admin']}")
    text = server.log_path.read_text()
    assert '"/v1/plans"' in text
    for scope in keys:
        assert keys[scope].split("_", 2)[2] not in text
    named = {e["key"] for e in server.log() if e.get("event") == "request" and e.get("key")}
    assert keys["read"].split("_")[1] in named, "who asked is known by the name of the key"


# Starting


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "minfleet.example", ""])
def test_others_are_not_let_in_without_keys(tmp_path, host):
    """The check stands before the address is listened on."""
    url = sqlite_url(tmp_path)
    result = CliRunner().invoke(main, ["serve", "--host", host, "--port", "0", "--store-url", url])
    assert result.exit_code == 2
    assert "needs API keys" in result.stderr
    assert "minfleet keys create" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_revoked_key_is_no_key(tmp_path):
    url = sqlite_url(tmp_path)
    store = Store(url)
    store.migrate()
    store.keys.revoke(store.keys.create("old", "plan", 1)[0].id)
    store.close()
    options = ["serve", "--host", "0.0.0.0", "--port", "0", "--store-url", url]
    assert CliRunner().invoke(main, options).exit_code == 2


def test_the_keys_command(store_url):
    """Made, listed and revoked on the command line, while the server runs."""

    def run(*arguments: str):
        return CliRunner().invoke(main, ["keys", *arguments, "--store-url", store_url])

    made = run("create", "ci", "--scope", "read")
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert secret.startswith("mf_")
    assert secret not in made.stderr
    listed = run("list")
    key_id = secret.split("_")[1]
    assert key_id in listed.stdout
    assert secret.split("_", 2)[2] not in listed.stdout + listed.stderr
    assert run("revoke", key_id).exit_code == 0
    again = run("revoke", key_id)
    assert again.exit_code == 2
    assert "unknown key" in again.stderr
