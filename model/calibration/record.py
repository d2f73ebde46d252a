"""What a fit was made on: its range, its errors, as rows beside the coefficients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data.coefficients import RANGES, RECORD, Coefficient
from data.model_names import resolve_model
from model.calibration.samples import Sample
from model.measured_rows import RowPrediction
from model.read_config import read_architecture

ERRORS = {"tpot_error": "tpot_ms", "ttft_error": "ttft_ms"}
"""Record of an error → the figure it is of."""


_Figure = tuple[str, str, float, float | None, float | None, str]
"""Name, unit, value, low, high and note of a record."""


def quantity(sample: Sample, name: str) -> float | None:
    """Return a quantity of `RANGES` of a sample; None where it is unknown."""
    if name == "active_params_b":
        source = resolve_model(sample.row.text("model"))
        return None if source is None else read_architecture(source).params_active / 1e9
    column = {"batch": "concurrency_or_batch"}.get(name, name)
    value = sample.row.number(column)
    return value or None


def records(
    samples: Sequence[Sample],
    predicted: Sequence[RowPrediction],
    source: str,
    keys: Sequence[tuple[str, str]] = (),
) -> list[Coefficient]:
    """Return the rows that record a fit, for each engine and family that was measured.

    Parameters
    ----------
    predicted
        What the fitted coefficients predict of the samples.
    keys
        Engine and family pairs to write; those of the samples by default.
    """
    found: list[Coefficient] = []
    for engine, family in keys or dict.fromkeys((s.engine, s.family) for s in samples):
        own = [
            (s, p)
            for s, p in zip(samples, predicted, strict=True)
            if (s.engine, s.family) == (engine, family)
        ]
        figures: list[_Figure] = [
            ("rows", "rows", float(len(own)), None, None, "measured runs"),
        ]
        for name, figure in ERRORS.items():
            errors = [
                abs(getattr(p, figure) / s.measured[figure] - 1) * 100
                for s, p in own
                if s.measured.get(figure) and getattr(p, figure)
            ]
            if errors:
                middle, most = np.percentile(errors, (50, 90))
                note = "median error; high: 90th percentile"
                figures.append((name, "percent", float(middle), 0.0, float(most), note))
        for name, counted in RANGES.items():
            values = [v for s, _ in own if (v := quantity(s, name)) is not None]
            if values:
                low, middle, high = np.percentile(values, (0, 50, 100))
                note = "median run; low and high: the ends"
                figures.append((name, counted, float(middle), float(low), float(high), note))
        found += [
            Coefficient(engine, family, RECORD + name, value, unit, source, note, low, high)
            for name, unit, value, low, high, note in figures
        ]
    return found
