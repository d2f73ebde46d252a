"""What the blocks of a workload have in common: strict fields, and numbers with their unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

UNIT = "x-unit"
"""Key of a field's unit in its JSON schema."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Fraction = Annotated[Number, Field(json_schema_extra={UNIT: "fraction"})]


class Strict(BaseModel):
    """A block of the workload; the text below a field is its meaning in the JSON schema."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, use_attribute_docstrings=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value(cls, value: object, info: ValidationInfo) -> object:
        """YAML reads yes, on and true as a truth value, which would count as the number 1."""
        if isinstance(value, bool) and info.field_name != "disaggregation":
            raise ValueError("should not be true or false")
        return value


def refuse_truth_values(values: object) -> object:
    """Refuse truth values among the numbers of a list or a map, as a validator of such a field."""
    inner = values.values() if isinstance(values, Mapping) else values
    if isinstance(inner, Iterable) and any(isinstance(value, bool) for value in inner):
        raise ValueError("should have no true or false among its numbers")
    return values
