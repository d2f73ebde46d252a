"""Requests as arrays: which classes a replica serves, in which proportions, how they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.lengths import Lengths, normal_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RequestClass:
    """Requests of one kind, as the model sees them.

    Attributes
    ----------
    rate_rps
        Mean arrival rate of the whole class (requests/s).
    isl, osl
        Prompt and output lengths (tokens).
    ttft_ms, tpot_ms, e2e_ms
        Targets at `percentile`; ``inf`` where there is none.
    cached_share
        Share of the prompt that the prefix cache already holds.
    arrival_scv
        Squared coefficient of variation of inter-arrival times; 1 for Poisson.
    """

    name: str
    rate_rps: float
    isl: Lengths
    osl: Lengths
    ttft_ms: float
    tpot_ms: float
    e2e_ms: float
    percentile: float
    cached_share: float = 0.0
    arrival_scv: float = 1.0


@dataclass(frozen=True)
class Traffic:
    """Mixes of request classes: arrays whose last axis runs over the classes of a mix.

    Attributes
    ----------
    share
        Share of each class in the requests of the mix; sums to 1 over the last axis.
    isl, osl, isl_scv, osl_scv
        Mean lengths (tokens) and their squared coefficients of variation.
    isl_tail, osl_tail
        Lengths at the class's percentile.
    cached
        Prompt tokens the prefix cache holds. For a decode pool: all of them.
    z, tail
        Standard-normal quantile of the class's percentile, and 1 − percentile.
    arrival_scv
        Squared coefficient of variation of inter-arrival times.
    """

    share: Floats
    isl: Floats
    osl: Floats
    isl_scv: Floats
    osl_scv: Floats
    isl_tail: Floats
    osl_tail: Floats
    cached: Floats
    z: Floats
    tail: Floats
    arrival_scv: Floats

    def take(self, index: object) -> Traffic:
        """Return the mixes at `index` (any NumPy index); every array has all the axes."""
        return Traffic(**{k: v[index] for k, v in vars(self).items()})


def joined(parts: Sequence[Traffic]) -> Traffic:
    """Return mixes of equally many classes, one after another."""
    names = vars(parts[0])
    return Traffic(**{k: np.concatenate([getattr(p, k) for p in parts]) for k in names})


def traffic_of(
    classes: Sequence[RequestClass],
    share: Floats,
    *,
    role: str = "aggregated",
    percentile: float | None = None,
) -> Traffic:
    """Return the mixes given by `share` over `classes`.

    Parameters
    ----------
    share
        Array whose last axis has one entry a class (or broadcasts to that).
    role
        ``decode`` marks every prompt token as already cached: another pool prefilled it.
    percentile
        Percentile to use in place of each class's own.
    """
    quantiles = [(percentile or c.percentile) / 100 for c in classes]
    isl = np.array([c.isl.mean for c in classes])
    cached = np.array([c.cached_share for c in classes]) * isl
    return Traffic(
        share=np.asarray(share, dtype=float),
        isl=isl,
        osl=np.array([c.osl.mean for c in classes]),
        isl_scv=np.array([c.isl.scv for c in classes]),
        osl_scv=np.array([c.osl.scv for c in classes]),
        isl_tail=np.array([c.isl.quantile(q) for c, q in zip(classes, quantiles, strict=True)]),
        osl_tail=np.array([c.osl.quantile(q) for c, q in zip(classes, quantiles, strict=True)]),
        cached=isl.copy() if role == "decode" else cached,
        z=np.array([normal_quantile(q) for q in quantiles]),
        tail=np.array([1 - q for q in quantiles]),
        arrival_scv=np.array([c.arrival_scv for c in classes]),
    )
