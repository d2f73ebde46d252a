"""Worker processes, each with a pipe of its own, killed when a task is cancelled.

The processes are AnyIO's: idle ones are used again, and one that dies takes only its own task
with it.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio import BrokenWorkerProcess, to_process

from api.service import tasks

MAX_FOLDER_BYTES = 75
"""Longest path of a temporary folder: with a socket in it, systems take 104."""

WARM_UP_S = 120.0
"""Most time for a worker to load what it needs."""


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


class Workers:
    """The processes that do the work.

    Parameters
    ----------
    count
        How many may run jobs at once; one more answers what is quick.
    memory_bytes
        Most address space of each; 0 for no limit.
    """

    def __init__(self, count: int, memory_bytes: int) -> None:
        self.count, self._memory_bytes = count, memory_bytes
        self._jobs = anyio.CapacityLimiter(count)
        self._quick = anyio.CapacityLimiter(1)
        self._folder = _new_folder()
        self.folder = Path(self._folder.name)
        self.channel = self.folder / "progress"
        self.warm = False

    @property
    def busy(self) -> int:
        """How many run a job."""
        return int(self._jobs.borrowed_tokens)

    @property
    def quick_waiting(self) -> int:
        """How many quick tasks wait."""
        return int(self._quick.statistics().tasks_waiting)

    async def run(self, kind: str, task: dict[str, Any], job_id: str) -> TaskAnswer:
        """Do a job in a worker of its own; cancelling the caller kills the process.

        Raises
        ------
        TaskError
            If it came to nothing.
        WorkerDiedError
            If the process ended without an answer.
        """
        return await self._answer(kind, task, str(self.channel), job_id, self._jobs)

    async def run_quick(self, kind: str, task: dict[str, Any]) -> TaskAnswer:
        """Do what takes milliseconds, in the process kept free for that; see `run`."""
        return await self._answer(kind, task, "", "", self._quick)

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
                    group.start_soon(
                        self._answer, "warm", {"seconds": 0.5}, "", f"warm-{number}", limiter
                    )
        self.warm = True

    def close(self) -> None:
        """Remove what was written for the workers."""
        self._folder.cleanup()

    async def _answer(
        self,
        kind: str,
        task: dict[str, Any],
        channel: str,
        job_id: str,
        limiter: anyio.CapacityLimiter,
    ) -> TaskAnswer:
        try:
            text = await to_process.run_sync(
                tasks.answer,
                kind,
                json.dumps(task),
                channel,
                job_id,
                self._memory_bytes,
                cancellable=True,
                limiter=limiter,
            )
        except (BrokenWorkerProcess, EOFError, OSError) as error:
            raise WorkerDiedError("the worker process was killed or crashed") from error
        found = json.loads(text)
        if "error" in found:
            raise TaskError(**found["error"])
        return TaskAnswer(found["document"], found["worker_pid"])


def _new_folder() -> tempfile.TemporaryDirectory[str]:
    deep = len(os.fsencode(tempfile.gettempdir())) > MAX_FOLDER_BYTES
    return tempfile.TemporaryDirectory(prefix="minfleet-", dir="/tmp" if deep else None)
