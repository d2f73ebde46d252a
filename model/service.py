"""A replica under load: rate, TPOT, TTFT and end-to-end time at a given concurrency.

For a replica with b sequences decoding on average (all times in seconds):

    step(b)            time of a decode step that also carries the request itself
    work(b)            time that one request's prefill adds to those steps
    λ = b / ((osl − 1)·step + b·work)           Little's law with prefill interference
    tpot = step / (1 − λ·work) + what the prompts that queued behind its own still take
    ttft = wait for a slot + wait for prefill + running step + own prefill steps

Parametrising by b makes the fixed point b = λ·(osl − 1)·tpot(b) explicit, so no iteration is
needed. How TPOT varies between requests is
`model.variability`'s. A decode pool is the case of prompts that are wholly cached; a prefill
pool the case b = 0 at a given rate. Percentiles add to each mean the root of the summed squares
of its parts' excursions (exact for normal parts, and for one dominant part).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.queueing import Wait, deviations_above, no_wait, single_server_wait, slot_wait
from model.station import PrefillLoad, Prompts, Station, mean, prefill_load
from model.variability import AtWork, batch_of, combined, stalls_of, tpot_excess_s

Floats = NDArray[np.float64]


LIVES_OF_A_WAIT = 12.0
"""Mean waits that make a long one, as long as a request's life where slots run short."""


@dataclass(frozen=True)
class Operation:
    """A replica at work. Arrays have one element a replica; `*_tail_s` one more axis: classes.

    Attributes
    ----------
    rate_rps
        Requests/s the replica serves.
    load
        The argument of `operate` that gave these figures.
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
    load: Floats
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


@dataclass(frozen=True)
class _Flow:
    """Requests through a replica: `seen` sequences share a step with a request, itself included."""

    load: Floats
    seen: Floats
    step_s: Floats
    prefill: PrefillLoad
    work_s: Floats
    rate_rps: Floats


def _flow(station: Station, load: ArrayLike, rate_rps: ArrayLike) -> _Flow:
    """Return the flow of requests at a load; the arguments are those of `operate`."""
    room = station.slots
    if station.prefill_only:
        b = seen = np.zeros_like(room)
    else:
        b = np.asarray(load, dtype=float)
        seen = np.minimum(b + 1, station.room)
    step = station.step.seconds(seen)
    prefill = prefill_load(station, b, seen, step)
    work = mean(station.traffic, prefill.work_s)
    if station.prefill_only:
        rate = np.broadcast_to(np.asarray(rate_rps, dtype=float), room.shape)
    else:
        rate = b / (station.decode_tokens * step + b * work)
    return _Flow(b, seen, step, prefill, work, rate)


def rate_at(station: Station, load: ArrayLike) -> Floats:
    """Return the requests/s that replicas serve under load, as `operate` gives them."""
    return _flow(station, load, 0.0).rate_rps


def operate(station: Station, load: ArrayLike, rate_rps: ArrayLike = 0.0) -> Operation:
    """Return the figures of replicas under load.

    Parameters
    ----------
    load
        Sequences b that decode on average, but for those kept by prompts that queued behind their
        own; shape (...,); ignored by prefill pools.
    rate_rps
        Request rate of prefill pools, for which b is 0; ignored by the others.
    """
    r, rc, t, room = station.replicas, station.per_class, station.traffic, station.slots
    flow = _flow(station, load, rate_rps)
    b, step, prefill, rate = flow.load, flow.step_s, flow.prefill, flow.rate_rps
    mean_service = mean(t, prefill.service_s)
    second = mean(t, prefill.service_s**2 * station.square)
    queue = single_server_wait(rate, mean_service, second, station.arrival_scv)
    own = station.chunks.seconds(prefill.added_s * prefill.sharing, step)
    handled = np.where(t.isl > t.cached, rc.request_s, 0.0)
    if station.prefill_only:
        slot = no_wait(room)
        tpot, tpot_excess = step, np.zeros(1)
    else:
        busy = np.minimum(rate * flow.work_s, 1 - 1e-9)
        at = AtWork(b, flow.seen, rate, step, busy)
        batch = batch_of(station, at)
        stalls = stalls_of(station, prefill, at, queue, own)
        tpot = step + mean(t, stalls.mean_s) / station.decode_tokens
        tpot_excess = tpot_excess_s(station, at, batch, stalls)
        jointly = rate**2 * mean(t, stalls.variance)
        slot = _slot_wait(station, batch.variance + jointly, b, rate, step)
    running = 1 - np.exp(-b) * (1 - np.minimum(rate * mean(t, own), 1.0))
    residual = 0.5 * (step if station.prefill_only else tpot) * running
    wait = slot.mean_s + queue.mean_s + residual
    ttft = wait[..., None] + own + handled

    spreads = (queue.excess_s(t.tail), slot.excess_s(t.tail), residual[..., None] * _side(t.z))
    wait_excess = ttft_excess = combined(*spreads)
    if station.longest is not None:
        ttft_excess = combined(*spreads, _longer_prompt_s(station, station.longest, prefill, step))
    after_first = 0.0 if station.prefill_only else np.maximum(t.osl - 1, 0.0)
    longer = 0.0 if station.prefill_only else t.osl_tail - t.osl
    lasting = after_first * tpot[..., None]
    e2e_excess = combined(ttft_excess, after_first * tpot_excess, longer * tpot[..., None])
    held = b if station.prefill_only else np.minimum(rate * station.decode_tokens * tpot, room)
    return Operation(
        rate_rps=rate,
        load=b,
        concurrency=held,
        slots=room,
        step_s=step,
        tpot_s=tpot,
        tpot_tail_s=tpot[..., None] + tpot_excess,
        ttft_s=ttft,
        ttft_tail_s=ttft + ttft_excess,
        e2e_tail_s=ttft + lasting + e2e_excess,
        wait_tail_s=wait[..., None] + wait_excess,
        utilization=np.maximum(rate / station.saturation_rps, rate * mean_service),
        kv_occupancy=held * station.sequence_bytes / np.maximum(r.kv_budget_bytes, 1.0),
    )


def _slot_wait(station: Station, variance: Floats, b: Floats, rate: Floats, step: Floats) -> Wait:
    """Return the wait for a batch slot.

    Slots come free as requests end. Over a time that is short against their lives those ends
    look like a Poisson process, whatever the lives; only over whole lives does it count that
    these are alike. So the mean wait of those who wait, w = 1/(saturation rate − rate) with
    both, is (ca² + cs²)/2·w + (1 − cs²)/2·w/(1 + k·w/life).
    """
    spare_s = 1 / np.maximum(station.saturation_rps - rate, 1e-12)
    lives = spare_s / (station.decode_tokens * step)
    alike = 1 - station.life_scv
    ends = station.life_scv + alike / (1 + LIVES_OF_A_WAIT * lives)
    spare = deviations_above(b, variance, station.slots)
    variability = (station.arrival_scv + ends) / 2
    taken = np.minimum(b / station.room, 1.0)
    return slot_wait(rate, station.saturation_rps, taken, spare, variability)


def _longer_prompt_s(
    station: Station, longest: Prompts, prefill: PrefillLoad, step: Floats
) -> Floats:
    """How much longer than the mean a prompt takes that is as long as the percentile's."""
    added = prefill.steps.gemm_s(longest.new, prefill.sharing) + longest.fixed_s
    return longest.chunks.seconds(added, step) - station.chunks.seconds(prefill.added_s, step)


def _side(z: Floats) -> Floats:
    """1 above the median, 0 at it: half a step of waiting is the mean, a whole one the worst."""
    return np.minimum(np.maximum(z, 0.0), 1.0)
