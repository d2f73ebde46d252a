"""Roots of many increasing functions at once, each kept between two ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_STEPS = 100
"""Evaluations after which a bracket is as narrow as floating point allows."""

KEPT_SHARE = 0.8
"""Finished functions are set aside once fewer than this share is unfinished."""

FEW = 256
"""Fewer finished functions than this are not: evaluating them costs less than sorting them out."""


@dataclass
class _Brackets:
    """Chandrupatla's state: the newest point, the opposite end, and the one before.

    Attributes
    ----------
    step
        Where between newest (0) and opposite end (1) the next point lies.
    """

    newest: Floats
    f_newest: Floats
    opposite: Floats
    f_opposite: Floats
    before: Floats
    f_before: Floats
    step: Floats

    def take(self, kept: NDArray[np.bool_]) -> _Brackets:
        return _Brackets(**{k: v[kept] for k, v in vars(self).items()})

    def add(self, x: Floats, f: Floats) -> None:
        """Narrow the brackets by points between their ends."""
        same = (f > 0) == (self.f_newest > 0)
        self.before = np.where(same, self.newest, self.opposite)
        self.f_before = np.where(same, self.f_newest, self.f_opposite)
        self.opposite = np.where(same, self.opposite, self.newest)
        self.f_opposite = np.where(same, self.f_opposite, self.f_newest)
        self.newest, self.f_newest = x, f

    def narrow(self, precision: float) -> NDArray[np.bool_]:
        """Choose the next points; return which brackets are narrower than `precision`."""
        width = self.opposite - self.newest
        nearest = np.where(
            np.abs(self.f_newest) < np.abs(self.f_opposite), self.newest, self.opposite
        )
        least = precision * np.abs(nearest) / np.maximum(np.abs(width), 1e-300)
        f1, f2, f3 = self.f_newest, self.f_opposite, self.f_before
        with np.errstate(divide="ignore", invalid="ignore"):
            xi = (self.newest - self.opposite) / (self.before - self.opposite)
            phi = (f1 - f2) / (f3 - f2)
            smooth = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            step = f1 / (f2 - f1) * f3 / (f2 - f3) + (
                (self.before - self.newest) / width * f1 / (f3 - f1) * f2 / (f3 - f2)
            )
        step = np.where(smooth & np.isfinite(step), step, 0.5)
        step = np.maximum(step, np.minimum(least, 0.5))
        self.step = np.minimum(step, np.maximum(1 - least, 0.5))
        return np.asarray((least > 0.5) | (f1 == 0))


def last_not_positive(
    function: Callable[[Floats, NDArray[np.intp]], Floats],
    low: Floats,
    f_low: Floats,
    high: Floats,
    f_high: Floats,
    precision: float,
) -> Floats:
    """Return, for each function, the end of its bracket at which it is not positive.

    Chandrupatla's method (Advances in Engineering Software 28, 1997), elementwise: inverse
    quadratic interpolation where the last three points allow it, bisection elsewhere.

    Parameters
    ----------
    function
        Called with points and the positions of the functions they belong to.
    low, f_low, high, f_high
        First brackets: f_low ≤ 0 < f_high.
    precision
        Width, relative to the point, at which a bracket is narrow enough.
    """
    answer = low.copy()
    which = np.arange(len(low))
    unfinished = np.ones(len(low), dtype=bool)
    state = _Brackets(high, f_high, low, f_low, high, f_high, np.full(len(low), 0.5))
    for _ in range(MAX_STEPS):
        x = state.newest + state.step * (state.opposite - state.newest)
        state.add(x, function(x, which))
        narrow = state.narrow(precision)
        good = np.where(state.f_newest <= 0, state.newest, state.opposite)
        answer[which[unfinished]] = good[unfinished]
        unfinished &= ~narrow
        left = np.count_nonzero(unfinished)
        if not left:
            break
        if left < KEPT_SHARE * len(which) and len(which) - left >= FEW:
            which, state = which[unfinished], state.take(unfinished)
            unfinished = np.ones(len(which), dtype=bool)
    return answer
