"""A course through a price path: which fleet runs from when, and what it comes to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from solver.replay.change import ChangeCost
from solver.replay.path import PricePath
from solver.replay.standing import Standing

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Step:
    """From a moment on, a fleet runs.

    Attributes
    ----------
    why
        One sentence.
    forced
        Whether the fleet before could not stay.
    """

    moment: dt.datetime
    fleet: Standing
    why: str = ""
    forced: bool = False


@dataclass(frozen=True)
class Account:
    """What a course comes to.

    Attributes
    ----------
    run_usd
        Hours times price, over all nodes.
    change_usd
        What its changes cost, one for each step but the first.
    points
        (moment, USD paid until then), at every change of prices, and before and after every step.
    """

    run_usd: float
    change_usd: tuple[float, ...]
    points: tuple[tuple[dt.datetime, float], ...]

    @property
    def usd(self) -> float:
        """All of it."""
        return self.run_usd + sum(self.change_usd)


@dataclass
class Course:
    """Steps, in the order of time; the first is at the start of the path."""

    steps: list[Step] = field(default_factory=list)

    @property
    def fleet(self) -> Standing:
        """The fleet that runs last."""
        return self.steps[-1].fleet

    @property
    def switches(self) -> int:
        """Changes of the fleet."""
        return len(self.steps) - 1

    @property
    def forced(self) -> int:
        """Changes that could not be left out."""
        return sum(s.forced for s in self.steps[1:])

    def account(self, path: PricePath, change: ChangeCost) -> Account:
        """Add up what the course costs."""
        run, paid = 0.0, list[float]()
        points: list[tuple[dt.datetime, float]] = []
        steps = self.steps
        for begin, end, t, number in _pieces(path, steps):
            if number and begin == steps[number].moment:
                points.append((begin, run + sum(paid)))
                old, new = steps[number - 1].fleet, steps[number].fleet
                usd = change.usd(old, new, path.last_prices[t])
                paid.append(usd)
            points.append((begin, run + sum(paid)))
            hours = (end - begin).total_seconds() / SECONDS_PER_HOUR
            run += hours * float(steps[number].fleet.usd_per_hour(path.prices[t]))
        points.append((moment_of(path.end), run + sum(paid)))
        return Account(run, tuple(paid), tuple(points))

    def to_dicts(self, path: PricePath, change: ChangeCost) -> list[dict[str, Any]]:
        """Return the steps, ready for JSON."""
        paid = (0.0, *self.account(path, change).change_usd)
        return [
            {
                "moment": step.moment.isoformat(),
                "fleet": step.fleet.to_dict(),
                "cost_per_hour_usd": float(
                    step.fleet.usd_per_hour(path.prices[stretch_at(path, step.moment)])
                ),
                "change_usd": usd,
                "forced": step.forced,
                "why": step.why,
            }
            for step, usd in zip(self.steps, paid, strict=True)
        ]


def moment_of(day: dt.date) -> dt.datetime:
    """Return the first moment of a day, UTC."""
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def stretch_at(path: PricePath, moment: dt.datetime) -> int:
    """Return the stretch that a moment is in."""
    return max(t for t, day in enumerate(path.dates) if moment_of(day) <= moment)


def course_of(path: PricePath, sequence: Sequence[Standing]) -> Course:
    """Return the course of a sequence of fleets, one a stretch."""
    course = Course()
    for t, fleet in enumerate(sequence):
        if not course.steps or fleet != course.fleet:
            forced = bool(course.steps) and not course.fleet.holds_in(path.prices[t])
            course.steps.append(Step(moment_of(path.dates[t]), fleet, forced=forced))
    return course


def _pieces(
    path: PricePath, steps: Sequence[Step]
) -> Iterator[tuple[dt.datetime, dt.datetime, int, int]]:
    """Yield pieces of time with neither a change of prices nor of the fleet.

    Yields
    ------
    begin, end, stretch, number of the step
    """
    dates = [moment_of(d) for d in path.dates]
    last = moment_of(path.end)
    cuts = sorted({*dates, *(s.moment for s in steps), last})
    t = number = 0
    for begin, end in pairwise(cuts):
        while t + 1 < len(dates) and dates[t + 1] <= begin:
            t += 1
        while number + 1 < len(steps) and steps[number + 1].moment <= begin:
            number += 1
        yield begin, end, t, number
