"""docs/plan.md names every field of a plan document, and no other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

NAMED = {
    "pools[].serves": "class",
    "pools[].admits_rps": "class",
    "pools[].predicted.classes": "class",
    "assumptions.weight_formats": "model",
    "load.served_rps": "class",
    "load.asked_rps": "class",
    "batch.requests": "class",
}
"""Mappings whose keys are names of the workload."""

WHOLE = (
    "assumptions.sla",
    "assumptions.hardware",
    "assumptions.precision",
    "assumptions.serving",
    "workload",
    "simulation.classes[].ttft_ms",
    "simulation.classes[].tpot_ms",
    "simulation.classes[].e2e_ms",
    "binding[].from",
    "binding[].to",
    "infeasibility.conflicts[].value",
    "infeasibility.relaxations[].from",
    "infeasibility.relaxations[].to",
    "schedule.periods[].pools[]",
    "schedule.periods[].classes[]",
)
"""Values that are documented elsewhere, or are whatever a field of the workload is."""

ONLY_STORED = {"id", "created_at"}
"""Fields that only the service adds."""


@pytest.fixture(scope="module")
def documents(plan_documents) -> list[dict[str, Any]]:
    assert {d["status"] for d in plan_documents.values()} == {"optimal", "infeasible"}
    return list(plan_documents.values())


def paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every leaf, names of the workload replaced by what they are."""
    if path in WHOLE or not isinstance(value, (Mapping, list)):
        yield path
    elif isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[]")
    else:
        for key, item in value.items():
            name = f"{{{NAMED[path]}}}" if path in NAMED else key
            yield from paths(item, f"{path}.{name}" if path else name)


def nodes(path: str) -> Iterator[str]:
    """Yield a path and everything above it."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        yield ".".join(parts[:end])


def test_every_field_is_documented(documents, page, field_rows):
    documented = set(field_rows(page("plan.md")))
    found = {path for document in documents for path in paths(document)}
    assert sorted(found - documented) == []


def test_every_documented_field_exists(documents, page, field_rows):
    found = {n for document in documents for path in paths(document) for n in nodes(path)}
    empty = {"certificate.check.failures[]", "warnings[]"}
    assert sorted(set(field_rows(page("plan.md"))) - found - empty - ONLY_STORED) == []


def test_tables_are_in_the_order_of_the_document(documents, page, field_rows):
    documented = list(field_rows(page("plan.md")))
    pool = [p for p in documented if p.startswith("pools[].") and p.count(".") == 1]
    first = [p.split(".")[1].split(".")[0] for p in pool]
    keys = [k for k in documents[0]["pools"][0] if k not in ("serves", "admits_rps")]
    assert [f.removesuffix("[]") for f in first if "{" not in f] == keys
