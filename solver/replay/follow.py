"""Following a policy along a price path: a decision at every look, carried out at once."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from data.coefficients import CoefficientTable
from solver.measured import MeasuredCapacity
from solver.replan.decide import replan
from solver.replan.decision import KEEP, MUST_SWITCH, Decision
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.replay.course import Course, Step, moment_of
from solver.replay.path import PricePath
from solver.replay.standing import Standing
from solver.workload import Workload

Looked = Callable[[int, int], None]
"""Told how many stretches are done, and of how many."""


@dataclass(frozen=True)
class Effort:
    """How hard to try.

    Attributes
    ----------
    gap
        Relative gap that counts as proven.
    time_limit_s
        Wall seconds for each program.
    """

    coefficients: CoefficientTable
    measured: tuple[MeasuredCapacity, ...] | None
    gap: float
    time_limit_s: float


@dataclass(frozen=True)
class Followed:
    """What following a policy came to.

    Attributes
    ----------
    decisions
        What was decided, one entry a look that was solved.
    looks
        Looks that there were, those included that repeat the one before.
    proven
        Whether every decision was.
    wall_s
        Seconds of all decisions.
    """

    course: Course
    decisions: tuple[Mapping[str, Any], ...]
    looks: int
    proven: bool
    wall_s: float


def follow(
    workload: Workload,
    path: PricePath,
    current: Mapping[str, Any],
    policy: Policy,
    effort: Effort,
    *,
    every_h: float,
    looked: Looked = lambda done, total: None,
) -> Followed:
    """Decide along a price path, carrying out every switch when it is decided.

    Looks are at the start of every stretch, and every `every_h` hours after it: confirmations and
    the age of a plan need them. A decision depends on the catalogue, the running fleet, what is
    remembered, and on the moment only through the age of the plan, which counts as reached from
    some moment on. So where a look keeps the fleet, changes nothing that is remembered and finds
    the age reached, the next look of the stretch has equal arguments and keeps it, too; and so on
    to the end of the stretch: these looks are counted, not solved.

    Parameters
    ----------
    current
        Document of the plan that runs at the start.
    every_h
        Hours between two looks, at most those of a stretch.
    """
    begin = time.perf_counter()
    start = moment_of(path.dates[0])
    course = Course([Step(start, Standing.of_plan(current))])
    memory, looks, proven = Memory(start, commitments=()), 0, True
    entries: list[dict[str, Any]] = []
    for t in range(len(path)):
        catalog, settled = path.catalog_at(t), False
        for moment in _moments(path, t, every_h):
            looks += 1
            if settled:
                entries[-1]["looks"] += 1
                continue
            decision = replan(
                workload,
                catalog,
                current,
                policy,
                moment=moment,
                memory=memory,
                gap=effort.gap,
                time_limit_s=effort.time_limit_s,
                coefficients=effort.coefficients,
                measured=effort.measured,
            )
            entries.append(_entry(decision, moment))
            proven &= decision.proven
            if decision.outcome == KEEP or decision.plan is None:
                settled = _settled(memory, decision.memory, moment, policy)
                memory = decision.memory
                continue
            current = decision.plan
            memory = decision.memory_if_accepted or decision.memory
            forced = decision.outcome == MUST_SWITCH
            why = " ".join(entries[-1]["reasons"])
            course.steps.append(Step(moment, Standing.of_plan(current), why, forced))
        looked(t + 1, len(path))
    return Followed(course, tuple(entries), looks, proven, time.perf_counter() - begin)


def _moments(path: PricePath, t: int, every_h: float) -> list[dt.datetime]:
    """Return the moments of the looks in a stretch."""
    start, hours = moment_of(path.dates[t]), path.hours(t)
    count = max(1, -int(-hours // every_h))
    return [start + dt.timedelta(hours=every_h * i) for i in range(count)]


def _settled(before: Memory, after: Memory, moment: dt.datetime, policy: Policy) -> bool:
    """Whether the next look of the stretch must keep the fleet as this one did.

    Confirmations beyond those that are needed make no difference.
    """
    if before.since is not None:
        age = moment - before.since
        if age < dt.timedelta(hours=policy.min_plan_age_h):
            return False
    needed = policy.spot_confirmations
    same = replace(after, confirmations=before.confirmations) == before
    counted = before.confirmations == after.confirmations or before.confirmations >= needed
    return same and counted


def _entry(decision: Decision, moment: dt.datetime) -> dict[str, Any]:
    """Return a decision in short: without the plan, and without what follows from the rest."""
    document = decision.to_dict()
    proposed, considered = document["proposed"], document["considered"]
    return {
        "moment": moment.isoformat(),
        "outcome": decision.outcome,
        "looks": 1,
        "reasons": list(document["reasons"]),
        "cost_per_hour_usd": document["current"]["cost_per_hour_usd"],
        "proposed": None if proposed is None else Standing.of_plan(proposed).to_dict(),
        "proposed_cost_per_hour_usd": considered and considered["cost_per_hour_usd"],
        "saving": document["saving"],
        "change": document["change"],
        "rules": document["rules"],
    }
