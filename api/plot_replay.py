"""A replay as a picture: prices of what was bought, and what four ways cost over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.output_replay import COURSES
from api.plotting import plain, saved, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 8
"""Offers whose prices are drawn: those that the most is spent on."""

COLOURS = {"policy": "C0", "never": "C7", "always": "C1", "clairvoyant": "C2"}

Entry = Mapping[str, Any]


def draw_replay(path: Path, title: str, document: Entry) -> bytes:
    """Return the plot of a replay document in the format that the ending of `path` names."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(8.4, 7.6), layout="constrained")
        figure.suptitle(plain(title), fontsize=10)
        prices, whole, difference = figure.subplots(3, 1, sharex=True)
        _prices(prices, document)
        _costs(whole, difference, document)
        locator = AutoDateLocator()
        difference.xaxis.set_major_locator(locator)
        difference.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        return saved(path, title, figure)


def _prices(axis: Axes, document: Entry) -> None:
    """Draw the price of each offer that is bought by some course, and the policy's switches."""
    path = document["path"]
    days = [dt.datetime.fromisoformat(d) for d in [*path["dates"], path["to"]]]
    chosen = sorted(path["prices"], key=lambda o: -_hours(document, o))[:MOST_LINES]
    for number, offer in enumerate(chosen):
        cells = path["prices"][offer]
        values = [float("nan") if v is None else v for v in [*cells, cells[-1]]]
        axis.step(days, values, where="post", color=f"C{number}", label=plain(offer), linewidth=1.2)
    for number, step in enumerate(document["courses"]["policy"]["steps"][1:]):
        moment = dt.datetime.fromisoformat(step["moment"]).replace(tzinfo=None)
        label = "_" * bool(number) + "the policy switches"
        axis.axvline(moment, color="black", linewidth=0.8, linestyle=":", label=label)
    axis.set_ylabel("price of a node (USD/h)")
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3, linewidth=0.5)
    axis.legend(fontsize=6, loc="upper left", bbox_to_anchor=(1, 1))


def _hours(document: Entry, offer: str) -> int:
    """Return how many nodes of an offer the steps of all courses have together."""
    return sum(
        bought["nodes"]
        for course in document["courses"].values()
        for step in course["steps"]
        for bought in step["fleet"]["purchases"]
        if bought["offer_id"] == offer
    )


def _costs(whole: Axes, saved_axis: Axes, document: Entry) -> None:
    """Draw what each course has paid, and saved against never switching, up to each moment."""
    import numpy as np

    points = {n: _points(document["courses"][n]["paid"]) for n in COURSES}
    base_at, base_usd = zip(*points["never"], strict=True)
    for name, title in COURSES.items():
        at, paid = zip(*points[name], strict=True)
        moments = [dt.datetime.fromtimestamp(m, dt.UTC).replace(tzinfo=None) for m in at]
        look: dict[str, Any] = {
            "color": COLOURS[name],
            "label": title,
            # Courses often lie on each other: each can be told below the next.
            "linewidth": 4.0 if name == "policy" else 1.4,
            "alpha": 0.4 if name == "policy" else 1.0,
            "linestyle": "--" if name == "clairvoyant" else "-",
        }
        whole.plot(moments, paid, **look)
        saved_axis.plot(moments, np.interp(at, base_at, base_usd) - np.array(paid), **look)
    whole.set_ylabel("paid (USD)")
    saved_axis.set_ylabel("saved against never (USD)")
    for axis in (whole, saved_axis):
        axis.grid(alpha=0.3, linewidth=0.5)
    whole.set_ylim(bottom=0)
    whole.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))


def _points(paid: Sequence[Entry]) -> list[tuple[float, float]]:
    return [(dt.datetime.fromisoformat(p["moment"]).timestamp(), p["usd"]) for p in paid]
