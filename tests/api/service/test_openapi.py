"""What the service says of itself: examples that run, and a page that needs nobody else."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest
from service_kit import PROBLEM, Contract

WRITES = {
    "/v1/catalog/offers",
    "/v1/catalog/models",
    "/v1/catalog/accelerators",
    "/v1/catalog/refreshes",
}


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def examples(document):
    for method, path, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for name, example in content.get("examples", {}).items():
                yield method, path, name, example["value"]


def test_every_example_runs(client, document, plan):
    """Examples that change the catalogue are tried without changing it."""
    sent = set()
    for method, path, name, value in examples(document):
        if path == "/v1/simulations":
            value = {**value, "plan_id": plan["id"]}
        tried = f"{path}?dry_run=true" if path in WRITES else path.format(name="example")
        answer = client.request(method, tried, json=value)
        assert answer.status_code in (200, 201), (path, name, answer.text[:500])
        sent.add(path)
    assert sent == {
        "/v1/plans",
        "/v1/estimates",
        "/v1/simulations",
        "/v1/comparisons",
        "/v1/frontiers",
        "/v1/catalog/offers",
        "/v1/catalog/models",
        "/v1/subscriptions",
        "/v1/workloads/{name}",
        "/v1/catalog/refreshes",
    }


def test_every_example_is_what_its_schema_says(document):
    from jsonschema import Draft202012Validator

    components = {"components": document["components"]}
    for _, _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            validator = Draft202012Validator({**content["schema"], **components})
            for example in content.get("examples", {}).values():
                validator.validate(example["value"])


def test_every_operation_is_explained(document):
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        for status, response in operation["responses"].items():
            assert response["description"], (where, status)
            if status[0] in "45":
                assert set(response["content"]) == {PROBLEM}, (where, status)
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "query":
                assert parameter["description"], (where, parameter["name"])


def test_every_answer_that_is_json_has_a_schema(document):
    contract = Contract(document)
    for method, path, operation in operations(document):
        assert contract.operation(method, path.replace("{", "").replace("}", "")) is not None
        good = [s for s in operation["responses"] if s[0] == "2"]
        assert good, (method, path)
        for status in set(good) - {"204"}:
            contents = operation["responses"][status].get("content", {})
            assert contents, (method, path, status)
            assert all(c.get("schema") for c in contents.values())


def test_no_reference_leads_nowhere(document):
    names = set(document["components"]["schemas"])
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', str(document).replace("'", '"')))
    assert used <= names


def test_the_page_needs_no_other_host(client, shared):
    page = client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    links = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page.text)
    assert links
    for link in links:
        whole = urljoin(f"{shared.url}/docs", link)
        assert urlsplit(whole).netloc == urlsplit(shared.url).netloc, link
        assert client.get(whole).status_code == 200, link
    elsewhere = re.findall(r"https?://[^\"'\s<>]+", page.text)
    assert [u for u in elsewhere if not u.startswith(shared.url)] == []


def test_the_page_of_the_other_kind_is_not_there(client):
    assert client.get("/redoc").status_code == 404
