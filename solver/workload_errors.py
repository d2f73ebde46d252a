"""Complaints about a workload, turned into one sentence with place and fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

SHOWN = 80
"""Characters of a wrong value that its error repeats."""


def sentence(
    error: ValidationError,
    content: Mapping[str, Any],
    unknown_key: Callable[[tuple[int | str, ...], str], str],
) -> str:
    """Turn the first of pydantic's complaints into one sentence with place and fix.

    Parameters
    ----------
    unknown_key
        Says what is known where a key is not, given where it stands.
    """
    complaints = error.errors(include_url=False)
    first = min(complaints, key=lambda e: (_rank(e), -len(e["loc"])))
    place = place_of(first["loc"])
    if first["type"] == "extra_forbidden":
        return unknown_key(first["loc"], place)
    if first["type"] == "missing" and first["loc"][-1] == "mean":
        return f"{place} is missing; a length has a mean and at most one of p90, p95 and p99."
    if first["type"] == "missing" and place == "batch.deadline_h":
        return "batch.deadline_h is missing; a batch needs the hours until its deadline."
    if first["type"] == "missing" and _has_number(first):
        return f"{place} is missing; requests and tokens are for a batch: {{deadline_h: …}}."
    if first["type"] == "missing":
        return f"{place} is missing; every workload needs 'model' and 'classes'" + (
            ", and every class 'name' and 'rate_rps'." if "." in place else "."
        )
    given = first.get("input")
    text = repr(given)
    text = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
    shown = "" if isinstance(given, (Mapping, list)) else f" (got {text})"
    message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ")
    return f"{place} {message}{shown}." if place else f"{message}{shown}."


def _has_number(complaint: Any) -> bool:
    """Whether a class that lacks its rate has a number of requests or tokens instead."""
    given = complaint.get("input")
    number = isinstance(given, Mapping) and bool({"requests", "tokens"} & given.keys())
    return complaint["loc"][-1] == "rate_rps" and number


def _rank(complaint: Any) -> int:
    """Order complaints: an unknown key first, the branch of a union that was not meant last."""
    if complaint["type"] == "extra_forbidden":
        return 0
    if complaint["type"] == "float_type" and isinstance(complaint.get("input"), Mapping):
        return 3
    return 2 if complaint["type"] in ("model_type", "dict_type", "string_type") else 1


_BRANCHES = ("LengthSpec", "float", "str", "constrained-float", "dict[str,any]")
"""What pydantic calls the branches of a union; they are no place in a file."""


def place_of(loc: tuple[int | str, ...]) -> str:
    """Return where in a file a complaint is, e.g. ``classes[0].isl``."""
    words = ""
    for part in loc:
        if isinstance(part, int):
            words += f"[{part}]"
        elif part not in _BRANCHES and not part.startswith("function-"):
            words += f".{part}" if words else str(part)
    return words


def kind_of(value: object) -> str:
    """Return what a value is, in words."""
    names = {list: "a list", str: "text", type(None): "nothing", int: "a number"}
    return names.get(type(value), type(value).__name__)
