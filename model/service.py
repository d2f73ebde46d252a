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

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.kv_cache import kv_bytes, kv_reserved_bytes
from model.queueing import averaging_factor, single_server_wait, slot_wait
from model.replicas import Replicas
from model.step_time import (
    decode_step_s,
    prefill_budget,
    prefill_fixed_s,
    prefill_gemm_s,
    prefill_steps,
)
from model.traffic import Traffic

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


def decode_tokens(t: Traffic) -> Floats:
    """Return the tokens a request decodes after its first (at least one)."""
    return np.maximum(t.osl - 1, 1.0)


def _mean(t: Traffic, values: Floats) -> Floats:
    return np.asarray((t.share * values).sum(axis=-1), dtype=float)


def _by_time(t: Traffic, values: Floats) -> Floats:
    """Average over the sequences found decoding: classes weigh by share × output length."""
    weight = t.share * decode_tokens(t)
    return np.asarray((weight * values).sum(axis=-1) / weight.sum(axis=-1), dtype=float)


def _life_scv(t: Traffic) -> Floats:
    """Squared coefficient of variation of the tokens that requests of the mix decode."""
    tokens = decode_tokens(t)
    mean, second = _mean(t, tokens), _mean(t, tokens**2 * (1 + t.osl_scv))
    return np.maximum(second / mean**2 - 1, 0.0)


def slots(r: Replicas, t: Traffic) -> Floats:
    """Return how many sequences a replica can hold at once (0 if not even one fits).

    A sequence is counted at its final length, or at the mean length of those found decoding
    where outputs vary so much that this is longer. With random lengths, B sequences need
    B·m + z·s·√B bytes (mean m, deviation s), solved for B; the batch cap bounds it. Equal
    lengths hold a whole number; random ones a number that varies, whose level B is.
    """
    rc = r.column()
    tokens = np.maximum(t.isl + t.osl, _context(t))
    need = kv_reserved_bytes(rc, tokens)
    budget = np.maximum(r.kv_budget_bytes, 0.0)
    mean = _by_time(t, need)
    spread = (t.isl**2 * t.isl_scv + t.osl**2 * t.osl_scv) / tokens**2
    second = _by_time(t, need**2 * (1 + spread))
    deviation = np.sqrt(np.maximum(second - mean**2, 0.0))
    z = np.max(np.broadcast_to(t.z, np.shape(t.share)), axis=-1)
    half = z * deviation / (2 * mean)
    root = np.sqrt(half**2 + budget / mean) - half
    held = root**2 * (1 + 1e-12)
    return np.asarray(
        np.minimum(np.where(deviation > 0, held, np.floor(held)), r.batch_cap), dtype=float
    )


def _context(t: Traffic) -> Floats:
    """Mean context of a sequence found decoding: long outputs are found more often."""
    return t.isl + t.osl * (1 + t.osl_scv) / 2


@dataclass(frozen=True)
class Station:
    """Replicas paired with the mixes they serve, and what does not depend on the load.

    Attributes
    ----------
    slots
        Most sequences at once (0: not even one fits).
    decode_tokens, context
        Mean tokens a request decodes, and mean context of a decoding sequence (tokens).
    fixed_work_s
        Attention and collectives of prefilling one prompt of each class.
    saturation_rps
        Rate at which every slot is taken (or a prefill engine never idles).
    """

    replicas: Replicas
    per_class: Replicas
    traffic: Traffic
    prefill_only: bool
    slots: Floats
    decode_tokens: Floats
    context: Floats
    fixed_work_s: Floats
    saturation_rps: Floats

    def take(self, index: NDArray[np.intp]) -> Station:
        """Return the stations at `index` (arrays of shape (cells,), mixes (cells, classes))."""
        chosen = Traffic(**{k: v[index] for k, v in vars(self.traffic).items()})
        r = self.replicas.take(index)
        return Station(
            replicas=r,
            per_class=r.column(),
            traffic=chosen,
            prefill_only=self.prefill_only,
            slots=self.slots[index],
            decode_tokens=self.decode_tokens[index],
            context=self.context[index],
            fixed_work_s=self.fixed_work_s[index],
            saturation_rps=self.saturation_rps[index],
        )


def prepare(r: Replicas, t: Traffic, *, prefill_only: bool = False) -> Station:
    """Pair replicas, arrays of shape (...,), with mixes, arrays that broadcast to (..., classes).

    Parameters
    ----------
    prefill_only
        Whether these are prefill pools, which hand each sequence on after its first token.
    """
    rc = r.column()
    held = replace(t, osl=np.ones_like(t.osl), osl_scv=np.zeros_like(t.osl)) if prefill_only else t
    room = slots(r, held)
    tokens = np.broadcast_to(_mean(t, decode_tokens(t)), room.shape)
    context = _by_time(t, _context(t))
    fixed = prefill_fixed_s(rc, t.isl, t.cached, t.isl_scv)
    fixed = np.broadcast_to(fixed, np.broadcast_shapes(fixed.shape, (*room.shape, 1)))
    station = Station(r, rc, t, prefill_only, room, tokens, context, fixed, np.ones_like(room))
    full = np.zeros_like(room) if prefill_only else np.maximum(room, 1.0)
    step = decode_step_s(r, full, context)
    load = _prefill_load(station, full, full, step)
    if prefill_only:
        limit = 1 / _mean(t, load.service_s)
    else:
        limit = full / (tokens * step + full * _mean(t, load.work_s))
    return replace(station, saturation_rps=limit)


@dataclass(frozen=True)
class _PrefillLoad:
    """What prefilling one prompt of each class costs, shape (..., classes).

    Attributes
    ----------
    sharing
        Prompts that share a step, at least one; shape (..., 1).
    added_s
        Time it adds to a step on its way through the stages.
    work_s
        Time it adds to the steps of every sequence.
    service_s
        Time an engine whose steps are filled with prompts spends on it, decoding included.
    """

    sharing: Floats
    added_s: Floats
    work_s: Floats
    service_s: Floats


def _prefill_load(station: Station, b: Floats, decoding: Floats, step: Floats) -> _PrefillLoad:
    """Return the cost of a prompt while `decoding` sequences are seen, `b` on average.

    By Little's law λ·tpot = b/tokens prompts arrive a step and share it (a pipeline spreads
    them over its stages). A prefill pool works at filled steps; its own prompt may be alone.
    """
    rc, t = station.per_class, station.traffic
    new, others = t.isl - t.cached, decoding[..., None]
    sharing = np.maximum((b / station.decode_tokens)[..., None] / rc.pp, 1.0)
    together = np.stack(np.broadcast_arrays(sharing, rc.chunk_tokens))
    shared, filled = prefill_gemm_s(rc, new, others, together) + station.fixed_work_s
    share = new / prefill_budget(rc, others)
    return _PrefillLoad(
        sharing=sharing,
        added_s=shared,
        work_s=(filled if station.prefill_only else shared) / rc.pp,
        service_s=(filled + step[..., None] * share) / rc.pp,
    )


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
    tokens = station.decode_tokens
    if station.prefill_only:
        rate = np.broadcast_to(np.asarray(rate_rps, dtype=float), room.shape)
        b = seen = np.zeros_like(room)
    else:
        b = np.asarray(concurrency, dtype=float)
        seen = np.minimum(b + 1, np.maximum(room, 1.0))
    step = decode_step_s(r, seen, station.context)
    prefill = _prefill_load(station, b, seen, step)
    work = _mean(t, prefill.work_s)
    if not station.prefill_only:
        rate = b / (tokens * step + b * work)
    busy = np.minimum(rate * work, 1 - 1e-9)
    tpot = step / (1 - busy)

    mean_service = _mean(t, prefill.service_s)
    second = _mean(t, prefill.service_s**2 * (1 + t.isl_scv))
    arrivals = _mean(t, t.arrival_scv)
    queue = single_server_wait(rate, mean_service, second, arrivals)
    spread = 0.0 if station.prefill_only else (arrivals + _life_scv(t)) / 2
    slot = slot_wait(rate, station.saturation_rps, room, spread)
    own = _own_prefill_s(rc, t.isl, t.cached, prefill.added_s * prefill.sharing, step)
    own_excess = _longer_prompt_s(station, prefill, step, seen)
    running = 1 - np.exp(-b) * (1 - np.minimum(rate * _mean(t, own), 1.0))
    residual = 0.5 * (step if station.prefill_only else tpot) * running
    wait = slot.mean_s + queue.mean_s + residual
    ttft = wait[..., None] + own

    spreads = (queue.excess_s(t.tail), slot.excess_s(t.tail), residual[..., None] * _side(t.z))
    wait_excess = _combined(*spreads)
    ttft_excess = _combined(*spreads, own_excess)
    tpot_excess = _tpot_excess(station, b, rate, step, busy, tpot, prefill.work_s)
    after_first = 0.0 if station.prefill_only else np.maximum(t.osl - 1, 0.0)
    longer = 0.0 if station.prefill_only else t.osl_tail - t.osl
    lasting = after_first * tpot[..., None]
    e2e_excess = _combined(ttft_excess, after_first * tpot_excess, longer * tpot[..., None])
    occupied = b * _by_time(t, kv_bytes(rc, _context(t)))
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
        kv_occupancy=occupied / np.maximum(r.kv_budget_bytes, 1.0),
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
    station: Station, prefill: _PrefillLoad, step: Floats, decoding: Floats
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
    r, t, room = station.replicas, station.traffic, np.maximum(station.slots, 1.0)
    seen = np.minimum(b + 1, room)
    slope = (decode_step_s(r, seen + 1, station.context) - step) / (1 - busy)
    drift = (1 - busy) * np.maximum(step - b * slope * (1 - busy), 0.05 * step)
    relaxation = drift / (station.decode_tokens * step**2)
    arrivals = _mean(t, t.arrival_scv)
    spread = rate * (1 + arrivals) / 2 / relaxation
    life = decode_tokens(t) * tpot[..., None]
    kept = averaging_factor(life, relaxation[..., None])
    fuller = seen[..., None] + t.z * np.sqrt(spread[..., None] * kept)
    fuller = np.minimum(fuller, room[..., None])
    slower = decode_step_s(station.per_class, fuller, station.context[..., None])
    batch = (slower - step[..., None]) / (1 - busy)[..., None]
    work = _mean(t, work_each)
    second = _mean(t, work_each**2 * (1 + t.isl_scv)) + (arrivals - 1) * work**2
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
