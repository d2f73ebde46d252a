"""Prefill and decode workers in a closed loop: their clocks advance together.

In a closed loop a finished answer sends the next prompt, so neither side can be simulated first, as
`model.simulation.fleet` does for open arrivals. Here the worker that is furthest behind runs up to
the first time at which another may send it something.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests


@dataclass(frozen=True)
class Workers:
    """Equal workers of one role.

    Attributes
    ----------
    link_bytes_per_s
        What the network of one worker carries.
    """

    clock: Clock
    count: int
    link_bytes_per_s: float


class PrefillAndDecode:
    """Prefill workers that hand each prompt's cache on to decode workers.

    Each request goes to the worker with the fewest; a prefill worker sends one cache at a time.

    Parameters
    ----------
    prompts
        All requests; `submit` tells of those that have come, in order of their arrival.

    Attributes
    ----------
    on_done
        Called with each request that is answered.
    answers
        The requests on the decode side: they arrive with their caches, `first_s` and `done_s` are
        the client's.
    """

    def __init__(self, prefill: Workers, decode: Workers, prompts: Requests) -> None:
        size = len(prompts.isl)
        self.prompts = prompts
        self.on_done: Callable[[int], None] = lambda number: None
        self.answers = Requests([math.nan] * size, prompts.isl, prompts.osl, [0] * size)
        self._clock = prefill.clock
        self._ranks = float(prefill.clock.replicas.gpus.item())
        self._link = min(prefill.link_bytes_per_s, decode.link_bytes_per_s)
        self._free_s = [0.0] * prefill.count
        self._prefill = [
            Engine(prefill.clock, prompts, prefill_only=True, on_done=self._sender(i))
            for i in range(prefill.count)
        ]
        self._decode = [
            Engine(decode.clock, self.answers, decode_only=True, on_done=self._answered)
            for _ in range(decode.count)
        ]

    def submit(self, number: int) -> None:
        """Hand a request to a prefill worker."""
        min(self._prefill, key=_load).submit(number)

    def _sender(self, worker: int) -> Callable[[int], None]:
        def send(number: int) -> None:
            isl = float(self.prompts.isl[number])
            begin = max(self.prompts.done_s[number], self._free_s[worker])
            ready = begin + self._clock.kv_bytes(isl) * self._ranks / self._link
            self._free_s[worker] = self.answers.arrival_s[number] = ready
            min(self._decode, key=_load).submit(number)

        return send

    def _answered(self, number: int) -> None:
        self.on_done(number)

    def run(self) -> None:
        """Run until every request is answered."""
        while True:
            prefill = [e.next_s for e in self._prefill]
            decode = [e.next_s for e in self._decode]
            next_prefill, next_decode = min(prefill), min(decode)
            if math.isinf(next_prefill) and math.isinf(next_decode):
                return
            answer = min(e.quiet_until for e in self._decode)
            if next_prefill <= next_decode:
                engine, until = self._prefill[prefill.index(next_prefill)], answer
            else:
                engine = self._decode[decode.index(next_decode)]
                until = min(next_prefill, answer)
            engine.run(math.nextafter(max(until, engine.next_s), math.inf))


def _load(engine: Engine) -> int:
    return engine.load
