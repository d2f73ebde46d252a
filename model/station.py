"""A replica paired with the mix it serves: everything about it that the load leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.kv_cache import kv_bytes, kv_reserved_bytes
from model.replicas import Replicas
from model.replicas import joined as join_replicas
from model.step_time import (
    DecodeStep,
    PromptSteps,
    decode_step,
    prefill_budget,
    prefill_fixed_s,
    prefill_steps,
    prompt_steps,
    spread,
)
from model.traffic import Traffic
from model.traffic import joined as join_traffic

Floats = NDArray[np.float64]


def decode_tokens(t: Traffic) -> Floats:
    """Return the tokens a request decodes after its first (at least one)."""
    return np.maximum(t.osl - 1, 1.0)


def mean(t: Traffic, values: Floats) -> Floats:
    """Average over the requests of a mix."""
    if t.share.shape[-1] == 1:
        return np.asarray(values)[..., 0]
    return np.asarray((t.share * values).sum(axis=-1), dtype=float)


def by_time(t: Traffic, values: Floats) -> Floats:
    """Average over the sequences found decoding: classes weigh by share × output length."""
    if t.share.shape[-1] == 1:
        return np.asarray(values)[..., 0]
    weight = t.share * decode_tokens(t)
    return np.asarray((weight * values).sum(axis=-1) / weight.sum(axis=-1), dtype=float)


def _life_scv(t: Traffic) -> Floats:
    """Squared coefficient of variation of the tokens that requests of the mix decode."""
    tokens = decode_tokens(t)
    first, second = mean(t, tokens), mean(t, tokens**2 * (1 + t.osl_scv))
    return np.maximum(second / first**2 - 1, 0.0)


def slots(r: Replicas, t: Traffic) -> Floats:
    """Return how many sequences a replica can hold at once (0 if not even one fits).

    A sequence is counted at its final length, or at the mean length of those found decoding
    where outputs vary so much that this is longer. With random lengths, B sequences need
    B·m + z·s·√B bytes (mean m, deviation s), solved for B; the batch cap bounds it. Equal
    lengths hold a whole number; random ones a number that varies, whose level B is.
    """
    rc = r.column
    tokens = np.maximum(t.isl + t.osl, _context(t))
    need = kv_reserved_bytes(rc, tokens)
    budget = np.maximum(r.kv_budget_bytes, 0.0)
    each = by_time(t, need)
    scv = (t.isl**2 * t.isl_scv + t.osl**2 * t.osl_scv) / tokens**2
    second = by_time(t, need**2 * (1 + scv))
    deviation = np.sqrt(np.maximum(second - each**2, 0.0))
    z = np.max(np.broadcast_to(t.z, np.shape(t.share)), axis=-1)
    half = z * deviation / (2 * each)
    root = np.sqrt(half**2 + budget / each) - half
    held = root**2 * (1 + 1e-12)
    return np.asarray(
        np.minimum(np.where(deviation > 0, held, np.floor(held)), r.batch_cap), dtype=float
    )


def _context(t: Traffic) -> Floats:
    """Mean context of a sequence found decoding: long outputs are found more often."""
    return t.isl + t.osl * (1 + t.osl_scv) / 2


@dataclass(frozen=True)
class Chunks:
    """The chunks that prompts are cut into, one a step.

    Attributes
    ----------
    beside
        Steps of decoding that a prompt sees on its way: those of its chunks where the engine mixes
        both; one of the others if it came with its cache.
    through, each
        n chunks over `pp` stages take (n + pp − 1)/(n·pp) of the work of one stage after another:
        numerator and denominator.
    """

    beside: Floats
    through: Floats
    each: Floats

    @classmethod
    def of(cls, r: Replicas, prompt: Floats, cached: Floats) -> Chunks:
        """Return the chunks of prompts, `cached` of their tokens already there."""
        n = prefill_steps(r, prompt - cached)
        return cls(np.where(prompt > cached, r.mixed, 1.0) * n, n + r.pp - 1, n * r.pp)

    def seconds(self, work: Floats, step: Floats) -> Floats:
        """Return the time from the first prefill step of a prompt to its first token (seconds).

        Parameters
        ----------
        work
            Time that its prefill takes, one stage after another; shape (..., classes).
        step
            Time of a decode step; shape (...,).
        """
        return np.asarray(
            self.beside * step[..., None] + work * self.through / self.each, dtype=float
        )


@dataclass(frozen=True)
class Prompts:
    """Prompts of one length a class: tokens to prefill, time that no load changes, chunks."""

    new: Floats
    fixed_s: Floats
    chunks: Chunks


@dataclass(frozen=True)
class Station:
    """Replicas paired with the mixes they serve, and what does not depend on the load.

    Attributes
    ----------
    slots
        Most sequences at once (0: not even one fits).
    decode_tokens, context
        Mean tokens a request decodes, and mean context of a decoding sequence (tokens).
    step, class_step
        Decode step at that context; the latter with a class axis.
    sequence_bytes
        KV cache of a decoding sequence on one accelerator.
    arrival_scv, life_scv
        Squared coefficient of variation of inter-arrival times and of the tokens decoded.
    fixed_work_s
        Attention and collectives of prefilling one prompt of each class.
    saturation_rps
        Rate at which every slot is taken (or a prefill engine never idles).
    full_work_s
        What a prompt of the mix adds to the steps of others at that rate.
    """

    replicas: Replicas
    per_class: Replicas
    traffic: Traffic
    prefill_only: bool
    slots: Floats
    decode_tokens: Floats
    context: Floats
    step: DecodeStep
    class_step: DecodeStep
    sequence_bytes: Floats
    arrival_scv: Floats
    life_scv: Floats
    fixed_work_s: Floats
    saturation_rps: Floats
    full_work_s: Floats

    @cached_property
    def room(self) -> Floats:
        """Slots, at least one."""
        return np.maximum(self.slots, 1.0)

    @cached_property
    def new(self) -> Floats:
        """Prompt tokens that the prefix cache does not hold, shape (..., classes)."""
        return self.traffic.isl - self.traffic.cached

    @cached_property
    def prefills(self) -> bool:
        """Whether some prompt is not wholly cached."""
        return bool(self.new.any())

    @cached_property
    def tokens(self) -> Floats:
        """Tokens a request of each class decodes after its first, shape (..., classes)."""
        return decode_tokens(self.traffic)

    @cached_property
    def square(self) -> Floats:
        """Mean square of a prompt's length over the square of the mean, shape (..., classes)."""
        return 1 + self.traffic.isl_scv

    @cached_property
    def chunks(self) -> Chunks:
        """The chunks of a prompt of mean length."""
        return Chunks.of(self.per_class, self.traffic.isl, self.traffic.cached)

    @cached_property
    def longest(self) -> Prompts | None:
        """Prompts as long as at the class's percentile; None where all are of one length."""
        t, rc = self.traffic, self.per_class
        if np.all(t.isl_tail == t.isl):
            return None
        cached = t.cached * t.isl_tail / t.isl
        return Prompts(
            new=np.maximum(t.isl_tail - cached, 0.0),
            fixed_s=prefill_fixed_s(rc, t.isl_tail, cached),
            chunks=Chunks.of(rc, t.isl_tail, cached),
        )

    @cached_property
    def full_step_s(self) -> Floats:
        """Decode step while every slot is taken, shape (..., 1)."""
        return self.class_step.seconds(self.room[..., None])

    @cached_property
    def alone_share(self) -> Floats:
        """Share of the prompt tokens of a step without decoding that a prompt's own new ones are.

        May exceed 1; shape (..., classes).
        """
        return np.maximum(self.new, 1e-9) / prefill_budget(self.per_class, 0.0)

    @cached_property
    def turnover_s(self) -> Floats:
        """What the prompts of one turnover of the batch add to steps, at the class's percentile."""
        t, room = self.traffic, self.room[..., None]
        requests = room + t.z * np.sqrt(room * (t.isl_scv + t.osl_scv))
        return np.asarray(requests * self.full_work_s[..., None], dtype=float)

    def take(self, index: NDArray[np.intp]) -> Station:
        """Return the stations at `index` (arrays of shape (cells,), mixes (cells, classes))."""
        r = self.replicas.take(index)
        step = self.step.map(lambda a: a[index], r)
        return Station(
            replicas=r,
            per_class=r.column,
            traffic=self.traffic.take(index),
            prefill_only=self.prefill_only,
            step=step,
            class_step=step.map(_column, r.column),
            **{name: getattr(self, name)[index] for name in _LOAD_FREE},
        )


def joined(parts: Sequence[Station]) -> Station:
    """Return stations of one model and kind, with mixes of equally many classes, as one.

    Arrays must have all their axes: (cells,), and (cells, classes) for mixes.
    """
    if len(parts) == 1:
        return parts[0]
    r = join_replicas([p.replicas for p in parts])

    def chained(name: str) -> Floats:
        return np.concatenate([getattr(p, name) for p in parts])

    steps = [p.step for p in parts]
    step = DecodeStep(
        r, *(np.concatenate([getattr(s, n) for s in steps]) for n in DecodeStep.TERMS)
    )
    return Station(
        replicas=r,
        per_class=r.column,
        traffic=join_traffic([p.traffic for p in parts]),
        prefill_only=parts[0].prefill_only,
        step=step,
        class_step=step.map(_column, r.column),
        **{name: chained(name) for name in _LOAD_FREE},
    )


_LOAD_FREE = (
    "slots",
    "decode_tokens",
    "context",
    "sequence_bytes",
    "arrival_scv",
    "life_scv",
    "fixed_work_s",
    "saturation_rps",
    "full_work_s",
)
"""Arrays of a station that depend neither on the load nor on each other."""


def _column(values: Floats) -> Floats:
    return values[..., None]


def prepare(r: Replicas, t: Traffic, *, prefill_only: bool = False) -> Station:
    """Pair replicas, arrays of shape (...,), with mixes, arrays that broadcast to (..., classes).

    Parameters
    ----------
    prefill_only
        Whether these are prefill pools, which hand each sequence on after its first token.
    """
    rc = r.column
    held = replace(t, osl=np.ones_like(t.osl), osl_scv=np.zeros_like(t.osl)) if prefill_only else t
    room = slots(r, held)

    def everywhere(values: ArrayLike) -> Floats:
        return spread(np.asarray(values, dtype=float), room.shape)

    context = everywhere(by_time(t, _context(t)))
    step = decode_step(r, context)
    step = step.map(everywhere, r)
    fixed = prefill_fixed_s(rc, t.isl, t.cached, t.isl_scv)
    station = Station(
        replicas=r,
        per_class=rc,
        traffic=t,
        prefill_only=prefill_only,
        slots=room,
        decode_tokens=everywhere(mean(t, decode_tokens(t))),
        context=context,
        step=step,
        class_step=step.map(_column, rc),
        sequence_bytes=everywhere(by_time(t, kv_bytes(rc, _context(t)))),
        arrival_scv=everywhere(mean(t, t.arrival_scv)),
        life_scv=everywhere(_life_scv(t)),
        fixed_work_s=spread(fixed, np.broadcast_shapes(fixed.shape, (*room.shape, 1))),
        saturation_rps=np.ones_like(room),
        full_work_s=np.zeros_like(room),
    )
    full = np.zeros_like(room) if prefill_only else station.room
    seconds = step.seconds(full)
    load = prefill_load(station, full, full, seconds)
    if prefill_only:
        limit = 1 / mean(t, load.service_s)
    else:
        limit = full / (station.decode_tokens * seconds + full * mean(t, load.work_s))
    work = everywhere(mean(t, load.work_s))
    return replace(station, saturation_rps=limit, full_work_s=work)


@dataclass(frozen=True)
class PrefillLoad:
    """What prefilling one prompt of each class costs, shape (..., classes).

    Attributes
    ----------
    steps
        The steps that carry them.
    sharing
        Prompts that share a step, at least one; shape (..., 1).
    added_s
        Time it adds to a step on its way through the stages.
    work_s
        Time it adds to the steps of every sequence.
    service_s
        Time an engine whose steps are filled with prompts spends on it, decoding included.
    """

    steps: PromptSteps
    sharing: Floats
    added_s: Floats
    work_s: Floats
    filled_s: Floats
    service_s: Floats


def prefill_load(station: Station, b: Floats, decoding: Floats, step: Floats) -> PrefillLoad:
    """Return the cost of a prompt while `decoding` sequences are seen, `b` on average.

    By Little's law λ·tpot = b/tokens prompts arrive a step and share it (a pipeline spreads
    them over its stages). A prefill pool works at filled steps; its own prompt may be alone.
    """
    rc, new = station.per_class, station.new
    steps = prompt_steps(rc, decoding[..., None])
    sharing = 1 + (b / station.decode_tokens)[..., None] / rc.pp
    if not station.prefills:
        none, each = station.fixed_work_s, station.fixed_work_s / rc.pp
        return PrefillLoad(steps, sharing, none, each, each, each)
    shared, filled = (
        steps.gemm_s(new, together) + station.fixed_work_s
        for together in (sharing, rc.chunk_tokens)
    )
    each = filled / rc.pp
    return PrefillLoad(
        steps=steps,
        sharing=sharing,
        added_s=shared,
        work_s=each if station.prefill_only else shared / rc.pp,
        filled_s=each,
        service_s=(filled + rc.mixed * step[..., None] * (new / steps.budget)) / rc.pp,
    )
