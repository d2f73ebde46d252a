"""docs/workload.md names every field of the workload file, with its default."""

from __future__ import annotations

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from solver.aim import GridFactorsSpec, ObjectiveSpec
from solver.batch_spec import Batch
from solver.demand_spec import DemandSpec
from solver.workload import (
    ClassSpec,
    Hardware,
    LengthSpec,
    PrecisionSpec,
    Serving,
    Sla,
    SlaOverride,
    Workload,
)

BLOCKS: dict[str, type[BaseModel]] = {
    "": Workload,
    "classes[].": ClassSpec,
    "classes[].isl.": LengthSpec,
    "classes[].sla.": SlaOverride,
    "sla.": Sla,
    "hardware.": Hardware,
    "precision.": PrecisionSpec,
    "serving.": Serving,
    "batch.": Batch,
    "demand.": DemandSpec,
    "objective.": ObjectiveSpec,
    "objective.grid_gco2e_per_kwh.": GridFactorsSpec,
}


def written(field: FieldInfo) -> str:
    """Return a default as the page writes it."""
    value = field.default
    if field.is_required():
        return "required"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, dict):
        return "`{}`"
    if value is None:
        return "`null`"
    if isinstance(value, list):
        return f"`[{', '.join(value)}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def fields() -> dict[str, str]:
    return {
        prefix + (field.alias or name): written(field)
        for prefix, block in BLOCKS.items()
        for name, field in block.model_fields.items()
    }


def test_every_field_is_documented_and_no_other(page, field_rows):
    assert set(field_rows(page("workload.md"))) == set(fields())


def test_defaults_are_those_of_the_code(page, field_rows):
    documented = field_rows(page("workload.md"))
    assert {name: cells[1] for name, cells in documented.items()} == fields()


def test_every_field_says_what_it_means(page, field_rows):
    assert all(cells[2] for cells in field_rows(page("workload.md")).values())


def test_the_first_example_is_the_shipped_one(page, root):
    text = page("workload.md")
    example = text.split("```yaml\n")[1].split("```")[0]
    loaded = Workload.parse(yaml.safe_load(example))
    assert loaded.to_dict() == Workload.load(root / "examples" / "chat-70b.yaml").to_dict()
