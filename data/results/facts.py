"""Facts of a deployment that its result file lacks, given by the user."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from data.accelerators import canonical_accelerator, shipped_accelerators
from data.errors import CatalogError, nearest
from data.model_names import resolve_model
from data.results.run import WHOLE

FACTS = (
    "gpu", "gpu_count", "tp", "pp", "ep", "engine", "engine_version", "model",
    "precision_weights", "precision_kv", "isl", "osl", "concurrency_or_batch", "request_rate",
)  # fmt: skip
"""Columns that can be given as facts."""

NUMBERS = (*WHOLE, "isl", "osl", "request_rate")
"""Facts that are numbers."""

LENGTH_ROOM = 0.05
"""Share by which a stated length, often the mean of a run, may differ from the nominal one."""

RATE_ROOM = 0.02
"""Share by which the request rate that was offered may differ from its target."""

ENGINE_NAMES = {"tensorrt-llm": "trtllm", "tensorrtllm": "trtllm", "trt-llm": "trtllm"}

PRECISION_NAMES = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "fp8_e4m3": "fp8"}


def option(column: str) -> str:
    """Return the command-line option that gives a fact."""
    name = {"concurrency_or_batch": "concurrency"}.get(column, column)
    return f"--{name.replace('_', '-')}"


def check_facts(facts: Mapping[str, str]) -> dict[str, str]:
    """Return facts without empty ones, numbers checked.

    Raises
    ------
    CatalogError
        If a fact is not one of `FACTS`, or its value cannot be true.
    """
    kept: dict[str, str] = {}
    for column, value in facts.items():
        if column not in FACTS:
            near = nearest(column, FACTS)
            meant = f"did you mean {near}?" if near else f"known: {', '.join(FACTS)}."
            raise CatalogError(f"facts: {column!r} is not a fact of a deployment; {meant}")
        text = str(value).strip()
        if not text:
            continue
        if column in NUMBERS:
            number = _number(text)
            whole = column not in WHOLE or number.is_integer()
            if not (0 < number < 1e9 and whole):
                kind = "a whole number" if column in WHOLE else "a number"
                raise CatalogError(f"{option(column)}: {text[:40]!r} is not {kind} above zero.")
        kept[column] = text
    return kept


def with_facts(
    cells: Mapping[str, str],
    facts: Mapping[str, str],
    presumed: Mapping[str, str],
    place: str,
) -> dict[str, str]:
    """Return cells whose empty ones hold the facts, else what the file only suggests.

    Raises
    ------
    CatalogError
        If a fact contradicts what the file states.
    """
    filled = dict(cells)
    for column, fact in facts.items():
        stated = (filled.get(column) or "").strip()
        if not stated:
            filled[column] = fact
        elif not _agree(column, stated, fact):
            raise CatalogError(
                f"{place}, column {column}: the file states {stated!r} where {option(column)} "
                f"gives {fact!r}; leave the option out, or give the file that it is true of."
            )
    for column, guess in presumed.items():
        if not (filled.get(column) or "").strip():
            filled[column] = guess
    return filled


def require(cells: Mapping[str, str], columns: Iterable[str], place: str) -> None:
    """Refuse a row that lacks one of `columns`.

    Raises
    ------
    CatalogError
        Naming the option that gives it.
    """
    for column in columns:
        if not (cells.get(column) or "").strip():
            raise CatalogError(
                f"{place}, column {column}: is unknown, since the file does not state it; give "
                f"it with {option(column)}."
            )


def _agree(column: str, stated: str, fact: str) -> bool:
    if column in NUMBERS:
        a, b = _number(stated), _number(fact)
        room = LENGTH_ROOM if column in ("isl", "osl") else 0.0
        room = RATE_ROOM if column == "request_rate" else room
        return abs(a - b) <= room * b + 1e-9
    return _folded(column, stated) == _folded(column, fact)


def _folded(column: str, name: str) -> str:
    """Return the one name that stands for every spelling of an accelerator, a model, a format."""
    text = name.strip().lower()
    if column == "gpu":
        return canonical_accelerator(name.strip(), shipped_accelerators(), strict=False).lower()
    if column == "model":
        source = resolve_model(name)
        return text if source is None else source.name
    if column == "engine":
        return ENGINE_NAMES.get(text, text)
    if column in ("precision_weights", "precision_kv"):
        return PRECISION_NAMES.get(text, text)
    return text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
