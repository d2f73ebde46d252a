"""A team of processes on this machine."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from solver.crew.team import WorkerLostError
from solver.crew.work import Work, solve_batch

Sent = Future[list[Any]]


class Processes:
    """Worker processes of this machine; a `solver.crew.team.Team`.

    A killed process takes the whole pool with it, so all batches on their way are lost at once and
    nobody knows whose fault it was: each is sent again to a new pool.
    """

    trusts = 1
    tries = 3

    def __init__(self, work: Work[Any, Any, Any], ground: Any, jobs: int) -> None:
        self._jobs, self._begin = jobs, (work, ground)
        self._pool = self._started()

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._jobs, _context(), initializer=_start, initargs=self._begin)

    def workers(self) -> int:
        """Return the number of processes."""
        return self._jobs

    def submit(self, batch: Sequence[Any]) -> Sent:
        """Send a batch; see `Team`."""
        try:
            return self._pool.submit(_solve, batch)
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = self._started()
            return self._pool.submit(_solve, batch)

    def answer(self, sent: Sent) -> list[Any]:
        """Return the results of a batch; see `Team`."""
        try:
            return sent.result()
        except BrokenProcessPool:
            raise WorkerLostError("a worker process was killed before it had an answer.") from None

    def lost(self, sent: Sent) -> bool:
        """Whether a batch was lost with the pool."""
        return sent.done() and isinstance(sent.exception(), BrokenProcessPool)

    def settle(self, sent: Sequence[Sent]) -> None:
        """Wait for batches; see `Team`."""
        wait(sent)

    def close(self) -> None:
        """Wait for what is at work, and end the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)


_begun: tuple[Work[Any, Any, Any], Any] | None = None
"""What all tasks of a worker process have in common."""


def _start(work: Work[Any, Any, Any], ground: Any) -> None:
    global _begun
    _begun = work, ground
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once, without a traceback


def _solve(batch: Sequence[Any]) -> list[Any]:
    assert _begun is not None
    return solve_batch(*_begun, batch)


def _context() -> multiprocessing.context.BaseContext:
    """Return how processes are started: never as a copy of one in which engines have run."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["solver.sweep.point"])
    return found
