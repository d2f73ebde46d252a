"""Measured rows that a fit can use, and why it leaves others out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.accelerators import canonical_accelerator, shipped_accelerators
from data.measurements import MeasurementRow
from model.errors_of_rows import FIGURES, measured_figure
from model.measured_rows import RowPrediction

NOISE = {"tpot_ms": 0.10, "ttft_ms": 0.25, "output_tok_per_s": 0.15}
"""Deviation of ln(predicted/measured) that a good model keeps; larger errors count linearly."""


@dataclass(frozen=True)
class Sample:
    """A measured row and what of it is fitted.

    Attributes
    ----------
    engine, family
        Whose coefficients predict it.
    measured
        Figure → what was measured, above zero.
    """

    row: MeasurementRow
    engine: str
    family: str
    measured: Mapping[str, float]

    def errors(self, predicted: RowPrediction) -> list[tuple[str, float]]:
        """Return ln(predicted/measured) of every figure that both give."""
        found = []
        for name, value in self.measured.items():
            figure = getattr(predicted, name)
            if figure:
                found.append((name, math.log(figure / value)))
        return found


def samples_of(
    rows: Sequence[MeasurementRow], predicted: Sequence[RowPrediction]
) -> tuple[list[Sample], dict[str, int]]:
    """Return the rows that a fit can use, and the reasons for leaving out the rest, counted.

    A run that is there twice counts once. Where a row gives latencies, its throughput follows
    from them in a closed loop and is not counted again.

    Parameters
    ----------
    predicted
        Predictions of the rows, which say what the model refuses.
    """
    samples: list[Sample] = []
    left_out: dict[str, int] = {}
    seen: set[tuple[str, ...]] = set()
    known = shipped_accelerators()
    for row, prediction in zip(rows, predicted, strict=True):
        measured = {name: value for name in FIGURES if (value := measured_figure(row, name))}
        if "tpot_ms" in measured:
            measured.pop("output_tok_per_s", None)
        reason = prediction.refused
        key = tuple(row.text(c) for c in _IDENTITY) + tuple(f"{v:.6g}" for v in measured.values())
        if not reason and not measured:
            reason = "neither latencies nor throughput were measured"
        if not reason and key in seen:
            reason = "the same run is there twice"
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
            continue
        seen.add(key)
        chip = known[canonical_accelerator(row.text("gpu"), known)]
        samples.append(Sample(row, row.text("engine").lower(), chip.family, measured))
    return samples, left_out


_IDENTITY = ("engine", "model", "gpu", "isl", "osl", "concurrency_or_batch", "request_rate")
"""Columns that, with equal figures, make two rows the same run."""
