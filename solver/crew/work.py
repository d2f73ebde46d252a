"""What a crew does with each task, and how a worker answers for a batch of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from data.errors import EngineError, InputError, MinfleetError

Ground = TypeVar("Ground")
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Work(Generic[Ground, Task, Result]):
    """What is done with each task. Its functions are those of modules, so that it can be sent.

    Attributes
    ----------
    solve
        A pure function of the ground and a task.
    name
        What to call a task in a message.
    lost
        What stands for the result of a task that kills every worker it is given to, with the
        sentence that says so; None to give up with that sentence.
    """

    solve: Callable[[Ground, Task], Result]
    name: Callable[[Task], str]
    lost: Callable[[Task, str], Result] | None = None


class Refused:
    """An error of a worker: some of minfleet's own take more to make than a message to pickle."""

    def __init__(self, error: MinfleetError) -> None:
        self.kind = InputError if isinstance(error, InputError) else EngineError
        self.message = str(error)

    def error(self) -> MinfleetError:
        """Return it as an error again."""
        return self.kind(self.message)


def solve_batch(
    work: Work[Ground, Task, Result], ground: Ground, batch: Sequence[Task]
) -> list[Result | Refused]:
    """Return the results of a batch, up to the first task that is refused."""
    answers: list[Result | Refused] = []
    for task in batch:
        try:
            answers.append(work.solve(ground, task))
        except MinfleetError as error:
            answers.append(Refused(error))
            break
    return answers
