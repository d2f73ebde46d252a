"""What a sweep varies: names and values, as they are written on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.errors import InputError
from solver.sweep.changes import (
    TARGETS,
    Value,
    field_of,
    is_factor,
)

MOST_VALUES = 10_000
"""Most values of one factor."""

FORM = "NAME=LOW:HIGH:COUNT or NAME=VALUE,VALUE,…"

UNITS = {
    **dict.fromkeys(TARGETS.values(), "ms"),
    "rate_rps": "requests/s",
    "isl": "tokens",
    "osl": "tokens",
    "chunk_tokens": "tokens",
    "percentile": "percent",
    "max_quality_loss_pct": "percent",
    "max_cost_per_hour_usd": "USD/h",
    "max_power_kw": "kW",
}
"""Last part of a field → unit of its values."""

WORDS: dict[str, Value] = {"true": True, "false": False, "null": None, "none": None}


@dataclass(frozen=True)
class Factor:
    """One thing that is varied.

    Attributes
    ----------
    name
        A factor of `solver.sweep.changes`, or the whole path of a field.
    values
        What becomes of it, in order.
    """

    name: str
    values: tuple[Value, ...]

    @property
    def unit(self) -> str:
        """Unit of its values: "" for words and counts."""
        if is_factor(self.name):
            return "times"
        return UNITS.get(self.name.rpartition(".")[2], "")

    @property
    def base(self) -> Value:
        """What a factor is without a change; None for a field."""
        return 1.0 if is_factor(self.name) else None


def read_factor(text: str) -> Factor:
    """Read ``NAME=LOW:HIGH:COUNT`` or ``NAME=VALUE,VALUE,…``.

    Raises
    ------
    InputError
        If it is neither.
    """
    name, equals, given = text.rpartition("=")
    name, given = name.strip(), given.strip()
    if not equals or not name or not given:
        raise InputError(f"--vary {text!r} is not {FORM}; an example is rate=0.5:4:8.")
    whole = name if is_factor(name) else field_of(name)
    if ":" in given:
        return Factor(whole, _evenly(text, given))
    values = [_value(part.strip()) for part in given.split(",")]
    if "" in values:
        raise InputError(f"--vary {text!r}: a value is missing between two commas.")
    return Factor(whole, _distinct(text, values))


def _evenly(text: str, given: str) -> tuple[Value, ...]:
    parts = given.split(":")
    if len(parts) != 3:
        raise InputError(f"--vary {text!r} is not {FORM}; an example is rate=0.5:4:8.")
    low, high, count = (_value(part.strip()) for part in parts)
    ends = [end for end in (low, high) if isinstance(end, float) and abs(end) < float("inf")]
    if len(ends) != 2 or not isinstance(count, float) or not count.is_integer():
        raise InputError(
            f"--vary {text!r}: LOW and HIGH are numbers and COUNT is a whole one, as in 0.5:4:8."
        )
    if not 2 <= count <= MOST_VALUES:
        raise InputError(
            f"--vary {text!r}: COUNT is {count:g}; give 2 to {MOST_VALUES:,} values from "
            f"{ends[0]:g} to {ends[1]:g}."
        )
    step = (ends[1] - ends[0]) / (count - 1)
    return _distinct(text, [float(f"{ends[0] + step * i:.10g}") for i in range(int(count))])


def _value(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return WORDS.get(text.lower(), text)


def _distinct(text: str, values: Sequence[Value]) -> tuple[Value, ...]:
    if len(set(values)) < len(values):
        raise InputError(f"--vary {text!r}: a value comes twice; give each once.")
    return tuple(values)
