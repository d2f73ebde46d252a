"""Bodies, names and addresses that mean harm: refused with one sentence, and nothing is touched."""

from __future__ import annotations

import copy
import json
import socket
import threading

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_server import LiveServer, serving, small, sqlite_url

from data.models import shipped_models

LIMITS = {"max_body_mb": 0.2, "max_classes": 20, "max_catalog_rows": 50, "max_tokens": 100_000}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with serving(sqlite_url(folder), folder, **LIMITS) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: LiveServer):
    with server.client() as connected:
        yield connected


def sentence(answer: httpx.Response, status: int) -> str:
    """Return the detail of a problem of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"].endswith((".", "?"))
    assert "Traceback" not in answer.text
    assert len(problem["detail"].splitlines()) == 1
    return str(problem["detail"])


MALFORMED = {
    "cut short": b'{"model": "llama',
    "not UTF-8": b"model: \xff\xfe",
    "a null byte": b"model: \x00",
    "nothing": b"",
    "blanks": b" \n ",
    "brackets": b"[" * 100_000,
    "braces": b'{"a":' * 20_000,
    "YAML bombs": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "a tag": b"!!python/object/apply:os.system [id]",
    "twice": b'{"model": "a", "model": "b"}',
    "digits": b'{"model": ' + b"9" * 50_000 + b"}",
}


@pytest.mark.parametrize(
    "path", ["/v1/plans", "/v1/estimates", "/v1/simulations", "/v1/comparisons", "/v1/frontiers"]
)
@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_bodies(client, path, body):
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    sentence(answer, answer.status_code)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "body",
    [3, "text", None, [], [1], True, {}, {"workload": 3}, {"workload": []}, {"settings": {}}],
)
def test_wrong_types(client, body):
    for path in (
        "/v1/plans",
        "/v1/estimates",
        "/v1/simulations",
        "/v1/comparisons",
        "/v1/frontiers",
        "/v1/catalog/models",
    ):
        answer = client.post(path, json=body)
        assert answer.status_code in (400, 422), (path, answer.text)
        sentence(answer, answer.status_code)


NOT_FINITE = ("NaN", "Infinity", "-Infinity", "1e400", ".nan", ".inf", "-.inf")


@pytest.mark.parametrize("value", NOT_FINITE)
def test_what_is_no_number(client, value):
    body = json.dumps(small()).replace('"rate_rps": 4.0', f'"rate_rps": {value}')
    assert value in body
    assert "rate_rps" in sentence(client.post("/v1/plans", content=body), 422)


def test_a_large_body_is_refused_before_it_is_read(client):
    big = b"x" * 300_000
    assert "0.2 MB" in sentence(client.post("/v1/plans", content=big), 413)


def test_a_large_body_without_a_length_is_refused_too(client):
    def chunks():
        for _ in range(100):
            yield b"x" * 10_000

    assert "0.2 MB" in sentence(client.post("/v1/plans", content=chunks()), 413)


def test_too_many_classes(client):
    request = small()
    one = request["workload"]["classes"][0]
    request["workload"]["classes"] = [{**one, "name": f"c{i}"} for i in range(21)]
    assert "classes" in sentence(client.post("/v1/plans", json=request), 422)


def test_too_many_rows(client):
    for name in ("offers", "add_offers", "accelerators", "measured", "coefficients"):
        request = {**small(), name: [{"a": 1}] * 51}
        assert name in sentence(client.post("/v1/plans", json=request), 422)


@pytest.mark.parametrize("length", [200_000, {"mean": 10, "p95": 200_000}])
def test_too_many_tokens(client, length):
    request = small()
    request["workload"]["classes"][0]["isl"] = length
    assert "isl" in sentence(client.post("/v1/plans", json=request), 422)


PATHS = (
    "../../../../etc/passwd",
    "/etc/passwd",
    "file:///etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/proc/self/environ",
    "~/.ssh/id_rsa",
    "C:\\Windows\\win.ini",
    "./config.json",
)


@pytest.mark.parametrize("path", PATHS)
def test_no_name_reaches_a_file(client, path):
    for reference in (path, {"config": path}):
        request = small()
        request["workload"]["model"] = reference
        told = sentence(client.post("/v1/plans", json=request), 422)
        assert told.startswith("model: ")
        assert "root:" not in told
        answer = client.post("/v1/estimates", json={"model": reference, "accelerator": "h100_sxm"})
        sentence(answer, 422)
    request = small()
    request["workload"]["trace"] = path
    assert "reads no files" in sentence(client.post("/v1/plans", json=request), 422)
    sentence(client.post("/v1/plans", json={**small(), "offers": path}), 422)
    sentence(client.post("/v1/plans", json={**small(), "catalog_id": path}), 404)
    sentence(client.post("/v1/simulations", json={"plan_id": path}), 404)
    sentence(client.post("/v1/catalog/models", json={"name": path, "config": {}}), 422)
    for resource in ("plans", "simulations", "comparisons", "frontiers", "jobs"):
        quoted = httpx.URL(client.base_url).copy_with(raw_path=f"/v1/{resource}/{path}".encode())
        assert client.get(quoted).status_code in (400, 404)


@pytest.fixture
def listener():
    """An address, and the connections that were made to it."""
    made: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        done = threading.Event()

        def accept() -> None:
            while not done.is_set():
                try:
                    made.append(listening.accept())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", made
        done.set()
        thread.join()


def test_no_address_is_ever_fetched(client, listener):
    address, made = listener
    url = f"http://{address}/config.json"
    for reference in (url, {"config": url}, f"{address}/model", "some-org/some-model"):
        request = small()
        request["workload"]["model"] = reference
        sentence(client.post("/v1/plans", json=request), 422)
        sentence(client.post("/v1/estimates", json={"model": reference, "accelerator": "l4"}), 422)
    request = small()
    request["workload"]["trace"] = url
    sentence(client.post("/v1/plans", json=request), 422)
    plan = client.post("/v1/plans", json=small()).json()
    moved = copy.deepcopy(plan)
    moved["workload"]["model"] = {"config": url}
    sentence(client.post("/v1/simulations", json={"plan": moved}), 422)
    config = dict(shipped_models()["llama-3.1-8b-instruct"].config)
    config["_name_or_path"], config["auto_map"] = url, {"AutoConfig": f"{url}--x.Config"}
    request = small()
    request["workload"]["model"] = {"config": config, "name": "odd"}
    assert client.post("/v1/plans", json=request).status_code == 200
    assert made == []


CONFIG_FAULTS = {
    "no shapes": {},
    "negative": {"hidden_size": -1},
    "huge": {"num_hidden_layers": 10**9},
    "text": {"hidden_size": "big"},
    "nothing": {"num_attention_heads": 0},
    "infinite": {"hidden_size": 1e308},
    "lists": {"hidden_size": [1]},
    "vast": {"vocab_size": 10**18, "hidden_size": 10**12},
}


@pytest.mark.parametrize("fault", CONFIG_FAULTS.values(), ids=CONFIG_FAULTS.keys())
def test_configs_that_are_none(client, fault):
    shipped = dict(shipped_models()["llama-3.1-8b-instruct"].config)
    config = {**shipped, **fault} if fault else {}
    for path, body in (
        ("/v1/estimates", {"model": {"config": config}, "accelerator": "h100_sxm"}),
        ("/v1/catalog/models", {"name": "odd", "config": config}),
    ):
        answer = client.post(path, json=body)
        assert answer.status_code in (200, 422), answer.text
    request = small()
    request["workload"]["model"] = {"config": config, "name": "odd"}
    answer = client.post("/v1/plans", json=request)
    assert answer.status_code in (200, 422), answer.text


def test_plans_that_are_damaged(client):
    plan = client.post("/v1/plans", json=small()).json()
    for path, value in (
        (("pools",), []),
        (("pools", 0, "replicas"), 10**12),
        (("pools", 0, "replicas"), "many"),
        (("pools", 0, "accelerator"), "../h100"),
        (("pools", 0, "batch_cap"), -1),
        (("pools", 0, "serves"), {"chat": "all"}),
        (("workload", "classes"), []),
        (("workload", "classes", 0, "rate_rps"), 1e9),
        (("schema",), "other"),
    ):
        damaged = copy.deepcopy(plan)
        place = damaged
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
        answer = client.post("/v1/simulations", json={"plan": damaged, "requests": 100})
        assert answer.status_code in (200, 422), (path, answer.text)


NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)

JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(path=st.sampled_from(["model", "classes", "sla", "hardware", "serving", "x"]), value=JSON)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_value_in_any_block_is_answered_or_refused(client, path, value):
    workload = {**small()["workload"], path: value}
    answer = client.post("/v1/plans", json={**small(), "workload": workload})
    assert answer.status_code in (200, 400, 422), answer.text


def test_the_server_is_well_afterwards(server, client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.post("/v1/plans", json=small(9.0)).status_code == 200
    assert [event for event in server.log() if event["level"] == "error"] == []
