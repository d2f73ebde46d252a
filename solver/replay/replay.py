"""``replay``: a workload and a price path in; what a policy would have cost, and the best, out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from data.coefficients import CoefficientTable, shipped_coefficients
from data.errors import InputError
from data.price_changes import Skipped
from solver.measured import MeasuredCapacity
from solver.planner import plan
from solver.replan.policy import Policy
from solver.replan.supported import refuse_unsupported
from solver.replay.baselines import always, never
from solver.replay.change import ChangeCost
from solver.replay.clairvoyant import Clairvoyant, clairvoyant
from solver.replay.course import Course, course_of
from solver.replay.document import document_of
from solver.replay.follow import Effort, Followed, follow
from solver.replay.path import HOURS_PER_DAY, PricePath
from solver.replay.stage import Stage, prepare
from solver.replay.standing import Standing
from solver.workload import Workload

Progress = Callable[[str, int, int], None]
"""Told what is done now, how many of it are done, and of how many."""


@dataclass(frozen=True)
class Replay:
    """What a policy would have cost over a price path, beside what else could have been done.

    Attributes
    ----------
    courses
        ``policy``, ``never``, ``always`` and ``clairvoyant`` → the way it went.
    followed
        The decisions of the policy.
    best
        The clairvoyant optimum, and how far it is proven.
    wall_s
        Seconds of all of it.
    """

    workload: Workload
    path: PricePath
    policy: Policy
    change: ChangeCost
    courses: Mapping[str, Course]
    followed: Followed
    best: Clairvoyant
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    every_h: float
    wall_s: float

    def to_dict(self) -> dict[str, Any]:
        """Return the replay document, ready for JSON."""
        return document_of(self)

    def to_json(self) -> str:
        """Return the replay document as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @property
    def proven(self) -> bool:
        """Whether the clairvoyant optimum and every decision are proven to the gap asked for."""
        return self.best.proven and self.followed.proven


def replay(
    workload: Workload,
    path: PricePath,
    policy: Policy | None = None,
    *,
    current: Mapping[str, Any] | None = None,
    coefficients: CoefficientTable | None = None,
    measured: tuple[MeasuredCapacity, ...] | None = None,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    every_h: float = HOURS_PER_DAY,
    may_begin_later: bool = False,
    skipped: Sequence[Skipped] = (),
    warnings: Sequence[str] = (),
    progress: Progress = lambda what, done, total: None,
) -> Replay:
    """Return what a policy would have cost over a price path.

    Parameters
    ----------
    policy
        What a change must bring; the default policy by default. Every switch is carried out when
        it is decided, whatever the policy says of accepting it.
    current
        Document of the plan that runs at the start; by default the cheapest there.
    gap
        Relative gap that counts as proven.
    time_limit_s
        Wall seconds for each program, that of the clairvoyant optimum included.
    every_h
        Hours between two looks where prices stand still.
    may_begin_later
        Whether a beginning in which nothing on sale serves the workload is left out.
    skipped, warnings
        What the reader of the history said of it.

    Raises
    ------
    InputError
        If the workload asks for what a replay does not do, or in some stretch no fleet serves it.
    """
    if not every_h > 0:
        raise InputError(f"looks lie {every_h:g} hours apart; give more than 0.")
    refuse_unsupported(workload)
    begin = time.perf_counter()
    policy, table = policy or Policy(), coefficients or shipped_coefficients()
    change = ChangeCost(policy.overlap_h, policy.cost_per_changed_pool_usd)
    progress("evaluating", 0, 1)
    stage = prepare(workload, path, table, measured=measured)
    if may_begin_later:
        stage = _from_first_fleet(stage)
        path = stage.path
    cheapest = []
    for t in range(len(path)):
        progress("cheapest fleets", t, len(path))
        cheapest.append(stage.cheapest(t, gap=gap, time_limit_s=time_limit_s))
    if current is None:
        progress("first plan", 0, 1)
        current = _first_plan(workload, path, table, measured, gap, time_limit_s)
    first = Standing.of_plan(current)
    if not first.holds_in(path.prices[0]):
        gone = next(o for o in first.nodes if o not in path.prices[0])
        raise InputError(
            f"the running plan buys {gone}, which is not on sale on {path.dates[0]}; begin later, "
            "or leave the plan out."
        )
    followed = follow(
        workload,
        path,
        current,
        policy,
        Effort(table, measured, gap, time_limit_s),
        every_h=every_h,
        looked=lambda done, total: progress("decisions", done, total),
    )
    courses = {
        "policy": followed.course,
        "never": never(path, first, cheapest),
        "always": always(path, first, cheapest, gap),
    }
    progress("clairvoyant optimum", 0, 1)
    known = [s.fleet for course in courses.values() for s in course.steps]
    best = clairvoyant(stage, change, cheapest, known, gap=gap, time_limit_s=time_limit_s)
    courses["clairvoyant"] = course_of(path, best.sequence)
    return Replay(
        workload,
        path,
        policy,
        change,
        courses,
        followed,
        best,
        tuple(skipped),
        tuple(warnings),
        every_h,
        time.perf_counter() - begin,
    )


def _from_first_fleet(stage: Stage) -> Stage:
    """Leave out the stretches before the first in which some fleet serves the workload."""
    for t in range(len(stage.path)):
        if stage.serves(t):
            return replace(stage, path=stage.path.since(t))
    return stage


def _first_plan(
    workload: Workload,
    path: PricePath,
    coefficients: CoefficientTable,
    measured: tuple[MeasuredCapacity, ...] | None,
    gap: float,
    time_limit_s: float,
) -> Mapping[str, Any]:
    """Return the document of the cheapest plan at the start."""
    found = plan(
        workload,
        path.catalog_at(0),
        gap=gap,
        time_limit_s=time_limit_s,
        coefficients=coefficients,
        measured=measured,
        explain="none",
        second_engine=False,
        as_of=path.dates[0],
    )
    if not found.purchases:
        raise InputError(f"no plan was found for {path.dates[0]}; give more time.")
    return found.to_dict()
