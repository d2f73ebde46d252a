"""One pool at work: a router hands its requests to its replicas, each of them an engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray

from model.simulation.engine import Engine, Requests

Ints = NDArray[np.int64]

ROUTERS = ("random", "round_robin", "least_loaded")
"""How a pool spreads its requests: independent draws (what the formulas assume), in turn, or to
the replica with the fewest requests at hand."""

PROGRESS_EVERY = 256
"""Requests that are routed by load between two reports of progress."""

Progress = Callable[[int], None]
"""Called with the number of requests that were dealt with since the last call."""


def run_engines(
    engines: Sequence[Engine],
    requests: Requests,
    router: str,
    rng: np.random.Generator,
    progress: Progress,
) -> Ints:
    """Serve `requests`, in order of arrival, on the replicas of a pool.

    Replicas that are chosen without a look at them are run one by one; for ``least_loaded``
    their clocks advance together.

    Returns
    -------
    ndarray
        The replica of each request.
    """
    size = len(requests.arrival_s)
    if router == "least_loaded" and len(engines) > 1:
        return _least_loaded(engines, requests, progress)
    if router == "random":
        replica = rng.integers(0, len(engines), size)
    else:
        replica = np.arange(size) % len(engines)
    for i, engine in enumerate(engines):
        own = np.nonzero(replica == i)[0].tolist()
        for number in own:
            engine.submit(number)
        engine.run()
        progress(len(own))
    return np.asarray(replica, dtype=np.int64)


def _least_loaded(engines: Sequence[Engine], requests: Requests, progress: Progress) -> Ints:
    """Send each request to the replica with the fewest; of equals, to the next in turn.

    An engine is only run up to an arrival if a request may have left it by then.
    """
    chosen, last = [], -1
    load = [0] * len(engines)
    quiet = [engine.quiet_until for engine in engines]
    due = [(time, i) for i, time in enumerate(quiet)]
    heapify(due)
    for number, now in enumerate(requests.arrival_s):
        while due[0][0] < now:
            time, i = heappop(due)
            if time != quiet[i]:
                continue
            engines[i].run(now)
            load[i], quiet[i] = engines[i].load, engines[i].quiet_until
            heappush(due, (quiet[i], i))
        fewest = min(load)
        after = last + 1
        last = load.index(fewest, after) if fewest in load[after:] else load.index(fewest)
        engines[last].submit(number)
        chosen.append(last)
        load[last] += 1
        quiet[last] = engines[last].quiet_until
        heappush(due, (quiet[last], last))
        if number % PROGRESS_EVERY == PROGRESS_EVERY - 1:
            progress(PROGRESS_EVERY)
    for engine in engines:
        engine.run()
    progress(len(chosen) % PROGRESS_EVERY)
    return np.array(chosen, dtype=np.int64)
