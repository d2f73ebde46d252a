"""Charts as options of ECharts; colours are those of the page, so that they follow its theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Options = dict[str, Any]

INK, QUIET, LINE = "var(--ink)", "var(--quiet)", "var(--line)"
FIRST, SECOND, THIRD = "var(--series-1)", "var(--series-2)", "var(--series-3)"

ROW_PX = 44
"""Height of an offer in the chart of prices."""


def base() -> Options:
    """Return what all charts share."""
    text = {"color": INK, "fontFamily": "Roboto, system-ui, sans-serif", "fontSize": 13}
    return {
        "textStyle": text,
        "animation": False,
        "grid": {"left": 8, "right": 16, "top": 44, "bottom": 40, "containLabel": True},
        "legend": {"top": 0, "left": 0, "textStyle": text, "itemWidth": 14, "itemHeight": 10},
        "tooltip": {
            "backgroundColor": "var(--card)",
            "borderColor": LINE,
            "textStyle": text,
            "confine": True,
        },
    }


def axis(name: str, **more: Any) -> Options:
    """Return an axis of values."""
    return {
        "type": "value",
        "name": name,
        "nameLocation": "middle",
        "nameGap": 28,
        "nameTextStyle": {"color": QUIET, "fontSize": 12},
        "axisLabel": {"color": QUIET, "fontSize": 12},
        "axisLine": {"show": True, "lineStyle": {"color": LINE}},
        "splitLine": {"lineStyle": {"color": LINE}},
        **more,
    }


def break_even(offers: Sequence[Mapping[str, Any]]) -> Options:
    """Return prices per accelerator: listed, where each offer enters, where it takes over.

    Parameters
    ----------
    offers
        Of a comparison document.
    """
    shown = list(reversed(offers))  # ECharts begins at the bottom
    names = [o["offer_id"] for o in shown]

    def each(field: str) -> list[float | None]:
        return [None if o[field] is None else o[field] / o["gpus_per_node"] for o in shown]

    takes, enters = each("takes_over_at_usd_per_node_hour"), each("enters_at_usd_per_node_hour")
    listed = each("full_price_per_node_hour_usd")
    span = [
        (0.0 if low is None else low, 0.0 if high is None else high - (low or 0.0))
        for low, high in zip(takes, enters, strict=True)
    ]

    def dots(name: str, values: Sequence[float | None], color: str, symbol: str) -> Options:
        return {
            "name": name,
            "type": "scatter",
            "data": [[v, n] for v, n in zip(values, names, strict=True) if v is not None],
            "symbol": symbol,
            "symbolSize": [5, 24] if symbol == "rect" else 13,
            "itemStyle": {"color": color},
            "z": 3,
        }

    bar = {
        "type": "bar",
        "stack": "span",
        "barWidth": 6,
        "silent": True,
        "tooltip": {"show": False},
    }
    return base() | {
        "grid": {"left": 8, "right": 24, "top": 56, "bottom": 44, "containLabel": True},
        "xAxis": axis("USD an accelerator-hour, what is paid upfront included", min=0),
        "yAxis": {
            "type": "category",
            "data": names,
            "axisLabel": {"color": INK, "fontSize": 13, "width": 130, "overflow": "truncate"},
            "axisLine": {"lineStyle": {"color": LINE}},
            "axisTick": {"show": False},
        },
        "series": [
            bar
            | {"name": "", "data": [low for low, _ in span], "itemStyle": {"color": "transparent"}},
            bar | {"name": "", "data": [wide for _, wide in span], "itemStyle": {"color": LINE}},
            dots("serves everything at or below", takes, THIRD, "rect"),
            dots("part of the optimum at or below", enters, FIRST, "circle"),
            dots("listed", listed, SECOND, "diamond"),
        ],
        "legend": {
            **base()["legend"],
            "data": ["listed", "part of the optimum at or below", "serves everything at or below"],
        },
        "tooltip": {
            **base()["tooltip"],
            "trigger": "item",
            ":formatter": "p => `${p.name || p.value[1]}<br>${p.seriesName}: "
            "<b>$${p.value[0].toFixed(3)}</b> an accelerator-hour`",
        },
    }


def height_px(rows: int) -> int:
    """Return how high a chart of rows is."""
    return 110 + ROW_PX * rows


AXES = {
    "tpot_ms": "target of the time per further token, ms",
    "ttft_ms": "target of the time to first token, ms",
    "quality_loss_pct": "most quality that may be lost, %",
    "power_kw": "most rated power of all GPUs, kW",
    "providers": "most providers",
}
"""What a frontier sets the cost against → title of the axis."""

BEYOND = 1.15
"""How far the last step is drawn, as a multiple of the last level."""


def frontier(document: Mapping[str, Any], selected: int | None) -> Options:
    """Return the least cost over the level: a staircase, each corner a fleet that one can click.

    Parameters
    ----------
    document
        A frontier document.
    selected
        The point that is looked at.
    """
    points = document["points"]
    corners = [[p["value"], p["cost_per_hour_usd"]] for p in points]
    last = points[-1]
    end = last["holds_until"] or max(last["value"] * BEYOND, last["value"] + 1)
    line = [*corners, [end, last["cost_per_hour_usd"]]]

    def dot(index: int) -> Options:
        chosen = index == selected
        return {
            "value": corners[index],
            "symbolSize": 18 if chosen else 11,
            "itemStyle": {"color": SECOND if points[index]["in_force"] else FIRST}
            | ({"borderColor": INK, "borderWidth": 2} if chosen else {}),
            "name": points[index]["fleet"],
        }

    return base() | {
        "grid": {"left": 8, "right": 24, "top": 24, "bottom": 44, "containLabel": True},
        "legend": {"show": False},
        "xAxis": axis(AXES[document["of"]["name"]], scale=True),
        "yAxis": axis("", axisLabel={"color": QUIET, ":formatter": "v => '$' + v"}, min=0),
        "series": [
            {
                "type": "line",
                "step": "end",
                "data": line,
                "symbol": "none",
                "silent": True,
                "lineStyle": {"color": FIRST, "width": 2},
            },
            {"type": "scatter", "data": [dot(i) for i in range(len(points))], "cursor": "pointer"},
        ],
        "tooltip": {
            **base()["tooltip"],
            "trigger": "item",
            ":formatter": "p => { const t = document.createElement('span'); t.innerText = p.name; "
            "return `<b>$${p.value[1].toFixed(2)}</b> an hour from ${p.value[0]} on<br>`"
            " + t.innerHTML; }",
        },
    }


LINES = tuple((color, stroke) for stroke in ("solid", "dashed") for color in (FIRST, SECOND, THIRD))
"""Colour and stroke of the lines of a chart over time; more of them could not be told apart."""

Point = tuple[str, float | None]
"""A moment (ISO 8601) and a value; None where there is none from then on."""


def over_time(lines: Mapping[str, Sequence[Point]], until: str, *, step: bool = True) -> Options:
    """Return values in dollars over time, each holding until the next.

    Parameters
    ----------
    lines
        Name → points, the earliest first; the first `LINES` of them are drawn.
    until
        Moment up to which the last value of each holds.
    """
    series: list[Options] = []
    for (name, points), (color, stroke) in zip(lines.items(), LINES, strict=False):
        data = [[at, value] for at, value in points]
        if points and step:
            data.append([until, points[-1][1]])
        series.append(
            {
                "name": name,
                "type": "line",
                "data": data,
                "symbolSize": 6,
                "lineStyle": {"color": color, "width": 2, "type": stroke},
                "itemStyle": {"color": color},
                **({"step": "end"} if step else {}),
            }
        )
    return base() | {
        "grid": {"left": 8, "right": 24, "top": 24 + 22 * len(series), "bottom": 24,
                 "containLabel": True},
        "legend": {**base()["legend"], "orient": "vertical", "itemWidth": 34},
        "xAxis": {
            "type": "time",
            "axisLabel": {"color": QUIET, "fontSize": 12, "hideOverlap": True},
            "axisLine": {"lineStyle": {"color": LINE}},
        },
        "yAxis": axis("", scale=True, axisLabel={"color": QUIET, ":formatter": "v => '$' + v"}),
        "series": series,
        "tooltip": {
            **base()["tooltip"],
            "trigger": "axis",
            ":valueFormatter": "v => v == null ? '–' : '$' + v.toFixed(3)",
        },
    }  # fmt: skip
