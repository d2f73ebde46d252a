"""``frontier``: the least cost for each level of a latency target or a limit, each with proof."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.catalog import Catalog
from data.coefficients import CoefficientTable, load_coefficients, shipped_coefficients
from data.errors import InputError, UnknownNameError
from solver.crew.crew import Crew
from solver.frontier.axes import AXES, Axis
from solver.frontier.document import Frontier, written
from solver.frontier.ranges import Range, between
from solver.frontier.staircase import Level, Staircase
from solver.measured import MeasuredCapacity, load_measured
from solver.steady import check_steady
from solver.sweep.point import AT_POINTS, Ground, Point, Task, known_at
from solver.workload import Workload

POINTS = 9
"""Limits that are solved first, evenly spread."""

RESOLUTION = 0.05
"""How narrow the place of each step is known, relatively."""

Progress = Callable[[int, int], None]
"""Told how many points are solved, and how many there are to solve as far as is known."""


def frontier(
    workload: Workload,
    catalog: Catalog | None = None,
    *,
    of: str = "tpot_ms",
    of_class: str | None = None,
    points: int = POINTS,
    low: float | None = None,
    high: float | None = None,
    resolution: float = RESOLUTION,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | str | Path | None = None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None = None,
    as_of: dt.date | None = None,
    jobs: int | None = 1,
    dask: str | None = None,
    progress: Progress = lambda solved, total: None,
) -> Frontier:
    """Return the least cost of a workload for each level of one target or limit.

    Parameters
    ----------
    workload
        From ``Workload.load`` or ``Workload.parse``.
    catalog
        Accelerators and offers; the shipped catalogue by default.
    of
        What the cost is set against, of `solver.frontier.axes.AXES`.
    of_class
        The class whose target it is; None for that of the workload, which holds for every class
        without one of its own.
    points
        Levels that are solved first, evenly spread; more are solved where the cost falls.
    low, high
        Range of the level. By default of latencies a quarter and four times what the workload
        says, else from the least that any fleet keeps to where nothing gets cheaper.
    resolution
        Relative width to which each place is narrowed where the cost falls.
    gap
        Relative gap at which a point counts as proven.
    time_limit_s
        Wall seconds for each program.
    coefficients, measured, as_of
        As in `solver.planner.plan`.
    jobs
        Most processes at work, 1 for none besides this one, None for one a core; the result is the
        same. A script that asks for more needs an ``if __name__ == "__main__"``.
    dask
        Address of the scheduler of a Dask cluster that solves the points instead, with the same
        result; see `solver.crew.crew.Crew`.
    progress
        See `Progress`.

    Raises
    ------
    InputError
        If the input is wrong.
    """
    check_steady(workload, "a frontier is drawn")
    if of not in AXES:
        raise UnknownNameError("frontier", of, AXES, "of")
    axis = AXES[of] if of_class is None else AXES[of].of_class(of_class, workload)
    if isinstance(coefficients, (str, Path)):
        coefficients = load_coefficients(Path(coefficients))
    if isinstance(measured, (str, Path)):
        measured = load_measured(measured)
    ground = Ground(
        workload,
        catalog or Catalog.load(),
        coefficients or shipped_coefficients(),
        measured,
        gap,
        time_limit_s,
        as_of or dt.date.today(),
    )
    check(axis, ground)
    if not 1e-4 <= resolution <= 1:
        raise InputError(f"resolution: is {resolution:g}; give a share between 0.0001 and 1.")
    wanted = Range(points, low, high)
    with Crew(AT_POINTS, ground, jobs, dask) as crew:
        climb = Climb(axis, crew, Staircase(between(axis, ground, resolution), gap), progress)
        ends = wanted.ends(axis, ground)
        climb.without(wanted.out_of_reach(axis, ends))
        climb.over(ends)
        climb.over(wanted.inner(axis, ground, [climb.level(at) for at in ends]))
        climb.to_the_steps()
        return written(ground, axis, climb, resolution)


def check(axis: Axis, ground: Ground) -> None:
    """Refuse a frontier that cannot be.

    Raises
    ------
    InputError
        If capacities are measured, which hold for the targets and formats they were measured with.
    """
    if ground.measured is not None and axis.name not in ("power_kw", "providers"):
        raise InputError(
            f"measured capacities hold for the targets and formats they were measured with; a "
            f"frontier of {axis.name} needs the performance model, so leave --measured out."
        )


@dataclass
class Climb:
    """A frontier on its way: rounds of points, each round where the cost still falls.

    Attributes
    ----------
    points
        Limit → what it came to.
    """

    axis: Axis
    crew: Crew[Ground, Task, Point]
    stairs: Staircase
    progress: Progress
    points: dict[float, Point] = field(default_factory=dict)

    def over(self, limits: Sequence[float]) -> None:
        """Solve limits that were not solved before."""
        self._solve([(limit, None) for limit in limits if limit not in self.points])

    def without(self, limits: Sequence[float]) -> None:
        """Take in limits that are proven to have no fleet."""
        self.points.update({limit: Point("infeasible") for limit in limits})
        self.stairs.add([Level(limit, limit, math.inf) for limit in limits])

    def to_the_steps(self) -> None:
        """Solve between limits wherever the cost falls, until each step is found."""
        while wanted := self.stairs.open():
            self._solve(wanted)

    def _solve(self, wanted: Sequence[tuple[float, Level | None]]) -> None:
        """Solve limits; the fleet of a tighter level, where given, serves there, too."""
        tasks = [
            Task(
                ((self.axis.field, int(limit) if self.axis.whole else limit),),
                None if tight is None or math.isinf(tight.cost) else tight.cost,
            )
            for limit, tight in wanted
        ]
        before, total = len(self.points), len(self.points) + len(tasks)
        solved = 0

        def done(count: int) -> None:
            nonlocal solved
            solved += count
            self.progress(before + solved, total)

        self.progress(before, total)
        answers = self.crew.solve(tasks, done)
        levels = []
        for (limit, tight), point in sorted(zip(wanted, answers, strict=True), key=_limit):
            self.points[limit] = self._best(limit, tight, point)
            levels.append(self.level(limit))
        self.stairs.add(levels)

    def _best(self, limit: float, tight: Level | None, point: Point) -> Point:
        """Return the cheapest fleet known to keep a limit: its own, or that of a tighter one."""
        if point.holds:
            assert tight is not None
            return self._held(tight.at, point)
        tighter = [at for at, p in self.points.items() if at < limit and p.cost_usd is not None]
        if not tighter:
            return point
        other = min(tighter, key=lambda at: (self.points[at].cost_usd, at))
        least = self.points[other].cost_usd
        if point.cost_usd is None or (least is not None and least < point.cost_usd):
            return self._held(other, point)
        return point

    def _held(self, at: float, point: Point) -> Point:
        """Return the fleet of a tighter limit with what was proven at a looser one."""
        fleet = self.points[at]
        assert fleet.cost_usd is not None
        bound = fleet.cost_usd if point.bound_usd is None else point.bound_usd
        bound = min(bound, fleet.cost_usd)
        return known_at(fleet, fleet.cost_usd, bound, self.crew.ground.gap)

    def level(self, limit: float) -> Level:
        """Return a limit that was solved as a level of the staircase."""
        point = self.points[limit]
        if point.cost_usd is None:
            return Level(limit, limit, math.inf)
        kept = None if self.axis.latency else self.axis.figure(point)
        return Level(limit, limit if kept is None else min(limit, kept), point.cost_usd)


def _limit(solved: tuple[tuple[float, Level | None], Point]) -> float:
    return solved[0][0]
