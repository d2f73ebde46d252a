"""Offers that a user brings to a comparison: read from a file, or taken from the catalogue."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Sequence
from typing import Any

from api.service.bodies import parse_body
from data.catalog import Catalog
from data.errors import InputError
from data.faults import Faults
from data.offer_cells import offer_cells
from data.offers import parse_offers
from data.tables import check_columns, parse_csv, rows_of
from data.template import offers_template

Row = dict[str, str]

PRICE = "price_per_node_hour_usd"


def read_quotes(data: bytes, name: str, catalog: Catalog) -> list[Row]:
    """Return the rows of an uploaded file of offers, all of them or none.

    Parameters
    ----------
    name
        Name of the file, for messages; its ending says whether it is CSV.

    Raises
    ------
    RowsError
        If several rows are wrong; each has its sentence.
    InputError, ProblemError
        If one row is, or the file cannot be read.
    """
    faults = Faults()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name}: is not text; choose a CSV or YAML file of offers.") from None
    if name.lower().endswith((".yaml", ".yml", ".json")):
        content = parse_body(data)
        items = content.get("offers") if isinstance(content, dict) else content
        rows = list(rows_of(items, name, faults))
    else:
        rows = list(parse_csv(text, name, faults))
    if not rows:
        faults.check()
        raise InputError(f"{name}: holds no rows of offers.")
    check_columns(rows, "offers", name)
    parse_offers(rows, catalog.accelerators, faults=faults)
    return [_given(dict(row.cells)) for row in rows]


def from_catalog(catalog: Catalog, ids: Sequence[str]) -> list[Row]:
    """Return offers of the catalogue as rows."""
    wanted = set(ids)
    return [_given(offer_cells(o)) for o in catalog.offers if o.offer_id in wanted]


def _given(cells: dict[str, Any]) -> Row:
    return {name: str(cell) for name, cell in cells.items() if cell not in ("", None)}


def joined(first: Sequence[Row], more: Sequence[Row]) -> list[Row]:
    """Return rows with others; one of the same id takes the place of the earlier."""
    found = {row.get("offer_id", ""): row for row in (*first, *more)}
    return list(found.values())


def template() -> str:
    """Return the file that a supplier fills in, with two examples."""
    return offers_template("csv", dt.date.today())


def as_file(rows: Sequence[Row]) -> str:
    """Return rows as a CSV file that `read_quotes` reads."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
