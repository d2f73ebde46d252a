"""When requests arrive and how long they are: drawn from distributions, or given.

Every draw comes from a NumPy generator that the caller seeds, so that runs repeat exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.lengths import Lengths
from model.traffic import RequestClass

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Arrivals:
    """Requests that reach a fleet, one element each, in order of arrival.

    Attributes
    ----------
    time_s
        When each arrives.
    kind
        Position of its class.
    isl, osl
        Prompt and output tokens.
    cached
        Prompt tokens that prefix caches hold by the workload's hit rate.
    blocks
        Hashes of each prompt's blocks; None where the hit rate stands for them.
    """

    time_s: Floats
    kind: Ints
    isl: Ints
    osl: Ints
    cached: Ints
    blocks: Sequence[tuple[int, ...]] | None = None

    @property
    def size(self) -> int:
        """Number of requests."""
        return int(self.time_s.size)

    @property
    def duration_s(self) -> float:
        """Time of the last arrival."""
        return float(self.time_s[-1])


def arrival_times(rate_rps: float, size: int, cv: float, rng: np.random.Generator) -> Floats:
    """Return arrival times of a renewal process (seconds).

    Gaps are gamma distributed with shape 1/cv² and mean 1/rate: exponential for cv 1 (Poisson
    arrivals), all equal for cv 0.

    Parameters
    ----------
    rate_rps
        Mean rate (requests/s).
    cv
        Coefficient of variation of the gaps.
    """
    if cv == 0:
        gaps = np.full(size, 1 / rate_rps)
    elif cv == 1:
        gaps = rng.exponential(1 / rate_rps, size)
    else:
        gaps = rng.gamma(cv**-2, cv**2 / rate_rps, size)
    return np.asarray(np.cumsum(gaps), dtype=float)


def draw_lengths(lengths: Lengths, size: int, rng: np.random.Generator) -> Ints:
    """Return token counts, whole and at least 1, of a fixed or log-normal length.

    A log-normal of mean m and deviation σ of the logarithm has the median m·exp(−σ²/2).
    """
    if not lengths.sigma:
        drawn = np.full(size, lengths.mean)
    else:
        drawn = lengths.mean * np.exp(
            lengths.sigma * rng.standard_normal(size) - lengths.sigma**2 / 2
        )
    return np.asarray(np.maximum(np.rint(drawn), 1), dtype=np.int64)


def drawn_arrivals(
    classes: Sequence[RequestClass],
    size: int,
    *,
    cv: float = 1.0,
    seed: int = 0,
    longest: Sequence[int | None] = (),
) -> Arrivals:
    """Return requests of `classes`: one stream at their total rate, each class at its share.

    Parameters
    ----------
    cv
        Coefficient of variation of the gaps of the whole stream.
    longest
        Most tokens of prompt and output together that the model of each class accepts; longer
        draws are cut.
    """
    rates = np.array([c.rate_rps for c in classes])
    gaps, kinds, tokens = (np.random.default_rng([seed, k]) for k in range(3))
    time_s = arrival_times(float(rates.sum()), size, cv, gaps)
    kind = kinds.choice(len(classes), size=size, p=rates / rates.sum()).astype(np.int64)
    isl, osl = np.ones(size, dtype=np.int64), np.ones(size, dtype=np.int64)
    cached = np.zeros(size, dtype=np.int64)
    for k, c in enumerate(classes):
        which = np.nonzero(kind == k)[0]
        prompts = draw_lengths(c.isl, which.size, tokens)
        outputs = draw_lengths(c.osl, which.size, tokens)
        isl[which], osl[which] = cut_to(prompts, outputs, longest[k] if longest else None)
        cached[which] = np.floor(isl[which] * c.cached_share)
    return Arrivals(time_s, kind, isl, osl, np.minimum(cached, isl - 1))


def cut_to(isl: Ints, osl: Ints, longest: int | None) -> tuple[Ints, Ints]:
    """Return prompts and outputs cut to `longest` tokens together, the prompt first."""
    if not longest:
        return isl, osl
    isl = np.minimum(isl, longest - 1)
    return isl, np.minimum(osl, longest - isl)


def nearest_class(classes: Sequence[RequestClass], isl: Ints, osl: Ints) -> Ints:
    """Return for each request the class whose mean lengths are nearest, in orders of magnitude.

    The distance is that of (ln isl, ln osl).
    """
    own = np.log(np.array([[c.isl.mean, c.osl.mean] for c in classes]))
    asked = np.log(np.column_stack([isl, osl]).astype(float))
    far = ((asked[:, None, :] - own[None, :, :]) ** 2).sum(axis=-1)
    return np.asarray(far.argmin(axis=1), dtype=np.int64)
