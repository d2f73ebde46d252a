"""Batches: a case by hand, every duration by enumeration, what is refused, the command."""

from __future__ import annotations

import copy
import json
import math

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_catalog import catalog, rows, write_table

from api.cli import main
from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from data.errors import WorkloadError
from solver.checker import PlanChecker
from solver.planner import plan
from solver.workload import Workload


def quotes_of(folder, price, stock=""):
    """One accelerator a node, at one price."""
    (folder / "offers.csv").write_text(
        "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,"
        f"observed_at,source\none,acme,eu,chip,1,{price},on_demand,{stock},2026-07-01,a quote\n"
    )
    return Catalog.load(offers=folder / "offers.csv", strict=False)


def capacity(folder, rate):
    path = folder / "measured.csv"
    path.write_text(f"accelerator,class,capacity_rps\nchip,chat,{rate}\n")
    return path


def batch(requests, **block):
    return Workload.parse(
        {"model": "any", "batch": block, "classes": [{"name": "chat", "requests": requests}]}
    )


def test_by_hand(tmp_path):
    """90,000 requests, 5 a second a replica: 18,000 s, or 5 hours of one replica at $2 an hour.

    By a deadline of 3 h: 2 replicas for 3 h are 6 node-hours, 3 for 2 h 6 as well, 5 for 1 h 5.
    The last is the cheapest at $10, done after exactly 1 h. With half an hour to start up, 1 h
    leaves 0.5 h of service: 10 replicas, $20; 2 h leave 1.5: 4, $16; 3 h leave 2.5: 2, $12.
    """
    quotes, file = quotes_of(tmp_path, 2), capacity(tmp_path, 5)
    answer = plan(batch(90_000, deadline_h=3), quotes, measured=file)
    assert answer.status == "optimal"
    found = answer.batch
    assert (found["hours"], found["billed_hours"], found["cost_usd"]) == (1, 1, 10)
    assert found["finish_h"] == pytest.approx(1)
    assert (found["bound_usd"], found["gap"]) == (pytest.approx(10), pytest.approx(0, abs=1e-9))
    assert answer.pools[0].replicas == 5
    late = plan(batch(90_000, deadline_h=3, startup_h=0.5), quotes, measured=file).batch
    assert (late["hours"], late["cost_usd"]) == (3, 12)
    assert late["finish_h"] == pytest.approx(3)


def test_a_deadline_within_a_billing_step(tmp_path):
    """In 1.5 h: 4 replicas (3.33 busy) paid for 2 h cost $16, 5 for 1 h $10."""
    quotes, file = quotes_of(tmp_path, 2, stock=4), capacity(tmp_path, 5)
    found = plan(batch(90_000, deadline_h=1.5), quotes, measured=file).batch
    assert (found["hours"], found["billed_hours"], found["cost_usd"]) == (1.5, 2, 16)
    assert found["finish_h"] == pytest.approx(1.25)
    nothing = plan(batch(90_000, deadline_h=1), quotes, measured=file)
    assert nothing.status == "infeasible"
    assert nothing.batch is None


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    requests=st.integers(1_000, 400_000),
    deadline=st.sampled_from((1, 2.5, 4, 6)),
    step=st.sampled_from((0.5, 1, 2)),
    startup=st.sampled_from((0, 0, 0.25)),
    stock=st.one_of(st.none(), st.integers(2, 20)),
)
def test_as_enumeration_says(requests, deadline, step, startup, stock, tmp_path):
    """Every number of billing steps: as many replicas as the requests take, paid to the step."""
    quotes = quotes_of(tmp_path, 3, "" if stock is None else stock)
    file = capacity(tmp_path, 5)
    if startup >= min(deadline, step) and startup >= deadline:
        return
    block = {"deadline_h": deadline, "billing_step_h": step, "startup_h": startup}
    answer = plan(batch(requests, **block), quotes, measured=file, second_engine=False)
    totals = []
    for k in range(1, math.ceil(deadline / step) + 1):
        served_s = (min(k * step, deadline) - startup) * 3600
        if served_s > 0:
            replicas = math.ceil(requests / (5 * served_s) - 1e-9)
            if stock is None or replicas <= stock:
                totals.append(3 * replicas * k * step)
    if not totals:
        assert answer.status == "infeasible"
        return
    assert answer.status == "optimal"
    assert answer.batch["cost_usd"] == pytest.approx(min(totals))
    assert answer.batch["bound_usd"] <= min(totals) * (1 + 1e-9)
    assert answer.batch["finish_h"] <= deadline * (1 + 1e-9)


CONTENT = {
    "model": "llama-3.1-8b-instruct",
    "batch": {"deadline_h": 4},
    "classes": [
        {"name": "labels", "requests": 400_000, "isl": 800, "osl": 20},
        {"name": "summaries", "tokens": 20_000_000, "isl": {"mean": 2000, "p95": 6000}, "osl": 200},
    ],
}


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"), {"l40s-1": {"pricing": "spot"}})


@pytest.fixture(scope="module")
def document(quotes):
    return json.loads(plan(Workload.parse(CONTENT), quotes).to_json())


def checked(document, quotes):
    wanted = Workload.parse(document["workload"])
    return PlanChecker(document, wanted, quotes, shipped_coefficients()).check()


def test_a_batch_runs_full_without_targets(document, quotes):
    assert document["status"] == "optimal"
    assert checked(document, quotes).passed
    workload = document["workload"]
    assert workload["sla"] == {
        "ttft_ms": None,
        "tpot_ms": None,
        "e2e_ms": None,
        "percentile": 99.0,
    }
    assert workload["serving"]["max_utilization"] == 1
    assert workload["hardware"]["pricing"] == ["on_demand", "spot"]
    found = document["batch"]
    assert found["requests"] == {"labels": 400_000, "summaries": 100_000}
    assert found["output_tokens"] == 400_000 * 20 + 20_000_000
    assert found["input_tokens"] == 400_000 * 800 + 100_000 * 2000
    per_million = found["cost_usd"] / (found["output_tokens"] / 1e6)
    assert found["cost_per_million_output_tokens_usd"] == pytest.approx(per_million)
    assert found["cost_usd"] == document["cost_per_hour_usd"] * found["billed_hours"]
    # A batch may use spot nodes; how much time is left if they are taken back is said.
    assert any("are left until the deadline" in w for w in document["warnings"])


def test_targets_slow_a_batch_down(quotes, document):
    """With a target, replicas admit less than at saturation."""
    tight = Workload.parse({**CONTENT, "sla": {"tpot_ms": 25}})
    answer = plan(tight, quotes, explain=False, second_engine=False)
    assert answer.batch["cost_usd"] >= document["batch"]["cost_usd"]
    admits = {p["accelerator"]: p["admits_rps"]["labels"] for p in document["pools"]}
    for pool in answer.pools:
        if pool.accelerator in admits and "labels" in pool.admits_rps:
            assert pool.admits_rps["labels"] <= admits[pool.accelerator] * 1.0001


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d["batch"].update(cost_usd=1.0), "h cost $"),
        (lambda d: d["batch"].update(finish_h=0.1), "is done after"),
        (lambda d: d["batch"].update(hours=3.3), "is no duration"),
        (lambda d: d["batch"].update(gap=0.5), "the gap is"),
        (lambda d: d["batch"]["requests"].update(labels=1), "labels is not drained"),
        (lambda d: d.update(batch=None), "only a batch has hours and a total"),
    ],
)
def test_a_changed_figure_is_found(change, sentence, document, quotes):
    changed = copy.deepcopy(document)
    change(changed)
    assert any(sentence in failure for failure in checked(changed, quotes).failures)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"batch": None}, "requests and tokens are for a batch"),
        ({"batch": {}}, "batch.deadline_h is missing"),
        ({"batch": {"deadline_h": 300}}, "300 billing steps until the deadline are more than 200"),
        ({"batch": {"deadline_h": 1, "startup_h": 1}}, "startup_h leaves no time"),
        ({"batch": {"deadline": 1}}, "unknown key 'batch.deadline'; did you mean 'deadline_h'?"),
        ({"hardware": {"pricing": ["committed"]}}, "leave committed out"),
        ({"objective": "energy"}, "a batch is drained at least cost"),
        ({"classes": [{"name": "a", "tokens": 5, "isl": 5}]}, "classes.a.tokens needs osl"),
        (
            {"classes": [{"name": "a", "tokens": 5, "requests": 5, "isl": 5, "osl": 5}]},
            "either requests or tokens, not both",
        ),
        ({"classes": [{"name": "a", "rate_rps": 5}]}, "not a rate alone"),
    ],
)
def test_wrong_batches_are_named(change, sentence):
    with pytest.raises(WorkloadError) as error:
        Workload.parse({**CONTENT, **change})
    assert sentence in str(error.value)


def test_a_batch_is_not_simulated(quotes):
    with pytest.raises(WorkloadError, match="plan it without --simulate"):
        plan(Workload.parse(CONTENT), quotes, simulate=True)


def test_the_command_says_what_it_costs_in_all(tmp_path):
    (tmp_path / "batch.json").write_text(json.dumps(CONTENT))
    offers = write_table(tmp_path / "offers.csv", rows())
    arguments = ["plan", str(tmp_path / "batch.json"), "--offers", str(offers)]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
    words = " ".join(answer.output.split())
    assert "in all" in words
    assert "500,000 requests drained in" in words
    assert "Proven: no fleet drains it for less, however many hours it takes." in words
