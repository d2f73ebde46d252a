"""Tasks that kill the process they run in, for tests of crews."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from solver.crew.work import Work


@dataclass(frozen=True)
class Number:
    """A number to double.

    Attributes
    ----------
    kills
        Workers that it kills before one lives to answer.
    refused
        Whether it is refused as wrong.
    """

    value: int
    kills: int = 0
    refused: bool = False


def double(folder: str, task: Number) -> tuple[int, str]:
    """Return twice the number of a task, unless it is still to kill a process."""
    if task.refused:
        raise InputError(f"number {task.value}: is refused; give another.")
    for attempt in range(task.kills):
        mark = Path(folder, f"{task.value}-{attempt}")
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return 2 * task.value, ""


def name(task: Number) -> str:
    """Return what to call a task."""
    return f"number {task.value}"


def instead(task: Number, told: str) -> tuple[int, str]:
    """Return what stands for the answer to a task that kills every worker."""
    return -task.value, told


DOUBLES = Work(double, name)
OR_ELSE = Work(double, name, instead)
