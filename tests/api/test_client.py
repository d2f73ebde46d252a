"""The client against a real server, and ``minfleet plan --server``."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from live_server import LiveServer, serving, slow, small, sqlite_url

from api.cli import main
from api.client import Client
from data.errors import InputError, RequestRefusedError, ServerError, ServerProblem
from data.models import shipped_models
from solver.plan import Plan
from solver.planner import plan as plan_here
from solver.workload import Workload

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with serving(sqlite_url(folder), folder) as running:
        yield running


@pytest.fixture
def client(server: LiveServer):
    with Client(server.url) as connected:
        yield connected


def test_a_plan_is_the_one_made_here(client):
    workload = small()["workload"]
    answer = client.plan(workload, settings={"explain": "none"})
    here = plan_here(Workload.parse(workload), explain="none")
    assert answer.status == here.status == "optimal"
    assert answer.cost_per_hour_usd == here.cost_per_hour_usd
    assert [p.accelerator for p in answer.pools] == [p.accelerator for p in here.pools]
    assert client.read_plan(answer.id).to_dict() == answer.to_dict()


def test_a_plan_document_becomes_a_plan_again(client):
    document = client.plan(small()["workload"]).to_dict()
    again = Plan.from_dict(document).to_dict()
    assert again == {k: v for k, v in document.items() if k not in ("id", "created_at")}


def test_a_comparison(client):
    row = {
        "offer_id": "quote/h100",
        "provider": "quote",
        "region": "eu",
        "accelerator": "h100_sxm",
        "gpus_per_node": 8,
        "price_per_node_hour_usd": 16,
        "pricing": "on_demand",
        "observed_at": "2026-11-01",
        "source": "quote 4711",
    }
    stages: list[str] = []
    answer = client.compare(
        small()["workload"], [row], progress=lambda job: stages.append(job.state)
    )
    (offer,) = answer.offers
    assert (offer.alone.status, offer.alone.cost_per_hour_usd) == ("optimal", 16)
    assert offer.enters_reason == "any_price", "there is no other offer"


def test_a_job_is_followed_to_its_end(client):
    job = client.submit(small(7.5)["workload"], settings={"explain": "none"})
    states = [change.state for change in client.follow(job.id)]
    assert states[-1] == "done"
    assert client.job(job.id).result_url == f"/v1/plans/{client.job(job.id).result_id}"


def test_a_cancelled_job_says_so(client):
    job = client.submit(**slow(3.0))
    assert client.cancel(job.id).state == "cancelled"
    assert [change.state for change in client.follow(job.id)] == ["cancelled"]


def test_everything_else_is_there(client):
    made = client.plan(small(5.0)["workload"])
    assert client.explanation(made.id).plan_id == made.id
    assert made.id in [entry.id for entry in client.plans(limit=200).plans]
    assert client.simulate(plan_id=made.id, requests=500).requests == 500
    assert client.estimate("llama-3.1-8b-instruct", "h100_sxm").fits
    assert client.offers(accelerator="h100", limit=5).total > 5
    assert {a.vendor for a in client.accelerators(vendor="AMD").accelerators} == {"AMD"}
    assert len(client.models().models) >= len(shipped_models())
    assert client.catalog_history().history[0].kind == "shipped"


def test_imports(client):
    quote = {
        "offer_id": "ours/one",
        "provider": "ours",
        "region": "here",
        "accelerator": "h100_sxm",
        "gpus_per_node": 8,
        "price_per_node_hour_usd": 16,
        "pricing": "on_demand",
        "observed_at": "2026-11-01",
        "source": "a quote",
    }
    assert client.import_offers([quote], note="quotes").added == ["ours/one"]
    assert client.offer_history("ours/one").changes[0].price_per_node_hour_usd == 16
    config = dict(shipped_models()["llama-3.1-8b-instruct"].config)
    assert client.import_model("ours-8b", config).added == ["ours-8b"]
    workload = {**small()["workload"], "model": "ours-8b"}
    assert client.plan(workload, settings={"explain": "none"}).pools[0].model == "ours-8b"


def test_a_wrong_request_is_an_input_error(client):
    with pytest.raises(RequestRefusedError, match="classes is missing") as refused:
        client.plan({"model": "llama-3.1-8b-instruct"})
    assert isinstance(refused.value, InputError)
    assert refused.value.status == 422


def test_what_is_not_there_is_no_input_error(client):
    with pytest.raises(ServerProblem, match="there is no plan") as missing:
        client.read_plan("plan-none")
    assert missing.value.status == 404
    assert not isinstance(missing.value, InputError)


def answering(*answers: httpx.Response) -> tuple[Client, list[httpx.Request]]:
    """Return a client of a server that gives `answers` in turn, and what it is sent."""
    sent: list[httpx.Request] = []
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return left.pop(0)

    return Client("http://test", transport=httpx.MockTransport(answer), retry_s=5.0), sent


def busy(status: int) -> httpx.Response:
    content = {"type": "t", "title": "busy", "status": status, "detail": "try again."}
    return httpx.Response(status, json=content, headers={"Retry-After": "0"})


def test_a_busy_server_is_asked_again_with_the_same_idempotency_key(client):
    plan = client.plan(small()["workload"]).to_dict()
    patient, sent = answering(busy(429), busy(503), httpx.Response(200, json=plan))
    assert patient.plan(small()["workload"]).id == plan["id"]
    assert len({request.headers["Idempotency-Key"] for request in sent}) == 1
    assert len(sent) == 3


def test_an_import_is_not_sent_twice():
    careful, sent = answering(busy(503), busy(503))
    with pytest.raises(ServerProblem):
        careful.import_offers([{"offer_id": "a"}])
    assert len(sent) == 1


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://here", "http://"])
def test_what_is_no_url_is_refused(url):
    with (
        pytest.raises((InputError, ServerError), match=r"not a URL|cannot be reached"),
        Client(url, retry_s=0.0) as wrong,
    ):
        wrong.models()


def test_a_server_that_is_another(client):
    other, _ = answering(httpx.Response(404, text="<html>"))
    with pytest.raises(ServerError, match="is it a minfleet server"):
        other.models()


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, [*arguments])
    return result.exit_code, result.output


def test_plan_on_a_server(server, tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps(small()["workload"]))
    code, text = run("plan", str(path), "--server", server.url)
    assert code == 0
    assert "no cheaper fleet exists" in text
    code, text = run("plan", str(path), "--server", server.url, "--json", "--explain", "none")
    assert Plan.from_dict(json.loads(text)).status == "optimal"


def test_files_of_this_machine_go_with_the_workload(server):
    files = EXAMPLES / "measured"
    options = ("--offers", str(files / "offers.csv"), "--measured", str(files / "measured.csv"))
    arguments = ("plan", str(files / "workload.yaml"), *options, "--json")
    code, there = run(*arguments, "--server", server.url)
    assert code == 0
    _, here = run(*arguments)
    cost = "cost_per_hour_usd"
    assert json.loads(there)[cost] == json.loads(here)[cost]


def test_a_config_of_this_machine_goes_with_the_workload(server, tmp_path):
    config = dict(shipped_models()["llama-3.1-8b-instruct"].config)
    (tmp_path / "config.json").write_text(json.dumps(config))
    workload = {**small()["workload"], "model": {"config": "config.json"}}
    path = tmp_path / "own.json"
    path.write_text(json.dumps(workload))
    code, text = run("plan", str(path), "--server", server.url, "--json", "--explain", "none")
    assert code == 0
    assert json.loads(text)["pools"][0]["model"] == "config.json"


def test_a_trace_goes_as_the_classes_that_it_becomes(server):
    path = EXAMPLES / "trace" / "workload.yaml"
    code, text = run("plan", str(path), "--server", server.url, "--json", "--explain", "none")
    assert code == 0
    assert len(json.loads(text)["classes"]) > 1


def test_infeasible_ends_with_1_and_a_wrong_workload_with_2(server, tmp_path):
    path = EXAMPLES / "budget-infeasible.yaml"
    assert run("plan", str(path), "--server", server.url, "--explain", "none")[0] == 1
    wrong = tmp_path / "wrong.json"
    workload = small()["workload"]
    wrong.write_text(json.dumps({**workload, "model": "llama-9"}))
    code, text = run("plan", str(wrong), "--server", server.url)
    assert code == 2
    assert "unknown model 'llama-9'" in text
    assert len(text.splitlines()) == 1
