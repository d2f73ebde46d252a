"""One serving engine, simulated: continuous batching with chunked prefill over a paged cache.

The loop follows the scheduler of vLLM: in every step each running sequence decodes a token, and
what the token budget leaves goes to prompts, first come first served, in chunks. A prompt is
admitted when a batch slot is free and its KV cache fits; a running sequence whose next token
does not fit sends the latest admitted one back to the queue, to be computed again. Between two
events (an arrival, an admission, a finished sequence, a full cache) all steps are alike but for
the growing contexts, so such runs are passed in one leap.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from model.kv_cache import KV_BLOCK_TOKENS
from model.simulation.clock import Clock

_WATERMARK = 0.99
"""Share of the cache that admissions may fill; the rest is left for sequences to grow."""


@dataclass
class Requests:
    """Requests as columns; the simulation fills the last four.

    Attributes
    ----------
    arrival_s
        When each request reaches the engine.
    isl, osl
        Prompt and output tokens.
    cached
        Prompt tokens that the prefix cache holds.
    first_s, done_s
        When the first and the last token came (nan: never).
    preempted
        How often the request was sent back to the queue.
    """

    arrival_s: list[float]
    isl: list[int]
    osl: list[int]
    cached: list[int]
    first_s: list[float] = field(default_factory=list)
    done_s: list[float] = field(default_factory=list)
    preempted: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        size = len(self.arrival_s)
        self.first_s = self.first_s or [math.nan] * size
        self.done_s = self.done_s or [math.nan] * size
        self.preempted = self.preempted or [0] * size


@dataclass
class _Prompt:
    """A prompt being prefilled: tokens done and wanted, and tokens still to decode after it."""

    number: int
    done: int
    wanted: int
    left: int
    chunks: int = 0


class Engine:
    """A replica at work.

    Parameters
    ----------
    clock
        Its step times and sizes.
    requests
        All requests of the simulation; the engine is told of those it gets by `submit`.
    prefill_only
        Whether it is a prefill pool's, which hands each sequence on after its first token.
    decode_only
        Whether it is a decode pool's, whose prompts another engine has prefilled.
    on_done
        Called with each request as it leaves the engine: a closed loop sends the next one then.
    """

    def __init__(
        self,
        clock: Clock,
        requests: Requests,
        *,
        prefill_only: bool = False,
        decode_only: bool = False,
        on_done: Callable[[int], None] | None = None,
    ) -> None:
        self.clock, self.requests = clock, requests
        self.on_done = on_done
        self.prefill_only, self.decode_only = prefill_only, decode_only
        self.now = 0.0
        self.steps = 0
        self.busy_s = 0.0
        self.finished: list[int] = []
        self._incoming: deque[int] = deque()
        self._waiting: deque[_Prompt] = deque()
        self._prefilling: deque[_Prompt] = deque()
        self._ends: list[tuple[int, int]] = []
        self._end_of: dict[int, int] = {}
        self._admitted: list[int] = []
        self._context = 0.0
        self._used = 0.0

    def submit(self, number: int) -> None:
        """Hand a request to the engine; in order of arrival."""
        self._incoming.append(number)

    @property
    def load(self) -> int:
        """Requests on the engine: waiting, prefilling and decoding."""
        held = len(self._waiting) + len(self._prefilling) + len(self._end_of)
        return held + len(self._incoming)

    def run(self, until: float = math.inf) -> None:
        """Run until nothing is left to do, or the first step that ends after `until`."""
        while self.now < until:
            self._take_arrivals()
            self._admit()
            if self._prefilling:
                self._mixed_step()
            elif self._end_of:
                self._leap(until)
            elif self._incoming:
                arrival = self.requests.arrival_s[self._incoming[0]]
                if arrival > until:
                    self.now = until
                    return
                self.now = max(self.now, arrival)
            else:
                return

    def _take_arrivals(self) -> None:
        incoming, requests, now = self._incoming, self.requests, self.now
        arrivals = requests.arrival_s
        while incoming and arrivals[incoming[0]] <= now:
            n = incoming.popleft()
            isl, osl = requests.isl[n], requests.osl[n]
            cached = isl if self.decode_only else min(requests.cached[n], isl - 1)
            left = 0 if self.prefill_only else osl - 1
            self._waiting.append(_Prompt(n, cached, isl, left))

    def _admit(self) -> None:
        """Admit what waits, in order, while slots and cache last."""
        waiting, clock = self._waiting, self.clock
        while waiting:
            if len(self._end_of) + len(self._prefilling) >= clock.batch_cap:
                return
            prompt = waiting[0]
            need = self._bytes(prompt.wanted)
            empty = not self._end_of and not self._prefilling
            if self._used + need > _WATERMARK * clock.kv_budget_bytes and not empty:
                return
            if self._bytes(prompt.wanted + prompt.left) > clock.kv_budget_bytes:
                waiting.popleft()  # can never finish: its first_s and done_s stay unknown
                self._leave(prompt.number)
                continue
            waiting.popleft()
            self._used += need
            if prompt.done == prompt.wanted:
                self._start_decoding(prompt)
            else:
                self._prefilling.append(prompt)

    def _bytes(self, tokens: float) -> float:
        blocks = -(-tokens // KV_BLOCK_TOKENS)
        return self.clock.kv_bytes(blocks * KV_BLOCK_TOKENS)

    def _mixed_step(self) -> None:
        """One step that carries chunks of prompts beside the decoding sequences."""
        clock, prefilling = self.clock, self._prefilling
        decoding = len(self._end_of)
        if decoding and self._growth() > clock.kv_budget_bytes - self._used:
            self._preempt()
            return
        left = int(clock.budget_tokens(decoding))
        tokens, whole, attention = 0, [], 0.0
        while prefilling and left > 0:
            prompt = prefilling[0]
            take = min(prompt.wanted - prompt.done, left)
            attention += clock.attention_s(prompt.done, prompt.done + take)
            prompt.done += take
            prompt.chunks += 1
            tokens, left = tokens + take, left - take
            if prompt.done < prompt.wanted:
                break
            whole.append(prefilling.popleft())
        context = self._context / decoding if decoding else 0.0
        step = clock.step_s(decoding, context, tokens, len(whole)) + attention
        self._pass(1, step)
        for prompt in whole:
            self._first_token(prompt, step)

    def _first_token(self, prompt: _Prompt, step: float) -> None:
        """A prompt is through: its first token is out once it has left the pipeline."""
        requests, n, pp = self.requests, prompt.number, self.clock.pp
        out = self.now + step * (pp - 1) / pp / prompt.chunks if pp > 1 else self.now
        if math.isnan(requests.first_s[n]):
            requests.first_s[n] = out
        if prompt.left == 0:
            requests.done_s[n] = out
            self._used -= self._bytes(prompt.wanted)
            self._leave(n)
        else:
            self._start_decoding(prompt)

    def _start_decoding(self, prompt: _Prompt) -> None:
        n, end = prompt.number, self.steps + prompt.left
        if prompt.left == 0:
            self.requests.done_s[n] = self.now
            self._used -= self._bytes(prompt.wanted)
            self._leave(n)
            return
        self._end_of[n] = end
        self._admitted.append(n)
        heappush(self._ends, (end, n))
        self._context += prompt.wanted + 1

    def _leap(self, until: float) -> None:
        """All steps up to the next event at once."""
        clock, decoding = self.clock, len(self._end_of)
        ends = self._ends
        while self._end_of.get(ends[0][1]) != ends[0][0]:
            heappop(ends)
        count = ends[0][0] - self.steps
        growth = self._growth()
        if growth > 0:
            room = (clock.kv_budget_bytes - self._used) / growth
            if room < count:
                count = int(room)
                if count < 1:
                    self._preempt()
                    return
        context = self._context / decoding
        first = clock.step_s(decoding, context)
        arrival = until
        if self._incoming:
            arrival = min(arrival, self.requests.arrival_s[self._incoming[0]])
        if arrival < math.inf:
            count = max(1, min(count, math.ceil((arrival - self.now) / first)))
        if count > 1:
            first = clock.step_s(decoding, context + (count - 1) / 2)
        self._pass(count, count * first)

    def _growth(self) -> float:
        """Cache bytes that one step adds."""
        clock, decoding = self.clock, len(self._end_of)
        each = clock.kv_token_bytes
        if clock.window_tokens and self._context < clock.window_tokens * decoding:
            each += clock.kv_window_token_bytes
        return each * decoding

    def _pass(self, count: int, seconds: float) -> None:
        """Let `count` steps pass: every sequence gains as many tokens, and some end."""
        self._used += count * self._growth()
        self._context += count * len(self._end_of)
        self.steps += count
        self.now += seconds
        self.busy_s += seconds
        ends, end_of, requests = self._ends, self._end_of, self.requests
        while ends and ends[0][0] <= self.steps:
            end, n = heappop(ends)
            if end_of.get(n) != end:
                continue
            del end_of[n]
            requests.done_s[n] = self.now
            if self.decode_only and math.isnan(requests.first_s[n]):
                requests.first_s[n] = self.now
            tokens = requests.isl[n] + requests.osl[n]
            self._context -= tokens
            self._used -= self._bytes(tokens)
            self._leave(n)
        if not end_of and not self._prefilling:
            self._context, self._used = 0.0, 0.0
            self._admitted.clear()

    def _leave(self, n: int) -> None:
        self.finished.append(n)
        if self.on_done is not None:
            self.on_done(n)

    def _preempt(self) -> None:
        """Send the latest admitted sequence back to the head of the queue."""
        while True:
            n = self._admitted.pop()
            if n in self._end_of:
                break
        left = self._end_of.pop(n) - self.steps
        requests = self.requests
        tokens = requests.isl[n] + requests.osl[n] - left
        self._context -= tokens
        self._used -= self._bytes(tokens)
        requests.preempted[n] += 1
        self._waiting.appendleft(_Prompt(n, 0, tokens, left))
