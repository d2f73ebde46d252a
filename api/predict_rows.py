"""Predicting a file of measured rows on all cores, in the order of the file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial

from data.coefficients import CoefficientTable
from data.measurements import MeasurementRow, columns_of
from model.measured_rows import RowPrediction, as_cells, predict_row

FEW_ROWS = 200
"""Files of fewer rows are predicted at once; starting processes would take longer."""

CHUNK = 64
"""Rows handed to a process at a time."""


@contextmanager
def predictor(
    workers: int | None = None,
) -> Iterator[Callable[[Sequence[MeasurementRow], CoefficientTable], list[RowPrediction]]]:
    """Yield a function that predicts rows with a table, on processes that stay for the next call.

    Parameters
    ----------
    workers
        Processes; one a core by default.
    """
    count = workers or os.cpu_count() or 1
    if count == 1:
        yield lambda rows, table: [predict_row(row, table) for row in rows]
        return
    with ProcessPoolExecutor(count) as pool:

        def predict(rows: Sequence[MeasurementRow], table: CoefficientTable) -> list[RowPrediction]:
            each = partial(predict_row, coefficients=table)
            return list(pool.map(each, rows, chunksize=max(1, len(rows) // (4 * count))))

        yield predict


def predictions(
    rows: Sequence[MeasurementRow], coefficients: CoefficientTable, workers: int | None = None
) -> Iterator[RowPrediction]:
    """Yield the prediction of each row, in order.

    Parameters
    ----------
    workers
        Processes; by default one a core, or none for few rows.
    """
    predict = partial(predict_row, coefficients=coefficients)
    count = workers or (os.cpu_count() or 1 if len(rows) >= FEW_ROWS else 1)
    if count == 1:
        yield from map(predict, rows)
        return
    with ProcessPoolExecutor(count) as pool:
        yield from pool.map(predict, rows, chunksize=CHUNK)


def with_predictions(rows: Sequence[MeasurementRow], found: Sequence[RowPrediction]) -> str:
    """Return the rows as CSV, every column as it was, with those of the predictions added."""
    added = as_cells(RowPrediction())
    names = [c for c in columns_of(rows) if c not in added] + list(added)
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row, prediction in zip(rows, found, strict=True):
        writer.writerow({**row.cells, **as_cells(prediction)})
    return text.getvalue()
