"""Benchmarks of one deployment, simulated as they are run.

A closed loop of N clients starts with N prompts at once and sends the next request when one is
answered; the mean TTFT over its R rounds holds that first wave once. So a few rounds are
simulated, and weighed: (first wave + (R − 1) · later rounds)/R. A static batch is one wave of
equal requests. An offline run is the rate at which an engine with all requests at hand settles.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from model.lengths import Lengths
from model.replicas import Replicas
from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests
from model.simulation.handover import PrefillAndDecode, Workers
from model.station import prepare
from model.traffic import RequestClass, Traffic, traffic_of

PROMPTS = 1000
"""Requests of a closed-loop benchmark that does not say (the default of vLLM's)."""

SIMULATED_ROUNDS = 3
"""Rounds that are simulated; the last is left out, since fewer clients are left in it."""

DRIFT = 0.2
"""Spread of outputs that stands for clients of equal requests drifting apart."""

OPEN_LOOP_REQUESTS = 600

SEED = 1


@dataclass(frozen=True)
class Load:
    """How a benchmark drives an engine.

    Attributes
    ----------
    isl, osl
        Longest prompt and output (tokens).
    shortest
        Share of these that the shortest has; lengths are uniform in between (1: all equal).
    clients
        Concurrency of a closed loop, or size of a static batch; None otherwise.
    rate_rps
        Rate of an open loop; None otherwise.
    rounds
        Requests that each client of a closed loop sends; `PROMPTS` in all where unknown.
    poll_steps
        Steps between two looks of the engine at what has arrived.
    in_step
        Whether clients of equal requests stay together: on an engine that runs prompts before it
        goes on decoding, those that start together end together, and again and again.
    """

    isl: int
    osl: int
    shortest: float = 1.0
    clients: int | None = None
    rate_rps: float | None = None
    rounds: float | None = None
    poll_steps: int = 1
    in_step: bool = False

    @property
    def means(self) -> tuple[float, float]:
        """Mean prompt and output (tokens)."""
        share = (1 + self.shortest) / 2
        return self.isl * share, self.osl * share


@dataclass(frozen=True)
class Measured:
    """What a benchmark reports: means over its requests."""

    ttft_ms: float | None
    tpot_ms: float | None
    output_tok_per_s: float | None


class CannotServe(ValueError):
    """The deployment cannot run the benchmark; the message says why."""


def closed_loop(replica: Replicas, load: Load) -> Measured:
    """Return the means of a closed loop of clients on one replica.

    Raises
    ------
    CannotServe
        If the KV cache does not hold one request.
    """
    clients, requests = _rounds_of(load)
    submit = _in_turn(clients, requests.arrival_s, requests.done_s, lambda n: engine.submit(n))
    engine = Engine(_clock(replica, load), requests, on_done=submit, poll_steps=load.poll_steps)
    for n in range(clients):
        engine.submit(n)
    engine.run()
    return _loop_means(load, clients, *_times(requests))


def closed_loop_apart(prefill: Workers, decode: Workers, load: Load) -> Measured:
    """Return the means of a closed loop of clients on prefill and decode workers.

    Raises
    ------
    CannotServe
        If the KV cache of either kind of worker does not hold one request.
    """
    _fits(prefill.clock, load.isl)
    _fits(decode.clock, load.isl + load.osl)
    clients, prompts = _rounds_of(load)
    both = PrefillAndDecode(prefill, decode, prompts)
    both.on_done = _in_turn(clients, prompts.arrival_s, both.answers.done_s, both.submit)
    for n in range(clients):
        both.submit(n)
    both.run()
    first, done = np.array(both.answers.first_s), np.array(both.answers.done_s)
    return _loop_means(load, clients, *_spans(prompts, first, done))


def _rounds_of(load: Load) -> tuple[int, Requests]:
    """Return the clients of a closed loop, and the requests of some rounds; the first has come."""
    clients = load.clients or 1
    total = clients * (SIMULATED_ROUNDS if load.osl > 1 else SIMULATED_ROUNDS + 1)
    isl, osl = _lengths(load, total)
    if load.shortest >= 1 and load.osl > 1 and clients > 1 and not load.in_step:
        osl = _spread(load.osl, total)
    arrival = [0.0] * clients + [math.nan] * (total - clients)
    return clients, Requests(arrival, isl, osl, [0] * total)


def _in_turn(
    clients: int, arrival_s: list[float], done_s: list[float], submit: Callable[[int], None]
) -> Callable[[int], None]:
    """Return what to call with a request that is answered: its client sends the next one then."""
    sent = clients

    def answered(n: int) -> None:
        nonlocal sent
        if sent < len(arrival_s):
            arrival_s[sent] = done_s[n]
            sent += 1
            submit(sent - 1)

    return answered


def _loop_means(
    load: Load, clients: int, ttft: np.ndarray, tpot: np.ndarray, e2e: np.ndarray
) -> Measured:
    """Weigh the first wave and the later rounds; the last, which fewer clients share, is left."""
    sent_each = max(load.rounds or PROMPTS / clients, 1.0)
    later = slice(clients, len(ttft) - clients)
    in_loop = slice(0, len(ttft) - clients)
    first_wave, steady = ttft[:clients].mean(), ttft[later].mean()
    return Measured(
        ttft_ms=float(steady + (first_wave - steady) / sent_each) * 1e3,
        tpot_ms=_mean_ms(tpot[in_loop], load),
        output_tok_per_s=clients * load.means[1] / float(e2e[later].mean()),
    )


def open_loop(replica: Replicas, load: Load) -> Measured:
    """Return the means of Poisson arrivals on one replica.

    Raises
    ------
    CannotServe
        If the KV cache does not hold one request.
    """
    assert load.rate_rps is not None
    total = OPEN_LOOP_REQUESTS
    gaps = np.random.default_rng(SEED).exponential(1 / load.rate_rps, total)
    isl, osl = _lengths(load, total)
    requests = Requests(np.cumsum(gaps).tolist(), isl, osl, [0] * total)
    engine = Engine(_clock(replica, load), requests)
    for n in range(total):
        engine.submit(n)
    engine.run()
    ttft, tpot, _ = _times(requests)
    span = max(requests.done_s) - requests.arrival_s[0]
    return Measured(float(ttft.mean()) * 1e3, _mean_ms(tpot, load), float(sum(osl)) / span)


def static_batch(replica: Replicas, load: Load) -> Measured:
    """Return the figures of one wave of equal requests, all there at the start.

    Such benchmarks call the engine as a library: they pay for its steps and nothing beside them.

    Raises
    ------
    CannotServe
        If the KV cache does not hold one request.
    """
    batch = load.clients or 1
    requests = Requests([0.0] * batch, [load.isl] * batch, [load.osl] * batch, [0] * batch)
    bare = replace(replica, request_s=np.zeros_like(replica.request_s))
    engine = Engine(_clock(bare, load), requests)
    for n in range(batch):
        engine.submit(n)
    engine.run()
    ttft, tpot, _ = _times(requests)
    whole = max(requests.done_s)
    return Measured(float(ttft.mean()) * 1e3, _mean_ms(tpot, load), batch * load.osl / whole)


def offline(replica: Replicas, load: Load) -> Measured:
    """Return the output rate of a replica that never lacks requests.

    Raises
    ------
    CannotServe
        If the KV cache does not hold one request.
    """
    _clock(replica, load)
    isl, osl = load.means
    each = RequestClass(
        "offline", 1.0, Lengths(isl), Lengths(osl), math.inf, math.inf, math.inf, 50.0
    )
    t = traffic_of([each], np.ones((1, 1)))
    station = prepare(replica, Traffic(**{k: np.atleast_2d(v) for k, v in vars(t).items()}))
    return Measured(None, None, float(station.saturation_rps[0]) * osl)


def _clock(replica: Replicas, load: Load) -> Clock:
    clock = Clock.of(replica)
    _fits(clock, load.isl + load.osl)
    return clock


def _fits(clock: Clock, tokens: int) -> None:
    if clock.kv_budget_bytes <= 0:
        raise CannotServe("the weights do not fit the memory")
    if clock.kv_bytes(tokens) > clock.kv_budget_bytes:
        raise CannotServe("the KV cache does not hold one request")


def _lengths(load: Load, total: int) -> tuple[list[int], list[int]]:
    if load.shortest >= 1:
        return [load.isl] * total, [load.osl] * total
    rng = np.random.default_rng(SEED)
    drawn = rng.uniform(load.shortest, 1.0, (2, total))
    isl = np.maximum(np.rint(drawn[0] * load.isl), 1).astype(int)
    osl = np.maximum(np.rint(drawn[1] * load.osl), 1).astype(int)
    return isl.tolist(), osl.tolist()


def _spread(osl: int, total: int) -> list[int]:
    """Outputs of equal mean that differ as those of clients that have drifted apart.

    Clients of equal requests start together; on a real engine they drift apart over many rounds,
    which a few simulated ones would not show.
    """
    drawn = np.random.default_rng(SEED).uniform(1 - DRIFT, 1 + DRIFT, total)
    return [max(int(v), 2) for v in np.rint(drawn * osl)]


def _times(requests: Requests) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TTFT, TPOT and end-to-end time of every request (seconds)."""
    return _spans(requests, np.array(requests.first_s), np.array(requests.done_s))


def _spans(
    requests: Requests, first: np.ndarray, done: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrival = np.array(requests.arrival_s)
    after = np.maximum(np.array(requests.osl) - 1, 1)
    return first - arrival, (done - first) / after, done - arrival


def _mean_ms(tpot: np.ndarray, load: Load) -> float | None:
    return float(tpot.mean()) * 1e3 if load.osl > 1 else None


def with_cap(replica: Replicas, cap: int) -> Replicas:
    """Return the replica with another batch cap, its workspace unchanged."""
    return replace(replica, batch_cap=np.full(replica.tp.shape, float(cap)))
