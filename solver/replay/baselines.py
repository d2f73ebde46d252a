"""What a policy is measured against: never switching, and always switching."""

from __future__ import annotations

from collections.abc import Sequence

from solver.replay.course import Course, Step, moment_of
from solver.replay.path import PricePath
from solver.replay.stage import Cheapest
from solver.replay.standing import Standing


def never(path: PricePath, first: Standing, cheapest: Sequence[Cheapest]) -> Course:
    """Keep the first fleet; only where it is no longer on sale, move to the cheapest there is."""
    course = Course([Step(moment_of(path.dates[0]), first)])
    for t, prices in enumerate(path.prices):
        if not course.fleet.holds_in(prices):
            course.steps.append(
                Step(moment_of(path.dates[t]), cheapest[t].standing, WITHDRAWN, forced=True)
            )
    return course


def always(path: PricePath, first: Standing, cheapest: Sequence[Cheapest], gap: float) -> Course:
    """Move to the cheapest fleet at every change of prices, whatever the change costs.

    A fleet that is as cheap as the cheapest, within the gap that this is proven to, stays.
    """
    course = Course([Step(moment_of(path.dates[0]), first)])
    for t, prices in enumerate(path.prices):
        best, gone = cheapest[t], not course.fleet.holds_in(prices)
        if gone or float(course.fleet.usd_per_hour(prices)) > best.usd_per_hour * (1 + gap):
            why = WITHDRAWN if gone else CHEAPER
            course.steps.append(Step(moment_of(path.dates[t]), best.standing, why, forced=gone))
    return course


WITHDRAWN = "an offer in use is no longer on sale"

CHEAPER = "another fleet is cheaper"
"""Why a baseline changes its fleet."""
