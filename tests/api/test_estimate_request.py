"""What the service may be asked to estimate is what the command line may be asked."""

from __future__ import annotations

import dataclasses
import json
import re

import click
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from api.commands.estimate import estimate
from api.schemas.estimate_request import EstimateRequest
from solver.estimate import Request

LEAST = {"model": "llama-3.1-8b-instruct", "accelerator": "h100_sxm"}

SCHEMA = EstimateRequest.model_json_schema()

OPTIONS = {p.name: p for p in estimate.params if p.name not in ("as_json", "coefficients")}


def number(name: str) -> dict:
    """Return the JSON schema of a field; of one that may be null, that of its number."""
    field = SCHEMA["properties"][name]
    return {**field, **field.get("anyOf", [{}])[0]}


def test_fields_and_defaults_are_those_of_the_estimate():
    ours = {f.name: f.default for f in dataclasses.fields(Request) if f.name != "coefficients"}
    fields = EstimateRequest.model_fields
    assert list(fields) == list(ours)
    assert {n for n, f in fields.items() if f.is_required()} == set(LEAST)
    for name, field in fields.items():
        assert field.is_required() or field.default == ours[name], name


def test_every_option_is_a_field():
    assert set(OPTIONS) == set(EstimateRequest.model_fields)


@pytest.mark.parametrize("name", [n for n, o in OPTIONS.items() if isinstance(o, click.Option)])
def test_bounds_choices_and_help_are_those_of_the_option(name):
    option, field = OPTIONS[name], number(name)
    if isinstance(option.type, click.Choice):
        assert field["enum"] == list(option.type.choices)
    if isinstance(option.type, (click.IntRange, click.FloatRange)):
        low = "exclusiveMinimum" if option.type.min_open else "minimum"
        assert field.get(low) == option.type.min
        assert field.get("maximum") == option.type.max
        assert field["type"] == ("integer" if isinstance(option.type, click.IntRange) else "number")
    said = re.sub(r" \(ms\)", "", option.help).removesuffix(".")
    assert field["description"].startswith(said)


@pytest.mark.parametrize(
    "change",
    [
        {"tp": 0},
        {"tp": "2"},
        {"tp": 1.5},
        {"isl": True},
        {"isl": 2e7},
        {"weights": "fp16"},
        {"prefix_hit": 1},
        {"max_utilization": 0},
        {"percentile": None},
        {"model": None},
        {"coefficients": "/etc/passwd"},
        {"tensor_parallel": 2},
    ],
    ids=json.dumps,
)
def test_what_the_schema_refuses_the_model_refuses(change):
    check = Draft202012Validator(SCHEMA)
    assert check.is_valid(LEAST)
    assert EstimateRequest.model_validate(LEAST).tp == 1
    assert not check.is_valid({**LEAST, **change})
    with pytest.raises(ValidationError):
        EstimateRequest.model_validate({**LEAST, **change})


@pytest.mark.parametrize(
    "change",
    [{"isl": 100}, {"ttft_ms": None}, {"model": {"config": {"hidden_size": 1}, "name": "own"}}],
    ids=json.dumps,
)
def test_what_the_schema_accepts_the_model_accepts(change):
    assert Draft202012Validator(SCHEMA).is_valid({**LEAST, **change})
    EstimateRequest.model_validate({**LEAST, **change})
