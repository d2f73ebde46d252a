"""Waiting times: means and tails of the two queues in front of a serving engine.

Prompts queue for the prefill work of an engine (one server: Pollaczek–Khinchine with
Kingman's correction for arrivals that are not Poisson). Requests queue for one of the batch
slots (many servers: Sakasegawa's approximation of Erlang C, Allen–Cunneen for variability).
Both waits are zero with some probability and exponential otherwise, so a tail follows in
closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wait:
    """A waiting time: positive with `probability`, then exponential with mean `scale_s`."""

    probability: Floats
    scale_s: Floats

    @property
    def mean_s(self) -> Floats:
        """Mean wait (seconds)."""
        return np.asarray(self.probability * self.scale_s, dtype=float)

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
    rate: ArrayLike, saturation_rate: ArrayLike, slots: ArrayLike, variability: ArrayLike
) -> Wait:
    """Return the wait for one of `slots` batch slots.

    P(wait) ≈ ρ^(√(2(c+1)) − 1) (Sakasegawa 1977); the wait of those who do is exponential with
    mean (ca² + cs²)/2 / (saturation rate − rate). Exact for one slot and Poisson arrivals with
    exponential service.

    Parameters
    ----------
    variability
        (ca² + cs²)/2.
    """
    rate, limit = np.asarray(rate, dtype=float), np.asarray(saturation_rate, dtype=float)
    rho = np.clip(rate / limit, 0.0, 1.0)
    spare = np.where(limit > rate, limit - rate, np.nan)
    scale = np.asarray(variability, dtype=float) / spare
    power = np.sqrt(2 * (np.asarray(slots, dtype=float) + 1)) - 1
    return Wait(rho**power, np.where(np.isnan(scale), np.inf, scale))


def averaging_factor(life: ArrayLike, relaxation_rate: ArrayLike) -> Floats:
    """Return the variance kept when a fluctuation is averaged over a request's life.

    For an Ornstein–Uhlenbeck fluctuation of relaxation rate θ averaged over time T:
    2/(θT)·(1 − (1 − e^(−θT))/(θT)); 1 for short lives, 2/(θT) for long ones.
    """
    x = np.maximum(np.asarray(life, dtype=float) * np.asarray(relaxation_rate, dtype=float), 1e-6)
    return np.asarray(np.minimum(2 / x * (1 + np.expm1(-x) / x), 1.0), dtype=float)
