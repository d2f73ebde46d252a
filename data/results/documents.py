"""The text of a result file, and the JSON values in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.errors import CatalogError
from data.tables import MAX_FILE_BYTES, MAX_UNPACKED_BYTES, read_text

ACCEPTED = (
    "vLLM bench serve JSON, GuideLLM benchmarks.json, AIPerf or GenAI-Perf JSON or CSV, "
    "InferenceX agg_*.json, MLPerf mlperf_log_summary.txt, CSV of measured rows"
)
"""Formats that are read, for error messages."""


def result_text(path: Path) -> str:
    """Return the text of a result file (gzip by its ending).

    Raises
    ------
    InputError
        If it is missing, a folder, or no text.
    CatalogError
        If it is too large, empty, or a web page.
    """
    if path.suffix != ".gz" and path.is_file() and path.stat().st_size > MAX_FILE_BYTES:
        raise CatalogError(
            f"{path}: is {path.stat().st_size / 1e6:.0f} MB, more than the "
            f"{MAX_FILE_BYTES / 1e6:.0f} MB that are read; save it without the details of each "
            f"request, or gzip it (up to {MAX_UNPACKED_BYTES / 1e6:.0f} MB unpacked)."
        )
    text = read_text(path, "benchmark results")
    if not text.strip():
        raise CatalogError(f"{path}: is empty; accepted are {ACCEPTED}.")
    if text.lstrip().startswith("<"):
        raise CatalogError(
            f"{path}: is a web page (HTML or XML), not a result file; download the raw file. "
            f"Accepted are {ACCEPTED}."
        )
    return text


def is_json(text: str) -> bool:
    """Whether text begins like a JSON object or list."""
    return text.lstrip()[:1] in ("{", "[")


def json_values(text: str, place: str) -> Iterator[tuple[str, Any]]:
    """Yield each JSON object of a text with its place.

    A text holds one object, several in a row (one a line, or not), or a list of them.

    Raises
    ------
    CatalogError
        If the text is damaged or cut short, or a value is no object.
    """
    values = list(_in_a_row(text, place))
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
        if not values:
            raise CatalogError(f"{place}: is an empty list; accepted are {ACCEPTED}.")
    for n, value in enumerate(values, start=1):
        here = f"{place}, result {n}" if len(values) > 1 else place
        if not isinstance(value, dict):
            raise CatalogError(
                f"{here}: is {json.dumps(value)[:30]}, not a JSON object; accepted are {ACCEPTED}."
            )
        yield here, value


def _in_a_row(text: str, place: str) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    at, end = 0, len(text)
    while True:
        while at < end and text[at] in " \t\r\n":
            at += 1
        if at == end:
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            line = text.count("\n", 0, error.pos) + 1
            left = text[error.pos :].strip()
            cut = not left or error.msg.startswith("Unterminated string")
            problem = "the JSON is cut short" if cut else f"not valid JSON ({error.msg})"
            raise CatalogError(
                f"{place}, line {line}: {problem}; copy the file again, or let the run finish."
            ) from None
        except (RecursionError, ValueError):
            raise CatalogError(
                f"{place}: the JSON is nested too deep, or holds a number too long; is it the "
                "right file?"
            ) from None
        yield value
