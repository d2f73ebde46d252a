"""The most requests a replica may be sent: the admissible rate of each class on each replica.

A replica admits the largest rate at which memory, TTFT, TPOT and end-to-end time hold at the
class's percentile and utilisation stays under its limit. Classes that share a replica share
its batch and its prefill queue, so they are planned in *tiers*: a replica of a tier keeps the
shortest wait and the shortest TPOT that any class of the tier needs, at the strictest
percentile of the tier. Under that promise the loads of the classes add up as fractions,
Σ λ_w/μ_w ≤ 1:

- the TPOT of a mix, step₀/(1 − Σ(λ_w·work_w + A_w·s_w)), stays under the limit τ when each
  class alone does at μ_w, because the sum in the denominator is linear in the λ_w;
- the mean wait of Pollaczek and Khinchine, Σλ_w·E[S_w²]/(2(1 − Σρ_w)), stays under ω when
  each class alone does at μ_w, for the same reason.

Tails of waits and batch slots of unequal sequences are not linear, so a few mixes are tried
(`model.mixes.hold_mixes`), and the rates of their classes lowered where one misses a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.limits import Limits as Limits
from model.limits import broadcast, take
from model.limits import excess as excess
from model.limits import joined as join_limits
from model.limits import limits_of as limits_of
from model.load_search import IDLE, largest_load
from model.load_search import at_fraction as at_fraction
from model.mixes import MixTask, hold_mixes
from model.replicas import Replicas, joined
from model.service import Operation, operate
from model.station import decode_tokens, prepare
from model.step_time import prefill_steps
from model.traffic import RequestClass, Traffic, traffic_of
from model.traffic import joined as join_traffic

Floats = NDArray[np.float64]

_MOST_TPOT_S = 1e3
"""Stands for the TPOT target of a class that has none."""

LEAST_LOAD = 1e-4
"""Share of a replica's load range, or of the rate that a class has alone, below which a replica
that keeps its targets only while it is as good as idle is not counted on at all."""

ROLES = ("aggregated", "prefill", "decode")


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
    """The feasible (replica, class) pairs of one job, and by how much they miss limits idle."""

    idle: Operation
    missed: Floats
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    replicas: Replicas
    traffic: Traffic
    limits: Limits


def _cells(job: Job, *, prefill_only: bool) -> _Cells:
    """Find the pairs whose idle replica keeps every limit."""
    everywhere = one_each(job.classes, job.role)
    station = prepare(job.replicas.column, everywhere, prefill_only=prefill_only)
    idle = at_fraction(station, np.full(job.shape, IDLE))
    limits = broadcast(job.limits, job.shape)
    missed = excess(idle, limits)
    row, column = np.nonzero(missed <= 0)
    return _Cells(
        idle=idle,
        missed=missed[row, column],
        row=row,
        column=column,
        replicas=job.replicas.take(row),
        traffic=Traffic(**{k: v[0, column] for k, v in vars(everywhere).items()}),
        limits=take(limits, (row, column)),
    )


def _search(jobs: Sequence[Job], *, prefill_only: bool) -> list[Operation]:
    """Search the cells of all jobs at once, and hand each job its own."""
    parts = [_cells(job, prefill_only=prefill_only) for job in jobs]
    station = prepare(
        joined([p.replicas for p in parts]),
        join_traffic([p.traffic for p in parts]),
        prefill_only=prefill_only,
    )
    limits = join_limits([p.limits for p in parts])
    load = largest_load(station, limits, idle=np.concatenate([p.missed for p in parts]))
    found = at_fraction(station, load)
    served = np.where(load >= LEAST_LOAD, found.rate_rps, 0.0)
    answers, begin = [], 0
    for job, part in zip(jobs, parts, strict=True):
        end = begin + len(part.row)
        figures = {}
        for name, values in vars(part.idle).items():
            filled = np.array(np.broadcast_to(values, job.shape + values.shape[2:]))
            filled[part.row, part.column] = getattr(found, name)[begin:end]
            figures[name] = filled
        rate = np.zeros(job.shape)
        rate[part.row, part.column] = served[begin:end]
        answers.append(Operation(**{**figures, "rate_rps": rate}))
        begin = end
    return answers


@dataclass(frozen=True)
class TierJob:
    """Replicas of one model and role that all `classes` may share.

    Attributes
    ----------
    alone
        `admissible` of the same classes, each by itself; classes with rate 0 there are left
        out of the promise, since the replica never serves them.
    """

    replicas: Replicas
    classes: Sequence[RequestClass]
    limits: Limits
    role: str
    alone: Operation

    @property
    def strict(self) -> list[RequestClass]:
        """The classes at the strictest percentile of the tier."""
        strictest = max(c.percentile for c in self.classes)
        return [replace(c, percentile=strictest) for c in self.classes]


def admissible_in_tiers(jobs: Sequence[TierJob]) -> list[Floats]:
    """Return the admissible rates when all classes of a job may share a replica.

    Returns
    -------
    list of ndarray
        For each job, rates of shape (replicas, classes), never above those alone. Jobs are
        searched together, which costs less than one by one.
    """
    rates = [np.where(job.alone.rate_rps > 0, job.alone.rate_rps, 0.0) for job in jobs]
    shared = [i for i, job in enumerate(jobs) if len(job.classes) > 1]
    late: list[tuple[int, NDArray[np.intp], NDArray[np.bool_]]] = []
    searches: list[Job] = []
    for i in shared:
        job = jobs[i]
        at_strict = _at_strictest(job)
        promise = _promise(job.replicas, job.classes, job.limits, job.alone, at_strict)
        kept = excess(at_strict, promise) <= 0
        rows = np.nonzero(((job.alone.rate_rps > 0) & ~kept).any(axis=1))[0]
        if rows.size:
            late.append((i, rows, kept[rows]))
            searches.append(Job(job.replicas.take(rows), job.strict, take(promise, rows), job.role))
    for (i, rows, fine), found in zip(late, admissible_each(searches), strict=True):
        lower = np.minimum(found.rate_rps, rates[i][rows])
        rates[i][rows] = np.where(fine, rates[i][rows], lower)
    tasks = [
        MixTask(
            replicas=job.replicas,
            classes=job.classes,
            limits=broadcast(job.limits, rates[i].shape),
            role=job.role,
            rates=rates[i],
            alone=job.alone,
        )
        for i in shared
        for job in [jobs[i]]
    ]
    for i, held in zip(shared, hold_mixes(tasks), strict=True):
        rates[i] = np.where(held >= LEAST_LOAD * jobs[i].alone.rate_rps, held, 0.0)
    return rates


def _at_strictest(job: TierJob) -> Operation:
    """Return each class alone, at the strictest percentile of the tier."""
    strict = job.strict
    if all(c.percentile == s.percentile for c, s in zip(job.classes, strict, strict=True)):
        return job.alone
    prefill_only = job.role == "prefill"
    station = prepare(job.replicas.column, one_each(strict, job.role), prefill_only=prefill_only)
    return operate(station, job.alone.load, job.alone.rate_rps)


def _promise(
    replicas: Replicas,
    classes: Sequence[RequestClass],
    limits: Limits,
    alone: Operation,
    at_strict: Operation,
) -> Limits:
    """Return what a replica must keep so that each class meets its targets in any mix.

    A class tolerates the wait and the TPOT that it has alone at its admissible rate, and what
    its targets leave beyond: up to half of the time left goes to a longer TPOT, which also
    delays its own prefill steps and every decoded token, the rest to waiting.
    """
    shape = alone.rate_rps.shape
    limits = broadcast(limits, shape)
    t = one_each(classes, "aggregated")
    steps = prefill_steps(replicas.column.column, t.isl_tail - t.cached)[..., 0] + 1
    tokens = steps + decode_tokens(t)[..., 0]
    tail, mean = alone.tpot_tail_s[..., 0], alone.tpot_s
    to_first = np.maximum(limits.ttft_s - alone.ttft_tail_s[..., 0], 0.0)
    to_last = np.maximum(limits.e2e_s - alone.e2e_tail_s[..., 0], 0.0)
    rise = np.minimum(
        np.minimum(limits.tpot_s, _MOST_TPOT_S) / tail - 1, to_first / 2 / (steps * tail)
    )
    rise = np.maximum(np.minimum(rise, to_last / 2 / (tokens * tail)), 0.0)
    left = np.minimum(to_first - steps * tail * rise, to_last - tokens * tail * rise)

    def least(values: Floats) -> Floats:
        served = np.where(alone.rate_rps > 0, values, np.inf)
        return np.broadcast_to(served.min(axis=1, keepdims=True), shape)

    never = np.full(shape, np.inf)
    return Limits(
        ttft_s=never,
        tpot_s=least(at_strict.tpot_tail_s[..., 0] * (1 + rise)),
        e2e_s=never,
        utilization=limits.utilization,
        wait_s=least(at_strict.wait_tail_s[..., 0] + left),
        mean_tpot_s=least(mean * (1 + rise)),
    )
