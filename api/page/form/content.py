"""The content of a workload file as the form edits it: by path, without what is default."""

from __future__ import annotations

import copy
from typing import Any

from data.errors import InputError
from data.tables import parse_yaml
from solver.workload import Hardware, ObjectiveSpec, PrecisionSpec, Serving, Sla

Path = tuple[str | int, ...]

START: dict[str, Any] = {
    "model": "llama-3.1-70b-instruct",
    "classes": [{"name": "chat", "rate_rps": 20, "isl": 1024, "osl": 256}],
    "sla": {"ttft_ms": 500, "tpot_ms": 40, "percentile": 99},
}
"""What an empty form begins with: examples/chat-70b.yaml."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "sla": Sla().model_dump(mode="json"),
    "hardware": Hardware().model_dump(mode="json"),
    "precision": PrecisionSpec().model_dump(mode="json"),
    "serving": Serving().model_dump(mode="json"),
    "objective": ObjectiveSpec().model_dump(mode="json"),
}
"""Block → its fields as they are where a workload says nothing."""


def start() -> dict[str, Any]:
    """Return the content of an empty form."""
    return copy.deepcopy(START)


def get(content: dict[str, Any], path: Path) -> Any:
    """Return a field; the default where it is not given, the mean where it is a distribution."""
    found: Any = content
    for step in path:
        if isinstance(found, dict) and step not in found:
            return copy.copy(DEFAULTS.get(str(path[0]), {}).get(str(path[-1])))
        found = found[step]
    if path[-1] in ("isl", "osl") and isinstance(found, dict):
        return found.get("mean")
    return found


def put(content: dict[str, Any], path: Path, value: Any) -> None:
    """Set a field; one that is as by default is left out, so that links stay short."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    *way, last = path
    block: Any = content
    for step in way:
        block = block.setdefault(step, {}) if isinstance(block, dict) else block[step]
    if last in ("isl", "osl") and isinstance(block.get(last), dict):
        block[last] = {**block[last], "mean": value}
        return
    if last in DEFAULTS.get(str(path[0]), {}) and DEFAULTS[str(path[0])][str(last)] == value:
        block.pop(last, None)
        if not block:
            content.pop(str(path[0]), None)
    else:
        block[last] = value


def shortened(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a workload without what is default, as the form holds it."""
    found = {
        k: copy.deepcopy(v)
        for k, v in content.items()
        if k not in ("schema", "trace") and v is not None
    }
    for block, defaults in DEFAULTS.items():
        given = found.get(block)
        if isinstance(given, dict):
            kept = {k: v for k, v in given.items() if k not in defaults or defaults[k] != v}
            found.pop(block)
            if kept:
                found[block] = kept
    for entry in found.get("classes") or ():
        if isinstance(entry, dict):
            for name in ("model", "sla"):
                if entry.get(name, "") is None:
                    del entry[name]
    return found


def read_file(data: bytes, name: str) -> dict[str, Any]:
    """Return the content of an uploaded workload file.

    Raises
    ------
    InputError
        If it is no mapping in YAML or JSON; what is in it is checked by the service.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name}: is not text; choose a workload in YAML or JSON.") from None
    found = parse_yaml(text, name)
    if not isinstance(found, dict):
        raise InputError(f"{name}: must be a mapping with 'model' and 'classes'.")
    if "workload" in found and isinstance(found["workload"], dict):
        found = found["workload"]  # a plan or comparison that was downloaded
    if not isinstance(found.get("classes"), list) or not all(
        isinstance(c, dict) for c in found["classes"]
    ):
        raise InputError(
            f"{name}: needs 'classes', a list with a name, a rate and lengths each; see "
            "docs/workload.md."
        )
    return shortened(found)
