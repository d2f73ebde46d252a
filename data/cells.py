"""Values as the cells of a table: those of YAML and JSON, and the fields of records."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

STEPS = "price_steps"
"""The column that takes a mapping, or a list of mappings with the keys `STEP_KEYS`."""

STEP_KEYS = ("from_nodes", "price")


def cell_from(value: Any, column: str) -> str:
    """Write a value of YAML or JSON as the CSV cell that means the same.

    Raises
    ------
    ValueError
        If the column takes no such value; the text says why.
    """
    if column == STEPS:
        return _steps(value)
    if isinstance(value, Mapping):
        raise ValueError("is a mapping; give one value.")
    if isinstance(value, list):
        if any(isinstance(v, (Mapping, list)) for v in value):
            raise ValueError("holds a list or a mapping in a list; give plain values.")
        return ";".join(_scalar(v) for v in value)
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    cell = "" if value is None else str(value).strip()
    return "" if cell in ("~", "null", "Null", "NULL") else cell


def _steps(value: Any) -> str:
    """Write steps given as text, as a mapping or as a list of mappings: ``8: 22.5; 32: 20``."""
    if isinstance(value, Mapping):
        # A mapping has no order of its own; tools sort it as text.
        steps = sorted(((_scalar(k), _scalar(v)) for k, v in value.items()), key=_number_first)
        return "; ".join(": ".join(step) for step in steps)
    if not isinstance(value, list):
        return _scalar(value)
    found = []
    for step in value:
        if not isinstance(step, Mapping) or {str(key) for key in step} != set(STEP_KEYS):
            raise ValueError(
                f"each step is a mapping of {' and '.join(STEP_KEYS)}, and nothing else."
            )
        found.append(": ".join(_scalar(step[key]) for key in STEP_KEYS))
    return "; ".join(found)


def _number_first(step: tuple[str, str]) -> tuple[bool, int]:
    return (False, int(step[0])) if step[0].isdecimal() else (True, 0)


def cell_of(value: Any) -> str:
    """Write a field of a record as the cell that reads back as the same, on one line."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ";".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else " ".join(str(value).splitlines())
