"""The step time of one replica as plain numbers, for a loop that asks for it step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from model.replicas import Replicas
from model.step_time import MIN_CHUNK_TOKENS, attention_prefill_s, decode_terms


@dataclass(frozen=True)
class Clock:
    """Step times of one replica; the terms of `model.step_time`, read off its arrays once.

    A step carries every decoding sequence and, beside them, chunks of prompts:

        fixed + each(context)·b + gemm(b/pp + tokens/pp) + attention and travel of the chunks

    Attributes
    ----------
    fixed_s, each_s
        Step without sequences, and what a sequence of no context adds (seconds).
    token_kv_s, window_kv_s
        What a token of context adds in growing layers, and in window layers up to the window.
    token_s, expert_token_s, head_s
        Multiplying one token by what all tokens pass, by its experts, by the output projection.
    always_read_s, expert_read_s, log_missed
        Streaming the weights; share of experts read is 1 − exp(log_missed·tokens).
    chunk_tokens
        Token budget of one (micro-)batch.
    kv_budget_bytes, kv_token_bytes, kv_window_token_bytes, state_bytes
        Room for the KV cache, and what a token (in window layers) and a sequence take of it.
    window_tokens
        Longest context of window layers.
    request_s
        Time of a request outside the steps: the server around the engine.
    launch_s
        What launching a step with prompts takes beyond the overhead of its layers.
    mixed
        Whether steps that carry prompts decode as well; else decoding waits for them.
    """

    replicas: Replicas
    pp: float
    mixed: bool
    launch_s: float
    fixed_s: float
    each_s: float
    token_kv_s: float
    window_kv_s: float
    token_s: float
    expert_token_s: float
    head_s: float
    always_read_s: float
    expert_read_s: float
    log_missed: float
    travel_token_s: float
    chunk_tokens: float
    batch_cap: int
    kv_budget_bytes: float
    kv_token_bytes: float
    kv_window_token_bytes: float
    state_bytes: float
    window_tokens: float
    request_s: float

    @classmethod
    def of(cls, r: Replicas) -> Clock:
        """Return the clock of a single replica (arrays of one element)."""

        def read(name: str) -> float:
            return float(getattr(r, name).item())

        window = float(r.window_tokens)
        none = decode_terms(r, 0.0, 0.0).linear.item()
        one = decode_terms(r, 1.0, 0.0).linear.item()
        at_one = decode_terms(r, 1.0, 1.0).linear.item()
        growing = read("kv_token_bytes")
        per_byte = (at_one - one) / max(
            growing + (read("kv_window_token_bytes") if window else 0.0), 1e-300
        )
        return cls(
            replicas=r,
            pp=read("pp"),
            mixed=read("mixed") > 0,
            launch_s=read("launch_s") - read("layer_s"),
            fixed_s=none,
            each_s=one - none,
            token_kv_s=growing * per_byte,
            window_kv_s=read("kv_window_token_bytes") * per_byte if window else 0.0,
            token_s=read("token_s"),
            expert_token_s=read("expert_token_s"),
            head_s=read("head_s"),
            always_read_s=read("always_read_s"),
            expert_read_s=read("expert_read_s") if r.experts else 0.0,
            log_missed=math.log(max(1 - r.top_k / r.experts, 1e-300)) if r.experts else 0.0,
            travel_token_s=read("collective_token_s")
            + read("hop_token_s")
            + read("pointwise_token_s"),
            chunk_tokens=read("chunk_tokens"),
            batch_cap=int(read("batch_cap")),
            kv_budget_bytes=read("kv_budget_bytes"),
            kv_token_bytes=growing,
            kv_window_token_bytes=read("kv_window_token_bytes") if window else 0.0,
            state_bytes=read("state_bytes"),
            window_tokens=window,
            request_s=read("request_s"),
        )

    def gemm_s(self, tokens: float, sampled: float) -> float:
        """Matrix time of a (micro-)batch: `model.step_time.gemm_s`."""
        dense = math.hypot(self.always_read_s, self.token_s * tokens + self.head_s * sampled)
        if not self.expert_read_s:
            return dense
        read = -self.expert_read_s * math.expm1(tokens * self.log_missed)
        return dense + read + self.expert_token_s * tokens

    def step_s(
        self, decoding: float, context: float, prompt_tokens: float = 0.0, prompts: float = 0.0
    ) -> float:
        """Return the time of a step, without the attention of its prompts.

        Parameters
        ----------
        decoding, context
            Sequences that decode, and their mean context (tokens).
        prompt_tokens, prompts
            Prompt tokens in the step, and how many prompts they finish.
        """
        pp = self.pp
        kv = self.token_kv_s * context + self.window_kv_s * min(context, self.window_tokens)
        gemm = self.gemm_s((decoding + prompt_tokens) / pp, (decoding + prompts) / pp)
        if prompt_tokens:
            gemm = max(gemm, self.launch_s)
        travel = self.travel_token_s * prompt_tokens / pp
        return self.fixed_s + (self.each_s + kv) * decoding + gemm + travel

    def attention_s(self, before: float, after: float) -> float:
        """Return the attention time of prefilling a prompt from `before` to `after` tokens."""
        return (self._attention(after) - self._attention(before)) / self.pp

    def _attention(self, tokens: float) -> float:
        half, window = self._pair_s, self.window_tokens
        inside = min(tokens, window)
        return half * tokens * tokens / 2 + self._window_pair_s * (
            inside * inside / 2 + (tokens - inside) * window
        )

    @cached_property
    def _pair_s(self) -> float:
        """Time of one (query, key) pair in the growing layers."""
        r = self.replicas
        both = attention_prefill_s(r, 1.0).item() * 2
        return float(both) - self._window_pair_s

    @cached_property
    def _window_pair_s(self) -> float:
        r = self.replicas
        if not self.window_tokens:
            return 0.0
        rate = r.window_score_flops / r.attention_flops_per_s * r.pipeline_loss
        return float(rate.item())

    def budget_tokens(self, decoding: float) -> float:
        """Return the prompt tokens that a step takes beside `decoding` sequences."""
        return max(self.chunk_tokens - decoding / self.pp, MIN_CHUNK_TOKENS) * self.pp

    def kv_bytes(self, tokens: float) -> float:
        """Return the cache bytes of a sequence of `tokens` tokens on one accelerator."""
        return (
            self.kv_token_bytes * tokens
            + self.kv_window_token_bytes * min(tokens, self.window_tokens)
            + self.state_bytes
        )
