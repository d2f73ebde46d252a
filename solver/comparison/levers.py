"""What a comparison solves of each lever: no lever waits for another, so a crew takes them.

Break-even levels are exact, whichever fleets are known at the start; all levers start from the same
ones, so that the programs solved are the same however many work on them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.offers import Offer
from solver.assumptions import stale_prices
from solver.comparison.alone import Alone, cheapest_alone
from solver.comparison.bench import Answer, Bench, Bought, Found
from solver.comparison.break_even import BreakEven, enters_at, takes_over_at
from solver.comparison.document import fleet_entry
from solver.comparison.lever import Lever
from solver.comparison.stock import Worth, next_node_worth
from solver.crew.work import Work
from solver.measured import MeasuredCapacity
from solver.plan import Plan
from solver.planner import plan_with_fleet
from solver.problem import Problem, build_problem
from solver.workload import Workload


@dataclass(frozen=True)
class CompareGround:
    """What all levers of a comparison have in common.

    Attributes
    ----------
    movable
        Ids of the offers that are compared.
    """

    workload: Workload
    catalog: Catalog
    coefficients: CoefficientTable
    measured: tuple[MeasuredCapacity, ...] | None
    as_of: dt.date
    movable: tuple[str, ...]
    gap: float
    time_limit_s: float

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "desk"}

    @cached_property
    def desk(self) -> Desk:
        """Where levers are solved: the candidates are evaluated once in each process."""
        problem = build_problem(
            self.workload,
            self.catalog,
            self.coefficients,
            measured=self.measured,
            as_of=self.as_of,
            movable=self.movable,
        )
        return Desk(problem, self.gap, self.time_limit_s)


class Desk:
    """A bench, and how its fleets are judged."""

    def __init__(self, problem: Problem, gap: float, time_limit_s: float) -> None:
        self.bench = Bench(problem, time_limit_s)
        self.options = replace(self.bench.options, gap=gap)

    def judged(self, answer: Answer, *, within: bool) -> tuple[str, tuple[str, ...]]:
        """Return what is proven of a fleet once it is checked, and what to know of it.

        That prices are old is said once for all offers.
        """
        fleet = answer.solved.fleet
        if fleet is None or not within:
            return "infeasible" if answer.proven else "unknown", ()
        plan = self._plan(answer)
        bought = (fleet.instance.offers[o] for o in fleet.nodes)
        stale = set(stale_prices(bought, self.bench.problem.as_of))
        return plan.status, tuple(w for w in plan.warnings if w not in stale)

    def _plan(self, answer: Answer) -> Plan:
        """Return the plan of a fleet, checked apart from the solver."""
        assert answer.solved.fleet is not None
        return plan_with_fleet(
            answer.problem,
            answer.solved,
            answer.solved.fleet,
            answer.predicted,
            self.options,
            lambda stage: None,
        )


@dataclass(frozen=True)
class AloneTask:
    """A lever whose cheapest fleet alone is asked for."""

    lever: Lever


@dataclass(frozen=True)
class AloneFound:
    """What a lever does alone, and its fleet as the document has it."""

    alone: Alone
    status: str
    warnings: tuple[str, ...]
    gpus: int | None
    nodes: int | None
    entry: Mapping[str, Any]
    programs: int


@dataclass(frozen=True)
class RestTask:
    """A lever whose break-even prices are asked for, and what one more node of it is worth.

    Attributes
    ----------
    joint, alone
        What the cheapest fleets of all offers, and of the lever alone, came to.
    known
        Fleets that are known to serve.
    offer
        The offer of the lever; None for a subset.
    """

    lever: Lever
    joint: Found
    alone: Found
    known: tuple[Bought, ...]
    offer: Offer | None


@dataclass(frozen=True)
class RestFound:
    """The rest of what is found of a lever."""

    enters: BreakEven
    takes_over: BreakEven
    worth: Worth | None
    programs: int


LeverTask = AloneTask | RestTask


def solve_lever(ground: CompareGround, task: LeverTask) -> AloneFound | RestFound:
    """Solve what is asked of a lever."""
    desk = ground.desk
    before = desk.bench.programs
    if isinstance(task, AloneTask):
        found = _alone(desk, task.lever)
        return replace(found, programs=desk.bench.programs - before)
    rest = _rest(desk.bench, task)
    return replace(rest, programs=desk.bench.programs - before)


def _name(task: LeverTask) -> str:
    return f"the comparison of {task.lever.name}"


AT_LEVERS: Work[CompareGround, LeverTask, AloneFound | RestFound] = Work(solve_lever, _name)
"""What a crew does with the levers of a comparison."""


def _alone(desk: Desk, lever: Lever) -> AloneFound:
    alone, answer = cheapest_alone(desk.bench, lever)
    status, warnings = desk.judged(answer, within=alone.within_budget)
    fleet = answer.solved.fleet if alone.within_budget else None
    return AloneFound(
        alone=alone,
        status=status,
        warnings=warnings,
        gpus=None if fleet is None else fleet.gpus,
        nodes=None if fleet is None else sum(fleet.nodes.values()),
        entry=fleet_entry(desk.bench, answer, status, warnings),
        programs=0,
    )


def _rest(bench: Bench, task: RestTask) -> RestFound:
    lever, joint = task.lever, task.joint
    bench.known = list(task.known)
    without = joint
    if joint.bought is None or lever.amount(joint.bought) > 0:
        without = bench.keep(bench.solve(lever.outside(bench))).found
    return RestFound(
        enters=enters_at(bench, lever, joint, without),
        takes_over=takes_over_at(bench, lever, task.alone),
        worth=None if task.offer is None else next_node_worth(bench, task.offer, joint),
        programs=0,
    )
