"""JSON schemas: current, valid, true to the contracts, and true of every document returned."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from api.schemas.base import Document, undeclared_fields
from api.schemas.export import MODELS, json_schema, referred, unit_of, written
from data.errors import InputError
from data.tables import parse_yaml
from solver.workload import Workload

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schemas"
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))

WORKLOAD_CONTRACT = """
schema model classes sla hardware precision serving trace
classes[].name classes[].rate_rps classes[].isl classes[].isl.mean classes[].isl.p95 classes[].osl
classes[].model classes[].sla classes[].sla.ttft_ms
sla.ttft_ms sla.tpot_ms sla.e2e_ms sla.percentile
hardware.accelerators hardware.providers hardware.regions hardware.pricing hardware.max_gpus
hardware.max_cost_per_hour_usd hardware.spare_replicas
precision.weights precision.kv precision.max_quality_loss_pct
serving.engine serving.disaggregation serving.chunk_tokens serving.prefix_cache_hit_rate
serving.max_utilization
"""

PLAN_CONTRACT = """
schema status cost_per_hour_usd cost_per_month_usd cost_per_million_output_tokens_usd gpus
pools[].name pools[].role pools[].model pools[].accelerator pools[].offer_id pools[].provider
pools[].region pools[].pricing pools[].engine pools[].weight_precision pools[].kv_precision
pools[].tp pools[].pp pools[].ep pools[].batch_cap pools[].replicas pools[].nodes pools[].gpus
pools[].cost_per_hour_usd pools[].serves.{class}
pools[].predicted.ttft_ms.p50 pools[].predicted.ttft_ms.p90 pools[].predicted.ttft_ms.p95
pools[].predicted.ttft_ms.p99 pools[].predicted.tpot_ms.p50 pools[].predicted.tpot_ms.p90
pools[].predicted.tpot_ms.p95 pools[].predicted.tpot_ms.p99
pools[].predicted.utilization pools[].predicted.kv_occupancy pools[].predicted.error_band_pct
purchases[].offer_id purchases[].nodes purchases[].price_per_node_hour_usd
purchases[].cost_per_hour_usd
certificate.engine certificate.objective certificate.bound certificate.gap certificate.wall_s
certificate.check.passed certificate.check.rows_checked
certificate.second_engine.engine certificate.second_engine.objective
certificate.second_engine.bound certificate.second_engine.agrees
search.candidates_considered search.candidates_feasible search.candidates_undominated
search.seconds binding[] infeasibility.conflicts[]
infeasibility.relaxations[].field infeasibility.relaxations[].from
infeasibility.relaxations[].to infeasibility.relaxations[].cost_per_hour_usd
alternatives[] catalog.id catalog.observed_at assumptions warnings[]
"""
"""The contract, copied by hand; fields may be added, none renamed."""

UNITS = {
    "_ms": "ms",
    "_s": "s",
    "_rps": "requests/s",
    "_usd": "USD",
    "_per_hour_usd": "USD/h",
    "_usd_per_hour": "USD/h",
    "_node_hour_usd": "USD/h",
    "_usd_per_node_hour": "USD/h",
    "_kw": "kW",
    "_output_tokens_usd": "USD per million tokens",
    "_million_tokens_usd": "USD per million tokens",
    "cost_by_formulas_usd": "USD/h",
    "bound_by_formulas_usd": "USD/h",
    "_pct": "percent",
    "_gbps": "Gbit/s",
    "_tokens": "tokens",
    "_tokens_per_s": "tokens/s",
    "_bytes_per_s": "bytes/s",
    "_per_wall_s": "requests/s",
    "_months": "months",
}
"""End of a name → the unit it stands for; the longest end decides."""


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json_schema(name))


def complaints(name: str, document: Mapping[str, Any]) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in validator(name).iter_errors(document)]


def owners(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the definitions of a schema that have fields, itself first."""
    everything = {schema["title"]: schema, **schema.get("$defs", {})}
    yield from ((name, owner) for name, owner in everything.items() if "properties" in owner)


@pytest.mark.parametrize("name", MODELS)
def test_files_are_current(name):
    path = FOLDER / f"{name}.schema.json"
    assert path.exists(), "run 'make schemas'"
    assert path.read_text("utf-8") == written(json_schema(name)), "run 'make schemas'"


def test_no_other_file_is_there():
    assert {p.name for p in FOLDER.iterdir()} == {f"{name}.schema.json" for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_each_is_a_valid_schema_that_says_what_it_is(name):
    schema = json_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:minfleet:{name}:v1"
    assert schema["title"]
    assert schema["properties"]["schema"]["const"] == f"minfleet/{name}/v1"


@pytest.mark.parametrize("name", MODELS)
def test_every_field_says_what_it_means_and_its_unit(name):
    for owner, definition in owners(json_schema(name)):
        assert definition["description"].endswith("."), owner
        for field, said in definition["properties"].items():
            place = f"{owner}.{field}"
            assert said["description"].endswith("."), place
            ends = [end for end in UNITS if field.endswith(end)]
            if ends and holds_numbers(said):
                assert unit_of(said) == UNITS[max(ends, key=len)], place
            if unit_of(said):
                assert said["description"].endswith(f" Unit: {unit_of(said)}."), place


def test_units_are_said_once():
    from api.schemas.export import say_units

    schema = json_schema("plan")
    before = deepcopy(schema)
    say_units(schema["$defs"].values())
    assert schema == before


def holds_numbers(field: Mapping[str, Any]) -> bool:
    """Whether a field, or one of its branches, is a number."""
    return any(b.get("type") in ("number", "integer") for b in (field, *field.get("anyOf", ())))


def test_only_what_users_write_refuses_fields_that_it_does_not_know():
    """A document may gain fields; a workload or policy with an unknown key is a mistake."""
    ours = {
        name: {owner: d["additionalProperties"] for owner, d in owners(json_schema(name))}
        for name in MODELS
    }
    blocks = set(ours["workload"]) - {"minfleet workload, v1"} | {"Workload", "Policy"}
    assert not any(ours.pop("workload").values())
    assert not any(ours.pop("policy").values())
    for found in ours.values():
        assert {owner for owner, more in found.items() if not more} <= blocks


def holds(schema: Mapping[str, Any], path: str) -> bool:
    """Whether a document of the schema may hold a field at a path."""
    wanted = [part for name in path.split(".") for part in re.findall(r"\[\]|[^\[\]]+", name)]
    return _holds(schema, schema, wanted)


def _holds(schema: Mapping[str, Any], here: Mapping[str, Any], wanted: list[str]) -> bool:
    here = referred(schema, here)
    if "anyOf" in here:
        return any(_holds(schema, branch, wanted) for branch in here["anyOf"])
    if not wanted:
        return here.get("type") != "null"
    first, *rest = wanted
    if first == "[]":
        return "items" in here and _holds(schema, here["items"], rest)
    if first.startswith("{"):
        inner = here.get("additionalProperties")
        return isinstance(inner, dict) and _holds(schema, inner, rest)
    return first in here.get("properties", {}) and _holds(schema, here["properties"][first], rest)


@pytest.mark.parametrize(
    ("name", "contract"), [("workload", WORKLOAD_CONTRACT), ("plan", PLAN_CONTRACT)]
)
def test_the_contract_is_kept(name, contract):
    schema = json_schema(name)
    assert [path for path in contract.split() if not holds(schema, path)] == []
    assert not holds(schema, "pools[].predicted.nothing")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: str(p.relative_to(ROOT / "examples")))
def test_examples_are_workloads(path):
    content = parse_yaml(path.read_text("utf-8"), path.name)
    assert complaints("workload", content) == []


GOOD: dict[str, Any] = {
    "model": "m",
    "classes": [{"name": "a", "rate_rps": 1, "isl": {"mean": 10, "p95": 20}, "osl": 5}],
}


@pytest.mark.parametrize(
    "change",
    [
        {"clases": []},
        {"classes": []},
        {"classes": [{"name": "a"}]},
        {"classes": [{"name": "a", "rate_rps": 0}]},
        {"classes": [{"name": "a", "rate_rps": 1, "isl": {"p95": 3}}]},
        {"sla": {"percentile": 100}},
        {"sla": {"ttft_ms": True}},
        {"hardware": {"pricing": ["cheap"]}},
        {"precision": {"weights": []}},
        {"serving": {"disaggregation": "sometimes"}},
        {"serving": {"max_utilization": 0}},
        {"schema": "minfleet/workload/v2"},
        {"model": 7},
        {"trace": "requests.csv"},
    ],
    ids=json.dumps,
)
def test_what_the_planner_refuses_the_schema_of_the_workload_refuses(change):
    assert complaints("workload", GOOD) == []
    Workload.parse(GOOD)
    assert complaints("workload", {**GOOD, **change})
    with pytest.raises(InputError):
        Workload.parse({**GOOD, **change})


def test_a_trace_stands_in_for_classes():
    assert complaints("workload", {"model": "m", "trace": "requests.csv"}) == []
    assert complaints("workload", {"model": "m", "trace": None})
    assert complaints("workload", {"model": "m"})


def assert_documented(name: str, document: dict[str, Any]) -> None:
    """Hold a document against its schema and against the fields that its model declares."""
    assert complaints(name, document) == []
    model = MODELS[name].model_validate(document)
    assert isinstance(model, Document)
    assert list(undeclared_fields(model)) == []
    assert model.to_dict() == document


KINDS = (
    "aggregated",
    "prefill and decode",
    "not explained",
    "budget",
    "target",
    "targets of classes",
    "memory",
    "formats",
    "stock",
    "measured",
    "not measured",
    "least carbon",
    "most load",
    "batch",
    "day",
    "beside a running fleet",
    "simulated",
)


def test_plans_of_every_kind_are_tried(plan_documents):
    assert tuple(plan_documents) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_plans_are_what_their_schema_says(plan_documents, kind):
    assert_documented("plan", plan_documents[kind])
    stored = {**plan_documents[kind], "id": "p-1", "created_at": "2026-07-01T12:00:00Z"}
    assert_documented("plan", stored)


@pytest.mark.parametrize("kind", ["aggregated", "not explained", "target", "measured"])
def test_explanations_are_what_their_schema_says(plan_documents, kind):
    from api.schemas.explanation import explanation_of

    found = explanation_of("p-1", plan_documents[kind])
    assert_documented("explanation", found)
    assert found["plan_id"] == "p-1"
    assert found["why_not"] == plan_documents[kind]["why_not"]


def test_differences_are_what_their_schema_says(plan_documents):
    from api.difference_words import difference_document

    plans = list(plan_documents.values())
    for first, second in zip(plans, [*plans[1:], plans[0]], strict=True):
        found = json.loads(json.dumps(difference_document(first, second), allow_nan=False))
        assert_documented("difference", found)
        assert all(sentence.endswith(".") for sentence in found["words"])
        assert difference_document(first, first)["words"] == ["The plans are equal."]


@pytest.mark.parametrize(
    "given",
    [
        {"tp": 2, "weights": "fp8"},
        {"tp": 4, "role": "prefill", "network_gbps": 400},
        {"tp": 4, "role": "decode", "network_gbps": 400},
        {},
        {"tp": 2, "weights": "fp8", "rate_rps": 500},
        {"tp": 2, "weights": "fp8", "ttft_ms": 1},
        {"tp": 4, "ttft_ms": 1, "role": "decode", "network_gbps": 0.1},
        {"tp": 8, "model": "deepseek-v3", "ep": 8, "weights": "int4"},
        {"tp": 2, "pp": 3, "cross_node": True, "network_gbps": 100, "osl": 1},
    ],
    ids=str,
)
def test_estimates_are_what_their_schema_says(given):
    from api.schemas.estimate_request import EstimateRequest
    from solver.estimate import Request, estimate_replica

    wanted = {"model": "llama-3.1-70b-instruct", "accelerator": "h100_sxm", **given}
    request = EstimateRequest.model_validate(wanted)
    answer = estimate_replica(Request(**request.model_dump())).to_dict()  # type: ignore[arg-type]
    assert_documented("estimate", json.loads(json.dumps(answer, allow_nan=False)))


TRACE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(
    f"2023-11-16 18:15:{i // 2:02d}.{500 * (i % 2):03d},{100 + 50 * (i % 9)},{10 + 5 * (i % 5)}"
    for i in range(100)
)


@pytest.mark.parametrize("kind", ["aggregated", "prefill and decode", "trace"])
def test_simulations_are_what_their_schema_says(plan_documents, kind, tmp_path):
    from data.accelerators import shipped_accelerators
    from data.coefficients import shipped_coefficients
    from solver.simulate import LoadOptions, PlanSimulation
    from solver.simulation_document import simulation_document

    (tmp_path / "trace.csv").write_text(TRACE + "\n")
    traced = kind == "trace"
    plan = plan_documents["aggregated" if traced else kind]
    load = LoadOptions(trace=tmp_path / "trace.csv") if traced else LoadOptions(requests=300)
    prepared = PlanSimulation(
        plan,
        Workload.parse(plan["workload"]),
        shipped_accelerators(),
        shipped_coefficients(),
        load,
    )
    answer = simulation_document(prepared, *prepared.run())
    assert_documented("simulation", json.loads(json.dumps(answer, allow_nan=False)))


def test_a_field_that_no_model_declares_is_found(plan_documents):
    from api.schemas.plan import PlanDocument

    document = deepcopy(plan_documents["aggregated"])
    document["extra"] = 1
    document["pools"][0]["predicted"]["classes"]["chat"]["mood"] = "good"
    document["certificate"]["check"]["who"] = "me"
    model = PlanDocument.model_validate(document)
    assert sorted(undeclared_fields(model)) == [
        "certificate.check.who",
        "extra",
        "pools[0].predicted.classes.chat.mood",
    ]
    assert model.to_dict() == document
    assert complaints("plan", document) == []


def required_places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where a document holds a field that its model says is always there."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            below = (*path, field.alias or name)
            if field.is_required():
                yield below
            yield from required_places(getattr(value, name), below)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from required_places(item, (*path, number))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from required_places(item, (*path, key))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_document_without_a_required_field_is_none(plan_documents, data):
    from api.schemas.plan import PlanDocument

    kind = data.draw(st.sampled_from(["prefill and decode", "targets of classes", "simulated"]))
    places = list(required_places(PlanDocument.model_validate(plan_documents[kind])))
    *way, last = data.draw(st.sampled_from(places))
    document = deepcopy(plan_documents[kind])
    owner = document
    for part in way:
        owner = owner[part]
    del owner[last]
    assert not validator("plan").is_valid(document), (way, last)
    with pytest.raises(ValidationError):
        PlanDocument.model_validate(document)


def test_words_are_those_of_the_code():
    from api.schemas.words import Role, Router
    from data.accelerators import FORMATS
    from data.offers import PRICING
    from model.admission import ROLES
    from model.simulation.routing import ROUTERS
    from solver.workload import Pricing, WeightFormat

    assert get_args(Role) == ROLES
    assert get_args(Router) == ROUTERS
    assert get_args(Pricing) == PRICING
    assert get_args(WeightFormat) == FORMATS
