"""A replica under load: rate, TPOT, TTFT and end-to-end time at a given concurrency.

For a replica with b sequences decoding on average (all times in seconds):

    step(b)            time of a decode step that also carries the request itself
    work(b)            time that one request's prefill adds to those steps
    λ = b / ((osl − 1)·step + b·work)           Little's law with prefill interference
    tpot = step / (1 − λ·work)
    ttft = wait for a slot + wait for prefill + running step + own prefill steps

Parametrising by b makes the fixed point b = λ·(osl − 1)·tpot(b) explicit, so no iteration is
needed. A decode pool is the case of prompts that are wholly cached; a prefill pool the case
b = 0 at a given rate. Percentiles add to each mean the root of the summed squares of its
parts' excursions (exact for normal parts, and for one dominant part).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.queueing import averaging_factor, single_server_wait, slot_wait
from model.replicas import Replicas
from model.station import PrefillLoad, Station, decode_tokens, mean, prefill_load
from model.step_time import prefill_fixed_s, prefill_gemm_s, prefill_steps

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Operation:
    """A replica at work. Arrays have one element a replica; `*_tail_s` one more axis: classes.

    Attributes
    ----------
    rate_rps
        Requests/s the replica serves.
    concurrency
        Mean number of decoding sequences.
    slots
        Most sequences at once: the batch cap, or what the KV cache holds.
    tpot_s, tpot_tail_s, ttft_s, ttft_tail_s, e2e_tail_s
        Means and values at each class's percentile (`ttft_s` per class, too).
    wait_tail_s
        The part of the TTFT that all classes of the mix share, at each percentile.
    utilization
        Rate over the rate at which the replica saturates.
    kv_occupancy
        Share of the KV cache in use on average.
    """

    rate_rps: Floats
    concurrency: Floats
    slots: Floats
    step_s: Floats
    tpot_s: Floats
    tpot_tail_s: Floats
    ttft_s: Floats
    ttft_tail_s: Floats
    e2e_tail_s: Floats
    wait_tail_s: Floats
    utilization: Floats
    kv_occupancy: Floats

    def take(self, index: object) -> Operation:
        """Return the figures at `index` (any NumPy index over the leading axes)."""
        return Operation(**{k: v[index] for k, v in vars(self).items()})


def operate(station: Station, concurrency: ArrayLike, rate_rps: ArrayLike = 0.0) -> Operation:
    """Return the figures of replicas under load.

    Parameters
    ----------
    concurrency
        Mean number of decoding sequences b, shape (...,); ignored by prefill pools.
    rate_rps
        Request rate of prefill pools, for which b is 0; ignored by the others.
    """
    r, rc, t, room = station.replicas, station.per_class, station.traffic, station.slots
    if station.prefill_only:
        rate = np.broadcast_to(np.asarray(rate_rps, dtype=float), room.shape)
        b = seen = np.zeros_like(room)
    else:
        b = np.asarray(concurrency, dtype=float)
        seen = np.minimum(b + 1, np.maximum(room, 1.0))
    step = station.step.seconds(seen)
    prefill = prefill_load(station, b, seen, step)
    work = mean(t, prefill.work_s)
    if not station.prefill_only:
        rate = b / (station.decode_tokens * step + b * work)
    busy = np.minimum(rate * work, 1 - 1e-9)
    tpot = step / (1 - busy)

    mean_service = mean(t, prefill.service_s)
    second = mean(t, prefill.service_s**2 * (1 + t.isl_scv))
    arrivals = station.arrival_scv
    queue = single_server_wait(rate, mean_service, second, arrivals)
    spread = 0.0 if station.prefill_only else (arrivals + station.life_scv) / 2
    slot = slot_wait(rate, station.saturation_rps, room, spread)
    own = _own_prefill_s(rc, t.isl, t.cached, prefill.added_s * prefill.sharing, step)
    handled = np.where(t.isl > t.cached, rc.request_s, 0.0)
    own_excess = _longer_prompt_s(station, prefill, step, seen)
    running = 1 - np.exp(-b) * (1 - np.minimum(rate * mean(t, own), 1.0))
    residual = 0.5 * (step if station.prefill_only else tpot) * running
    wait = slot.mean_s + queue.mean_s + residual
    ttft = wait[..., None] + own + handled

    spreads = (queue.excess_s(t.tail), slot.excess_s(t.tail), residual[..., None] * _side(t.z))
    wait_excess = _combined(*spreads)
    ttft_excess = _combined(*spreads, own_excess)
    tpot_excess = _tpot_excess(station, b, rate, step, busy, tpot, prefill.work_s)
    after_first = 0.0 if station.prefill_only else np.maximum(t.osl - 1, 0.0)
    longer = 0.0 if station.prefill_only else t.osl_tail - t.osl
    lasting = after_first * tpot[..., None]
    e2e_excess = _combined(ttft_excess, after_first * tpot_excess, longer * tpot[..., None])
    return Operation(
        rate_rps=rate,
        concurrency=b,
        slots=room,
        step_s=step,
        tpot_s=tpot,
        tpot_tail_s=tpot[..., None] + tpot_excess,
        ttft_s=ttft,
        ttft_tail_s=ttft + ttft_excess,
        e2e_tail_s=ttft + lasting + e2e_excess,
        wait_tail_s=wait[..., None] + wait_excess,
        utilization=np.maximum(rate / station.saturation_rps, rate * mean_service),
        kv_occupancy=b * station.sequence_bytes / np.maximum(r.kv_budget_bytes, 1.0),
    )


def _own_prefill_s(
    rc: Replicas, prompt: Floats, cached: Floats, work: Floats, step: Floats
) -> Floats:
    """Time from the first prefill step of a prompt to its first token.

    Chunks follow each other through the pipeline: n chunks over `pp` stages take
    (n + pp − 1)/(n·pp) of the work of one stage after another.
    """
    n = prefill_steps(rc, prompt - cached)
    return np.asarray(n * step[..., None] + work * (n + rc.pp - 1) / (n * rc.pp), dtype=float)


def _longer_prompt_s(
    station: Station, prefill: PrefillLoad, step: Floats, decoding: Floats
) -> Floats:
    """How much longer than the mean a prompt takes that is as long as the percentile's."""
    rc, t = station.per_class, station.traffic
    if np.all(t.isl_tail == t.isl):
        return np.zeros(1)
    cached = t.cached * t.isl_tail / t.isl
    new = np.maximum(t.isl_tail - cached, 0.0)
    added = prefill_gemm_s(rc, new, decoding[..., None], prefill.sharing)
    added = added + prefill_fixed_s(rc, t.isl_tail, cached)
    tail = _own_prefill_s(rc, t.isl_tail, cached, added, step)
    return tail - _own_prefill_s(rc, t.isl, t.cached, prefill.added_s, step)


def _tpot_excess(
    station: Station,
    b: Floats,
    rate: Floats,
    step: Floats,
    busy: Floats,
    tpot: Floats,
    work_each: Floats,
) -> Floats:
    """How far a request's TPOT at its percentile lies above the mean.

    Two causes: the batch fluctuates around b (a birth–death process, linearised to an
    Ornstein–Uhlenbeck one and averaged over the request's life) up to a full one, and a random
    number of prefills of random length lands in its life (a renewal-reward process: over a time
    T their work has variance λ·T·(E[w²] + (ca² − 1)·E[w]²)).
    """
    t, room = station.traffic, np.maximum(station.slots, 1.0)
    seen = np.minimum(b + 1, room)
    slope = (station.step.seconds(seen + 1) - step) / (1 - busy)
    drift = (1 - busy) * np.maximum(step - b * slope * (1 - busy), 0.05 * step)
    relaxation = drift / (station.decode_tokens * step**2)
    arrivals = station.arrival_scv
    spread = rate * (1 + arrivals) / 2 / relaxation
    life = decode_tokens(t) * tpot[..., None]
    kept = averaging_factor(life, relaxation[..., None])
    fuller = seen[..., None] + t.z * np.sqrt(spread[..., None] * kept)
    fuller = np.minimum(fuller, room[..., None])
    slower = station.class_step.seconds(fuller)
    batch = (slower - step[..., None]) / (1 - busy)[..., None]
    work = mean(t, work_each)
    second = mean(t, work_each**2 * (1 + t.isl_scv)) + (arrivals - 1) * work**2
    hits = t.z * np.sqrt((rate * second)[..., None] * life) / decode_tokens(t)
    return np.asarray(_combined(batch, hits), dtype=float)


def _side(z: Floats) -> Floats:
    """1 above the median, 0 at it: half a step of waiting is the mean, a whole one the worst."""
    return np.minimum(np.maximum(z, 0.0), 1.0)


def _combined(*excesses: Floats) -> Floats:
    """Combine excursions from independent means: root of squares upwards, sum downwards.

    A quantile can lie below the mean (the median of a wait that is mostly zero); such parts
    cannot be squared, and add as they are.
    """
    up = sum(np.maximum(e, 0.0) ** 2 for e in excesses)
    down = sum(np.minimum(e, 0.0) for e in excesses)
    return np.asarray(np.sqrt(up) + down, dtype=float)
