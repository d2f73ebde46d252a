"""TTFT and TPOT of a simulated plan as curves: how many requests were faster, beside the targets.

matplotlib is an optional extra and is only imported to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from api.plotting import plain, saved, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURES = {"ttft_ms": "Time to first token (ms)", "tpot_ms": "Time per output token (ms)"}

POINTS = 400
"""Points of a curve; more would not be seen."""

LEGEND_COLUMNS = 5

WIDE = 8
"""An axis is logarithmic where its longest value is more than so many times its shortest."""

Curves = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Class → figure → values of its requests (milliseconds)."""


def draw_plot(
    path: Path, title: str, classes: Sequence[Mapping[str, Any]], curves: Curves
) -> bytes:
    """Return the plot in the format that the ending of `path` names.

    Parameters
    ----------
    title
        What was simulated.
    classes
        ``classes`` of the simulation document.
    """
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        figure.suptitle(plain(title), fontsize=10)
        axes = figure.subplots(1, len(FIGURES))
        for axis, name in zip(axes, FIGURES, strict=True):
            _draw(axis, name, classes, curves)
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=LEGEND_COLUMNS,
            title="broken line: target; dot: the percentile at which it must hold",
        )
        return saved(path, title, figure)


def _draw(axis: Axes, name: str, classes: Sequence[Mapping[str, Any]], curves: Curves) -> None:
    """Draw one figure: a curve a class, its target as a broken line of the same colour."""
    from matplotlib.ticker import LogLocator, NullFormatter

    for k, c in enumerate(classes):
        values = curves[c["name"]][name]
        values = np.sort(values[np.isfinite(values)])
        if not values.size:
            continue
        at = np.unique(np.linspace(0, values.size - 1, min(POINTS, values.size)).astype(int))
        colour = f"C{k % 10}"
        share = 100 * (at + 1) / c["requests"]
        axis.step(values[at], share, where="post", color=colour, label=plain(c["name"]))
        target = c[name]["target"]
        if target is not None:
            axis.axvline(target, color=colour, linestyle="--", linewidth=1)
            axis.plot([target], [c["percentile"]], marker="o", markersize=4, color=colour)
    axis.set_xlabel(FIGURES[name])
    axis.set_ylabel("requests that were faster (%)")
    low, high = axis.dataLim.intervalx
    if high > WIDE * low:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.xaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_formatter("{x:,g}")
    axis.set_ylim(0, 102)
    axis.grid(alpha=0.3, which="both", linewidth=0.5)
