"""``minfleet replan``: what people read, the document, files, memory, exit statuses, bad input."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from api.schemas.base import undeclared_fields
from api.schemas.decision import DecisionDocument
from api.schemas.export import json_schema

HEAD = (
    "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,"
    "observed_at,source\n"
)
WORKLOAD = """\
model: m
classes: [{name: chat, rate_rps: 20}]
hardware: {pricing: [on_demand, spot]}
"""
AT = ("--at", "2026-07-15T12:00:00Z")


def offers(**prices: float) -> str:
    """Return offers of single accelerators as CSV: fast ones have an H100, slow ones an L40S."""
    chips = {"fast": "h100_sxm", "slow": "l40s", "spot": "l40s"}
    pricing = {"spot": "spot"}
    return HEAD + "".join(
        f"{name},acme,eu,{chips[name]},1,{price},{pricing.get(name, 'on_demand')},2026-07-01,us\n"
        for name, price in prices.items()
    )


@pytest.fixture
def scene(invoke, tmp_path):
    """A folder with a workload, measured capacities, and the plan of 2 × fast that runs."""
    (tmp_path / "w.yaml").write_text(WORKLOAD)
    (tmp_path / "measured.csv").write_text(
        "accelerator,class,capacity_rps\nh100_sxm,chat,10\nl40s,chat,4\n"
    )
    (tmp_path / "before.csv").write_text(offers(fast=2))
    plan = (
        tmp_path / "w.yaml",
        "--offers",
        tmp_path / "before.csv",
        "--out",
        tmp_path / "now.json",
    )
    done = invoke("plan", *plan, "--measured", tmp_path / "measured.csv", "--no-second-engine")
    assert done.exit_code == 0, done.output

    def run(today: str, *options, status: int = 0):
        (tmp_path / "today.csv").write_text(today)
        result = invoke(
            "replan",
            tmp_path / "w.yaml",
            *("--current", tmp_path / "now.json", "--offers", tmp_path / "today.csv"),
            *("--measured", tmp_path / "measured.csv", *AT, *options),
        )
        assert result.exit_code == status, result.output
        return result

    return run


def test_people_read_the_outcome_first_and_why(scene):
    told = scene(offers(fast=2, slow=0.35)).stdout
    assert told.startswith("Switch: $4.00 → $1.75 an hour, saves $2.25 (56.2%)\n")
    words = " ".join(told.split())
    assert "- Every rule of the policy passes." in words
    assert "min_saving_pct 56.25 ≥ 10 percent passed" in words
    assert (
        "$14.00 once: $4.00 for nodes that leave while both fleets run, $10.00 for 2 changed"
        in (words)
    )
    assert "5. carries 100% of the load, $1.75 an hour ($3.75 while both run)" in words
    assert "any fleet, its change included optimal, $2.33 found" in words
    kept = scene(offers(fast=2, slow=0.7)).stdout
    assert kept.startswith("Keep: $4.00 an hour\n")
    assert "Steps" not in kept


@pytest.mark.parametrize(
    ("today", "outcome"),
    [
        (offers(fast=2, slow=0.7), "keep"),
        (offers(fast=2, slow=0.55), "keep"),
        (offers(fast=2, slow=0.35), "switch"),
        (offers(fast=2, spot=0.35), "keep"),
        (offers(slow=0.9), "must_switch"),
        (offers(fast=9, slow=0.9), "must_switch"),
    ],
)
def test_the_document_is_what_its_schema_says(scene, tmp_path, today, outcome):
    document = json.loads(scene(today, "--json", "--out", tmp_path / "d.json").stdout)
    assert document["outcome"] == outcome
    assert json.loads((tmp_path / "d.json").read_text("utf-8")) == document
    schema = Draft202012Validator(json_schema("decision"))
    assert [f"{e.json_path}: {e.message}" for e in schema.iter_errors(document)] == []
    assert list(undeclared_fields(DecisionDocument.model_validate(document))) == []


def test_the_proposed_plan_runs_next_and_memory_is_kept(scene, invoke, tmp_path):
    today, memory = offers(fast=2, spot=0.35), tmp_path / "memory.json"
    options = ("--memory", memory, "--proposed", tmp_path / "next.json")
    assert scene(today, *options).stdout.startswith("Keep")
    assert json.loads(memory.read_text("utf-8"))["confirmations"] == 1
    assert not (tmp_path / "next.json").exists()
    assert scene(today, *options).stdout.startswith("Switch")
    assert json.loads(memory.read_text("utf-8"))["confirmations"] == 2
    check = ("--offers", tmp_path / "today.csv", "--measured", tmp_path / "measured.csv")
    assert invoke("verify", tmp_path / "next.json", *check).exit_code == 0
    kept = scene(today, "--current", tmp_path / "next.json").stdout
    assert kept.startswith("Keep: $1.75 an hour\n")


def test_a_policy_is_read(scene, tmp_path):
    (tmp_path / "policy.yaml").write_text("min_disruption_score: 0.3\n")
    told = scene(offers(fast=2, slow=0.55), "--policy", tmp_path / "policy.yaml").stdout
    assert told.startswith("Switch: $4.00 → $2.75 an hour")


def test_where_no_fleet_is_left_the_status_says_so(scene, tmp_path):
    (tmp_path / "w.yaml").write_text(WORKLOAD.replace("spot]", "spot], max_gpus: 1"))
    told = scene(offers(fast=2, slow=0.7), status=1).stdout
    assert told.startswith("Must switch: there is no fleet to switch to\n")
    assert "proven infeasible" in " ".join(told.split())


@pytest.mark.parametrize(
    ("files", "options", "sentence"),
    [
        ({"p.yaml": "payback: 3\n"}, ("--policy", "p.yaml"), "unknown key 'payback'"),
        ({"m.json": "{"}, ("--memory", "m.json"), "not valid JSON"),
        ({"m.json": "{}"}, ("--memory", "m.json"), "is not a memory of decisions"),
        ({}, ("--at", "noon"), "--at: 'noon' is no moment"),
        ({}, ("--current", "gone.json"), "gone.json"),
        ({"c.json": "{}"}, ("--current", "c.json"), "is not a plan document"),
        ({}, ("--out", "no/such.json"), "there is no folder"),
    ],
)
def test_bad_input_is_one_sentence(scene, tmp_path, files, options, sentence):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    given = [tmp_path / o if o in files or o.endswith(".json") else o for o in options]
    result = scene(offers(fast=2), *given, status=2)
    assert sentence in result.stderr
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
