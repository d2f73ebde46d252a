"""From measured runs to a table of coefficients that plans can use, with what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data.coefficients import Coefficient, CoefficientTable
from data.errors import CalibrationError
from data.measurements import MeasurementRow
from model.calibration.fit import Fit, Predict, fit, predict_all
from model.calibration.parameters import own_keys, parameters
from model.calibration.record import records
from model.calibration.samples import Sample, samples_of
from model.errors_of_rows import ErrorOf, errors_of
from model.measured_rows import RowPrediction

FEWEST_ROWS = 3
"""Runs below which a fit would only move its priors about."""

SAID_NOTHING = 0.98
"""A coefficient whose deviation is still this share of the prior's is not written."""

GROUPS: Mapping[str, Callable[[Sample], str]] = {
    "model": lambda s: s.row.text("model").rpartition("/")[2],
    "accelerator": lambda s: s.row.text("gpu"),
    "TP": lambda s: f"{s.row.number('tp') or 0:g}",
    "concurrency": lambda s: _power_of_two(s.row.number("concurrency_or_batch")),
}
"""How errors are grouped → the group of a sample."""


@dataclass(frozen=True)
class Group:
    """Errors of some samples before and after the fit, by figure."""

    by: str
    name: str
    before: Mapping[str, ErrorOf]
    after: Mapping[str, ErrorOf]


@dataclass(frozen=True)
class Calibration:
    """Fitted coefficients and what they rest on.

    Attributes
    ----------
    coefficients
        Those that the runs say something of, then the records of the fit.
    left_out
        Reason → runs that the fit could not use.
    """

    fit: Fit
    samples: tuple[Sample, ...]
    coefficients: tuple[Coefficient, ...]
    left_out: Mapping[str, int]

    def groups(self) -> list[Group]:
        """Return the errors of all samples, and by model, accelerator, TP and concurrency."""
        found = [self._group("all", "all runs", range(len(self.samples)))]
        for by, name_of in GROUPS.items():
            members: dict[str, list[int]] = {}
            for n, sample in enumerate(self.samples):
                members.setdefault(name_of(sample), []).append(n)
            ordered = sorted(members, key=lambda n: (len(n), n) if n[:1].isdigit() else (0, n))
            found += [self._group(by, name, members[name]) for name in ordered]
        return found

    def _group(self, by: str, name: str, members: Sequence[int]) -> Group:
        def errors(predicted: Sequence[RowPrediction]) -> dict[str, ErrorOf]:
            pairs = ((self.samples[n].row, predicted[n]) for n in members)
            return {e.figure: e for e in errors_of(pairs)}

        return Group(by, name, errors(self.fit.before), errors(self.fit.after))


def calibrate(
    rows: Sequence[MeasurementRow],
    table: CoefficientTable,
    source: str,
    *,
    predict: Predict = predict_all,
    most_evaluations: int = 12,
    progress: Callable[[int, float], None] | None = None,
) -> Calibration:
    """Fit the coefficients of the engines and families that `rows` were measured on.

    Parameters
    ----------
    table
        Coefficients to start from; they are the priors.
    source
        What the fitted coefficients cite.

    Raises
    ------
    CalibrationError
        If too few runs can be used, the fit does not converge, or is no better than `table`.
    """
    samples, left_out = samples_of(rows, predict(rows, table))
    if len(samples) < FEWEST_ROWS:
        reasons = "; ".join(f"{n} × {reason}" for reason, n in left_out.items())
        without = f" ({reasons})" if reasons else ""
        raise CalibrationError(
            f"{len(samples)} of {len(rows)} measured runs can be used{without}, and coefficients "
            f"need at least {FEWEST_ROWS}; measure more concurrencies or lengths."
        )
    found = fit(
        samples,
        table,
        parameters(table, own_keys(samples)),
        predict=predict,
        most_evaluations=most_evaluations,
        progress=progress,
    )
    spoken = [
        row
        for row, p, deviation in zip(
            found.rows(source), found.parameters, found.deviations, strict=True
        )
        if deviation < SAID_NOTHING * p.spread
    ]
    kept = records(samples, found.after, source)
    return Calibration(found, tuple(samples), (*spoken, *kept), left_out)


def _power_of_two(clients: float | None) -> str:
    """Return the range of powers of two that holds a concurrency."""
    if not clients:
        return "unknown"
    low = 1
    while low * 2 <= clients:
        low *= 2
    return f"{low}" if low == 1 else f"{low} to {2 * low - 1}"
