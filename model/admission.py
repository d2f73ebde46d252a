"""The most requests a replica may be sent: the admissible rate of each class on each replica.

A replica admits the largest rate at which memory, TTFT, TPOT and end-to-end time hold at the
class's percentile and utilisation stays under its limit. Classes that share a replica share
its batch and its prefill queue, so they are planned in *tiers*: a replica of a tier keeps the
shortest wait and the shortest TPOT that any class of the tier needs. Under that promise the
loads of the classes add up as fractions, Σ λ_w/μ_w ≤ 1:

- the TPOT of a mix, step₀/(1 − Σ(λ_w·work_w + A_w·s_w)), stays under the limit τ when each
  class alone does at μ_w, because the sum in the denominator is linear in the λ_w;
- the Pollaczek–Khinchine wait Σλ_w·E[S_w²]/(2(1 − Σρ_w)) stays under ω when each class alone
  does at μ_w, for the same reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.replicas import Replicas, joined
from model.service import Operation, Station, operate, prepare
from model.traffic import RequestClass, Traffic, traffic_of

Floats = NDArray[np.float64]

_PRECISION = 1e-10
"""Width, relative to the load, at which the search for the admissible load stops."""

_IDLE = 1e-9
"""Fraction of the load range that stands for an idle replica."""

ROLES = ("aggregated", "prefill", "decode")


@dataclass(frozen=True)
class Limits:
    """What a replica must hold for each class; arrays broadcast to (replicas, classes).

    Attributes
    ----------
    ttft_s, tpot_s, e2e_s
        Targets at the class's percentile; ``inf`` where there is none.
    wait_s, mean_tpot_s
        Promises of a tier: the shared wait at the percentile, and the mean TPOT.
    utilization
        Largest utilisation.
    """

    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats
    utilization: float
    wait_s: Floats | float = np.inf
    mean_tpot_s: Floats | float = np.inf


def limits_of(classes: Sequence[RequestClass], max_utilization: float) -> Limits:
    """Return the targets of `classes` as limits (seconds)."""
    return Limits(
        ttft_s=np.array([c.ttft_ms for c in classes]) / 1e3,
        tpot_s=np.array([c.tpot_ms for c in classes]) / 1e3,
        e2e_s=np.array([c.e2e_ms for c in classes]) / 1e3,
        utilization=max_utilization,
    )


def excess(o: Operation, limits: Limits) -> Floats:
    """Return by which factor (less one) the worst-kept limit of single-class mixes is missed.

    Negative or zero where every limit holds; at most 4, so that the search stays tame where a
    queue has no steady state.
    """
    with np.errstate(invalid="ignore"):
        worst = np.maximum.reduce(
            [
                o.ttft_tail_s[..., 0] / limits.ttft_s,
                o.tpot_tail_s[..., 0] / limits.tpot_s,
                o.e2e_tail_s[..., 0] / limits.e2e_s,
                o.wait_tail_s[..., 0] / limits.wait_s,
                o.tpot_s / limits.mean_tpot_s,
                o.utilization / limits.utilization,
            ]
        )
    worst = np.where(np.isnan(worst) | (o.slots < 1), np.inf, worst)
    return np.asarray(np.minimum(worst - 1, 4.0), dtype=float)


def at_fraction(station: Station, fraction: Floats) -> Operation:
    """Return the operation at a fraction of a station's range of load.

    The range is the concurrency up to all slots, or for a prefill pool the rate up to an
    engine that never idles.
    """
    if station.prefill_only:
        return operate(station, 0.0, fraction * station.saturation_rps)
    return operate(station, fraction * np.maximum(station.slots, 1.0))


def one_each(classes: Sequence[RequestClass], role: str) -> Traffic:
    """Return the mixes that hold one class alone: arrays of shape (1, classes, 1)."""
    t = traffic_of(classes, np.ones(len(classes)), role=role)
    return Traffic(**{k: v[None, :, None] for k, v in vars(t).items()})


@dataclass(frozen=True)
class Job:
    """Replicas of one model and role whose admissible rates are wanted.

    Attributes
    ----------
    replicas
        Arrays of shape (n,).
    role
        ``aggregated``, ``prefill`` or ``decode``.
    """

    replicas: Replicas
    classes: Sequence[RequestClass]
    limits: Limits
    role: str

    @property
    def shape(self) -> tuple[int, int]:
        """(replicas, classes)."""
        return self.replicas.size, len(self.classes)


def admissible(
    replicas: Replicas, classes: Sequence[RequestClass], limits: Limits, role: str
) -> Operation:
    """Return each replica at the admissible rate of each class alone.

    The feasible loads form an interval from zero (every wait and every step only grows with
    load), so its end is found by bracketing; the end kept is the feasible one. Where even an
    idle replica misses a limit, the rate is 0 and the figures are those of the idle replica.

    Parameters
    ----------
    replicas
        Arrays of shape (n,).
    role
        ``aggregated``, ``prefill`` or ``decode``.

    Returns
    -------
    Operation
        Arrays of shape (n, classes); `rate_rps` is the admissible rate μ.
    """
    return admissible_each([Job(replicas, classes, limits, role)])[0]


def admissible_each(jobs: Sequence[Job]) -> list[Operation]:
    """Return `admissible` of several jobs of one model, searched together.

    Searching thousands of cells at once costs little more than searching hundreds.
    """
    found: dict[int, Operation] = {}
    for prefill_only in (False, True):
        chosen = [i for i, job in enumerate(jobs) if (job.role == "prefill") == prefill_only]
        if chosen:
            answers = _search([jobs[i] for i in chosen], prefill_only=prefill_only)
            found.update(zip(chosen, answers, strict=True))
    return [found[i] for i in range(len(jobs))]


@dataclass(frozen=True)
class _Cells:
    """The feasible (replica, class) pairs of one job."""

    idle: Operation
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    replicas: Replicas
    traffic: Traffic
    limits: Limits


def _cells(job: Job, *, prefill_only: bool) -> _Cells:
    """Find the pairs whose idle replica keeps every limit."""
    everywhere = one_each(job.classes, job.role)
    station = prepare(job.replicas.column(), everywhere, prefill_only=prefill_only)
    idle = at_fraction(station, np.full(job.shape, _IDLE))
    limits = _broadcast(job.limits, job.shape)
    row, column = np.nonzero(excess(idle, limits) <= 0)
    return _Cells(
        idle=idle,
        row=row,
        column=column,
        replicas=job.replicas.take(row),
        traffic=Traffic(**{k: v[0, column] for k, v in vars(everywhere).items()}),
        limits=Limits(**{k: v[row, column] if np.ndim(v) else v for k, v in vars(limits).items()}),
    )


def _search(jobs: Sequence[Job], *, prefill_only: bool) -> list[Operation]:
    """Search the cells of all jobs at once, and hand each job its own."""
    parts = [_cells(job, prefill_only=prefill_only) for job in jobs]
    station = prepare(
        joined([p.replicas for p in parts]),
        Traffic(
            **{
                k: np.concatenate([getattr(p.traffic, k) for p in parts])
                for k in vars(parts[0].traffic)
            }
        ),
        prefill_only=prefill_only,
    )
    bounds: dict[str, Any] = {
        k: np.concatenate([getattr(p.limits, k) for p in parts]) if np.ndim(v) else v
        for k, v in vars(parts[0].limits).items()
    }
    limits = Limits(**bounds)
    found = at_fraction(station, _largest_load(station, limits))
    answers, begin = [], 0
    for job, part in zip(jobs, parts, strict=True):
        end = begin + len(part.row)
        figures = {}
        for name, values in vars(part.idle).items():
            filled = np.array(np.broadcast_to(values, job.shape + values.shape[2:]))
            filled[part.row, part.column] = getattr(found, name)[begin:end]
            figures[name] = filled
        rate = np.zeros(job.shape)
        rate[part.row, part.column] = found.rate_rps[begin:end]
        answers.append(Operation(**{**figures, "rate_rps": rate}))
        begin = end
    return answers


def _broadcast(limits: Limits, shape: tuple[int, int]) -> Limits:
    given = vars(limits)
    fixed = given["utilization"]
    spread = {k: np.broadcast_to(v, shape) for k, v in given.items() if k != "utilization"}
    return Limits(**spread, utilization=fixed)


def _largest_load(station: Station, limits: Limits) -> Floats:
    """Return the largest feasible fraction of load of stations that are feasible when idle.

    Bracketed by Chandrupatla's method; of the final bracket the feasible end is kept.
    """
    from scipy.optimize.elementwise import find_root

    answer = np.ones(station.slots.shape)
    index = np.nonzero(excess(at_fraction(station, answer), limits) > 0)[0]
    if not index.size:
        return answer
    cache: dict[bytes, tuple[Station, Limits]] = {}

    def miss(load: Floats, which: Floats) -> Floats:
        rows = which.astype(np.intp)
        key = rows.tobytes()
        if key not in cache:
            cache.clear()
            cache[key] = station.take(rows), _take(limits, rows)
        return excess(at_fraction(cache[key][0], load), cache[key][1])

    found = find_root(
        miss,
        (np.full(index.shape, _IDLE), np.ones(index.shape)),
        args=(index.astype(float),),
        tolerances={"xatol": 0.0, "xrtol": _PRECISION, "fatol": 0.0, "frtol": 0.0},
        maxiter=100,
    )
    (left, right), (_, f_right) = found.bracket, found.f_bracket
    answer[index] = np.where(f_right <= 0, right, left)
    return answer


def _take(limits: Limits, index: NDArray[np.intp]) -> Limits:
    return Limits(**{k: v[index] if np.ndim(v) else v for k, v in vars(limits).items()})


def admissible_in_tier(
    replicas: Replicas,
    classes: Sequence[RequestClass],
    limits: Limits,
    role: str,
    alone: Operation,
) -> Floats:
    """Return the admissible rates when all `classes` may share a replica.

    Parameters
    ----------
    alone
        `admissible` of the same classes, each by itself; classes with rate 0 there are left
        out of the promise, since the replica never serves them.

    Returns
    -------
    ndarray
        Rates of shape (n, classes), never above those alone.
    """
    if len(classes) == 1:
        return alone.rate_rps
    served = alone.rate_rps > 0
    wait = np.where(served, alone.wait_tail_s[..., 0], np.inf).min(axis=1, keepdims=True)
    mean_tpot = np.where(served, alone.tpot_s, np.inf).min(axis=1, keepdims=True)
    tail_tpot = np.where(served, alone.tpot_tail_s[..., 0], np.inf).min(axis=1, keepdims=True)
    promise = Limits(
        ttft_s=limits.ttft_s,
        tpot_s=np.minimum(limits.tpot_s, tail_tpot),
        e2e_s=limits.e2e_s,
        utilization=limits.utilization,
        wait_s=wait,
        mean_tpot_s=mean_tpot,
    )
    kept = excess(alone, _broadcast(promise, alone.rate_rps.shape)) <= 0
    if (kept | ~served).all():
        return alone.rate_rps
    rows = np.nonzero((served & ~kept).any(axis=1))[0]
    narrowed = Limits(**{k: v[rows] if np.ndim(v) == 2 else v for k, v in vars(promise).items()})
    rates = alone.rate_rps.copy()
    rates[rows] = admissible(replicas.take(rows), classes, narrowed, role).rate_rps
    return np.where(served, np.where(kept, alone.rate_rps, rates), 0.0)
