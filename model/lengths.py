"""Token lengths and arrival variability: means, spreads and quantiles.

A length is a single number, or a log-normal given by its mean and one quantile (traces of
production services are close to log-normal; Splitwise and the Azure 2023 traces, for example).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from data.errors import InputError

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Lengths:
    """A distribution of token counts.

    Attributes
    ----------
    mean
        Mean (tokens).
    sigma
        Standard deviation of the logarithm; 0 for a fixed length.
    """

    mean: float
    sigma: float = 0.0

    @classmethod
    def from_quantile(cls, mean: float, quantile: float, value: float, place: str) -> Lengths:
        """Return the log-normal with this mean and ``P(length <= value) = quantile``.

        With mean m = exp(μ + σ²/2) and value v = exp(μ + zσ): σ²/2 − zσ + ln(v/m) = 0, of which
        the smaller root is taken.

        Raises
        ------
        InputError
            If no log-normal has both (v below the mean, or too far above it).
        """
        z = _NORMAL.inv_cdf(quantile)
        ratio = math.log(value / mean)
        disc = z * z - 2 * ratio
        if ratio < 0 or disc < 0:
            top = mean * math.exp(z * z / 2)
            raise InputError(
                f"{place}: p{quantile * 100:g} = {value:g} does not go with mean {mean:g}; "
                f"it must lie between the mean and {top:.0f}."
            )
        return cls(mean, z - math.sqrt(disc))

    @property
    def scv(self) -> float:
        """Squared coefficient of variation."""
        return math.expm1(self.sigma**2)

    def quantile(self, p: float) -> float:
        """Length that a share `p` of requests stays below."""
        if not self.sigma:
            return self.mean
        return self.mean * math.exp(_NORMAL.inv_cdf(p) * self.sigma - self.sigma**2 / 2)


def normal_quantile(p: float) -> float:
    """Return z with P(Z <= z) = p for a standard normal Z."""
    return _NORMAL.inv_cdf(p)
