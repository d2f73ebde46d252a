"""How the time per token varies between requests of one replica.

Two causes. The batch fluctuates: arrivals and ends are random, and a fuller batch decodes
slower. And prompts stall: each takes time from every sequence that decodes while it is
prefilled, and how many land in a request's life is random. A prompt that stalls others also
keeps them there longer, so that they meet more prompts: a branching process, whose offspring

    ρ = λ·(work of a further prompt + tokens·what a further sequence adds to a step)

is the share of a busy engine's time that one more request brings with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.queueing import Wait, averaging_factor, gamma_quantile
from model.station import PrefillLoad, Station, mean

Floats = NDArray[np.float64]

CLOSEST = 0.97
"""Offspring of a prompt beyond which the linear theory says nothing."""

FOREVER_S = 1e6
"""Stands for the wait in front of an overloaded engine."""


@dataclass(frozen=True)
class AtWork:
    """A replica at work.

    Attributes
    ----------
    load
        Sequences that decode, as `model.service.operate` takes them.
    seen
        Sequences in a step that a request sees, itself among them.
    rate_rps
        Requests/s.
    step_s
        Time of a step that decodes one sequence more, with no prompts in it.
    busy
        Share of the time that goes to prompts.
    """

    load: Floats
    seen: Floats
    rate_rps: Floats
    step_s: Floats
    busy: Floats


@dataclass(frozen=True)
class Batch:
    """How the number of decoding sequences fluctuates: variance, rate of relaxation (1/s)."""

    variance: Floats
    relaxation: Floats


def batch_of(station: Station, at: AtWork) -> Batch:
    """Linearise the birth–death process of the batch around b to an Ornstein–Uhlenbeck one.

    A request more is not only there itself: its prompt keeps the others longer, by the factor
    1/(1 − busy).
    """
    step, free = at.step_s, 1 - at.busy
    slope = station.step.seconds(at.seen + 1) - step
    drift = np.maximum(free * (step - at.load * slope), 0.05 * free * step)
    relaxation = drift / (station.decode_tokens * step**2)
    spread = at.rate_rps * (1 + station.arrival_scv) / 2 / relaxation
    return Batch(spread / free**2, relaxation)


@dataclass(frozen=True)
class Stalls:
    """Time that prompts of others take from a request while it decodes (seconds).

    Attributes
    ----------
    mean_s, variance
        Per class, shape (..., classes).
    most_s
        What it cannot exceed: a full step of prompts for each token; and, as prompts need the
        slots that others leave, one turnover of the batch.
    """

    mean_s: Floats
    variance: Floats
    most_s: Floats


def stalls_of(
    station: Station, prefill: PrefillLoad, at: AtWork, queue: Wait, own: Floats
) -> Stalls:
    """Return how prompts stall the requests of a replica.

    The time of a step is s plus the work of the prompts that arrived during the one before: an
    autoregression with mean m = s/(1 − busy), variance λ·E[w²]·m/(1 − ρ²) and correlation ρ^k.
    A request decodes n such steps, the first of which still serves the prompts that arrived
    while its own was waiting and served:

        mean = n·(m − s) + left·(1 − ρⁿ)/(1 − ρ)
        variance = λ·E[w²]·m/(1 − ρ²) · (n·(1 + ρ)/(1 − ρ) − 2ρ(1 − ρⁿ)/(1 − ρ)²) + that of left

    Parameters
    ----------
    queue, own
        A prompt's wait for the engine, and the time of its own steps.
    """
    t, n, rate, step = station.traffic, station.tokens, at.rate_rps, at.step_s
    work, further = mean(t, prefill.work_s), mean(t, prefill.filled_s)
    squares = mean(t, prefill.work_s * prefill.filled_s * station.square)
    squares = rate * np.maximum(squares + (station.arrival_scv - 1) * work**2, 0.0)

    rho = np.maximum(rate * (further + station.decode_tokens * _slope(station, at)), at.busy)
    rho = np.minimum(np.maximum(rho, 0.0), CLOSEST)[..., None]
    left_over = 1 - rho
    fading = (1 - rho**n) / left_over
    settled = (step / (1 - at.busy))[..., None]

    present = np.minimum(queue.mean_s, FOREVER_S) + mean(t, own)
    each = np.minimum(work, further)
    left = (rate * each * present)[..., None]
    left_variance = squares * present + (rate * each) ** 2 * np.minimum(
        queue.variance, FOREVER_S**2
    )

    mean_s = n * (settled - step[..., None]) + left * fading
    one_step = squares[..., None] * settled / (1 - rho**2)
    variance = one_step * (n * (1 + rho) - 2 * rho * fading) / left_over
    variance = variance + left_variance[..., None] * fading**2
    most = np.minimum(_fullest_s(station, prefill, step) * n, station.turnover_s)
    return Stalls(np.minimum(mean_s, most), variance, most)


def _slope(station: Station, at: AtWork) -> Floats:
    """What a further sequence adds to a step, over the usual fluctuation of the batch."""
    seen, far = at.load + 1, 2 * np.sqrt(at.load + 1)
    added = station.step.seconds(seen + far) - station.step.seconds(seen)
    return np.asarray(added / far, dtype=float)


def _fullest_s(station: Station, prefill: PrefillLoad, step: Floats) -> Floats:
    """What prompts add to a step that they fill, shape (..., 1); no bound where they go first."""
    rc = station.per_class
    filled = prefill.service_s * rc.pp / station.alone_share - step[..., None]
    filled = np.where(rc.mixed > 0, filled, np.inf)
    filled = np.where(station.new > 0, filled, 0.0)
    return filled if filled.shape[-1] == 1 else filled.max(axis=-1, keepdims=True)


def tpot_excess_s(station: Station, at: AtWork, batch: Batch, stalls: Stalls) -> Floats:
    """Return how far a request's TPOT at its percentile lies above the mean (seconds).

    The batch is averaged over the request's life; stalls are taken as gamma distributed, and
    never less than their mean: the median of rare stalls is none, but no target is set for it. Both
    come from the same bursts of arrivals, so they add. Outputs of different length average over
    fewer or more steps: E[1/osl] ≈ (1 + osl_scv)/E[osl].
    """
    t, n = station.traffic, station.tokens
    room, step = station.room[..., None], at.step_s[..., None]
    life = n * step + stalls.mean_s
    kept = averaging_factor(life, batch.relaxation[..., None])
    fuller = at.seen[..., None] + t.z * np.sqrt(batch.variance[..., None] * kept)
    slower = station.class_step.seconds(np.minimum(fuller, room)) - step
    slower = slower / (1 - at.busy)[..., None]
    worst = gamma_quantile(stalls.mean_s, stalls.variance * (1 + t.osl_scv), t.z)
    worst = np.maximum(worst, stalls.mean_s)
    most = station.full_step_s - step + stalls.most_s / n
    return np.asarray(np.minimum(slower + worst / n, most) - stalls.mean_s / n, dtype=float)


def combined(*excesses: Floats) -> Floats:
    """Combine excursions from independent means: root of squares upwards, sum downwards.

    A quantile can lie below the mean (the median of a wait that is mostly zero); such parts
    cannot be squared, and add as they are.
    """
    up: Floats | float = 0.0
    down: Floats | float = 0.0
    for e in excesses:
        above = np.maximum(e, 0.0)
        up, down = up + above * above, down + np.minimum(e, 0.0)
    return np.asarray(np.sqrt(up) + down, dtype=float)
