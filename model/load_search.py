"""Searches over load: the operation at a share of the range, at a rate, at a limit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from model.bracketing import last_not_positive
from model.limits import Limits, excess, take
from model.service import Operation, operate, rate_at
from model.station import Station

Floats = NDArray[np.float64]

IDLE = 1e-9
"""Fraction of the load range that stands for an idle replica."""

PRECISION = 1e-10
"""Width, relative to the load, at which the search for the largest load stops."""

_SECANT_STEPS = 4
"""Steps after which `load_at` is within 0.1 % of almost every rate."""


def at_fraction(station: Station, fraction: Floats) -> Operation:
    """Return the operation at a fraction of a station's range of load.

    The range is the concurrency up to all slots, or for a prefill pool the rate up to an
    engine that never idles.
    """
    if station.prefill_only:
        return operate(station, 0.0, fraction * station.saturation_rps)
    return operate(station, fraction * np.maximum(station.slots, 1.0))


def largest_load(
    station: Station,
    limits: Limits,
    measure: Callable[[Operation, Limits], Floats] = excess,
    precision: float = PRECISION,
    idle: Floats | None = None,
) -> Floats:
    """Return the largest feasible fraction of load of stations that are feasible when idle.

    Bracketed by Chandrupatla's method; of the final bracket the feasible end is kept.

    Parameters
    ----------
    measure
        By how much limits are missed: `excess` of single classes, or `mix_excess`.
    precision
        Width of the final bracket, relative to the load.
    idle
        What `measure` gives for the idle stations, where it is known.
    """
    answer = np.ones(station.slots.shape)
    missed = measure(at_fraction(station, answer), limits)
    index = np.nonzero(missed > 0)[0]
    if not index.size:
        return answer
    part = _Part(station, limits, index)
    low = np.full(index.shape, IDLE)

    def miss(load: Floats, which: NDArray[np.intp]) -> Floats:
        some = part.take(index[which])
        return measure(at_fraction(some.station, load), some.limits)

    at_low = miss(low, np.arange(len(index))) if idle is None else idle[index]
    answer[index] = last_not_positive(miss, low, at_low, answer[index], missed[index], precision)
    return answer


class _Part:
    """Some cells of a station and its limits; the last part asked for is remembered."""

    def __init__(self, station: Station, limits: Limits, index: NDArray[np.intp]) -> None:
        self.station, self.limits = station.take(index), take(limits, index)
        self.index = index

    def take(self, index: NDArray[np.intp]) -> _Part:
        """Return the cells at `index`, which are among those of the last call."""
        if len(index) != len(self.index):
            kept = np.searchsorted(self.index, index)
            self.station, self.limits = self.station.take(kept), take(self.limits, kept)
            self.index = index
        return self


def load_at(station: Station, rate: Floats, start: Floats) -> Operation:
    """Return the operation at a rate, found by the secant method from the load `start`."""
    if station.prefill_only:
        return operate(station, 0.0, rate)
    top = np.log(np.maximum(station.slots, 1.0))
    x = np.minimum(np.log(start), top)
    miss = np.log(rate_at(station, np.exp(x)) / rate)
    slope = np.ones_like(x)
    for _ in range(_SECANT_STEPS):
        nearer = np.minimum(x - miss / slope, top)
        now = np.log(rate_at(station, np.exp(nearer)) / rate)
        change = np.where(nearer == x, 1.0, nearer - x)
        slope = np.where(nearer == x, slope, np.clip((now - miss) / change, 0.05, 1.0))
        x, miss = nearer, now
    return operate(station, np.exp(x))
