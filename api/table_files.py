"""Tables as files: CSV, and Parquet with types.

pyarrow is an optional extra and is only imported to write Parquet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.errors import InputError

TableRow = Mapping[str, Any]
"""Column → cell: text, a number, a truth value, or None where there is none."""


def check_parquet(path: Path) -> None:
    """Refuse a Parquet file that could not be written, before the work that it is to hold.

    Raises
    ------
    InputError
        If pyarrow is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise InputError(
            f"{path}: Parquet needs pyarrow, which is not installed; run "
            "pip install 'minfleet[parquet]'."
        ) from None


def as_csv(rows: Sequence[TableRow]) -> str:
    """Return rows as CSV, columns in the order of the first row; None is an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_parquet(rows: Sequence[TableRow]) -> bytes:
    """Return rows as a Parquet file; a column is of the type that holds all of its cells."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = list(rows[0]) if rows else []
    columns = {name: _column([row[name] for row in rows]) for name in names}
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _column(cells: list[Any]) -> list[Any]:
    """Return cells of one type: numbers of both kinds as floats, any other mix as text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if len(kinds) <= 1:
        return cells
    if kinds == {int, float}:
        return [None if cell is None else float(cell) for cell in cells]
    return [None if cell is None else str(cell) for cell in cells]
