"""Worker processes, each with a pipe of its own, killed when a task is cancelled.

The processes are AnyIO's: idle ones are used again, and one that dies takes only its own task
with it.
"""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import psutil
from anyio import BrokenWorkerProcess, to_process

from api.service import tasks
from api.service.progress import Listener, Progress

MAX_FOLDER_BYTES = 75
"""Longest path of a temporary folder: with a socket in it, systems take 104."""

WARM_UP_S = 120.0
"""Most time for a worker to load what it needs."""

LOOK_S = 0.2
"""How often the memory of workers is looked at."""

SUDDEN = 2
"""Times the memory limit beyond which a worker's system refuses it more, between two looks."""


class WorkerDiedError(Exception):
    """The process ended without an answer; it was killed, or crashed."""


class TaskError(Exception):
    """A task came to nothing.

    Attributes
    ----------
    kind
        ``input``: the request was wrong. ``failed``: minfleet gave up. ``memory``: the limit was
        too small. ``internal``: a fault of minfleet's own.
    """

    def __init__(self, kind: str, message: str, traceback: str = "") -> None:
        super().__init__(message)
        self.kind, self.message, self.traceback = kind, message, traceback


@dataclass(frozen=True)
class TaskAnswer:
    """What a worker found, and which worker that was."""

    document: dict[str, Any]
    worker_pid: int


@dataclass
class _Task:
    """A task at work: the process that told of it, and what stops it."""

    scope: anyio.CancelScope
    heard: Callable[[Progress], None]
    pid: int | None = None
    too_large: bool = False


class Workers:
    """The processes that do the work; made within the event loop that they serve.

    Parameters
    ----------
    count
        How many may run jobs at once; one more answers what is quick.
    memory_bytes
        Most resident memory of each; 0 for no limit.
    """

    def __init__(self, count: int, memory_bytes: int) -> None:
        self.count, self._memory_bytes = count, memory_bytes
        self._jobs = anyio.CapacityLimiter(count)
        self._quick = anyio.CapacityLimiter(1)
        self._folder = _new_folder()
        self.folder = Path(self._folder.name)
        self._channel = self.folder / "progress"
        self._listener = Listener(self._channel, self._heard)
        self._tasks: dict[str, _Task] = {}
        self._names = (f"task-{number}" for number in itertools.count())
        self.warm = False

    @property
    def busy(self) -> int:
        """How many run a job."""
        return int(self._jobs.borrowed_tokens)

    @property
    def quick_waiting(self) -> int:
        """How many quick tasks wait."""
        return int(self._quick.statistics().tasks_waiting)

    async def run(
        self, kind: str, task: dict[str, Any], heard: Callable[[Progress], None]
    ) -> TaskAnswer:
        """Do a job in a worker of its own; cancelling the caller kills the process.

        Parameters
        ----------
        heard
            Told how far it is, again and again.

        Raises
        ------
        TaskError
            If it came to nothing.
        WorkerDiedError
            If the process ended without an answer.
        """
        return await self._answer(kind, task, heard, self._jobs)

    async def run_quick(self, kind: str, task: dict[str, Any]) -> TaskAnswer:
        """Do what takes milliseconds, in the process kept free for that; see `run`."""
        return await self._answer(kind, task, _ignore, self._quick)

    async def warm_up(self) -> None:
        """Start every process and let it load what it needs.

        Raises
        ------
        TaskError, WorkerDiedError
            See `run`.
        TimeoutError
            If it takes too long.
        """
        with anyio.fail_after(WARM_UP_S):
            async with anyio.create_task_group() as group:
                for number in range(self.count + 1):
                    limiter = self._jobs if number else self._quick
                    group.start_soon(self._answer, "warm", {"seconds": 0.5}, _ignore, limiter)
        self.warm = True

    async def watch_memory(self) -> None:
        """Stop every task whose process takes more memory than it may; never returns."""
        while True:
            for task in self._tasks.values():
                if task.pid is not None and _resident(task.pid) > self._memory_bytes > 0:
                    task.too_large = True
                    task.scope.cancel()
            await anyio.sleep(LOOK_S)

    def close(self) -> None:
        """Hear no more, and remove what was written for the workers."""
        self._listener.close()
        self._folder.cleanup()

    async def _answer(
        self,
        kind: str,
        task: dict[str, Any],
        heard: Callable[[Progress], None],
        limiter: anyio.CapacityLimiter,
    ) -> TaskAnswer:
        name = next(self._names)
        text = "{}"
        with anyio.CancelScope() as scope:
            at_work = self._tasks[name] = _Task(scope, heard)
            try:
                text = await to_process.run_sync(
                    tasks.answer,
                    kind,
                    json.dumps(task),
                    str(self._channel),
                    name,
                    self._memory_bytes * SUDDEN,
                    cancellable=True,
                    limiter=limiter,
                )
            except (BrokenWorkerProcess, EOFError, OSError) as error:
                raise WorkerDiedError("the worker process was killed or crashed") from error
            finally:
                del self._tasks[name]
        found = json.loads(text)
        if at_work.too_large or found.get("error", {}).get("kind") == "memory":
            raise TaskError("memory", self._needs_memory())
        if "error" in found:
            raise TaskError(**found["error"])
        return TaskAnswer(found["document"], found["worker_pid"])

    def _needs_memory(self) -> str:
        return (
            f"more than {self._memory_bytes / 2**20:,.0f} MiB were needed; ask for less, or raise "
            "MINFLEET_WORKER_MEMORY_MB."
        )

    def _heard(self, name: str, progress: Progress) -> None:
        if name in self._tasks:
            self._tasks[name].pid = progress["worker_pid"]
            self._tasks[name].heard(progress)


def _ignore(progress: Progress) -> None:
    """Hear what nobody asked for."""


def _resident(pid: int) -> int:
    """Return the resident memory of a process in bytes; 0 once it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _new_folder() -> tempfile.TemporaryDirectory[str]:
    deep = len(os.fsencode(tempfile.gettempdir())) > MAX_FOLDER_BYTES
    return tempfile.TemporaryDirectory(prefix="minfleet-", dir="/tmp" if deep else None)
