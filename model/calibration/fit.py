"""Robust least squares with priors over measured runs.

Minimised are the logarithms of predicted over measured figures, in units of the error that a good
model keeps (`samples.NOISE`), beyond which they count linearly, and how far each coefficient's
logarithm moves from its prior, in units of its prior deviation. Runs of one deployment share the
model's error, so more than `EFFECTIVE_ROWS` of them say no more than that many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from data.coefficients import Coefficient, CoefficientTable
from data.errors import CalibrationError
from data.measurements import MeasurementRow
from model.calibration.parameters import Parameter
from model.calibration.samples import NOISE, Sample
from model.measured_rows import RowPrediction, predict_row

Floats = NDArray[np.float64]
Predict = Callable[[Sequence[MeasurementRow], CoefficientTable], Sequence[RowPrediction]]

EFFECTIVE_ROWS = 200
"""Rows from which on more of them are not more evidence."""

STEP = 0.02
"""Step of the logarithms for derivatives; simulated figures are not smooth below that."""

IDENTIFIED = 0.7
"""A coefficient is identified if the rows shrink its deviation below this share of the prior's."""

LEAST_GAIN = 1e-3
"""Gain, relative and in the units of the cost, below which a fit is no better than its start."""

ENTWINED = 0.9
"""Correlation from which on the rows tell only a combination of two coefficients."""


@dataclass(frozen=True)
class Fit:
    """Fitted coefficients.

    Attributes
    ----------
    x, deviations
        Logarithm of each parameter over its start, and its deviation given rows and priors.
    correlations
        Of the parameters given rows and priors, shape (parameters, parameters).
    before, after
        Predictions of the samples at the start and at the end.
    cost_before, cost_after
        Half the sum of squares that is minimised.
    evaluations
        Steps of the solver.
    """

    parameters: tuple[Parameter, ...]
    x: Floats
    deviations: Floats
    correlations: Floats
    before: tuple[RowPrediction, ...]
    after: tuple[RowPrediction, ...]
    cost_before: float
    cost_after: float
    evaluations: int

    def rows(self, source: str) -> list[Coefficient]:
        """Return the fitted coefficients as rows of a table."""
        return [p.row(float(x), source) for p, x in zip(self.parameters, self.x, strict=True)]

    @property
    def unidentified(self) -> list[Parameter]:
        """Parameters that the rows say little of; they stay near where they started."""
        return [
            p
            for p, deviation in zip(self.parameters, self.deviations, strict=True)
            if deviation > IDENTIFIED * p.spread
        ]

    @property
    def entwined(self) -> list[tuple[Parameter, Parameter, float]]:
        """Pairs of which the rows tell only a combination, and their correlation."""
        pairs = np.argwhere(np.triu(np.abs(self.correlations) > ENTWINED, 1))
        return [
            (self.parameters[i], self.parameters[j], float(self.correlations[i, j]))
            for i, j in pairs
        ]


def predict_all(rows: Sequence[MeasurementRow], table: CoefficientTable) -> Sequence[RowPrediction]:
    """Predict rows one after another."""
    return [predict_row(row, table) for row in rows]


def fit(
    samples: Sequence[Sample],
    table: CoefficientTable,
    free: Sequence[Parameter],
    *,
    predict: Predict = predict_all,
    most_evaluations: int = 12,
    progress: Callable[[int, float], None] | None = None,
) -> Fit:
    """Fit the parameters `free` of `table` to the samples.

    Parameters
    ----------
    predict
        Predicts rows with a table; replaced to use several processes.
    most_evaluations
        Steps of the solver, each of which predicts every sample once for every parameter that
        moves it.
    progress
        Called with the step and the cost after each.

    Raises
    ------
    CalibrationError
        If the solver stops without having converged, or the fit is no better than its start.
    """
    problem = _Problem(samples, table, free, predict, progress)
    start = np.zeros(len(free))
    cost_before = problem.cost(start)
    before = problem.predicted(start)
    # scipy counts evaluations of the residuals; each accepted one costs a Jacobian as well.
    solution = least_squares(
        problem.residuals, start, problem.jacobian, ftol=2e-3, xtol=1e-3, max_nfev=most_evaluations
    )
    if solution.status < 0:
        raise CalibrationError(f"the fit failed ({solution.message}); nothing was changed.")
    cost_after = problem.cost(solution.x)
    if solution.status == 0 and cost_after > 0.999 * cost_before:
        raise CalibrationError(
            f"the fit did not converge within {most_evaluations} steps; nothing was changed."
        )
    if cost_before - cost_after < max(LEAST_GAIN * cost_before, LEAST_GAIN):
        raise CalibrationError(
            "no coefficients predict these rows better than those it started from; nothing was "
            "changed."
        )
    covariance = np.linalg.inv(solution.jac.T @ solution.jac)
    deviations = np.sqrt(np.diag(covariance))
    return Fit(
        parameters=tuple(free),
        x=solution.x,
        deviations=deviations,
        correlations=covariance / np.outer(deviations, deviations),
        before=before,
        after=problem.predicted(solution.x),
        cost_before=cost_before,
        cost_after=cost_after,
        evaluations=int(solution.nfev),
    )


class _Problem:
    """Residuals of a fit and their derivatives, each prediction made once."""

    def __init__(
        self,
        samples: Sequence[Sample],
        table: CoefficientTable,
        free: Sequence[Parameter],
        predict: Predict,
        progress: Callable[[int, float], None] | None,
    ) -> None:
        self.samples, self.table, self.free, self.predict = samples, table, free, predict
        self.progress, self.step = progress, 0
        self._at: dict[bytes, tuple[RowPrediction, ...]] = {}
        weight = math.sqrt(min(1.0, EFFECTIVE_ROWS / max(len(samples), 1)))
        self._cells = [
            (n, name, value, weight / NOISE[name], NOISE[name])
            for n, sample in enumerate(samples)
            for name, value in sample.measured.items()
        ]

    def _coefficients(self, x: Floats) -> CoefficientTable:
        rows = [p.row(float(v), "fit") for p, v in zip(self.free, x, strict=True)]
        return self.table.over(rows)

    def predicted(self, x: Floats) -> tuple[RowPrediction, ...]:
        key = np.asarray(x, dtype=float).tobytes()
        if key not in self._at:
            rows = [s.row for s in self.samples]
            self._at = {key: tuple(self.predict(rows, self._coefficients(x)))}
        return self._at[key]

    def _misfits(self, predicted: Sequence[RowPrediction | None]) -> Floats:
        """Softened logarithms of predicted over measured; nan for samples not predicted anew."""
        out = np.zeros(len(self._cells))
        for i, (n, name, value, weight, noise) in enumerate(self._cells):
            at = predicted[n]
            figure = None if at is None else getattr(at, name)
            error = math.log(figure / value) if figure else 0.0
            soft = 2 * noise * noise * (math.sqrt(1 + (error / noise) ** 2) - 1)
            out[i] = math.copysign(math.sqrt(soft), error) * weight
        return out

    def residuals(self, x: Floats) -> Floats:
        """Return misfits, then how far each parameter is from its prior."""
        priors = x / np.array([p.spread for p in self.free])
        found = np.concatenate([self._misfits(self.predicted(x)), priors])
        self.step += 1
        if self.progress is not None:
            self.progress(self.step, float(found @ found) / 2)
        return found

    def cost(self, x: Floats) -> float:
        """Return half the sum of squares."""
        priors = x / np.array([p.spread for p in self.free])
        misfits = self._misfits(self.predicted(x))
        return float(misfits @ misfits + priors @ priors) / 2

    def jacobian(self, x: Floats) -> Floats:
        """Return central differences; only samples that a parameter moves are predicted anew."""
        cells = np.array([n for n, *_ in self._cells], dtype=int)
        whole = np.zeros((len(self._cells) + len(self.free), len(self.free)))
        for j, p in enumerate(self.free):
            moved = [n for n, s in enumerate(self.samples) if p.moves(s)]
            touched = np.isin(cells, moved)
            sides = []
            for sign in (1, -1):
                at = x.copy()
                at[j] += sign * STEP
                again = self.predict([self.samples[n].row for n in moved], self._coefficients(at))
                full: list[RowPrediction | None] = [None] * len(self.samples)
                for n, found in zip(moved, again, strict=True):
                    full[n] = found
                sides.append(self._misfits(full))
            slope = (sides[0] - sides[1]) / (2 * STEP)
            whole[: len(cells), j] = np.where(touched, slope, 0.0)
            whole[len(cells) + j, j] = 1 / p.spread
        return whole
