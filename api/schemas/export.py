"""JSON schemas (draft 2020-12) of the workload and of every document that is returned.

`docs/schemas/` holds them as files; ``make schemas`` writes these.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from api.schemas.comparison import ComparisonDocument
from api.schemas.decision import DecisionDocument
from api.schemas.difference import DifferenceDocument
from api.schemas.estimate import EstimateDocument
from api.schemas.explanation import ExplanationDocument
from api.schemas.frontier import FrontierDocument
from api.schemas.notices import EventDocument
from api.schemas.plan import PlanDocument
from api.schemas.registered import RegisteredDocument
from api.schemas.replay import ReplayDocument
from api.schemas.simulation import SimulationDocument
from api.schemas.sweep import SweepDocument
from solver.blocks import UNIT
from solver.replan.policy import Policy
from solver.workload import Workload

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MODELS: Mapping[str, type[BaseModel]] = {
    "workload": Workload,
    "plan": PlanDocument,
    "comparison": ComparisonDocument,
    "frontier": FrontierDocument,
    "sweep": SweepDocument,
    "estimate": EstimateDocument,
    "simulation": SimulationDocument,
    "explanation": ExplanationDocument,
    "difference": DifferenceDocument,
    "event": EventDocument,
    "policy": Policy,
    "decision": DecisionDocument,
    "registered": RegisteredDocument,
    "replay": ReplayDocument,
}
"""Name of each schema → the model that it is made from."""

VERSION = "v1"


def json_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a document: ``workload``, ``plan``, ….

    Its ``$id`` is ``urn:minfleet:NAME:v1``. Each description ends in the field's unit, which stands
    under ``x-unit``, too.
    """
    schema = bare_schema(name)
    say_units(_models(schema))
    head = {
        "$schema": DIALECT,
        "$id": f"urn:minfleet:{name}:{VERSION}",
        "title": f"minfleet {name}, {VERSION}",
        "description": schema["description"],
    }
    return head | {k: v for k, v in schema.items() if k not in head}


def bare_schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of a document with descriptions as the model has them."""
    schema = MODELS[name].model_json_schema()
    for owner in _models(schema):
        owner["description"] = _one_line(owner["description"])
        for field in owner["properties"].values():
            field.pop("title", None)  # pydantic repeats the name there
            text = field.get("description") or referred(schema, field)["description"]
            field["description"] = _one_line(text)
    return schema


def referred(schema: Mapping[str, Any], field: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the definition that a field refers to; the field itself if to none."""
    name = str(field.get("$ref", "")).removeprefix("#/$defs/")
    found: Mapping[str, Any] = schema["$defs"][name] if name else field
    return found


def say_units(definitions: Iterable[dict[str, Any]]) -> None:
    """Append to the description of each field its unit, which a reader may not see otherwise.

    Parameters
    ----------
    definitions
        JSON schemas of models: those of ``$defs``, or of the ``components`` of an OpenAPI document.
    """
    for owner in definitions:
        for field in owner.get("properties", {}).values():
            found, text = unit_of(field), field.get("description")
            if found and text and not text.endswith(_unit_sentence(found)):
                field["description"] = text + _unit_sentence(found)


def _unit_sentence(unit: str) -> str:
    return f" Unit: {unit}."


def unit_of(field: Mapping[str, Any]) -> str:
    """Return the unit of a field in a JSON schema: its own, or that of its items or branches."""
    if UNIT in field:
        return str(field[UNIT])
    within = [*field.get("anyOf", ()), field.get("items"), field.get("additionalProperties")]
    return next((unit_of(w) for w in within if isinstance(w, Mapping) and unit_of(w)), "")


def written(schema: Mapping[str, Any]) -> str:
    """Return a JSON schema as the text of its file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _models(schema: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the schema itself and its definitions, those that have fields."""
    for owner in (schema, *schema.get("$defs", {}).values()):
        if "properties" in owner:
            yield owner


def _one_line(text: str) -> str:
    return " ".join(text.split())
