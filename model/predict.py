"""One replica under its actual load: the numbers that plans and estimates both show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data.coefficients import OUTSIDE_BAND, CoefficientTable
from model.architecture import Architecture
from model.bracketing import last_not_positive
from model.replicas import Replicas, build_replicas
from model.service import Operation, operate, rate_at
from model.shape import Shape
from model.station import Station, prepare
from model.step_time import StepTerms, decode_terms
from model.traffic import RequestClass, Traffic, joined, traffic_of
from model.transfer import handover_s

PERCENTILES = (50, 90, 95, 99)


@dataclass(frozen=True)
class Deployment:
    """How a replica is run.

    Attributes
    ----------
    role
        ``aggregated``, ``prefill`` or ``decode``.
    network_bytes_per_s
        Network of the replica for KV hand-over (prefill and decode only).
    """

    architecture: Architecture
    shape: Shape
    engine: str
    chunk_tokens: int
    coefficients: CoefficientTable
    role: str = "aggregated"
    network_bytes_per_s: float = 0.0

    def replicas(self) -> Replicas:
        """Return the replica as arrays of length one."""
        return _replica(
            self.architecture, self.shape, self.engine, self.coefficients, self.chunk_tokens
        )


@lru_cache(maxsize=256)
def _replica(
    architecture: Architecture,
    shape: Shape,
    engine: str,
    coefficients: CoefficientTable,
    chunk_tokens: int,
) -> Replicas:
    """Return one replica as arrays of length one; remembered, since no load changes it."""
    return build_replicas(
        architecture, [shape], engine=engine, coefficients=coefficients, chunk_tokens=chunk_tokens
    )


@dataclass(frozen=True)
class ClassPrediction:
    """One class on one replica: values at the class's own percentile (milliseconds).

    `handover_ms` is this pool's share of moving the prompt's KV: part of `ttft_ms` already.
    """

    ttft_ms: float
    tpot_ms: float
    e2e_ms: float
    handover_ms: float


@dataclass(frozen=True)
class Prediction:
    """A replica under load.

    Attributes
    ----------
    ttft_ms, tpot_ms
        Percentile → value over the classes of the mix, the slowest class counting. Prefill
        pools have no TPOT; the TTFT of a decode pool runs from the hand-over to its first step.
    classes
        Class name → values at the class's own percentile.
    percentiles
        Class name → ``ttft_ms``, ``tpot_ms``, ``e2e_ms`` → percentile → value.
    outside
        What of the replica and its load lies outside of what its coefficients were fitted on; each
        makes the band wider.
    step
        Terms of one decode step at this load (seconds).
    """

    rate_rps: float
    concurrency: float
    slots: int
    ttft_ms: Mapping[str, float]
    tpot_ms: Mapping[str, float]
    classes: Mapping[str, ClassPrediction]
    percentiles: Mapping[str, Mapping[str, Mapping[str, float]]]
    utilization: float
    kv_occupancy: float
    output_tokens_per_s: float
    error_band_pct: float
    outside: tuple[str, ...]
    step: StepTerms


def predict(
    deployment: Deployment, classes: Sequence[RequestClass], rates_rps: Sequence[float]
) -> Prediction:
    """Return what one replica does when it serves `classes` at `rates_rps`.

    Parameters
    ----------
    classes
        The classes that reach the replica.
    rates_rps
        Requests/s of each on this one replica; at least one must be positive.

    Notes
    -----
    Above saturation the waits are infinite and the utilisation exceeds 1.
    """
    r = deployment.replicas()
    total = float(sum(rates_rps))
    share = np.asarray(rates_rps, dtype=float)[None, :] / total
    own = _row(traffic_of(classes, share, role=deployment.role))
    station = prepare(r, own, prefill_only=deployment.role == "prefill")
    load = _load_at(station, total)
    mixes = [own] + [
        _row(traffic_of(classes, share, role=deployment.role, percentile=p)) for p in PERCENTILES
    ]
    alike = replace(station.take(np.zeros(len(mixes), dtype=np.intp)), traffic=joined(mixes))
    at_all = operate(alike, np.full(len(mixes), load), total)
    at_own, *at_percentiles = (at_all.take(slice(i, i + 1)) for i in range(len(mixes)))
    travel = np.zeros(len(classes))
    if deployment.role != "aggregated":
        travel = handover_s(r, classes, np.array([deployment.network_bytes_per_s]))[0]
    ttft, tpot = {}, {}
    spread: dict[str, dict[str, dict[str, float]]] = {
        c.name: {"ttft_ms": {}, "tpot_ms": {}, "e2e_ms": {}} for c in classes
    }
    for p, o in zip(PERCENTILES, at_percentiles, strict=True):
        ttft[f"p{p}"] = _ms(float(np.max(o.ttft_tail_s[0] + travel)))
        tpot[f"p{p}"] = _ms(float(np.max(_tpot_tail_s(classes, o))))
        for name, figures in _per_class(classes, o, travel).items():
            for figure, at in spread[name].items():
                at[f"p{p}"] = getattr(figures, figure)
    if deployment.role == "prefill":
        tpot = {}
    outside = _outside(deployment, classes, share[0], float(at_own.concurrency[0]))
    return Prediction(
        rate_rps=total,
        concurrency=float(at_own.concurrency[0]),
        slots=int(at_own.slots[0]),
        ttft_ms=ttft,
        tpot_ms=tpot,
        classes=_per_class(classes, at_own, travel),
        percentiles=spread,
        utilization=float(at_own.utilization[0]) * max(total / float(at_own.rate_rps[0]), 1.0),
        kv_occupancy=float(at_own.kv_occupancy[0]),
        output_tokens_per_s=_output_tokens(deployment.role, classes, rates_rps),
        error_band_pct=float(r.error_band_pct[0]) * (OUTSIDE_BAND if outside else 1.0),
        outside=outside,
        step=_step(station, at_own),
    )


def _outside(
    deployment: Deployment,
    classes: Sequence[RequestClass],
    share: NDArray[np.float64],
    concurrency: float,
) -> tuple[str, ...]:
    """Say what lies outside of the range that the coefficients were fitted on, if any is known."""
    shape = deployment.shape
    fitted = deployment.coefficients.fitted(deployment.engine, shape.accelerator.family)
    if fitted is None:
        return ()
    figures = {
        "tp": float(shape.tp),
        "active_params_b": deployment.architecture.params_active / 1e9,
    }
    if deployment.role != "decode":
        figures["isl"] = float(share @ [c.isl.mean * (1 - c.cached_share) for c in classes])
    if deployment.role != "prefill":
        figures["batch"] = concurrency
    return tuple(fitted.outside(**figures))


def _row(t: Traffic) -> Traffic:
    return Traffic(**{k: np.atleast_2d(v) for k, v in vars(t).items()})


def _load_at(station: Station, rate: float) -> float:
    """Return the concurrency at which the replica serves `rate` (its slots when saturated)."""
    if station.prefill_only:
        return 0.0
    top = np.array([max(float(station.slots[0]), 1.0)])

    def beyond(b: NDArray[np.float64], which: NDArray[np.intp]) -> NDArray[np.float64]:
        return rate_at(station, b) - rate

    over = beyond(top, np.zeros(1, dtype=np.intp))
    if over[0] <= 0:
        return float(top[0])
    none = np.zeros(1)
    return float(last_not_positive(beyond, none, none - rate, top, over, 1e-12)[0])


def _per_class(
    classes: Sequence[RequestClass], o: Operation, travel: NDArray[np.float64]
) -> dict[str, ClassPrediction]:
    tpot = _tpot_tail_s(classes, o)
    return {
        c.name: ClassPrediction(
            ttft_ms=_ms(o.ttft_tail_s[0, i] + travel[i]),
            tpot_ms=_ms(tpot[i]),
            e2e_ms=_ms(o.e2e_tail_s[0, i] + travel[i]),
            handover_ms=_ms(travel[i]),
        )
        for i, c in enumerate(classes)
    }


def _tpot_tail_s(classes: Sequence[RequestClass], o: Operation) -> NDArray[np.float64]:
    """TPOT of each class at its percentile; 0 where no token follows the first."""
    follows = np.array([c.osl.mean > 1 for c in classes])
    return np.where(follows, np.broadcast_to(o.tpot_tail_s[0], follows.shape), 0.0)


def _output_tokens(role: str, classes: Sequence[RequestClass], rates: Sequence[float]) -> float:
    if role == "prefill":
        return float(sum(rates))
    first = 1.0 if role == "decode" else 0.0
    return float(sum(r * (c.osl.mean - first) for r, c in zip(rates, classes, strict=True)))


def _step(station: Station, o: Operation) -> StepTerms:
    if station.prefill_only:
        return decode_terms(station.replicas, np.zeros(1), station.context)
    seen = np.minimum(o.load + 1, np.maximum(station.slots, 1.0))
    return decode_terms(station.replicas, seen, station.context)


def _ms(seconds: float) -> float:
    return float(seconds) * 1e3
