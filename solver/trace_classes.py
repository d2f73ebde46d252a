"""A trace in place of classes: requests bucketed by prompt and output length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import WorkloadError
from data.traces import load_trace

Lengths = NDArray[Any]
Indices = NDArray[np.intp]

BUCKETS = 3
"""Prompt lengths, and output lengths within each, are cut into this many equal shares."""


def classes_of_trace(content: Mapping[str, Any], place: str, folder: Path) -> dict[str, Any]:
    """Return a workload whose ``trace`` is bucketed into ``classes``.

    Each bucket becomes a class with its share of the trace's mean rate and its mean lengths
    (with the p95 where lengths vary). The coefficient of variation of the trace's
    inter-arrival times becomes ``serving.arrival_cv`` unless the workload sets it.

    Raises
    ------
    WorkloadError
        If the workload has classes as well.
    """
    if content.get("classes"):
        raise WorkloadError(f"{place}: give either 'trace' or 'classes', not both.")
    requests = load_trace(folder / str(content["trace"]))
    isl = np.array([r.isl for r in requests], dtype=float)
    osl = np.array([r.osl for r in requests], dtype=float)
    duration = requests[-1].arrival_s * len(requests) / (len(requests) - 1)
    gaps = np.diff([r.arrival_s for r in requests])
    classes = [
        {
            "name": name,
            "rate_rps": float(len(chosen) / duration),
            "isl": _length(isl[chosen]),
            "osl": _length(osl[chosen]),
        }
        for name, chosen in _buckets(isl, osl)
    ]
    serving = dict(content.get("serving") or {})
    serving.setdefault("arrival_cv", round(float(gaps.std() / gaps.mean()), 4))
    return {**content, "classes": classes, "serving": serving}


def classes_in_trace(isl: Lengths, osl: Lengths, names: Sequence[str]) -> Indices | None:
    """Return the position in `names` of each request's bucket; None if `names` are no buckets.

    A trace is cut as the one that the classes were made from, so that the trace of a workload
    falls into the classes that it became.
    """
    found = np.full(len(isl), -1)
    for name, chosen in _buckets(isl, osl):
        if name not in names:
            return None
        found[chosen] = names.index(name)
    return found


def _buckets(isl: Lengths, osl: Lengths) -> Iterator[tuple[str, Indices]]:
    """Yield the name of each bucket and the requests in it."""
    for i, long in enumerate(_cut(isl)):
        for j, part in enumerate(_cut(osl[long])):
            yield f"prompt{i + 1}-output{j + 1}", long[part]


def _cut(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[Any]:
    """Return the indices of equal shares of `values` by size; empty shares are left out."""
    order = np.argsort(values, kind="stable")
    return [part for part in np.array_split(order, min(BUCKETS, len(order))) if len(part)]


def _length(values: Any) -> Any:
    """Return a length specification: the mean, with the p95 where a log-normal has both."""
    mean, high = float(values.mean()), float(np.quantile(values, 0.95))
    most = mean * math.exp(1.6448536269514722**2 / 2)
    if high <= mean * 1.02:
        return round(mean, 2)
    return {"mean": round(mean, 2), "p95": round(min(high, most * 0.999), 2)}
