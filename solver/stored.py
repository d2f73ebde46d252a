"""Reading stored plan documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.tables import read_text
from solver.plan import SCHEMA

REQUIRED = ("status", "cost_per_hour_usd", "pools", "purchases", "workload", "gpus")


def read_plan(path: Path) -> dict[str, Any]:
    """Return the plan document stored at `path`, with a fleet in it.

    Raises
    ------
    InputError
        If the file is not a plan document, or its plan has no fleet to check.
    """
    return parse_plan(read_text(path, "plan"), str(path))


def parse_plan(text: str, place: str) -> dict[str, Any]:
    """Return the plan document that `text` holds, with a fleet in it.

    Parameters
    ----------
    place
        Name of the file, for error messages.

    Raises
    ------
    InputError
        If the text is not a plan document, or its plan has no fleet to check.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{place}, line {error.lineno}: not valid JSON ({error.msg}); is the file cut short?"
        ) from None
    except RecursionError:
        raise InputError(f"{place}: nested too deeply to be a plan.") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"{place}: is not a plan document (schema {SCHEMA!r} is missing).")
    missing = [k for k in REQUIRED if k not in document]
    if missing:
        raise InputError(f"{place}: the plan document lacks {missing[0]!r}.")
    if not document["pools"]:
        raise InputError(f"{place}: the plan is {document['status']}; it has no fleet to check.")
    return document
