"""TTFT and TPOT of a simulated plan as curves: how many requests were faster, beside the targets.

matplotlib is an optional extra and is only imported to draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png", ".html")

FIGURES = {"ttft_ms": "Time to first token (ms)", "tpot_ms": "Time per output token (ms)"}

POINTS = 400
"""Points of a curve; more would not be seen."""

LEGEND_COLUMNS = 5

WIDE = 8
"""An axis is logarithmic where its longest value is more than so many times its shortest."""

Curves = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Class → figure → values of its requests (milliseconds)."""


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be drawn, before the work that it is to show.

    Raises
    ------
    InputError
        If the file's ending is none of `FORMATS`, or matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: a plot ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(
            "plots need matplotlib, which is not installed; run pip install 'minfleet[plots]'."
        ) from None


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
    import matplotlib as mpl
    from matplotlib.figure import Figure

    suffix = path.suffix.lower()
    with mpl.rc_context({"svg.hashsalt": "minfleet", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        figure.suptitle(_plain(title), fontsize=10)
        axes = figure.subplots(1, len(FIGURES))
        for axis, name in zip(axes, FIGURES, strict=True):
            _draw(axis, name, classes, curves)
        figure.legend(
            *axes[0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=LEGEND_COLUMNS,
            title="broken line: target; dot: the percentile at which it must hold",
        )
        drawn = BytesIO()
        if suffix == ".png":
            figure.savefig(drawn, format="png", dpi=150)
            return drawn.getvalue()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    return drawn.getvalue() if suffix == ".svg" else _page(title, drawn.getvalue().decode())


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
        axis.step(values[at], share, where="post", color=colour, label=_plain(c["name"]))
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


def _plain(text: str) -> str:
    """Return text that matplotlib shows as it is: no formula, not hidden."""
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def _page(title: str, svg: str) -> bytes:
    """Return a page that needs nothing but itself."""
    drawing = svg[svg.index("<svg") :]
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        "<style>body{font-family:sans-serif;margin:2rem;background:#fff}"
        "svg{max-width:100%;height:auto}</style></head>\n"
        f"<body>\n{drawing}</body></html>\n"
    ).encode()
