"""Draining a batch: how many hours to rent a fleet for, and which one, at least total cost.

The whole fleet runs for one duration T, a number of billing steps up to the deadline. Draining N_w
requests in T hours is serving them at N_w/T, so each T is the program at those rates, and its total
is its cost an hour times the hours paid for. Longer is mostly cheaper, as less of a node is left
over, but not always: steps are whole too. So every duration is tried, longest first, and most are
settled without a program: in fractional replicas a batch costs the same whatever T is
(`solver.screening.Prices.bound_usd` grows with the rates), and no fleet is cheaper than one node.
For the others the best total so far bounds the program from above.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from data.errors import WorkloadError
from model.predict import Prediction
from solver.batch_spec import Batch, requests_of
from solver.engines.result import Termination
from solver.fleet import Fleet, Solved
from solver.most_load import carries
from solver.plan import Plan
from solver.planner import Desk, plan_with_fleet, plan_without_fleet, solve_problem
from solver.problem import Problem
from solver.screening import fractional_prices
from solver.workload import LengthSpec, Workload


@dataclass(frozen=True)
class Drained:
    """The cheapest fleet for one duration.

    Attributes
    ----------
    hours, paid_h
        Until its end, and paid for.
    """

    hours: float
    paid_h: float
    problem: Problem
    solved: Solved
    predicted: dict[int, Prediction]

    @property
    def fleet(self) -> Fleet:
        """The fleet."""
        assert self.solved.fleet is not None
        return self.solved.fleet

    @property
    def total_usd(self) -> float:
        """What all hours cost."""
        return float(self.fleet.cost_usd) * self.paid_h


def plan_batch(workload: Workload, desk: Desk) -> Plan:
    """Return the fleet, and the hours, that drain a batch by its deadline at least cost.

    Raises
    ------
    WorkloadError
        If the fleet is to be simulated.
    """
    batch, options = workload.batch, desk.options
    assert batch is not None
    if options.simulate is not None:
        raise WorkloadError("a batch has no latency targets to hold; plan it without --simulate.")
    desk.progress("evaluating candidates")
    durations = sorted(batch.durations(), reverse=True)
    floor = _Floor.of(desk.problem(_lasting(workload, batch, durations[0][0])), batch, durations)
    best: Drained | None = None
    bounds, programs = [], 0
    for number, (hours, paid) in enumerate(durations, start=1):
        least = floor.usd(hours, paid)
        if best is not None and least >= best.total_usd * (1 - options.gap):
            bounds.append(least)
            continue
        desk.progress(f"solving for {hours:g} h ({number} of {len(durations)})")
        programs += 1
        problem = desk.problem(_lasting(workload, batch, hours))
        known = None if best is None else best.total_usd / paid
        problem, solved, predicted = solve_problem(problem, options, known_usd=known)
        if solved.result.termination is Termination.INFEASIBLE and known is None:
            return plan_without_fleet(problem, solved, options, desk.progress)
        bounds.append(max(least, solved.result.bound * paid))
        if solved.fleet is None:
            if best is None:
                return plan_without_fleet(problem, solved, options, desk.progress)
            continue
        found = Drained(hours, paid, problem, solved, predicted)
        if best is None or found.total_usd < best.total_usd:
            best = found
    assert best is not None
    desk.progress("checking")
    quiet = replace(options, explain="none")
    entry = _entry(batch, best, min(bounds), options.gap)
    entry |= {"durations": len(durations), "programs": programs}
    answer = plan_with_fleet(
        best.problem, best.solved, best.fleet, best.predicted, quiet, desk.progress, batch=entry
    )
    return replace(
        answer,
        status=answer.status if entry["gap"] <= options.gap else "feasible",
        warnings=(*answer.warnings, *_late(batch, best, entry)),
    )


def _lasting(workload: Workload, batch: Batch, hours: float) -> Workload:
    """Return the workload at the rates that drain it in so many hours, start-up included."""
    return workload.drained_in(hours - batch.startup_h)


@dataclass(frozen=True)
class _Floor:
    """What no fleet drains a batch for less than, by duration.

    Attributes
    ----------
    served_usd
        Cost of all requests in fractional replicas.
    node_usd
        Price of the cheapest node an hour.
    """

    served_usd: float
    node_usd: float
    startup_h: float

    @classmethod
    def of(cls, problem: Problem, batch: Batch, durations: list[tuple[float, float]]) -> _Floor:
        """Return it from the problem of the longest duration."""
        hours = durations[0][0] - batch.startup_h
        least = fractional_prices(problem.instance).bound_usd
        node = min(float(o.hourly_usd) for o in problem.instance.offers)
        return cls(least * hours, node, batch.startup_h)

    def usd(self, hours: float, paid_h: float) -> float:
        """Return the least total of a duration."""
        return max(self.served_usd / (hours - self.startup_h), self.node_usd) * paid_h


def _entry(batch: Batch, best: Drained, bound: float, gap: float) -> dict[str, Any]:
    """Return the block ``batch`` of a plan."""
    specs = best.problem.workload.classes
    numbers = {c.name: requests_of(c.model_dump()) for c in specs}
    total = best.total_usd
    output = _tokens([(numbers[c.name], c.osl) for c in specs])
    prompt = _tokens([(numbers[c.name], c.isl) for c in specs])
    least = min(bound, total)
    served_h = (best.hours - batch.startup_h) / carries(best.fleet)
    return {
        "deadline_h": batch.deadline_h,
        "hours": best.hours,
        "billed_hours": best.paid_h,
        "startup_h": batch.startup_h,
        "finish_h": batch.startup_h + served_h,
        "cost_usd": total,
        "requests": numbers,
        "input_tokens": prompt,
        "output_tokens": output,
        "cost_per_million_output_tokens_usd": None if output is None else total / output * 1e6,
        "cost_per_million_tokens_usd": (
            None if output is None or prompt is None else total / (prompt + output) * 1e6
        ),
        "bound_usd": least if math.isfinite(least) else None,
        "gap": (total - least) / total,
        "gap_asked": gap,
    }


def _tokens(parts: list[tuple[float, float | LengthSpec | None]]) -> float | None:
    """Return the tokens of requests of given lengths; None where one is not known."""
    total = 0.0
    for number, length in parts:
        if length is None:
            return None
        total += number * (length.mean if isinstance(length, LengthSpec) else length)
    return total


def _late(batch: Batch, best: Drained, entry: dict[str, Any]) -> list[str]:
    """Say how much time is left where nodes can be taken back."""
    offers = [best.fleet.instance.offers[o] for o in best.fleet.nodes]
    if not any(o.interruptible for o in offers):
        return []
    left = batch.deadline_h - entry["finish_h"]
    return [f"where nodes are taken back, {left:.2g} h are left until the deadline to catch up"]
