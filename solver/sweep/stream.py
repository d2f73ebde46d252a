"""A sweep whose rows are written as they come: more points than memory holds, in parts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from solver.crew.crew import Crew, Done
from solver.crew.parts import solve_in_parts
from solver.sweep.changes import Changes
from solver.sweep.document import COLUMNS, row_of, table_row
from solver.sweep.factors import Factor
from solver.sweep.point import Ground, Point, Task
from solver.sweep.sweep import Around, Mode, changes_of, check, evaluated_by

Row = dict[str, Any]


def checked(ground: Ground, vary: Sequence[Factor], mode: Mode) -> int:
    """Return the number of rows of a sweep.

    Raises
    ------
    InputError
        If something cannot be varied; see `solver.sweep.sweep.check`.
    """
    check(ground, [((f.name, value),) for f in vary for value in f.values])
    return sum(1 for _ in changes_of(vary, mode))


@dataclass(frozen=True)
class SweepRun:
    """The rows of a sweep, in parts of equal size but the last.

    Attributes
    ----------
    part_rows
        Rows of a part.
    """

    ground: Ground
    vary: Sequence[Factor]
    mode: Mode
    part_rows: int

    def columns(self) -> Mapping[str, str]:
        """Return column → what it holds, the varied values first."""
        return {**{f.name: _kind(f.values) for f in self.vary}, **COLUMNS}

    def base(self, crew: Crew[Ground, Task, Point]) -> Point:
        """Return the point of the workload as it is."""
        (base,) = crew.solve([Task(())])
        return base

    def parts(
        self,
        crew: Crew[Ground, Task, Point],
        base: Point,
        first: int = 0,
        done: Done = lambda count: None,
    ) -> Iterator[list[Row]]:
        """Yield the rows of each part, from part number `first` on."""
        around, sent = Around(self.ground, base), deque[list[Task]]()

        def tasks() -> Iterator[list[Task]]:
            points = islice(changes_of(self.vary, self.mode), first * self.part_rows, None)
            while part := [around.task(c) for c in islice(points, self.part_rows)]:
                sent.append(part)
                yield part

        for answers in solve_in_parts(crew, tasks(), evaluated_by, done):
            part = sent.popleft()
            yield [
                self._row(base, task.changes, around.point(task, answer))
                for task, answer in zip(part, answers, strict=True)
            ]

    def _row(self, base: Point, changes: Changes, point: Point) -> Row:
        row = table_row([f.name for f in self.vary], row_of(base, changes, point))
        for factor in self.vary:
            if _kind(factor.values) == "text" and row[factor.name] is not None:
                row[factor.name] = str(row[factor.name])
        return row


def _kind(values: Sequence[Any]) -> str:
    """Return what a column of values holds: text where they are of several kinds."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return "number"
    return "truth" if kinds == {bool} else "text"
