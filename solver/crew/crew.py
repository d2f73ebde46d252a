"""Tasks solved in order: the same results from this process, processes beside it, or a cluster.

Tasks are sent in batches, a bounded number of them ahead of the first one that is not answered, so
that neither the tasks nor their results pile up anywhere, however many there are. Neighbours stay
together in a batch: a worker remembers what the task before had evaluated.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import chain, islice
from types import TracebackType
from typing import Any, Generic

from data.errors import EngineError
from solver.crew.cores import usable_cores
from solver.crew.local import Processes
from solver.crew.team import Team, WorkerLostError
from solver.crew.work import Ground, Refused, Result, Task, Work

START_S = 3.0
"""What it takes to start processes: they are started once they save more than that."""

BATCH = 16
"""Most tasks that are sent together."""

AHEAD = 32
"""Batches on their way for each worker: one that takes its whole time limit does not stop them."""

Done = Callable[[int], None]
"""Told how many more tasks are solved."""


@dataclass
class _Sent(Generic[Task]):
    """A batch on its way."""

    batch: tuple[Task, ...]
    future: Any
    losses: int = 0


class Crew(Generic[Ground, Task, Result]):
    """Solves tasks over one ground, wherever there are workers.

    Parameters
    ----------
    work
        What is done with each task.
    ground
        What all tasks have in common; it is sent to each worker once.
    jobs
        Most processes at work; 1 for none besides this one, None for one a core.
    dask
        Address of the scheduler of a Dask cluster, ``tcp://host:8786``, whose workers solve all
        tasks instead; None for none.

    Raises
    ------
    InputError
        If the cluster cannot be reached, or its workers differ from this process.
    """

    def __init__(
        self,
        work: Work[Ground, Task, Result],
        ground: Ground,
        jobs: int | None = None,
        dask: str | None = None,
    ) -> None:
        self.work, self.ground = work, ground
        self.jobs = usable_cores() if jobs is None else jobs
        self.solved = 0
        self._spent_s = 0.0
        self._team: Team | None = None
        if dask is not None:
            from solver.crew.cluster import Cluster

            self._team = Cluster(work, ground, dask)

    def __enter__(self) -> Crew[Ground, Task, Result]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._team is not None:
            self._team.close()

    def solve(self, tasks: Iterable[Task], done: Done = lambda count: None) -> Iterator[Result]:
        """Yield the result of each task, in their order, as soon as those before it are there.

        Parameters
        ----------
        tasks
            Taken a bounded number ahead of the results.

        Raises
        ------
        InputError
            If a task is refused as wrong.
        EngineError
            If a task kills the workers it is given to, or no worker is left.
        """
        left = float(len(tasks)) if isinstance(tasks, Sized) else float("inf")
        queue = iter(tasks)
        for task in queue:
            if self._pays(left):
                queue = chain([task], queue)
                break
            begin = time.perf_counter()
            result = self.work.solve(self.ground, task)
            if self.solved:
                self._spent_s += time.perf_counter() - begin
            self.solved += 1
            left -= 1
            done(1)
            yield result
        else:
            return
        for answer in self._together(queue, left):
            if isinstance(answer, Refused):
                raise answer.error()
            self.solved += 1
            done(1)
            yield answer

    def _pays(self, left: float) -> bool:
        """Whether so many tasks are better solved by a team, by the time that others took.

        The first one does not count: it loads what it needs.
        """
        if self._team is not None or self.jobs == 1 or self.solved < 2:
            return self._team is not None
        each_s = self._spent_s / (self.solved - 1)
        return left * each_s * (1 - 1 / self.jobs) > START_S

    def _together(self, queue: Iterator[Task], left: float) -> Iterator[Result | Refused]:
        if self._team is None:
            self._team = Processes(self.work, self.ground, self.jobs)
        team = self._team
        size = max(1, int(min(BATCH, left / (4 * team.workers()))))
        sent: deque[_Sent[Task]] = deque()
        while True:
            while len(sent) < AHEAD * team.workers():
                batch = tuple(islice(queue, size))
                if not batch:
                    break
                sent.append(_Sent(batch, team.submit(batch)))
            if not sent:
                return
            yield from self._first(team, sent)

    def _first(self, team: Team, sent: deque[_Sent[Task]]) -> Iterator[Result | Refused]:
        """Yield the answers to the batch sent first, and take it off."""
        first = sent[0]
        while True:
            try:
                answers = team.answer(first.future)
            except WorkerLostError:
                first.losses += 1
                if first.losses > team.trusts:
                    team.settle([other.future for other in islice(sent, 1, None)])
                    yield from self._one_by_one(team, first.batch)
                    break
                first.future = team.submit(first.batch)
                for other in islice(sent, 1, None):
                    if team.lost(other.future):
                        other.losses += 1
                        other.future = team.submit(other.batch)
            else:
                yield from answers
                break
        sent.popleft()

    def _one_by_one(self, team: Team, batch: tuple[Task, ...]) -> Iterator[Result | Refused]:
        """Solve tasks of a batch that lost its workers, each alone, to find whose fault it is."""
        for task in batch:
            for tried in range(1, team.tries + 1):
                try:
                    yield from team.answer(team.submit((task,)))
                    break
                except WorkerLostError:
                    if tried == team.tries:
                        yield self._given_up(task)

    def _given_up(self, task: Task) -> Result:
        told = (
            f"{self.work.name(task)}: every worker that solves it is killed, perhaps for its "
            "memory; give workers more, or fewer of them (--jobs)."
        )
        if self.work.lost is None:
            raise EngineError(told)
        return self.work.lost(task, told)
