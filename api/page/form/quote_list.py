"""The offers of a comparison: uploaded, taken from the catalogue, priced anew, left out."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import events, ui

from api.page.quotes import PRICE, Row, from_catalog, joined, read_quotes
from api.service.problems import ProblemError
from data.catalog import Catalog
from data.errors import InputError


class QuoteList:
    """Rows of offers that a user edits.

    Parameters
    ----------
    changed
        Called after each change by the user.
    refused
        Called with what is wrong with an uploaded file.
    """

    def __init__(
        self,
        catalog: Catalog,
        rows: list[Row],
        changed: Callable[[], None],
        refused: Callable[[Exception], None],
    ) -> None:
        self.rows, self.add_catalog = rows, False
        self._catalog, self._changed, self._refused = catalog, changed, refused
        self._tools()
        self._list = ui.element("ul").classes("quotes").props('aria-label="Offers to compare"')
        self._build()

    def _tools(self) -> None:
        upload = ui.upload(auto_upload=True, max_files=1, on_upload=self._uploaded)
        upload.classes("hidden-upload").props('accept=".csv,.yaml,.yml,.json" aria-hidden=true')
        self._uploader = upload
        with ui.element("div").classes("row-of-buttons"):
            opener = ui.button("Upload quotes", icon="upload_file", color=None).props(
                "unelevated no-caps dense"
            )
            opener.classes("main-button")
            opener.on("click", js_handler=f"() => runMethod({upload.id}, 'pickFiles', [])")
            ui.html('<a href="/download/quotes-template.csv" download>Empty template</a>')
        ids = [o.offer_id for o in self._catalog.offers]
        taken = ui.select(ids, multiple=True, with_input=True).classes("from-catalog")
        taken.props(
            "outlined dense options-dense use-chips hide-bottom-space "
            'label="Take offers from the catalogue"'
        )

        def take() -> None:
            if taken.value:
                self._put(joined(self.rows, from_catalog(self._catalog, taken.value)))
                taken.value = []

        taken.on("popup-hide", take)
        both = ui.checkbox("Let the whole catalogue compete, too")
        both.on_value_change(lambda e: self._compete(bool(e.value)))

    def _compete(self, whole: bool) -> None:
        self.add_catalog = whole
        self._changed()

    def _put(self, rows: list[Row]) -> None:
        self.rows = rows
        self._build()
        self._changed()

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        data = await event.file.read()
        self._uploader.reset()
        try:
            found = read_quotes(data, event.file.name, self._catalog)
        except (InputError, ProblemError) as error:
            self._refused(error)
            return
        self._put(joined(self.rows, found))

    def _build(self) -> None:
        self._list.clear()
        with self._list:
            for row in self.rows:
                with ui.element("li"):
                    self._row(row)

    def _row(self, row: Row) -> None:
        name = row.get("offer_id", "")
        facts = [row.get("gpus_per_node", ""), row.get("accelerator", ""), row.get("pricing", "")]
        with ui.element("div").classes("what"):
            ui.label(name).classes("strong")
            ui.label(f"{facts[0]} × {facts[1]} · {facts[2].replace('_', '-')}").classes("quiet")
        if PRICE in row:
            price = ui.number(value=float(row[PRICE]), suffix="$/node-h", min=0, step=0.1)
            price.props(f'outlined dense debounce=500 aria-label="Price of {_plain(name)}"')
            price.on_value_change(lambda e: self._price(row, e.value))
        gone = ui.button(icon="close", on_click=lambda: self._remove(row))
        gone.props(f'flat dense round aria-label="Leave out {_plain(name)}"')

    def _price(self, row: Row, value: float | None) -> None:
        if value is not None and float(row[PRICE]) != value:
            row[PRICE] = f"{value:g}"
            self._changed()

    def _remove(self, row: Row) -> None:
        self._put([r for r in self.rows if r is not row])


def _plain(name: str) -> str:
    """Return a name for an attribute of an element."""
    return name.replace('"', "'")
