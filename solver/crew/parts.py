"""Long runs in parts: results in the order of the tasks, solved in the order that is quickest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice

from solver.crew.crew import Crew, Done
from solver.crew.work import Ground, Result, Task


def solve_in_parts(
    crew: Crew[Ground, Task, Result],
    parts: Iterable[Sequence[Task]],
    alike: Callable[[Task], str],
    done: Done = lambda count: None,
) -> Iterator[list[Result]]:
    """Yield the results of each part, in the order of its tasks.

    Within a part tasks that are alike follow each other, so that a worker remembers what they
    share. Parts are taken ahead of the results, as a `Crew` takes tasks: none waits for the last
    task of the part before it.

    Parameters
    ----------
    parts
        Tasks, none of the parts empty.
    alike
        Equal for tasks that share an evaluation.
    """
    orders: deque[list[int]] = deque()

    def tasks() -> Iterator[Task]:
        for part in parts:
            order = sorted(range(len(part)), key=lambda i: alike(part[i]))
            orders.append(order)
            yield from (part[i] for i in order)

    answers = crew.solve(tasks(), done)
    for first in answers:
        order = orders.popleft()
        solved = chain([first], islice(answers, len(order) - 1))
        yield [result for _, result in sorted(zip(order, solved, strict=True), key=_place)]


def _place(placed: tuple[int, object]) -> int:
    return placed[0]
