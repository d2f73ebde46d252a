"""Where the least cost jumps: a cost that falls in steps as a limit is loosened.

A fleet that keeps a limit keeps every looser one, so the least cost never rises from one limit to
a looser one. Where two limits cost the same, so does everything between; where they do not, the
limit between them is asked for, until what is left is narrower than the resolution. So every step
is found, however many there are, and none is missed between two points of a grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Between = Callable[[float, float], float | None]
"""A limit between two, or None where they are near enough."""


@dataclass(frozen=True)
class Level:
    """A limit that was solved.

    Attributes
    ----------
    at
        The limit.
    since
        The tightest limit that its fleet keeps: the cost is the least from there on.
    cost
        Least cost (USD/h); infinite where nothing serves.
    """

    at: float
    since: float
    cost: float


def halfway(resolution: float) -> Between:
    """Return a `Between` that halves ratios, down to one of 1 + `resolution`."""

    def between(low: float, high: float) -> float | None:
        return None if high <= low * (1 + resolution) else round_to(math.sqrt(low * high))

    return between


def in_the_middle(resolution: float) -> Between:
    """Return a `Between` that halves differences, down to `resolution`."""

    def between(low: float, high: float) -> float | None:
        return None if high - low <= resolution else round_to((low + high) / 2)

    return between


def in_whole_steps(low: float, high: float) -> float | None:
    """Return the whole number in the middle; a `Between` of counts."""
    middle = float((low + high) // 2)
    return middle if low < middle < high else None


def round_to(value: float, digits: int = 6) -> float:
    """Round to significant digits, so that limits can be read."""
    return float(f"{value:.{digits}g}")


@dataclass
class Staircase:
    """The levels known so far, and which limits to ask for next.

    Attributes
    ----------
    between
        See `Between`.
    gap
        Costs within this of each other, relatively, are one.
    """

    between: Between
    gap: float
    levels: list[Level] = field(default_factory=list)

    def add(self, levels: Sequence[Level]) -> None:
        """Take in levels that were solved."""
        self.levels = sorted([*self.levels, *levels], key=lambda level: level.at)

    def open(self) -> list[tuple[float, Level]]:
        """Return the limits to ask for next, each with the next tighter level, by limit.

        The fleet of that level keeps the limit, too, at the same cost.
        """
        found = []
        for tight, loose in pairwise(self.levels):
            if self.same(tight, loose) or loose.since <= tight.at:
                continue
            middle = self.between(tight.at, loose.since)
            if middle is not None and tight.at < middle < loose.since:
                found.append((middle, tight))
        return found

    def same(self, tight: Level, loose: Level) -> bool:
        """Whether the looser limit saves no more than the gap."""
        if math.isinf(tight.cost):
            return math.isinf(loose.cost)
        return tight.cost - loose.cost <= self.gap * tight.cost

    def corners(self) -> list[Level]:
        """Return the levels where the cost falls, tightest first: the frontier."""
        found: list[Level] = []
        for level in self.levels:
            least = found[-1].cost if found else math.inf
            if level.cost < least and not (found and least - level.cost <= self.gap * least):
                found.append(level)
        return found

    def dearer(self, corner: Level) -> float | None:
        """Return the loosest limit known to cost more than a corner, or to be out of reach."""
        before = [level.at for level in self.levels if level.at < corner.since]
        return max(before, default=None)

    def until(self, corner: Level) -> float:
        """Return the loosest limit solved at which the cost of a corner is still the least."""
        later = [c.since for c in self.corners() if c.at > corner.at]
        next_drop = min(later, default=math.inf)
        return max(level.at for level in self.levels if level.at < next_drop)
