"""Request traces: the Azure LLM inference CSV and the Mooncake JSONL."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from data.tables import parse_csv, read_text


@dataclass(frozen=True)
class TracedRequest:
    """One request.

    Attributes
    ----------
    arrival_s
        Seconds from the first request of the trace.
    isl, osl
        Prompt and output tokens.
    blocks
        Hashes of the prompt's blocks of 512 tokens, each of the block and all before it; empty
        where the trace has none.
    """

    arrival_s: float
    isl: int
    osl: int
    blocks: tuple[int, ...] = ()


def load_trace(path: Path) -> list[TracedRequest]:
    """Read a trace, sorted by arrival.

    Azure CSV has the columns TIMESTAMP, ContextTokens, GeneratedTokens; Mooncake JSONL the keys
    timestamp (ms), input_length, output_length, hash_ids.

    Raises
    ------
    InputError
        If the file is neither, or a row is wrong; the line is named.
    """
    text = read_text(path, "trace")
    requests = _mooncake(text, path) if text.lstrip().startswith("{") else _azure(text, path)
    return ordered_trace(requests, str(path))


def ordered_trace(requests: Iterable[TracedRequest], place: str) -> list[TracedRequest]:
    """Return a trace sorted by arrival, its first request at 0 s.

    Raises
    ------
    InputError
        If it has fewer than two requests, or no rate.
    """
    found = sorted(requests, key=lambda r: r.arrival_s)
    if len(found) < 2:
        raise InputError(f"{place}: holds {len(found)} requests; a trace needs at least 2.")
    start = found[0].arrival_s
    moved = [TracedRequest(r.arrival_s - start, r.isl, r.osl, r.blocks) for r in found]
    if moved[-1].arrival_s <= 0:
        raise InputError(f"{place}: all requests arrive at the same time; no rate can be derived.")
    return moved


def _azure(text: str, path: Path) -> list[TracedRequest]:
    found = []
    for row in parse_csv(text, str(path)):
        for column in ("TIMESTAMP", "ContextTokens", "GeneratedTokens"):
            if column not in row.cells:
                raise InputError(
                    f"{path}: column {column!r} is missing; an Azure trace has TIMESTAMP, "
                    "ContextTokens, GeneratedTokens."
                )
        stamp = row.cells["TIMESTAMP"]
        try:
            when = dt.datetime.fromisoformat(stamp[:26])
        except ValueError:
            raise row.fault("TIMESTAMP", f"{stamp!r} is not a time.") from None
        found.append(
            TracedRequest(
                when.replace(tzinfo=dt.UTC).timestamp(),
                row.integer("ContextTokens", at_least=1),
                row.integer("GeneratedTokens", at_least=1),
            )
        )
    return found


def _mooncake(text: str, path: Path) -> list[TracedRequest]:
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            request = TracedRequest(
                float(item["timestamp"]) / 1e3,
                int(item["input_length"]),
                int(item["output_length"]),
                _hashes(item.get("hash_ids")),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"{path}, line {number}: not a Mooncake request ({type(error).__name__}: {error})."
            ) from None
        if not math.isfinite(request.arrival_s):
            raise InputError(f"{path}, line {number}: the timestamp is not a finite number.")
        if request.isl < 1 or request.osl < 1:
            raise InputError(f"{path}, line {number}: token lengths must be at least 1.")
        found.append(request)
    return found


def _hashes(value: object) -> tuple[int, ...]:
    """Return the hashes of a prompt's blocks; none where the row has none."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(type(v) is int for v in value):
        raise TypeError("hash_ids is not a list of whole numbers")
    return tuple(value)
