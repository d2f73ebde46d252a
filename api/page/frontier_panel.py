"""A frontier on the page: a chart whose points one can click, and a table that does the same."""

from __future__ import annotations

import copy
from typing import Any

from nicegui import ui

from api.page import address
from api.page.charts import frontier
from api.page.form import content as contents
from api.page.show.frontier import frontier_links, level, point, summary

CHOOSE = """
<q-checkbox v-model="props.selected" dense
 :aria-label="`Look at the fleet from ${props.row.level}`" />
"""
"""A cell that says what it chooses."""

_MONEY = 'v => "$" + v.toFixed(2)'


class FrontierPanel:
    """Where a frontier is shown, within an element that it fills."""

    def __init__(self, holder: ui.element) -> None:
        self._holder = holder

    def clear(self) -> None:
        """Show nothing."""
        self._holder.clear()

    def show(self, frontier_id: str, document: dict[str, Any]) -> None:
        """Show a frontier, the point that is in force looked at."""
        self._holder.clear()
        self._document = document
        points = document["points"]
        with self._holder:
            with ui.element("section").classes("part"):
                ui.html("Least cost", tag="h2")
                ui.html(summary(document))
                ui.html(frontier_links(frontier_id))
                if not points:
                    return
                self._chart = ui.echart(frontier(document, None), renderer="svg")
                self._chart.style("height: 380px")
                self._chart.props('role=img aria-label="Least cost over the level; the table below '
                                  'has the same points"')  # fmt: skip
                self._chart.on_point_click(lambda e: self._look_at(int(e.data_index)))
                self._shown = ui.html("").classes("point").props("aria-live=polite")
            with ui.element("section").classes("part"):
                ui.html("Where the cost falls", tag="h2")
                self._table = self._points()
        start = next((i for i, p in enumerate(points) if p["in_force"]), 0)
        self._look_at(start)

    def _points(self) -> ui.table:
        document = self._document
        rows = [
            {"index": i, **{k: p[k] for k in ("value", "cost_per_hour_usd", "gpus", "fleet")},
             "level": level(document, p["value"])}
            for i, p in enumerate(document["points"])
        ]  # fmt: skip
        columns: list[dict[str, Any]] = [
            {"name": "level", "label": "from", "field": "level", "align": "right"},
            {"name": "cost", "label": "$/h", "field": "cost_per_hour_usd", "align": "right",
             ":format": _MONEY},
            {"name": "gpus", "label": "GPUs", "field": "gpus", "align": "right"},
            {"name": "fleet", "label": "fleet", "field": "fleet", "align": "left"},
        ]  # fmt: skip
        table = ui.table(columns=columns, rows=rows, row_key="index", selection="single")
        table.props('flat dense :rows-per-page-options="[0]" hide-pagination hide-selected-banner')
        table.add_slot("body-selection", CHOOSE)
        table.on_select(lambda _: self._look_at(table.selected[0]["index"])
                        if table.selected else None)  # fmt: skip
        return table

    def _look_at(self, index: int) -> None:
        document = self._document
        content = contents.shortened(copy.deepcopy(document["workload"]))
        block, name = document["of"]["field"].split(".")
        at = document["points"][index]["value"]
        whole = document["of"]["name"] == "providers"
        contents.put(content, (block, name), int(at) if whole else at)
        self._shown.content = point(document, index, address.with_workload("/", content))
        self._chart.options.clear()
        self._chart.options.update(frontier(document, index))
        self._chart.update()
        self._table.selected = [r for r in self._table.rows if r["index"] == index]
