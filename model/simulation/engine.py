"""One serving engine, simulated: continuous batching with chunked prefill over a paged cache.

The loop follows the scheduler of vLLM: in every step each running sequence decodes a token, and
what the token budget leaves goes to prompts, first come first served, in chunks. Engines that do
not mix both (SGLang) run steps of prompts alone until none is left to admit. A prompt is admitted
when a batch slot is free and its KV cache fits; a running sequence whose next token does not fit
sends the latest admitted one back to the queue, to be computed again. Between two events (an
arrival, an admission, a finished sequence, a full cache) all steps are alike but for the growing
contexts, so such runs are passed in one leap.

Cache is counted in tokens that grow one by one, half a block more for the last, partly filled
one; window layers reserve at admission what the sequence will hold at its end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from model.kv_cache import KV_BLOCK_TOKENS
from model.simulation.clock import Clock
from model.simulation.prefix import PrefixCache

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
    blocks
        Hashes of the prompt's blocks, for an engine with a prefix cache; None without.
    first_s, done_s
        When the first and the last token came (nan: never).
    preempted
        How often the request was sent back to the queue.
    """

    arrival_s: list[float]
    isl: list[int]
    osl: list[int]
    cached: list[int]
    blocks: Sequence[tuple[int, ...]] | None = None
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
    """A prompt being prefilled: tokens done, wanted, still to decode after it, in this step."""

    number: int
    done: int
    wanted: int
    left: int
    taken: int = 0


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
        Whether it is a decode pool's, whose prompts another engine has prefilled. It computes
        the last token of the prompt once more, and so gives out all `osl` tokens: its first
        token is that of its first step.
    prefix
        Its prefix cache, asked at each admission; None for `requests.cached` instead.
    on_done
        Called with each request as it leaves the engine: a closed loop sends the next one then.
    poll_steps
        Steps between two looks at what has arrived, while sequences decode.
    """

    def __init__(
        self,
        clock: Clock,
        requests: Requests,
        *,
        prefill_only: bool = False,
        decode_only: bool = False,
        prefix: PrefixCache | None = None,
        on_done: Callable[[int], None] | None = None,
        poll_steps: int = 1,
    ) -> None:
        self.clock, self.requests = clock, requests
        self.on_done, self.prefix = on_done, prefix
        self.poll_steps, self._polled = poll_steps, 0
        self.prefill_only, self.decode_only = prefill_only, decode_only
        self.now = 0.0
        self._handling_s = 0.0 if decode_only else clock.request_s
        self.steps = 0
        self.busy_s = 0.0
        self.finished: list[int] = []
        self._incoming: deque[int] = deque()
        self._waiting: deque[_Prompt] = deque()
        self._prefilling: deque[_Prompt] = deque()
        self._ends: list[tuple[int, int]] = []
        self._end_of: dict[int, int] = {}
        self._admitted: list[int] = []
        self._fresh: list[int] = []
        self._late: dict[int, float] = {}
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

    @property
    def next_s(self) -> float:
        """When the engine's next step begins; inf where it has nothing to do."""
        if self._waiting or self._prefilling or self._end_of:
            return self.now
        if self._incoming:
            return max(self.now, self.requests.arrival_s[self._incoming[0]] + self._handling_s)
        return math.inf

    @property
    def quiet_until(self) -> float:
        """A time before which no request leaves the engine: until then its load is known."""
        if self._incoming or self._waiting or self._prefilling:
            return self.next_s
        if not self._end_of:
            return math.inf
        decoding = len(self._end_of)
        step = self.clock.step_s(decoding, self._context / decoding)
        return self.now + (self._ends[0][0] - self.steps) * step

    def run(self, until: float = math.inf) -> None:
        """Run until nothing is left to do, or the first step that ends after `until`."""
        while self.now < until:
            self._take_arrivals()
            self._admit()
            if self._prefilling:
                self._prompt_step()
            elif self._end_of:
                self._leap(until)
            elif self._incoming:
                self._context, self._used = 0.0, 0.0
                self._admitted.clear()
                arrival = self.requests.arrival_s[self._incoming[0]] + self._handling_s
                if arrival > until:
                    self.now = until
                    return
                self.now = max(self.now, arrival)
            else:
                return

    def _take_arrivals(self) -> None:
        if self._end_of and (self.steps - self._polled) % self.poll_steps:
            return
        incoming, requests, now = self._incoming, self.requests, self.now
        arrivals = requests.arrival_s
        while incoming and arrivals[incoming[0]] + self._handling_s <= now:
            n = incoming.popleft()
            isl, osl = requests.isl[n], requests.osl[n]
            if self.decode_only:
                self._waiting.append(_Prompt(n, isl - 1, isl - 1, osl))
                continue
            cached = min(requests.cached[n], isl - 1)
            self._waiting.append(_Prompt(n, cached, isl, 0 if self.prefill_only else osl - 1))

    def _admit(self) -> None:
        """Admit what waits, in order, while slots and cache last."""
        waiting, clock = self._waiting, self.clock
        budget = clock.kv_budget_bytes
        while waiting:
            if len(self._end_of) + len(self._prefilling) >= clock.batch_cap:
                return
            prompt = waiting[0]
            total = prompt.wanted + prompt.left
            need = self._held(prompt.wanted, total)
            empty = not self._end_of and not self._prefilling
            room = budget - max((1 - _WATERMARK) * budget, self._growth())
            if self._used + need > room and not empty:
                return
            waiting.popleft()
            if clock.kv_bytes(total) > budget:
                self._leave(prompt.number)  # can never finish: first_s and done_s stay unknown
                continue
            self._used += need
            if self.prefix is not None and not prompt.done:
                prompt.done = self._cached(prompt)
            if prompt.done == prompt.wanted:
                self._start_decoding(prompt)
            else:
                self._prefilling.append(prompt)

    def _held(self, tokens: float, total: float) -> float:
        """Cache bytes of a sequence of `tokens` tokens that will have `total` at its end."""
        clock = self.clock
        return (
            clock.kv_token_bytes * (tokens + KV_BLOCK_TOKENS / 2)
            + clock.kv_window_token_bytes * min(total, clock.window_tokens)
            + clock.state_bytes
        )

    def _cached(self, prompt: _Prompt) -> int:
        """Return the tokens of an admitted prompt that the prefix cache holds."""
        blocks = self.requests.blocks
        assert self.prefix is not None
        assert blocks is not None
        free = self.clock.kv_budget_bytes - self._used
        hits = self.prefix.admit(blocks[prompt.number], free)
        return min(hits, self.requests.isl[prompt.number] - 1, prompt.wanted - 1)

    def _prompt_step(self) -> None:
        """One step that carries chunks of prompts, beside the decoding sequences if they mix."""
        clock, prefilling = self.clock, self._prefilling
        decoding = len(self._end_of) if clock.mixed else 0
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
            prompt.taken = take
            tokens, left = tokens + take, left - take
            if prompt.done < prompt.wanted:
                break
            whole.append(prefilling.popleft())
        context = self._context / decoding if decoding else 0.0
        step = clock.step_s(decoding, context, tokens, len(whole)) + attention
        if clock.mixed:
            self._pass(1, step, step)
        else:
            self._wait(step)
        self._polled = self.steps
        token_s = (step - clock.step_s(decoding, context)) / tokens if clock.pp > 1 else 0.0
        for prompt in whole:
            self._first_token(prompt, token_s)

    def _first_token(self, prompt: _Prompt, token_s: float) -> None:
        """A prompt is through: its first token is out once it has left the pipeline.

        In each step the `pp` micro-batches pass one stage each. What a prompt of `taken` tokens
        adds to the step, taken·token_s, it adds to the pp − 1 stages still ahead of its last
        chunk, too; chunks of one step follow each other closely.
        """
        requests, n, clock = self.requests, prompt.number, self.clock
        out = self.now
        if clock.pp > 1:
            chunks = math.ceil(prompt.taken / clock.chunk_tokens)
            late = prompt.taken * token_s * (clock.pp - 1) / chunks
            out += late
            self._late[n] = late
        if math.isnan(requests.first_s[n]):
            requests.first_s[n] = out
        if prompt.left == 0:
            self._late.pop(n, None)
            requests.done_s[n] = out
            self._used -= self._held(prompt.wanted, prompt.wanted)
            self._leave(n)
        else:
            self._start_decoding(prompt)

    def _start_decoding(self, prompt: _Prompt) -> None:
        n, end = prompt.number, self.steps + prompt.left
        if self.decode_only:
            self._fresh.append(n)
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
            arrival = min(arrival, self.requests.arrival_s[self._incoming[0]] + self._handling_s)
        if arrival < math.inf and count > 1:
            slope = clock.step_s(decoding, context + 1) - first
            count = min(count, self._until_polled(_steps_until(arrival - self.now, first, slope)))
        step = clock.step_s(decoding, context + (count - 1) / 2) if count > 1 else first
        self._pass(count, count * step, first)

    def _until_polled(self, count: int) -> int:
        """Return the steps to the first look at arrivals that is `count` steps or more away."""
        past = self.steps - self._polled
        return max(-(-(past + count) // self.poll_steps) * self.poll_steps - past, 1)

    def _growth(self) -> float:
        """Cache bytes that one step adds."""
        return self.clock.kv_token_bytes * len(self._end_of)

    def _pass(self, count: int, seconds: float, first: float) -> None:
        """Let `count` steps pass, of which one takes `first` seconds: some sequences end."""
        ends, end_of, requests = self._ends, self._end_of, self.requests
        if self._fresh:
            for n in self._fresh:
                if n in end_of and math.isnan(requests.first_s[n]):
                    requests.first_s[n] = self.now + first
            self._fresh.clear()
        self._used += count * self._growth()
        self._context += count * len(end_of)
        self.steps += count
        self.now += seconds
        self.busy_s += seconds
        while ends and ends[0][0] <= self.steps:
            end, n = heappop(ends)
            if end_of.get(n) != end:
                continue
            del end_of[n]
            requests.done_s[n] = self.now + (self._late.pop(n, 0.0) if self._late else 0.0)
            tokens = requests.isl[n] + requests.osl[n]
            self._context -= tokens
            self._used -= self._held(tokens - 1, tokens - 1)
            self._leave(n)

    def _wait(self, seconds: float) -> None:
        """Let time pass in which no sequence decodes."""
        self.now += seconds
        self.busy_s += seconds

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
        last = requests.isl[n] + requests.osl[n] - 1
        tokens = last + 1 - left
        self._context -= tokens
        self._used -= self._held(tokens - 1, last)
        requests.preempted[n] += 1
        # Computing these tokens again gives the next one.
        self._waiting.appendleft(_Prompt(n, 0, tokens, left - 1))


def _steps_until(seconds: float, first: float, slope: float) -> int:
    """Return how many steps, each `slope` longer than the one before, last `seconds`.

    n·first + slope·n·(n − 1)/2 ≥ seconds, in a form without cancellation.
    """
    seconds = max(seconds, 0.0)
    start = first - slope / 2
    root = math.sqrt(start * start + 2 * max(slope, 0.0) * seconds)
    return math.ceil(2 * seconds / (start + root))
