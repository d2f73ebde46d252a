"""A portfolio: every workload under every price scenario, in parts that are written as they come.

Rows are ordered by workload and then by scenario, as both files have them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from solver.crew.crew import Crew, Done
from solver.crew.parts import solve_in_parts
from solver.portfolio.entries import Portfolio
from solver.portfolio.row import PortfolioGround, Row, RowTask

PortfolioCrew = Crew[PortfolioGround, RowTask, Row]


@dataclass(frozen=True)
class PortfolioRun:
    """The rows of a portfolio, in parts of equal size but the last.

    Attributes
    ----------
    part_rows
        Rows of a part.
    """

    portfolio: Portfolio
    ground: PortfolioGround
    part_rows: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.portfolio.count * len(self.ground.scenarios)

    def parts(
        self, crew: PortfolioCrew, first: int = 0, done: Done = lambda count: None
    ) -> Iterator[list[Row]]:
        """Yield the rows of each part, from part number `first` on."""
        yield from solve_in_parts(crew, self._tasks(first), lambda t: t.entry.alike, done)

    def _tasks(self, first: int) -> Iterator[list[RowTask]]:
        names = [scenario.name for scenario in self.ground.scenarios]
        skipped, begun = divmod(first * self.part_rows, len(names))
        every = (
            RowTask(entry, number, name)
            for entry in islice(self.portfolio.read(), skipped, None)
            for number, name in enumerate(names)
        )
        tasks = islice(every, begun, None)
        while part := list(islice(tasks, self.part_rows)):
            yield part
