"""The plots of ``docs/accuracy.md``: predicted against measured, and errors by group of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.accuracy.compare import Compared, Which, ours, theirs
from benchmarks.accuracy.split import HELD
from model.errors_of_rows import measured_figure

WHO: Mapping[str, tuple[Which, str]] = {
    "minfleet": (ours, "#1f5aa6"),
    "AIConfigurator": (theirs, "#d9822b"),
}
"""Name → its prediction of a row, and its colour."""

PART_COLOURS = dict(zip(HELD, ("#1f5aa6", "#d9822b", "#3a9a5b"), strict=True))

LABELS = {"tpot_ms": "TPOT (ms)", "ttft_ms": "TTFT (ms)"}

SHOWN_PCT = (-100, 150)
"""Errors beyond are drawn at the edge."""

BUCKETS = (4, 16, 64, 256)
"""Upper ends of the groups of concurrency."""

STYLE: Any = {
    "font.size": 8,
    "svg.hashsalt": "minfleet",
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def bucket(clients: int) -> str:
    """Return the group of a concurrency."""
    low = 1
    for high in BUCKETS:
        if clients <= high:
            return f"{low} to {high}"
        low = high + 1
    return f"over {BUCKETS[-1]}"


GROUPS: Mapping[str, Callable[[Compared], str]] = {
    "accelerator": lambda r: r.cell[0],
    "model": lambda r: r.cell[1],
    "TP": lambda r: f"TP {r.cell[2]}",
    "concurrency": lambda r: bucket(int(r.row.positive("concurrency_or_batch"))),
    "engine": lambda r: r.row.text("engine"),
}
"""What the errors are shown by → the group of a row."""


def scatter(rows: Sequence[Compared], path: Path) -> None:
    """Draw predicted against measured figures of the held rows that both predict."""
    both = [r for r in rows if r.by_both]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 8.2), layout="constrained")
        axes = figure.subplots(2, 2, sharex="row", sharey="row")
        for line, (name, label) in zip(axes, LABELS.items(), strict=True):
            for axis, (who, (which, _)) in zip(line, WHO.items(), strict=True):
                _scatter(axis, both, name, which)
                axis.set_title(who)
                axis.set_xlabel(f"measured {label}")
            line[0].set_ylabel(f"predicted {label}")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
        figure.savefig(path, dpi=110, metadata={"Software": None})


def _scatter(axis: Axes, rows: Sequence[Compared], name: str, which: Which) -> None:
    values = [_pair(r, name, which) for r in rows]
    low, high = min(map(min, values)) / 1.2, max(map(max, values)) * 1.2
    ends = np.array([low, high])
    axis.fill_between(ends, ends / 1.25, ends * 1.25, color="0.92", label="within a quarter")
    axis.plot(ends, ends, color="0.5", linewidth=0.8)
    for part, colour in PART_COLOURS.items():
        of_part = np.array([v for r, v in zip(rows, values, strict=True) if r.part == part])
        if len(of_part):
            measured, predicted = of_part.T
            axis.scatter(
                measured, predicted, s=7, alpha=0.5, linewidths=0, color=colour, label=part
            )
    axis.set(xscale="log", yscale="log", xlim=(low, high))


def _pair(row: Compared, name: str, which: Which) -> tuple[float, float]:
    """Measured and predicted value."""
    predicted = getattr(which(row), name)
    return measured_figure(row.row, name), float(predicted)


def error_bars(rows: Sequence[Compared], path: Path) -> None:
    """Draw the median error and its quartiles by accelerator, model, TP, concurrency, engine."""
    both = [r for r in rows if r.by_both]
    grouped = {title: _by(both, group) for title, group in GROUPS.items()}
    sizes = [len(found) for found in grouped.values()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.31 * sum(sizes) + 1.6), layout="constrained")
        axes = figure.subplots(
            len(grouped), 2, sharex=True, sharey="row", height_ratios=sizes, squeeze=False
        )
        for line, (title, found) in zip(axes, grouped.items(), strict=True):
            for axis, name in zip(line, LABELS, strict=True):
                _bars(axis, found, name)
            line[0].set_ylabel(title)
        for axis, label in zip(axes[0], LABELS.values(), strict=True):
            axis.set_title(f"error of {label.partition(' ')[0]}")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        figure.savefig(path, metadata={"Date": None})


def _by(rows: Sequence[Compared], group: Callable[[Compared], str]) -> dict[str, list[Compared]]:
    found: dict[str, list[Compared]] = {}
    for row in rows:
        found.setdefault(group(row), []).append(row)
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def _order(name: str) -> tuple[float, str]:
    """Sort what begins with a number by it, and what is over all of them last."""
    first = name.partition(" ")[0]
    if name.startswith("over"):
        return float("inf"), name
    return (float(first) if first.isdigit() else -1.0), name


def _bars(axis: Axes, found: Mapping[str, Sequence[Compared]], name: str) -> None:
    for offset, (who, (which, colour)) in zip((-0.16, 0.16), WHO.items(), strict=True):
        quartiles = np.array([_quartiles(rows, name, which) for rows in found.values()])
        low, middle, high = np.clip(quartiles, *SHOWN_PCT).T
        places = np.arange(len(found)) + offset
        axis.hlines(places, low, high, color=colour, linewidth=2.2, alpha=0.45)
        axis.plot(middle, places, "o", color=colour, markersize=4, label=who)
    axis.axvline(0, color="0.5", linewidth=0.8)
    labels = [f"{group}  ({len(rows)})" for group, rows in found.items()]
    axis.set_yticks(range(len(found)), labels)
    axis.set(xlim=SHOWN_PCT, ylim=(len(found) - 0.5, -0.5))
    axis.xaxis.set_major_formatter(FuncFormatter(_percent))
    axis.grid(axis="x", color="0.9", linewidth=0.6)


def _quartiles(rows: Sequence[Compared], name: str, which: Which) -> Any:
    pairs = np.array([_pair(r, name, which) for r in rows])
    return np.percentile((pairs[:, 1] / pairs[:, 0] - 1) * 100, [25, 50, 75])


def _percent(value: float, _: object) -> str:
    return "0 %" if value == 0 else f"{value:+.0f} %".replace("-", "−")
