"""What requests got: percentiles, the share that met its targets, and how many a second did.

A percentile is a value that was observed: the smallest that at least that share of the requests
stays below or meets. A request that never finished took forever. TPOT is
(e2e − ttft)/(osl − 1); a request of one output token has none, and meets any target for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.predict import PERCENTILES
from model.simulation.fleet import FleetRun, PoolRun
from model.traffic import RequestClass

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WARM_UP = 0.1
"""Share of the time of arrivals, from its start, whose requests are left out."""


@dataclass(frozen=True)
class Times:
    """Latencies of requests, one element each; ``inf`` where it never finished.

    Attributes
    ----------
    kind
        Position of each one's class.
    ttft_s, e2e_s
        Time to first token, and to the last (seconds).
    tpot_s
        Time per output token after the first (seconds); nan where there is only one.
    """

    kind: Ints
    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats

    def of(self, kind: int) -> Times:
        """Return the requests of one class."""
        own = self.kind == kind
        return Times(self.kind[own], self.ttft_s[own], self.tpot_s[own], self.e2e_s[own])

    def named(self) -> dict[str, Floats]:
        """Return the latencies by the names of their targets, in milliseconds."""
        both = {"ttft_ms": self.ttft_s, "tpot_ms": self.tpot_s, "e2e_ms": self.e2e_s}
        return {name: values * 1e3 for name, values in both.items()}


def after_warm_up(run: FleetRun, warm_up: float = WARM_UP) -> NDArray[np.bool_]:
    """Return which requests count: those that arrive after the warm-up share of the time."""
    return np.asarray(run.arrivals.time_s >= warm_up * run.arrivals.duration_s)


def fleet_times(run: FleetRun, counts: NDArray[np.bool_]) -> Times:
    """Return what the requests that count got from the fleet as a whole."""
    a = run.arrivals
    return _times(
        a.kind[counts],
        a.time_s[counts],
        run.first_s[counts],
        run.done_s[counts],
        a.osl[counts],
    )


def pool_times(run: FleetRun, pool: PoolRun, counts: NDArray[np.bool_]) -> Times:
    """Return what the requests that count got from one pool.

    The times of a prefill pool end when the cache is handed over; those of a decode pool start
    when the prefill ends. So both hold the hand-over, as their predictions do.
    """
    own = counts[pool.numbers]
    numbers = pool.numbers[own]
    a = run.arrivals
    return _times(
        a.kind[numbers], pool.start_s[own], pool.first_s[own], pool.done_s[own], a.osl[numbers]
    )


def _times(kind: Ints, start: Floats, first: Floats, done: Floats, osl: Ints) -> Times:
    forever = np.isnan(done)
    more = np.maximum(osl - 1, 1)
    tpot = np.where(osl > 1, (done - first) / more, np.nan)
    return Times(
        kind=kind,
        ttft_s=np.where(np.isnan(first), np.inf, first - start),
        tpot_s=np.where(forever & (osl > 1), np.inf, tpot),
        e2e_s=np.where(forever, np.inf, done - start),
    )


def percentile(values: Floats, percent: float) -> float | None:
    """Return an observed percentile; nan is left out, None where nothing is left."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    return float(np.quantile(known, percent / 100, method="inverted_cdf"))


def percentiles(values: Floats) -> dict[str, float | None]:
    """Return `percentile` at each of `model.predict.PERCENTILES`: ``p50`` → value."""
    return {f"p{p}": percentile(values, p) for p in PERCENTILES}


@dataclass(frozen=True)
class ClassOutcome:
    """What one class got.

    Attributes
    ----------
    requests, unfinished
        Requests that count, and how many of them never finished.
    rate_rps
        Rate at which they arrived.
    at_percentile
        ``ttft_ms``, ``tpot_ms``, ``e2e_ms`` → value at the class's percentile; None where no
        request has one, ``inf`` where too many never finished.
    meets
        The same names → whether the value is within the target.
    attainment
        Share of the requests that met all targets of the class; None without requests.
    goodput_rps
        Requests/s that did.
    """

    requests: int
    unfinished: int
    rate_rps: float
    at_percentile: Mapping[str, float | None]
    meets: Mapping[str, bool]
    attainment: float | None
    goodput_rps: float


def class_outcome(times: Times, c: RequestClass, span_s: float) -> ClassOutcome:
    """Return what a class got, held against its targets.

    Parameters
    ----------
    times
        Its requests that count.
    span_s
        Time in which they arrived.
    """
    named = times.named()
    targets = {"ttft_ms": c.ttft_ms, "tpot_ms": c.tpot_ms, "e2e_ms": c.e2e_ms}
    reached = {name: percentile(values, c.percentile) for name, values in named.items()}
    good = np.ones(times.kind.size, dtype=bool)
    for name, values in named.items():
        if np.isfinite(targets[name]):
            good &= ~(values > targets[name])
    finished = np.isfinite(times.e2e_s)
    size = times.kind.size
    return ClassOutcome(
        requests=size,
        unfinished=int(size - finished.sum()),
        rate_rps=size / span_s,
        at_percentile=reached,
        meets={n: v is None or v <= targets[n] for n, v in reached.items()},
        attainment=float((good & finished).mean()) if size else None,
        goodput_rps=float((good & finished).sum()) / span_s,
    )


def mean_decoding(pool: PoolRun, counts: NDArray[np.bool_], span_s: float) -> float:
    """Return how many sequences decode on a pool on average: Σ(done − first)/span (Little)."""
    own = counts[pool.numbers]
    return float(np.nansum(pool.done_s[own] - pool.first_s[own]) / span_s)
