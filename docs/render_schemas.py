"""Writes docs/schemas/ and the tables of fields in the pages: plan.md, workload.md and others.

``make schemas`` runs it; run it after changing a field of the workload or of a document. Meanings
and units are those of the models in `solver/workload.py` and `api/schemas/`; a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from marked import rewrite  # noqa: E402

from api.schemas.export import (  # noqa: E402
    MODELS,
    bare_schema,
    json_schema,
    referred,
    unit_of,
    written,
)
from api.schemas.words import NAME  # noqa: E402

Schema = Mapping[str, Any]

FOLDER = HERE / "schemas"

ELSEWHERE = {
    "Workload",
    "Sla",
    "Hardware",
    "PrecisionSpec",
    "Serving",
    "ObjectiveSpec",
    "BesideTarget",
    "LatencyPercentiles",
    "SpreadBeside",
}
"""Definitions whose fields are not listed: those of workload.md, or what their owner's row says."""

OF_COMPARISONS = {"FleetAlone", "AlternativePool", "CatalogUsed"}
"""Definitions that comparison.md lists once, or plan.md does."""

OF_POINTS = {"AlternativePool", "CatalogUsed"}
"""Definitions that plan.md lists for frontiers and sweeps."""

OF_SWEEPS = OF_POINTS | {"PointFleet"}
"""The same, and the workload as it is, whose fields are those of a row."""

OF_DECISIONS = {"PlanDocument", "Policy"}
"""Definitions that plan.md lists for decisions, or the table of the policy does."""

OF_REPLAYS = OF_DECISIONS | {"ChangeCost", "EvaluatedRule", "Saving", "OtherCourse"}
"""Those, what replanning.md lists of decisions, and fields that are those of another course."""

OF_PLANS = {"BindingLimit", "LeftOut", "Alternative", "Infeasibility", "ReplicaPrediction"}
"""Definitions that plan.md lists for other documents, too."""

PLAN_TABLES: Mapping[str, tuple[str, ...]] = {
    "answer": (
        "schema",
        "id",
        "created_at",
        "status",
        "cost_per_hour_usd",
        "cost_per_month_usd",
        "cost_per_million_output_tokens_usd",
        "gpus",
        "gpus_idle",
        "objective",
        "objective.",
        "power_kw",
        "energy_kwh_per_hour",
        "carbon_kg_per_hour",
    ),
    "pools": ("pools[].",),
    "predicted": ("pools[].predicted", "pools[].predicted."),
    "purchases": ("purchases[].",),
    "classes": ("classes[].",),
    "certificate": ("certificate.",),
    "search": ("search.",),
    "binding": ("binding[].",),
    "why_not": ("why_not[].",),
    "alternatives": ("alternatives[].",),
    "simulation": ("simulation", "simulation."),
    "load": ("load", "load."),
    "batch": ("batch", "batch."),
    "schedule": ("schedule", "schedule."),
    "change": ("change", "change."),
    "infeasibility": ("infeasibility", "infeasibility."),
    "basis": ("catalog.", "assumptions.", "warnings[]", "workload"),
}
"""Table of plan.md → paths of its fields; with a dot at the end, all fields below. The longest one
decides."""

LISTED_ONCE = ("schedule.periods[].pools[].", "schedule.periods[].classes[].")
"""Fields that are those of `pools` and `classes`, which have tables of their own."""

WORKLOAD_TABLES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "workload": (("Workload", ""),),
    "class": (("ClassSpec", "classes[]."),),
    "length": (("LengthSpec", "classes[].isl."),),
    "sla": (("Sla", "sla."), ("SlaOverride", "classes[].sla.")),
    "hardware": (("Hardware", "hardware."),),
    "precision": (("PrecisionSpec", "precision."),),
    "serving": (("Serving", "serving."),),
    "batch": (("Batch", "batch."),),
    "demand": (("DemandSpec", "demand."),),
    "objective": (
        ("ObjectiveSpec", "objective."),
        ("GridFactorsSpec", "objective.grid_gco2e_per_kwh."),
    ),
}
"""Table of workload.md → definitions and where in a workload they stand."""


class Row(NamedTuple):
    """A field of a document: its path, as the pages write it, its unit and its meaning."""

    path: str
    unit: str
    meaning: str


def field_rows(schema: Schema, elsewhere: Set[str] = frozenset()) -> list[Row]:
    """Return every field of a document, in its order, each before what is in it.

    Parameters
    ----------
    elsewhere
        Definitions besides `ELSEWHERE` whose fields another page lists.
    """
    return list(_below(schema, schema, "", ELSEWHERE | elsewhere))


def _below(schema: Schema, owner: Schema, prefix: str, elsewhere: Set[str]) -> Iterator[Row]:
    for name, field in owner["properties"].items():
        path, inner = _inner(field, prefix + name)
        yield Row(path, unit_of(field), field["description"])
        if inner.get("$ref", "").removeprefix("#/$defs/") not in elsewhere:
            found = referred(schema, inner)
            if "properties" in found:
                yield from _below(schema, found, f"{path}.", elsewhere)


def _inner(field: Schema, path: str) -> tuple[str, Schema]:
    """Return what a field holds within lists, mappings and null, and the path to it."""
    branches = [b for b in field.get("anyOf", ()) if b != {"type": "null"}]
    if len(branches) == 1:
        return _inner(branches[0], path)
    if "items" in field:
        return _inner(field["items"], f"{path}[]")
    if NAME in field.get("propertyNames", {}):
        return _inner(field["additionalProperties"], f"{path}.{{{field['propertyNames'][NAME]}}}")
    return path, field


def table(rows: Iterable[Row]) -> str:
    """Return fields as a Markdown table."""
    lines = ["| field | unit | meaning |", "| --- | --- | --- |"]
    return "\n".join(lines + [_line(f"`{r.path}`", r.unit, r.meaning) for r in rows])


def plan_tables() -> dict[str, str]:
    """Return the tables of plan.md by name."""
    found: dict[str, list[Row]] = {name: [] for name in PLAN_TABLES}
    for row in field_rows(bare_schema("plan")):
        if row.path.startswith(LISTED_ONCE):
            continue
        fitting = [
            (len(root), name)
            for name, roots in PLAN_TABLES.items()
            for root in roots
            if row.path == root or (root.endswith(".") and row.path.startswith(root))
        ]
        if fitting:
            found[max(fitting)[1]].append(row)
    return {name: table(rows) for name, rows in found.items()}


def workload_tables() -> dict[str, str]:
    """Return the tables of workload.md by name; they have a column of defaults."""
    schema = bare_schema("workload")
    owners = {"Workload": schema, **schema["$defs"]}
    found = {}
    for name, parts in WORKLOAD_TABLES.items():
        lines = ["| field | unit | default | meaning |", "| --- | --- | --- | --- |"]
        for model, prefix in parts:
            for key, field in owners[model]["properties"].items():
                path, unit, meaning = f"`{prefix}{key}`", unit_of(field), field["description"]
                lines.append(_line(path, unit, _default(field), meaning))
        found[name] = "\n".join(lines)
    return found


def policy_table() -> str:
    """Return the fields of a policy with their defaults, as Markdown."""
    lines = ["| field | unit | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in bare_schema("policy")["properties"].items():
        lines.append(_line(f"`{key}`", unit_of(field), _default(field), field["description"]))
    return "\n".join(lines)


def _default(field: Schema) -> str:
    if "default" not in field:
        return "required"
    value = field["default"]
    if isinstance(value, dict):
        return "see below" if value else "`{}`"
    if value is None:
        return "`null`"
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def pages() -> dict[str, dict[str, str]]:
    """Return the generated parts of each page: page → name → Markdown."""
    return {
        "plan.md": plan_tables(),
        "workload.md": workload_tables(),
        "comparison.md": {"document": table(field_rows(bare_schema("comparison"), OF_COMPARISONS))},
        "frontiers.md": {
            "frontier": table(field_rows(bare_schema("frontier"), OF_POINTS)),
            "sweep-document": table(field_rows(bare_schema("sweep"), OF_SWEEPS)),
        },
        "notifications.md": {
            "event": table(field_rows(bare_schema("event"), {"DifferenceDocument"})),
        },
        "registered-workloads.md": {
            "registered": table(field_rows(bare_schema("registered"))),
        },
        "replanning.md": {
            "policy": policy_table(),
            "decision": table(field_rows(bare_schema("decision"), OF_DECISIONS)),
        },
        "replay.md": {"replay": table(field_rows(bare_schema("replay"), OF_REPLAYS))},
        "simulation.md": {"document": table(field_rows(bare_schema("simulation")))},
        "schemas.md": {
            name: table(field_rows(bare_schema(name), OF_PLANS))
            for name in ("estimate", "explanation", "difference")
        },
    }


def schema_files() -> dict[Path, str]:
    """Return every file of docs/schemas/ with its text."""
    return {FOLDER / f"{name}.schema.json": written(json_schema(name)) for name in MODELS}


def _line(*cells: str) -> str:
    """Return a row of a Markdown table."""
    escaped = (cell.replace("|", "\\|") for cell in cells)
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in escaped)}|"


def write() -> None:
    """Write the schemas and the tables of all pages."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in schema_files().items():
        path.write_text(text, "utf-8")
    for page, parts in pages().items():
        rewrite(HERE / page, parts)


if __name__ == "__main__":
    write()
