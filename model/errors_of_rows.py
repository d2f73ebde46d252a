"""How far predictions lie from measured rows: signed bias, median and mean absolute error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from data.measurements import MeasurementRow, Unusable
from model.measured_rows import RowPrediction

FIGURES = ("tpot_ms", "ttft_ms", "output_tok_per_s")
"""Figures that are predicted and measured."""


@dataclass(frozen=True)
class ErrorOf:
    """Errors of one figure over some rows (percent of the measured value).

    Attributes
    ----------
    bias_pct
        Median of predicted/measured − 1: positive where predictions are too long or too high.
    median_pct, mape_pct
        Median and mean of the absolute error.
    within_band_pct
        Share of rows whose error is within the band that was predicted.
    """

    figure: str
    rows: int
    bias_pct: float
    median_pct: float
    mape_pct: float
    within_band_pct: float


def errors_of(rows: Iterable[tuple[MeasurementRow, RowPrediction]]) -> list[ErrorOf]:
    """Return the errors of every figure that was both predicted and measured."""
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in FIGURES}
    for row, predicted in rows:
        for name in FIGURES:
            value, measured = getattr(predicted, name), measured_figure(row, name)
            if value is not None and measured:
                ratio = value / measured - 1
                pairs[name].append((ratio, predicted.error_band_pct or 0.0))
    return [_error_of(name, found) for name, found in pairs.items() if found]


def measured_figure(row: MeasurementRow, name: str) -> float | None:
    """Return a measured figure of `FIGURES`; None where it is unknown or no number."""
    try:
        if name == "output_tok_per_s":
            return row.number(name) or None
        return row.latency_ms(name.removesuffix("_ms"))
    except Unusable:
        return None


def _error_of(name: str, found: Sequence[tuple[float, float]]) -> ErrorOf:
    ratios, bands = np.array(found).T * np.array([[100.0], [1.0]])
    size = np.abs(ratios)
    return ErrorOf(
        figure=name,
        rows=len(ratios),
        bias_pct=float(np.median(ratios)),
        median_pct=float(np.median(size)),
        mape_pct=float(size.mean()),
        within_band_pct=float((size <= bands).mean() * 100),
    )
