"""``sweep``: a workload planned at every point of a grid, or along one factor at a time."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.catalog import Catalog
from data.coefficients import CoefficientTable, load_coefficients, shipped_coefficients
from data.errors import InputError
from solver.crew.crew import Crew
from solver.measured import MeasuredCapacity, load_measured
from solver.steady import check_steady
from solver.sweep.changes import PRICE, TARGETS, Changes, changed_catalog, changed_workload
from solver.sweep.document import Sweep, written
from solver.sweep.easier import still_serves
from solver.sweep.factors import Factor
from solver.sweep.point import AT_POINTS, Ground, Point, Task, known_at
from solver.workload import Workload

MOST_POINTS = 1_000_000
"""Most points of a sweep."""

Mode = Literal["grid", "one_at_a_time"]

Progress = Callable[[int, int], None]
"""Told how many points are solved, and how many there are to solve."""


def sweep(
    workload: Workload,
    catalog: Catalog | None = None,
    *,
    vary: Sequence[Factor],
    mode: Mode = "grid",
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | str | Path | None = None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None = None,
    as_of: dt.date | None = None,
    jobs: int | None = 1,
    dask: str | None = None,
    progress: Progress = lambda solved, total: None,
) -> Sweep:
    """Plan a workload with some of its values changed, at many points.

    Parameters
    ----------
    workload
        From ``Workload.load`` or ``Workload.parse``.
    catalog
        Accelerators and offers; the shipped catalogue by default.
    vary
        What is varied, e.g. ``Factor("rate", (0.5, 1.0, 2.0))``; see `solver.sweep.changes`.
    mode
        ``grid``: every combination, the last factor fastest. ``one_at_a_time``: each alone.
    gap, time_limit_s, coefficients, measured, as_of, jobs, dask
        As in `solver.frontier.frontier.frontier`.
    progress
        See `Progress`.

    Raises
    ------
    InputError
        If the input is wrong. A point without a fleet is no error, but a row of that status.
    """
    ground = grounded(workload, catalog, gap, time_limit_s, coefficients, measured, as_of)
    points = list(changes_of(vary, mode))
    check(ground, points)
    with Crew(AT_POINTS, ground, jobs, dask) as crew:
        base, found = solve_around(crew, points, progress)
    return written(ground, mode, vary, base, points, found)


def grounded(
    workload: Workload,
    catalog: Catalog | None,
    gap: float,
    time_limit_s: float,
    coefficients: CoefficientTable | str | Path | None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None,
    as_of: dt.date | None,
) -> Ground:
    """Return the ground of arguments as `solver.planner.plan` takes them."""
    check_steady(workload, "what-ifs are weighed")
    if isinstance(coefficients, (str, Path)):
        coefficients = load_coefficients(Path(coefficients))
    if isinstance(measured, (str, Path)):
        measured = load_measured(measured)
    return Ground(
        workload,
        catalog or Catalog.load(),
        coefficients or shipped_coefficients(),
        measured,
        gap,
        time_limit_s,
        as_of or dt.date.today(),
    )


def changes_of(vary: Sequence[Factor], mode: Mode) -> Iterator[Changes]:
    """Yield the changes of every point, in the order of the rows.

    Raises
    ------
    InputError
        If nothing is varied, something twice, or there are too many points.
    """
    names = [factor.name for factor in vary]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        raise InputError(
            f"{twice[0]} is varied twice; give all of its values at once."
            if twice
            else "nothing is varied; give at least one factor."
        )
    if mode == "one_at_a_time":
        yield from (((f.name, value),) for f in vary for value in f.values)
        return
    count = 1
    for factor in vary:
        count *= len(factor.values)
    if count > MOST_POINTS:
        raise InputError(
            f"the grid has {count:,} points, more than {MOST_POINTS:,}; vary fewer values, or one "
            "factor at a time."
        )
    for values in itertools.product(*(f.values for f in vary)):
        yield tuple(zip(names, values, strict=True))


def check(ground: Ground, points: Sequence[Changes]) -> None:
    """Refuse what could not be planned, before anything is solved.

    Raises
    ------
    InputError
        If a change does not do, or is one that measured capacities know nothing of.
    """
    seen: set[tuple[str, object]] = set()
    for changes in points:
        for change in changes:
            if change in seen:
                continue
            seen.add(change)
            name = change[0]
            modelled = name in TARGETS or name in ("isl", "osl") or ".sla." in f".{name}"
            if ground.measured is not None and modelled:
                raise InputError(
                    f"{name}: measured capacities hold for the lengths and targets they were "
                    "measured with; vary rate, prices or limits, or leave --measured out."
                )
            changed_workload(ground.workload, (change,))
            if name.startswith(PRICE):
                changed_catalog(ground.catalog, (change,))


def solve_around(
    crew: Crew[Ground, Task, Point], points: Sequence[Changes], progress: Progress
) -> tuple[Point, list[Point]]:
    """Return the point of the workload as it is, and those of all changes, in their order."""
    total = len(points) + 1
    solved = 0

    def done(count: int) -> None:
        nonlocal solved
        solved += count
        progress(solved, total)

    progress(0, total)
    (base,) = crew.solve([Task(())], done)
    around = Around(crew.ground, base)
    tasks = [around.task(changes) for changes in points]
    order = sorted(range(len(tasks)), key=lambda i: evaluated_by(tasks[i]))
    answers = crew.solve([tasks[i] for i in order], done)
    found = [base] * len(tasks)
    for i, point in zip(order, answers, strict=True):
        found[i] = around.point(tasks[i], point)
    return base, found


def evaluated_by(task: Task) -> str:
    """Return what of the changes of a task decides what a replica does.

    Points that differ in prices and rates alone share an evaluation, so they follow each other.
    """
    return repr([c for c in task.changes if c[0] != "rate" and not c[0].startswith(PRICE)])


@dataclass(frozen=True)
class Around:
    """The workload as it is, and its fleet, from which changes start."""

    ground: Ground
    base: Point

    def task(self, changes: Changes) -> Task:
        """Return the task of some changes, with the cost of today's fleet where it serves there."""
        if not still_serves(self.ground.workload, self.base, changes):
            return Task(changes)
        catalog = changed_catalog(self.ground.catalog, changes)
        offers = {o.offer_id: o for o in catalog.offers}
        cost = float(sum(offers[i].hourly_usd_at(n) * n for i, _, n in self.base.purchases))
        budget = changed_workload(self.ground.workload, changes).hardware.max_cost_per_hour_usd
        return Task(changes, cost if budget is None or cost <= budget else None)

    def point(self, task: Task, answer: Point) -> Point:
        """Return the point of a task: its answer, or today's fleet where nothing is cheaper."""
        known = task.known_usd
        if known is None or not answer.holds:
            return answer
        bound = known if answer.bound_usd is None else answer.bound_usd
        return known_at(self.base, known, bound, self.ground.gap)
