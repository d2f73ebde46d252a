"""What the blocks of a workload have in common: strict fields, and numbers with their unit."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

UNIT = "x-unit"
"""Key of a field's unit in its JSON schema."""


def _no_truth_value(value: object) -> object:
    """YAML reads yes, on and true as a truth value, which would count as the number 1."""
    if isinstance(value, bool):
        raise ValueError("should not be true or false")
    return value


Number = Annotated[float, BeforeValidator(_no_truth_value), Field(allow_inf_nan=False)]
"""A number also within lists and maps; truth values are none."""

Fraction = Annotated[Number, Field(json_schema_extra={UNIT: "fraction"})]


class Strict(BaseModel):
    """A block of the workload; the text below a field is its meaning in the JSON schema."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _truth_values_are_rare(cls, value: object, info: ValidationInfo) -> object:
        """Refuse truth values where none is meant, such as for whole numbers."""
        return value if info.field_name == "disaggregation" else _no_truth_value(value)
