"""How long one engine step takes: a calibrated roofline, term by term.

A step carries `tokens` through every layer: decoding sequences, one token each, and chunks of
prompts. Its time is

    engine + layers + matrices + KV reads + collectives + hops
    matrices = √((weights/bandwidth)² + (flops/rate)²) + experts/bandwidth + their flops/rate

with bandwidths and rates already scaled by MBU and MFU. Kernel measurements lie on such soft
corners: in dense products streaming and multiplying overlap but for the corner of the roofline,
where either alone would take as long; the ragged products of routed experts hardly overlap at all.
With pipeline parallelism the batch is split into `pp` micro-batches that travel the stages
together, so a token's time is that of a micro-batch through all stages, plus the hops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.kv_cache import kv_bytes
from model.replicas import Replicas

Floats = NDArray[np.float64]

MIN_CHUNK_TOKENS = 16.0
"""Prompt tokens a step takes even where decoding sequences fill its budget."""


@dataclass(frozen=True)
class StepTerms:
    """The terms of one decode step (seconds); their sum is the step time.

    Attributes
    ----------
    weights, compute
        Time to stream what every token passes, and to multiply by it; the root of the summed
        squares is paid.
    experts
        Time to stream the routed experts that are visited, and to multiply by them.
    """

    engine: Floats
    layers: Floats
    weights: Floats
    compute: Floats
    experts: Floats
    kv: Floats
    collectives: Floats
    hops: Floats

    @property
    def linear(self) -> Floats:
        """All but the matrix part: linear in the sequences (seconds)."""
        rest = self.engine + self.layers + self.kv + self.collectives + self.hops
        return np.asarray(rest, dtype=float)

    @property
    def total(self) -> Floats:
        """Step time (seconds)."""
        matrices = np.hypot(self.weights, self.compute) + self.experts
        return np.asarray(self.linear + matrices, dtype=float)


def spread(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Return an array broadcast to a shape; as it is where it has that already."""
    return values if values.shape == shape else np.broadcast_to(values, shape)


def expert_share(r: Replicas, tokens: ArrayLike) -> Floats:
    """Return the expected share of routed experts that `tokens` tokens visit.

    Each token picks `top_k` of `experts`; under uniform routing an expert is missed by one
    token with probability 1 − k/E, hence 1 − (1 − k/E)^tokens.
    """
    if not r.experts:
        return np.zeros(np.shape(tokens))
    missed = max(1 - r.top_k / r.experts, 1e-300)
    return np.asarray(-np.expm1(np.asarray(tokens, dtype=float) * np.log(missed)), dtype=float)


def experts_s(r: Replicas, tokens: ArrayLike) -> Floats:
    """Return the time to stream the routed experts that `tokens` tokens visit, and to multiply."""
    count = np.asarray(tokens, dtype=float)
    if not r.experts:
        return np.zeros(count.shape)
    return np.asarray(r.expert_read_s * expert_share(r, count) + r.expert_token_s * count)


def _matrices_s(r: Replicas, compute: Floats, tokens: Floats) -> Floats:
    """Matrix time of a step that multiplies for `compute` seconds, and streams for `tokens`."""
    dense = np.hypot(r.always_read_s, compute)
    return np.asarray(dense + experts_s(r, tokens) if r.experts else dense, dtype=float)


def gemm_s(r: Replicas, tokens: ArrayLike, sampled: ArrayLike) -> Floats:
    """Return the matrix time of a step: streaming and multiplying.

    Parameters
    ----------
    tokens
        Tokens in the (micro-)batch.
    sampled
        Those of them that pass the output projection.
    """
    compute = r.token_s * np.asarray(tokens) + r.head_s * np.asarray(sampled)
    return _matrices_s(r, compute, np.asarray(tokens, dtype=float))


def decode_terms(r: Replicas, sequences: ArrayLike, context: ArrayLike) -> StepTerms:
    """Return the terms of a step that decodes `sequences` at a mean `context` (tokens)."""
    batch = np.asarray(sequences, dtype=float) / r.pp
    shape = np.broadcast_shapes(batch.shape, r.tp.shape, np.shape(context))
    return StepTerms(
        engine=spread(r.step_s, shape),
        layers=spread(r.layer_s + r.pointwise_token_s * batch, shape),
        weights=spread(r.always_read_s, shape),
        compute=spread((r.token_s + r.head_s) * batch, shape),
        experts=spread(experts_s(r, batch), shape),
        kv=np.asarray(
            batch * kv_bytes(r, context) * r.pp / r.kv_bandwidth * r.pipeline_loss, dtype=float
        ),
        collectives=spread(r.collective_latency_s + r.collective_token_s * batch, shape),
        hops=spread(r.hop_s + r.hop_token_s * batch, shape),
    )


@dataclass(frozen=True)
class DecodeStep:
    """A decode step at a fixed context, as a function of the sequences it decodes.

    All but the matrix part is linear in the sequences, so two evaluations of `decode_terms`
    hold the whole of it.

    Attributes
    ----------
    fixed_s, each_s
        Linear terms without sequences, and what each sequence adds (seconds).
    compute_each_s
        Time to multiply one sequence's token (seconds).
    """

    TERMS: ClassVar = ("fixed_s", "each_s", "compute_each_s")

    replicas: Replicas
    fixed_s: Floats
    each_s: Floats
    compute_each_s: Floats

    def seconds(self, sequences: ArrayLike) -> Floats:
        """Return the time of a step that decodes `sequences` (seconds)."""
        count = np.asarray(sequences, dtype=float)
        r = self.replicas
        gemm = _matrices_s(r, self.compute_each_s * count, count / r.pp if r.experts else count)
        return np.asarray(self.fixed_s + self.each_s * count + gemm, dtype=float)

    def map(self, change: Callable[[Floats], Floats], replicas: Replicas) -> DecodeStep:
        """Return the step with its arrays changed as those of its replicas were."""
        return DecodeStep(replicas, *(change(getattr(self, name)) for name in self.TERMS))


def decode_step(r: Replicas, context: ArrayLike) -> DecodeStep:
    """Return the decode step of `r` at a mean `context` (tokens)."""
    none, one = (decode_terms(r, np.full(np.shape(context), n), context) for n in (0.0, 1.0))
    return DecodeStep(r, none.linear, one.linear - none.linear, np.asarray(one.compute))


def attention_prefill_s(r: Replicas, prompt: ArrayLike, cached: ArrayLike = 0.0) -> Floats:
    """Return the attention time of prefilling `prompt` tokens, `cached` of them already there.

    Token i looks at i earlier ones (at most the window in window layers): the causal triangle
    prompt²/2 less cached²/2.
    """
    prompt, cached = np.asarray(prompt, dtype=float), np.asarray(cached, dtype=float)
    pairs = (prompt**2 - cached**2) / 2
    window = r.window_tokens
    if window:
        window_pairs = _window_pairs(prompt, window) - _window_pairs(cached, window)
    else:
        window_pairs = np.zeros_like(pairs)
    flops = r.score_flops * pairs + r.window_score_flops * window_pairs
    return np.asarray(flops / r.attention_flops_per_s * r.pipeline_loss, dtype=float)


def _window_pairs(tokens: Floats, window: float) -> Floats:
    """(query, key) pairs when each of `tokens` queries sees at most `window` keys."""
    inside = np.minimum(tokens, window)
    return np.asarray(inside**2 / 2 + (tokens - inside) * window, dtype=float)


def prefill_budget(r: Replicas, decoding: ArrayLike) -> Floats:
    """Return the prompt tokens that a step takes beside `decoding` sequences.

    A step carries at most `chunk_tokens`, a pipeline one such step a stage; decoding goes first,
    unless it waits for prompts.
    """
    return _budget(r, _beside(r, decoding))


def _budget(r: Replicas, beside: Floats) -> Floats:
    """Prompt tokens of a step in which `beside` sequences of each micro-batch decode."""
    return np.maximum(r.chunk_tokens - beside, MIN_CHUNK_TOKENS)


def _beside(r: Replicas, decoding: ArrayLike) -> Floats:
    """Sequences of a micro-batch that decode in the steps of prompts."""
    return np.asarray(np.asarray(decoding, dtype=float) / r.pp * r.mixed, dtype=float)


@dataclass(frozen=True)
class PromptSteps:
    """Steps that carry prompts beside given decoding sequences.

    Attributes
    ----------
    beside
        Sequences of a micro-batch that decode in them.
    budget
        Prompt tokens that one takes.
    spared_s
        Matrix time that they would take without prompts; where decoding waits for prompts, less
        the step that these pay for.
    """

    replicas: Replicas
    beside: Floats
    budget: Floats
    spared_s: Floats

    def gemm_s(self, new_tokens: ArrayLike, together: ArrayLike) -> Floats:
        """Return the time that a prompt adds; see `prefill_gemm_s`."""
        r, new = self.replicas, np.asarray(new_tokens, dtype=float)
        filled = np.minimum(new * together, self.budget)
        prompts = filled / np.maximum(new, 1e-9)
        whole = gemm_s(r, self.beside + filled, self.beside + prompts)
        added = np.maximum(whole, r.launch_beyond_s) - self.spared_s
        each = added / np.maximum(prompts, 1e-9)
        return np.where(new > 0, each, 0.0)


def prompt_steps(r: Replicas, decoding: ArrayLike) -> PromptSteps:
    """Return the steps of prompts beside `decoding` sequences."""
    beside = _beside(r, decoding)
    spared = r.mixed * gemm_s(r, beside, beside) - r.waiting_step_s
    return PromptSteps(r, beside, _budget(r, beside), spared)


def prefill_gemm_s(
    r: Replicas, new_tokens: ArrayLike, decoding: ArrayLike, together: ArrayLike = 1.0
) -> Floats:
    """Return the time, but for attention, that prefilling a prompt adds to its steps.

    Prompts ride in steps that decode `decoding` sequences anyway, in chunks of what the token
    budget leaves. While such a step streams weights longer than it multiplies, its first prompt
    tokens are nearly free, once a step, however many prompts share it; the rest are bound by
    compute. With n prompts of m new tokens in a step (n·m at most the budget), each adds

        (gemm(decoding + n·m) − gemm(decoding)) / n

    Where decoding waits for prompts, they pay for steps of their own: (bare step + gemm(n·m)) / n.

    Parameters
    ----------
    new_tokens
        Prompt tokens that the prefix cache does not hold.
    decoding
        Sequences decoding in the same steps.
    together
        Prompts that share a step, n; at least 1.
    """
    return prompt_steps(r, decoding).gemm_s(new_tokens, together)


def prefill_fixed_s(
    r: Replicas, prompt: ArrayLike, cached: ArrayLike, length_scv: ArrayLike = 0.0
) -> Floats:
    """Return the time of one prompt that no load changes: attention and collectives.

    Parameters
    ----------
    length_scv
        Squared coefficient of variation of prompt lengths: attention grows with the mean square.
    """
    prompt, cached = np.asarray(prompt, dtype=float), np.asarray(cached, dtype=float)
    spread = np.sqrt(1 + np.asarray(length_scv, dtype=float))
    attention = attention_prefill_s(r, prompt * spread, cached * spread)
    each = r.collective_token_s + r.hop_token_s + r.pointwise_token_s
    travel = np.maximum(prompt - cached, 0.0) * each
    return np.asarray(attention + travel, dtype=float)


def prefill_work_s(
    r: Replicas, prompt: ArrayLike, cached: ArrayLike, decoding: ArrayLike
) -> Floats:
    """Return the time that prefilling one prompt adds to the steps that carry it alone.

    Parameters
    ----------
    prompt, cached
        Prompt tokens, and how many of them the prefix cache already holds.
    decoding
        Sequences decoding in the same steps.
    """
    new = np.maximum(np.asarray(prompt, dtype=float) - cached, 0.0)
    fixed = prefill_fixed_s(r, prompt, cached)
    return np.asarray(prefill_gemm_s(r, new, decoding) + fixed, dtype=float)


def prefill_steps(r: Replicas, new_tokens: ArrayLike) -> Floats:
    """Return the number of steps that prefilling `new_tokens` takes (at least one)."""
    return np.maximum(np.ceil(np.asarray(new_tokens, dtype=float) / r.chunk_tokens), 1.0)
