"""A fleet at work: classes split over pools, pools over replicas, prefill handing on to decode.

No later pool ever slows an earlier one down, so the fleet is simulated in two passes: first the
aggregated and the prefill pools, then, with the caches that these sent, the decode pools.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError
from model.simulation.arrivals import Arrivals
from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests
from model.simulation.prefix import BLOCK_TOKENS, PrefixCache
from model.simulation.routing import Progress, run_engines

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedPool:
    """Replicas of one kind and role.

    Attributes
    ----------
    clock
        Step times and sizes of one replica.
    shares
        Share of each class that the pool takes, in the order of the classes.
    place
        Prefill pools hand on to decode pools of the same place (location, KV format, model).
    network_bytes_per_s
        Network of one replica for KV caches (prefill and decode only).
    """

    name: str
    role: str
    clock: Clock
    replicas: int
    shares: tuple[float, ...]
    place: Hashable = None
    network_bytes_per_s: float = 0.0

    @property
    def link_bytes_per_s(self) -> float:
        """What the network of one replica reaches."""
        return self.network_bytes_per_s * float(self.clock.replicas.network_efficiency.item())


@dataclass
class PoolRun:
    """What one pool did; arrays have one element for each request that reached it.

    Attributes
    ----------
    numbers
        The requests, by position among those of the fleet.
    start_s
        From when their times count: the arrival; for a decode pool, the end of the prefill.
    first_s, done_s
        When the first and the last token came; for a prefill pool, when the cache was handed
        over (nan: never).
    preempted
        How often each was sent back to the queue.
    busy_s, elapsed_s
        Time that steps ran, and time up to the pool's last event, summed over its replicas.
    blocks_asked, blocks_found
        Prefix blocks of the prompts, and how many of them its caches held.
    """

    numbers: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    start_s: Floats = field(default_factory=lambda: np.zeros(0))
    first_s: Floats = field(default_factory=lambda: np.zeros(0))
    done_s: Floats = field(default_factory=lambda: np.zeros(0))
    preempted: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    busy_s: float = 0.0
    elapsed_s: float = 0.0
    blocks_asked: int = 0
    blocks_found: int = 0


@dataclass
class FleetRun:
    """What a fleet did; `first_s` and `done_s` have one element a request (nan: never)."""

    arrivals: Arrivals
    pools: tuple[PoolRun, ...]
    first_s: Floats
    done_s: Floats


def simulate_fleet(
    pools: Sequence[SimulatedPool],
    arrivals: Arrivals,
    *,
    router: str = "random",
    seed: int = 0,
    progress: Progress | None = None,
) -> FleetRun:
    """Serve `arrivals` on a fleet.

    Each request draws its pool with the shares of its class; `router` picks the replica.

    Parameters
    ----------
    router
        One of `model.simulation.routing.ROUTERS`.
    progress
        Called as requests are dealt with, half of each at either end of a hand-over.

    Raises
    ------
    InputError
        If no pool takes a class that arrives, or no decode pool what a prefill pool sends.
    """
    return _Fleet(pools, arrivals, router, seed, progress or (lambda count: None)).run()


class _Fleet:
    def __init__(
        self,
        pools: Sequence[SimulatedPool],
        arrivals: Arrivals,
        router: str,
        seed: int,
        progress: Progress,
    ) -> None:
        self.pools, self.arrivals, self.router, self.seed = pools, arrivals, router, seed
        self.progress = progress
        self.runs = [PoolRun() for _ in pools]
        self.ready_s = np.full(arrivals.size, np.nan)
        self.sent_s = np.full(arrivals.size, np.nan)
        self.replica = np.zeros(arrivals.size, dtype=np.int64)

    def run(self) -> FleetRun:
        everyone = np.arange(self.arrivals.size)
        starting = [i for i, p in enumerate(self.pools) if p.role != "decode"]
        start = self._split(everyone, starting, "starts")
        for i in starting:
            own = np.nonzero(start == i)[0]
            self._serve(i, own, self.arrivals.time_s[own])
        self._hand_over(start)
        first, done = np.full((2, self.arrivals.size), np.nan)
        for pool, run in zip(self.pools, self.runs, strict=True):
            if pool.role != "prefill":
                first[run.numbers], done[run.numbers] = run.first_s, run.done_s
        return FleetRun(self.arrivals, tuple(self.runs), first, done)

    def _rng(self, *which: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 3, *which])

    def _split(self, numbers: Ints, suited: Sequence[int], what: str, *which: int) -> Ints:
        """Draw one of the pools `suited` for each of `numbers`, by the shares of its class.

        Returns
        -------
        ndarray
            Pool of every request of the fleet; −1 for those not in `numbers`.
        """
        rng, kinds = self._rng(0, *which), self.arrivals.kind[numbers]
        found = np.full(self.arrivals.size, -1, dtype=np.int64)
        for kind in np.unique(kinds):
            own = numbers[kinds == kind]
            shares = np.array([self.pools[i].shares[kind] for i in suited])
            if not shares.sum() > 0:
                raise InputError(f"the plan has no pool that {what} requests of class {kind + 1}.")
            found[own] = rng.choice(suited, size=own.size, p=shares / shares.sum())
        return found

    def _serve(self, index: int, numbers: Ints, arrival_s: Floats) -> None:
        """Run one pool on the requests that reach it, in order of arrival."""
        pool, arrivals = self.pools[index], self.arrivals
        blocks = arrivals.blocks if pool.role != "decode" else None
        requests = Requests(
            arrival_s.tolist(),
            arrivals.isl[numbers].tolist(),
            arrivals.osl[numbers].tolist(),
            arrivals.cached[numbers].tolist(),
            None if blocks is None else [blocks[n] for n in numbers.tolist()],
        )
        caches = [
            None if blocks is None else PrefixCache(pool.clock.kv_token_bytes * BLOCK_TOKENS)
            for _ in range(pool.replicas)
        ]
        engines = [
            Engine(
                pool.clock,
                requests,
                prefill_only=pool.role == "prefill",
                decode_only=pool.role == "decode",
                prefix=cache,
            )
            for cache in caches
        ]
        part = 1.0 if pool.role == "aggregated" else 0.5
        counted = 0.0

        def report(count: int) -> None:
            nonlocal counted
            before, counted = int(counted), counted + part * count
            self.progress(int(counted) - before)

        replica = run_engines(engines, requests, self.router, self._rng(1, index), report)
        self.replica[numbers] = replica
        run = self.runs[index]
        run.numbers, run.start_s = numbers, arrival_s
        run.first_s, run.done_s = np.array(requests.first_s), np.array(requests.done_s)
        run.preempted = np.array(requests.preempted, dtype=np.int64)
        run.busy_s = sum(e.busy_s for e in engines)
        run.elapsed_s = max((e.now for e in engines), default=0.0) * pool.replicas
        run.blocks_asked = sum(c.asked for c in caches if c is not None)
        run.blocks_found = sum(c.found for c in caches if c is not None)

    def _hand_over(self, start: Ints) -> None:
        """Send what the prefill pools finished to decode pools of their place, and serve it."""
        goal = np.full(self.arrivals.size, -1, dtype=np.int64)
        for place in dict.fromkeys(p.place for p in self.pools if p.role == "prefill"):
            here = [i for i, p in enumerate(self.pools) if p.place == place]
            senders = [i for i in here if self.pools[i].role == "prefill"]
            takers = [i for i in here if self.pools[i].role == "decode"]
            numbers = np.nonzero(np.isin(start, senders))[0]
            goal[numbers] = self._split(numbers, takers, "takes over", senders[0])[numbers]
            for i in senders:
                self._send(i, goal)
        for i, pool in enumerate(self.pools):
            if pool.role == "decode":
                own = np.nonzero((goal == i) & np.isfinite(self.ready_s))[0]
                own = own[np.argsort(self.ready_s[own], kind="stable")]
                self._serve(i, own, self.ready_s[own])
                self.runs[i].start_s = self.sent_s[own]

    def _send(self, index: int, goal: Ints) -> None:
        """Send the caches of a prefill pool, one after another on each replica's network."""
        pool, run = self.pools[index], self.runs[index]
        ranks = float(pool.clock.replicas.gpus.item())
        free = [0.0] * pool.replicas
        isl, own_link = self.arrivals.isl, pool.link_bytes_per_s
        for k in np.argsort(run.done_s, kind="stable").tolist():
            done, n = float(run.done_s[k]), int(run.numbers[k])
            rate = min(own_link, self.pools[goal[n]].link_bytes_per_s)
            if np.isnan(done) or rate <= 0:
                continue
            replica = self.replica[n]
            begin = max(done, free[replica])
            free[replica] = begin + pool.clock.kv_bytes(float(isl[n])) * ranks / rate
            self.sent_s[n], self.ready_s[n] = done, free[replica]
        run.first_s = run.done_s = self.ready_s[run.numbers]
