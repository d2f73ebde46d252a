"""A frontier as a staircase: the least cost over the level, each corner a fleet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from api.plotting import plain, saved, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AXES = {
    "tpot_ms": "target of the time per output token (ms)",
    "ttft_ms": "target of the time to first token (ms)",
    "quality_loss_pct": "most quality that may be lost (%)",
    "power_kw": "most rated power of all accelerators (kW)",
    "providers": "most providers",
}

NEAR = 0.06
"""Corners are named where their costs are so far apart, as a share of the axis."""

LETTERS = 40
"""Longest name of a fleet."""

WIDE = 4
"""An axis is logarithmic where its largest level is more than so many times its smallest."""

Entry = Mapping[str, Any]


def draw_frontier(path: Path, title: str, document: Entry) -> bytes:
    """Return the plot of a frontier document in the format that the ending of `path` names."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axis = figure.subplots()
        axis.set_title(plain(title), fontsize=10)
        _draw(axis, document)
        return saved(path, title, figure)


def _draw(axis: Axes, document: Entry) -> None:
    points, of = document["points"], document["of"]
    axis.set_xlabel(AXES[of["name"]])
    axis.set_ylabel("least cost (USD/h)")
    if not points:
        axis.text(0.5, 0.5, "no fleet keeps any level", ha="center", transform=axis.transAxes)
        return
    levels = [p["value"] for p in points]
    end = points[-1]["holds_until"] or _beyond(levels, whole=of["name"] == "providers")
    costs = [p["cost_per_hour_usd"] for p in points]
    axis.step([*levels, end], [*costs, costs[-1]], where="post", color="C0")
    axis.plot(levels, costs, "o", color="C0", markersize=4)
    for point in _told(points):
        label = axis.annotate(
            plain(shorten(point["fleet"], LETTERS, placeholder=" …")),
            (point["value"], point["cost_per_hour_usd"]),
            textcoords="offset points",
            xytext=(6, 4),
            fontsize=7,
        )
        label.set_in_layout(False)
    now = [p for p in points if p["in_force"]]
    if of["value"] is not None and now:
        cost = now[0]["cost_per_hour_usd"]
        axis.axvline(of["value"], color="C1", linestyle="--", linewidth=1)
        axis.plot([of["value"]], [cost], "D", color="C1", markersize=5, label="the workload")
        axis.legend()
    if of["name"] == "providers":
        axis.set_xticks(range(1, int(end) + 1))
    elif levels[0] > 0 and end > WIDE * levels[0]:
        _logarithmic(axis)
    axis.set_ylim(*_reach(costs))
    axis.grid(alpha=0.3, which="both", linewidth=0.5)


def _beyond(levels: Sequence[float], *, whole: bool) -> float:
    """Return how far to draw a cost that holds for every looser level."""
    return levels[-1] + 1 if whole else levels[-1] + 0.1 * (levels[-1] - levels[0] or levels[-1])


def _logarithmic(axis: Axes) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter("{x:,g}")
    axis.xaxis.set_minor_formatter(NullFormatter())


def _reach(costs: Sequence[float]) -> tuple[float, float]:
    """Return the ends of the axis of costs: from 0 unless all of them are near each other."""
    low, high = min(costs), max(costs)
    room = 0.12 * (high - low) or 0.1 * high
    return (0.0 if low < high / 2 else max(low - room, 0.0)), high + room


def _told(points: Sequence[Entry]) -> list[Entry]:
    """Return the corners whose fleets are named: those that drop the most, not too near others."""
    drops = [
        (points[i - 1]["cost_per_hour_usd"] - p["cost_per_hour_usd"] if i else math.inf, -i)
        for i, p in enumerate(points)
    ]
    low, high = _reach([p["cost_per_hour_usd"] for p in points])
    apart = NEAR * (high - low)
    told: list[Entry] = []
    for _, i in sorted(drops, reverse=True):
        cost = points[-i]["cost_per_hour_usd"]
        if all(abs(cost - other["cost_per_hour_usd"]) >= apart for other in told):
            told.append(points[-i])
    return told
