"""Waiting times: means and tails of the two queues in front of a serving engine.

Prompts queue for the prefill work of an engine (one server: Pollaczek–Khinchine with
Kingman's correction for arrivals that are not Poisson). Requests queue for one of the batch
slots (many servers: Halfin and Whitt's limit of Erlang C, Allen–Cunneen for variability).
Both waits are zero with some probability and exponential otherwise, so a tail follows in
closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wait:
    """A waiting time: positive with `probability`, then exponential with mean `scale_s`."""

    probability: Floats
    scale_s: Floats

    @cached_property
    def mean_s(self) -> Floats:
        """Mean wait (seconds)."""
        return np.asarray(self.probability * self.scale_s, dtype=float)

    @property
    def variance(self) -> Floats:
        """Variance of the wait (seconds squared)."""
        square = self.scale_s**2
        return np.asarray(self.probability * (2 - self.probability) * square, dtype=float)

    def excess_s(self, tail: ArrayLike) -> Floats:
        """Return how far the wait exceeded with probability `tail` lies above the mean.

        Parameters
        ----------
        tail
            Array of shape (..., classes) for waits of shape (...,).
        """
        odds = np.maximum(self.probability[..., None] / np.asarray(tail, dtype=float), 1.0)
        scale, mean = self.scale_s[..., None], self.mean_s[..., None]
        with np.errstate(invalid="ignore"):
            excess = scale * np.log(odds) - mean
        return np.where(np.isfinite(mean), excess, np.inf)


def no_wait(like: Floats) -> Wait:
    """Return a wait that never is, of the shape of `like`."""
    return Wait(np.zeros_like(like), np.zeros_like(like))


def single_server_wait(
    rate: ArrayLike, mean_s: ArrayLike, second_moment: ArrayLike, arrival_scv: ArrayLike
) -> Wait:
    """Return the wait in front of one server.

    Mean wait λ·E[S²]/(2(1−ρ)) · (ca² + cs²)/(1 + cs²): exact for Poisson arrivals
    (Pollaczek–Khinchine), Kingman's bound otherwise. Infinite from ρ = 1 on.
    """
    rate, mean = np.asarray(rate, dtype=float), np.asarray(mean_s, dtype=float)
    second = np.asarray(second_moment, dtype=float)
    rho = rate * mean
    square = np.maximum(mean**2, 1e-300)
    scv = np.maximum(second / square - 1, 0.0)
    spread = (np.asarray(arrival_scv) + scv) / (1 + scv)
    free = np.where(rho < 1, 1 - rho, np.nan)
    scale = np.where(mean > 0, second / np.maximum(mean, 1e-300) / (2 * free) * spread, 0.0)
    return Wait(np.minimum(rho, 1.0), np.where(np.isnan(scale), np.inf, scale))


def slot_wait(
    rate: ArrayLike, saturation_rate: ArrayLike, taken: Floats, spare: Floats, variability: Floats
) -> Wait:
    """Return the wait for a batch slot.

    All slots are taken with probability φ/(φ + βΦ) at β = `spare` (Halfin and Whitt 1981: the
    limit of Erlang C for many servers), and no more than the share of slots taken (Markov's
    inequality, exact for one slot). Unlike Erlang C, this holds for engines that work faster with
    fewer sequences. The wait of those who find no slot is exponential with mean
    `variability`/(saturation rate − rate).

    Parameters
    ----------
    taken
        Mean share of the slots that is taken.
    spare
        Slots beyond the mean batch in its standard deviations (`deviations_above`), 0 or more.
    variability
        (ca² + cs²)/2.
    """
    rate, limit = np.asarray(rate, dtype=float), np.asarray(saturation_rate, dtype=float)
    beta = np.maximum(spare, 0.0)
    room = np.where(limit > rate, limit - rate, np.nan)
    scale = np.asarray(variability, dtype=float) / room
    density = np.exp(-(beta**2) / 2) / np.sqrt(2 * np.pi)
    full = np.minimum(density / (density + beta * ndtr(beta)), taken)
    full = np.where(limit > rate, full, 1.0)
    return Wait(full, np.where(np.isnan(scale), np.inf, scale))


def gamma_quantile(mean: Floats, variance: Floats, z: Floats) -> Floats:
    """Return a quantile of the gamma distribution of given mean and variance (of a time, s).

    Wilson and Hilferty (1931): the cube root of a gamma variable is nearly normal. Beyond the
    variance at which this is largest, (1 + z²/4)³ means, it stays there: a rarer and larger burst
    would fall out of the percentile, but no load is sent on the strength of that.

    Parameters
    ----------
    z
        Standard-normal quantile of the probability.
    """
    ninth = np.minimum(_ninth(mean, variance), z**2 / 4)
    root = np.maximum(1 - ninth + z * np.sqrt(ninth), 0.0)
    return np.asarray(mean * root**3, dtype=float)


def deviations_above(mean: Floats, variance: Floats, value: Floats) -> Floats:
    """Return how many standard deviations `value` lies above the mean of a gamma variable.

    Counted on the scale of the cube root, where the variable is nearly normal; 0 at the mean.
    Means under a tenth, whose cube root is far from normal, count as a tenth.
    """
    mean, variance = np.maximum(mean, 0.1), np.maximum(variance, 0.1)
    return np.asarray((np.cbrt(value / mean) - 1) / np.sqrt(_ninth(mean, variance)), dtype=float)


_TINY = 1e-12


def _ninth(mean: Floats, variance: Floats) -> Floats:
    """Variance of the cube root of a gamma variable of mean 1: a ninth of its scv."""
    scv = np.asarray(variance, dtype=float) / np.maximum(mean, _TINY) ** 2
    return np.asarray(np.minimum(np.maximum(scv / 9, _TINY), 1 / _TINY), dtype=float)


def averaging_factor(life: ArrayLike, relaxation_rate: ArrayLike) -> Floats:
    """Return the variance kept when a fluctuation is averaged over a request's life.

    For an Ornstein–Uhlenbeck fluctuation of relaxation rate θ averaged over time T:
    2/(θT)·(1 − (1 − e^(−θT))/(θT)); 1 for short lives, 2/(θT) for long ones.
    """
    x = np.maximum(np.asarray(life, dtype=float) * np.asarray(relaxation_rate, dtype=float), 1e-6)
    return np.asarray(np.minimum(2 / x * (1 + np.expm1(-x) / x), 1.0), dtype=float)
