"""A sweep as a picture: a tornado, a line for each factor, or a heat map of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from api.output_sweep import SMALL, cell, label
from api.plotting import plain, saved, style
from data.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CELLS = 400
"""Cells of a heat map that are written on."""

ENDS = {"low": "C0", "high": "C1"}
"""Ends of the bars of a tornado, and their colours."""

Entry = Mapping[str, Any]


def check_drawable(mode: str, factors: int) -> None:
    """Refuse a plot of more factors than it can show, before they are solved.

    Raises
    ------
    InputError
        If it is a grid of more than two factors.
    """
    if mode == "grid" and factors > 2:
        raise InputError(
            "a plot shows a grid of one or two factors; vary fewer, give --one-at-a-time, or write "
            "the table with --csv."
        )


def draw_sweep(path: Path, title: str, document: Entry) -> bytes:
    """Return the plot of a sweep document in the format that the ending of `path` names."""
    from matplotlib.figure import Figure

    factors, mode = document["factors"], document["mode"]
    with style():
        panels = (
            1 if mode == "sensitivity" or (len(factors) == 2 and mode == "grid") else len(factors)
        )
        figure = Figure(figsize=(8.4, 4.6 if panels == 1 else 3.0 * panels), layout="constrained")
        figure.suptitle(plain(title), fontsize=10)
        if mode == "sensitivity":
            _tornado(figure.subplots(), document)
        elif panels == 1 and len(factors) == 2:
            _heat_map(figure, figure.subplots(), document)
        else:
            axes = np.atleast_1d(figure.subplots(panels, 1))
            for axis, factor in zip(axes, factors, strict=True):
                _line(axis, factor, document)
        return saved(path, title, figure)


def _tornado(axis: Axes, document: Entry) -> None:
    """Draw a bar from the cost at one end to that at the other, the largest effect on top."""
    from matplotlib.patches import Patch

    base = document["base"]["cost_per_hour_usd"]
    told = [r for r in document["ranking"] if _costs(r) and _larger(r) >= SMALL]
    for height, entry in enumerate(reversed(told)):
        for end, colour in ENDS.items():
            cost = entry[end]["cost_per_hour_usd"]
            if cost is not None and base is not None:
                axis.barh(height, cost - base, left=base, color=colour, height=0.7)
    axis.set_yticks(range(len(told)), [plain(label(r["name"])) for r in reversed(told)])
    axis.set_xlabel("least cost (USD/h)")
    axis.grid(axis="x", alpha=0.3, linewidth=0.5)
    if base is not None:
        axis.axvline(base, color="black", linewidth=1)
    if told:
        ends = ((told[0][end]["factor"], colour) for end, colour in ENDS.items())
        patches = [Patch(color=colour, label=f"times {factor:g}") for factor, colour in ends]
        axis.legend(handles=patches, loc="upper left", bbox_to_anchor=(1, 1))
    else:
        axis.text(0.5, 0.5, "nothing has an effect", ha="center", transform=axis.transAxes)


def _costs(entry: Entry) -> bool:
    return any(entry[end]["cost_per_hour_usd"] is not None for end in ("low", "high"))


def _larger(entry: Entry) -> float:
    return max(abs(entry[end]["change_pct"] or 0.0) for end in ("low", "high"))


def _line(axis: Axes, factor: Entry, document: Entry) -> None:
    """Draw the cost over one factor; hollow points where another fleet is bought."""
    name = factor["name"]
    rows = [r for r in document["rows"] if name in r["values"]]
    told = [r for r in rows if r["cost_per_hour_usd"] is not None]
    values = [r["values"][name] for r in rows]
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
    places = values if numbers else list(range(len(values)))
    at = dict(zip(map(repr, values), places, strict=True))
    xs = [at[repr(r["values"][name])] for r in told]
    if numbers:
        axis.plot(xs, [r["cost_per_hour_usd"] for r in told], color="C0", linewidth=1, zorder=1)
    for changes, face, text in ((False, "C0", "same fleet"), (True, "white", "another fleet")):
        mine = [(x, r) for x, r in zip(xs, told, strict=True) if r["fleet_changes"] is changes]
        if mine:
            axis.scatter(
                [x for x, _ in mine],
                [r["cost_per_hour_usd"] for _, r in mine],
                facecolors=face,
                edgecolors="C0",
                s=18,
                label=text,
            )
    if not numbers:
        axis.set_xticks(range(len(values)), [plain(cell(v)) for v in values])
    for value, row in zip(places, rows, strict=True):
        if row["status"] == "infeasible":
            axis.axvline(value, color="C3", alpha=0.3, linewidth=4)
    unit = f" ({factor['unit']})" if factor["unit"] else ""
    axis.set_xlabel(plain(label(name)) + unit)
    axis.set_ylabel("least cost (USD/h)")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3, linewidth=0.5)
    if told:
        axis.legend(fontsize=7)


def _heat_map(figure: Figure, axis: Axes, document: Entry) -> None:
    """Draw the cost over two factors, the second across; empty where there is no fleet."""
    down, across = document["factors"]
    shape = len(down["values"]), len(across["values"])
    rows = document["rows"]
    costs = np.array(
        [np.nan if r["cost_per_hour_usd"] is None else r["cost_per_hour_usd"] for r in rows]
    ).reshape(shape)
    image = axis.imshow(costs, aspect="auto", origin="lower", cmap="viridis_r")
    figure.colorbar(image, ax=axis, label="least cost (USD/h)")
    _ticks(axis, "x", across)
    _ticks(axis, "y", down)
    if costs.size <= MOST_CELLS:
        _write_costs(axis, costs, image.norm)


def _ticks(axis: Axes, side: str, factor: Entry) -> None:
    values: Sequence[object] = factor["values"]
    step = max(1, len(values) // 12)
    at = range(0, len(values), step)
    texts = [plain(cell(values[i])) for i in at]
    unit = f" ({factor['unit']})" if factor["unit"] else ""
    if side == "x":
        axis.set_xticks(at, texts)
        axis.set_xlabel(plain(label(factor["name"])) + unit)
    else:
        axis.set_yticks(at, texts)
        axis.set_ylabel(plain(label(factor["name"])) + unit)


def _write_costs(axis: Axes, costs: Any, norm: Any) -> None:
    for (y, x), cost in np.ndenumerate(costs):
        if np.isnan(cost):
            axis.text(x, y, "no fleet", ha="center", va="center", fontsize=6)
        else:
            colour = "white" if norm(cost) > 0.5 else "black"
            text = plain(f"{cost:,.0f}" if cost >= 100 else f"{cost:.2f}")
            axis.text(x, y, text, ha="center", va="center", fontsize=6, color=colour)
