"""From the bytes of a request to plain values: what JSON can say, and every store can keep."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from typing import Any

from api.service.problems import ProblemError
from data.errors import InputError
from data.tables import parse_yaml

UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

TOO_DEEP = 30
"""Deepest nesting of a body."""

MAX_YAML_BYTES = 300_000
"""Largest body that may be YAML; a second of work, while JSON of that size takes milliseconds."""


class _FaultError(Exception):
    """What is wrong with a value, and where: the way to it is put together on the way out."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.way: list[str] = []


def parse_body(body: bytes) -> Any:
    """Return the value of a body in JSON or YAML: mappings, lists, text, finite numbers.

    Days and times, which YAML knows, become text.

    Raises
    ------
    ProblemError
        If it is neither JSON nor YAML, or not UTF-8.
    InputError
        If it holds what no name has and no database stores, or is nested without end.
    """
    only_json = len(body) > MAX_YAML_BYTES
    try:
        found = parse_yaml(body.decode("utf-8"), "body", json_only=only_json)
    except UnicodeDecodeError as error:
        raise ProblemError(
            "malformed", f"body: byte {error.start} is not UTF-8 text; send JSON or YAML."
        ) from None
    except InputError as error:
        said = " ".join(str(error).splitlines())
        if only_json:
            said = f"{said[:-1]}; beyond {MAX_YAML_BYTES / 1e6:g} MB only JSON is read."
        raise ProblemError("malformed", said) from None
    try:
        return _plain(found, 0)
    except _FaultError as fault:
        place = "".join(reversed(fault.way)).removeprefix(".")[:200] or "body"
        raise InputError(f"{place}: {fault}") from None


def _plain(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        if UNPRINTABLE.search(value):
            raise _FaultError(f"{value[:40]!r} holds characters that cannot be printed.")
        return value
    if isinstance(value, float) and not math.isfinite(value):
        raise _FaultError("must be a finite number.")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if depth > TOO_DEEP:
        raise _FaultError(f"is nested more than {TOO_DEEP} deep.")
    if isinstance(value, Mapping):
        return {_name(key): _below(f".{key}", item, depth) for key, item in value.items()}
    if isinstance(value, list):
        return [_below(f"[{number}]", item, depth) for number, item in enumerate(value)]
    raise _FaultError("is of a kind that JSON does not know; write it as text.")


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise _FaultError(f"the key {str(key)[:40]!r} is not text; put it in quotes.")
    return str(_plain(key, 0))


def _below(step: str, value: Any, depth: int) -> Any:
    try:
        return _plain(value, depth + 1)
    except _FaultError as fault:
        fault.way.append(step)
        raise
