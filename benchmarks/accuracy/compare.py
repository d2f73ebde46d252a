"""Samples predicted by minfleet and by AIConfigurator, and the errors over groups of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from api.predict_rows import predictions
from benchmarks.accuracy.ask import Answers, Rival, prediction
from benchmarks.accuracy.rows import to_row
from benchmarks.accuracy.samples import Sample
from benchmarks.accuracy.split import HELD, Placed
from data.coefficients import shipped_coefficients
from data.measurements import MeasurementRow
from data.model_names import resolve_model
from model.errors_of_rows import ErrorOf, errors_of
from model.measured_rows import RowPrediction
from model.read_config import read_architecture


@dataclass(frozen=True)
class Compared:
    """One sample with what was measured and what both predict.

    Attributes
    ----------
    part
        What the sample is used for, one of `benchmarks.accuracy.split.PARTS`.
    answers
        What AIConfigurator answered; empty where it was not asked.
    """

    sample: Sample
    part: str
    row: MeasurementRow
    ours: RowPrediction
    theirs: RowPrediction
    answers: Answers

    @property
    def by_both(self) -> bool:
        """Whether both predict the row."""
        return not self.ours.refused and not self.theirs.refused

    @property
    def dense(self) -> bool:
        """Whether the model has no routed experts."""
        source = resolve_model(self.row.text("model"))
        return source is not None and not read_architecture(source).moe_layers

    @property
    def cell(self) -> tuple[str, str, int]:
        """Accelerator, model and TP."""
        model = self.row.text("model").rpartition("/")[2]
        return self.row.text("gpu"), model, int(self.row.positive("tp"))


Which = Callable[[Compared], RowPrediction]
"""Whose prediction is meant."""


def ours(row: Compared) -> RowPrediction:
    """Return what minfleet predicts."""
    return row.ours


def theirs(row: Compared) -> RowPrediction:
    """Return what AIConfigurator predicts."""
    return row.theirs


def compare(placed: Iterable[Placed], rival: Rival) -> list[Compared]:
    """Predict every sample that is not left out; AIConfigurator only those that are held."""
    used = [p for p in placed if not p.left_out]
    rows = [to_row(p.sample) for p in used]
    held = [p.sample for p in used if p.part in HELD]
    answers = iter(rival.ask(held))
    told = [next(answers) if p.part in HELD else {} for p in used]
    found = predictions(rows, shipped_coefficients())
    return [
        Compared(p.sample, p.part, row, mine, prediction(given), given)
        for p, row, mine, given in zip(used, rows, found, told, strict=True)
    ]


def errors(rows: Sequence[Compared], which: Which) -> dict[str, ErrorOf]:
    """Return the errors of TTFT and TPOT over the rows that are predicted, by figure."""
    return {e.figure: e for e in errors_of((row.row, which(row)) for row in rows)}
