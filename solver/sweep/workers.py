"""Points solved by worker processes, in order: the same result with one process or many."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType

from data.errors import EngineError, InputError, MinfleetError
from solver.sweep.point import Ground, Point, Task, solve_task

START_S = 3.0
"""What it takes to start processes: they are started once they save more than that."""

Done = Callable[[int], None]
"""Told how many more points are solved."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    with contextlib.suppress(AttributeError):  # where a system does not say
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Crew:
    """Solves tasks over one ground, in as many processes as are allowed and worth starting.

    Parameters
    ----------
    jobs
        Most processes at work; 1 for none besides this one, None for one a core.
    """

    def __init__(self, ground: Ground, jobs: int | None = None) -> None:
        self.ground, self.jobs = ground, cores() if jobs is None else jobs
        self.solved = 0
        self._spent_s = 0.0
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def solve(self, tasks: Sequence[Task], done: Done = lambda count: None) -> list[Point]:
        """Return the point of each task, in their order.

        Raises
        ------
        InputError
            If a change of a task does not do.
        EngineError
            If a worker process was killed.
        """
        found: list[Point] = []
        for number, task in enumerate(tasks):
            if self._pays(len(tasks) - number):
                found += self._together(tasks[number:], done)
                break
            begin = time.perf_counter()
            found.append(solve_task(self.ground, task))
            if self.solved:
                self._spent_s += time.perf_counter() - begin
            self.solved += 1
            done(1)
        return found

    def _pays(self, left: int) -> bool:
        """Whether so many tasks are better solved by processes, by the time that others took.

        The first one does not count: it loads what it needs.
        """
        if self.jobs == 1 or self._pool is not None or self.solved < 2:
            return self._pool is not None
        each_s = self._spent_s / (self.solved - 1)
        return left * each_s * (1 - 1 / self.jobs) > START_S

    def _together(self, tasks: Sequence[Task], done: Done) -> Iterator[Point]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.jobs, _context(), initializer=_start, initargs=(self.ground,)
            )
        try:
            futures = [self._pool.submit(_solve, task) for task in tasks]
            for point in _answers(futures):
                self.solved += 1
                done(1)
                yield point
        except BrokenProcessPool:
            raise EngineError(
                "a worker process was killed before it had an answer, perhaps for its memory; run "
                "it again with fewer --jobs."
            ) from None


def _answers(futures: Iterable[Future[Point | _Refused]]) -> Iterator[Point]:
    for future in futures:
        answer = future.result()
        if isinstance(answer, _Refused):
            raise answer.error()
        yield answer


class _Refused:
    """An error of a worker: some of minfleet's own take more to make than a message to pickle."""

    def __init__(self, error: MinfleetError) -> None:
        self.kind = InputError if isinstance(error, InputError) else EngineError
        self.message = str(error)

    def error(self) -> MinfleetError:
        """Return it as an error again."""
        return self.kind(self.message)


_ground: Ground | None = None
"""What all points of a worker process have in common."""


def _start(ground: Ground) -> None:
    global _ground
    _ground = ground
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it at once, without a traceback


def _solve(task: Task) -> Point | _Refused:
    assert _ground is not None
    try:
        return solve_task(_ground, task)
    except MinfleetError as error:
        return _Refused(error)


def _context() -> multiprocessing.context.BaseContext:
    """Return how processes are started: never as a copy of one in which engines have run."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__])
    return found
