"""A comparison on the page: headline, sentences, table that sorts, chart of prices."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from api.page.charts import break_even, height_px
from api.page.show.comparison import (
    comparison_headline,
    comparison_links,
    flat,
    sentences,
    table_columns,
)
from api.page.show.findings import warnings


class ComparisonPanel:
    """Where a comparison is shown; `top` and `below` are the elements that hold it."""

    def __init__(self, top: ui.element, below: ui.element) -> None:
        self._top, self._below = top, below

    def clear(self) -> None:
        """Show nothing."""
        self._top.clear()
        self._below.clear()

    def stale(self) -> None:
        """Tell that another comparison is on its way."""
        self._below.classes(add="stale")

    def show(self, comparison_id: str, document: dict[str, Any]) -> None:
        """Show a comparison."""
        self.clear()
        with self._top:
            ui.html(comparison_headline(document))
            ui.html(comparison_links(comparison_id))
        with self._below.classes(remove="stale"):
            ui.html(sentences(document))
            self._prices(document)
            self._table(document)
            ui.html(warnings(document))

    def _table(self, document: dict[str, Any]) -> None:
        with ui.element("section").classes("part"):
            ui.html("In figures", tag="h2")
            rows = [flat(o) for o in document["offers"]]
            found = ui.table(columns=table_columns(), rows=rows, row_key="offer_id")
            found.props('flat dense :rows-per-page-options="[0]" hide-pagination')
            found.classes("figures-table")

    def _prices(self, document: dict[str, Any]) -> None:
        with ui.element("section").classes("part"):
            ui.html("Break-even prices", tag="h2")
            ui.html(
                "Found by solving with each price just above and below: at its break-even price an "
                "offer becomes part of the cheapest fleet, or serves everything alone; along the "
                "grey line it is one of several.",
                tag="p",
            ).classes("note")
            offers = document["offers"]
            chart = ui.echart(break_even(offers), renderer="svg")
            chart.style(f"height: {height_px(len(offers))}px")
            chart.props('role=img aria-label="Listed and break-even prices of each offer; the '
                        'same figures are in the table"')  # fmt: skip
