"""What every returned document has in common: open to new fields, each field explained.

A document may gain fields within v1, so neither the models nor their JSON schemas refuse what they
do not know; `undeclared_fields` finds it, so that nothing undocumented is returned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


def _may_be_left_out(schema: dict[str, Any]) -> None:
    """Say in a JSON schema that a field is left out where it does not apply, never null."""
    schema.pop("default", None)
    branches = [branch for branch in schema.pop("anyOf") if branch != {"type": "null"}]
    schema.update(branches[0] if len(branches) == 1 else {"anyOf": branches})


Omittable = Annotated[T | None, Field(json_schema_extra=_may_be_left_out)]
"""A field that is left out where it does not apply; its default is None."""


class Document(BaseModel):
    """A part of a returned document. The text below a field is its meaning in the JSON schema.

    Fields that Python has another use for end in an underscore: `schema_`, `from_`, `class_`.
    """

    model_config = ConfigDict(
        extra="allow",
        allow_inf_nan=False,
        alias_generator=lambda name: name.removesuffix("_"),
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    def to_dict(self) -> dict[str, Any]:
        """Return the document as it was given, ready for JSON; nothing left out is filled in."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def undeclared_fields(document: Document) -> Iterator[str]:
    """Yield the path of every field that a document holds and its model does not declare."""
    yield from document.model_extra or {}
    for name in type(document).model_fields:
        yield from _undeclared_below(getattr(document, name), name.removesuffix("_"))


def _undeclared_below(value: object, path: str) -> Iterator[str]:
    if isinstance(value, Document):
        yield from (f"{path}.{below}" for below in undeclared_fields(value))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _undeclared_below(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _undeclared_below(item, f"{path}.{key}")
