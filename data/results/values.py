"""Values of foreign documents: looked up by path, checked, converted to milliseconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from data.errors import CatalogError

MS_PER = {
    "ns": 1e-6,
    "nanoseconds": 1e-6,
    "us": 1e-3,
    "µs": 1e-3,
    "microseconds": 1e-3,
    "ms": 1.0,
    "milliseconds": 1.0,
    "s": 1e3,
    "sec": 1e3,
    "seconds": 1e3,
}
"""Words for units of time → milliseconds in one."""


def at(document: Any, *path: str) -> Any:
    """Return the value under nested keys; None where any of them is missing."""
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def first_at(document: Any, *paths: str) -> Any:
    """Return the first value that is there, of dotted paths; None if none is.

    Empty texts and empty lists count as missing.
    """
    for path in paths:
        found = at(document, *path.split("."))
        if found is not None and found != "" and found != []:
            return found
    return None


def number(value: Any, what: str, place: str) -> float | None:
    """Return a number of zero or more; None where it is missing.

    Raises
    ------
    CatalogError
        If it is no number, NaN, infinite or negative.
    """
    if value is None or value == "":
        return None
    shown = repr(value)[:40]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise CatalogError(f"{place}: {what} is {shown}, not a number; is the file damaged?")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise CatalogError(
            f"{place}: {what} is {shown}, not a number; is the file damaged?"
        ) from None
    if not math.isfinite(found):
        raise CatalogError(
            f"{place}: {what} is {shown}, not a finite number; a run writes that where no request "
            "gave a figure, so run it again."
        )
    if found < 0:
        raise CatalogError(
            f"{place}: {what} is {shown}, below zero; clocks or token counts went wrong, so run "
            "it again."
        )
    return found


def count(value: Any, what: str, place: str) -> float | None:
    """Return a number above zero; None where it is missing.

    Raises
    ------
    CatalogError
        If it is zero, or not a number at all.
    """
    found = number(value, what, place)
    if found == 0:
        raise CatalogError(f"{place}: {what} is zero; it must be above zero.")
    return found


def ms_per(unit: Any, what: str, place: str) -> float:
    """Return how many milliseconds a unit of time has.

    Raises
    ------
    CatalogError
        If it is not a unit of time.
    """
    word = str(unit).strip().lower()
    if word not in MS_PER:
        raise CatalogError(
            f"{place}: the unit of {what} is {str(unit)[:20]!r}, which is none of ns, us, ms, s."
        )
    return MS_PER[word]


def as_cell(value: Any) -> str:
    """Return a value as a cell; empty where it is unknown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.9g}"
    return str(value).strip()
