"""The fleet as it is: whether it still holds, with its shares free and everything else fixed."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from data.coefficients import CoefficientTable
from data.offers import Offer
from solver.assemble import predictions
from solver.candidates import Candidate, CandidateKey
from solver.change import Change, PoolKey
from solver.demand import Demand
from solver.engines.highs import solve_highs
from solver.engines.result import EngineResult, Termination
from solver.fleet import Fleet, read_fleet
from solver.instance import Caps, Instance
from solver.planner import TIGHTENING_ROUNDS, Options, misses
from solver.power import WATTS_PER_KW
from solver.problem import Problem
from solver.program import compile_program
from solver.remembered import Remembered
from solver.replan.coverage import ENOUGH, Coverage, Group
from solver.replan.kinds import Kinds
from solver.replan.running import Running


@dataclass(frozen=True)
class Held:
    """What is known of the fleet as it is.

    Attributes
    ----------
    holds
        Whether it serves today's load within targets and limits.
    result
        The engine's word on the program in which nothing may change; None if none was needed.
    carries
        Multiple of the load that its replicas carry, limits of the fleet aside.
    broken
        Limits that it does not keep, one sentence each.
    refused
        Whether pools of it are not allowed any more, which then count as carrying nothing.
    """

    holds: bool
    result: EngineResult | None
    carries: float
    broken: tuple[str, ...]
    refused: bool = False

    @property
    def weight(self) -> float:
        """Size of the answer; one that another time limit might change is not kept."""
        late = self.result is not None and self.result.termination is Termination.LIMIT
        return math.inf if late else 1.0


@dataclass(frozen=True)
class Question:
    """All that decides whether a fleet holds. Prices do not, so it is asked again and again.

    Attributes
    ----------
    pools, nodes
        What runs.
    offers
        The offers of its nodes, without prices unless there is a budget.
    broken
        What it breaks apart from the program.
    """

    demands: tuple[Demand, ...]
    rates_rps: tuple[float, ...]
    caps: Caps
    candidates: tuple[Candidate, ...]
    factors: frozenset[tuple[CandidateKey, float]]
    pools: frozenset[tuple[PoolKey, int]]
    nodes: frozenset[tuple[str, int]]
    offers: tuple[Offer, ...]
    broken: tuple[str, ...]
    leaves: bool
    coefficients: CoefficientTable
    engine: tuple[str, int]


_HELD: Remembered[Question, Held] = Remembered(lambda held: held.weight, 4000)


def hold(
    problem: Problem, change: Change, kinds: Kinds, running: Running, options: Options
) -> Held:
    """Return whether the running fleet holds: shares are free, everything else is fixed.

    Where a mix misses a target, rates are tightened and the program is solved again, as for any
    plan; the plan's own tightening is where this starts. The answer is remembered.
    """
    broken = tuple(_broken(problem, running, kinds))
    instance = _as_it_is(problem.instance, change, kinds)
    serving = problem.workload.serving
    budget = instance.caps.max_cost_per_hour_usd is not None
    question = Question(
        demands=problem.demands,
        rates_rps=instance.rates_rps,
        caps=instance.caps,
        candidates=instance.candidates,
        factors=frozenset(kinds.factors.items()),
        pools=frozenset(change.pools.items()),
        nodes=frozenset(change.nodes.items()),
        offers=tuple(o if budget else _unpriced(o) for o in instance.offers),
        broken=broken,
        leaves=bool(running.lost),
        coefficients=problem.coefficients,
        engine=(serving.engine, serving.chunk_tokens),
    )
    return _HELD.get(question, lambda: _hold(problem, instance, kinds, running, options, broken))


def _unpriced(offer: Offer) -> Offer:
    """Return an offer with what has nothing to do with whether it holds a fleet taken out."""
    return replace(
        offer,
        price_per_node_hour_usd=Decimal(1),
        upfront_usd=None,
        observed_at=dt.date.min,
        usd_per_unit=None,
        rate_date=None,
        source="",
        notes="",
    )


def _hold(
    problem: Problem,
    instance: Instance,
    kinds: Kinds,
    running: Running,
    options: Options,
    broken: tuple[str, ...],
) -> Held:
    coverage = Coverage(instance, instance.rated().candidates)
    carries = coverage.factor(replicas_at(kinds, coverage))
    if running.lost or broken or kinds.refused:
        return Held(False, None, carries, broken, bool(kinds.refused))
    result, fleet = _solve(instance, options)
    for _ in range(TIGHTENING_ROUNDS):
        if fleet is None:
            break
        late = misses(problem, fleet, predictions(problem, fleet))
        if not late:
            return Held(True, result, carries, ())
        before = instance.factors
        factors = {key: before.get(key, 1.0) * factor for key, factor in late.items()}
        instance = replace(instance, factors={**before, **factors})
        result, fleet = _solve(instance, options)
    if carries >= ENOUGH:
        if result.termination is Termination.LIMIT and fleet is None:
            broken = ("no split of the load was found in time",)
        else:
            broken = (
                "no split of the load over the pools as they are keeps every target, the "
                "spare replicas, and the limits on quality and interruptible nodes",
            )
    return Held(False, result, carries, broken)


def replicas_at(kinds: Kinds, coverage: Coverage) -> dict[Group, int]:
    """Return the running replicas by group; those that serve nothing today are left out."""
    found: dict[Group, int] = {}
    for key, replicas in kinds.pools.items():
        group = coverage.group_of(key[0], kinds.places[key])
        if group is not None:
            found[group] = found.get(group, 0) + replicas
    return found


def _as_it_is(instance: Instance, change: Change, kinds: Kinds) -> Instance:
    """Return the instance of the running fleet alone, with nothing free but shares."""
    return replace(
        instance,
        candidates=change.candidates,
        offers=tuple(o for o in instance.offers if o.offer_id in change.offers),
        rater=None,
        ceilings=None,
        change=replace(change, fixed=True, rules=None),
        factors=kinds.factors,
    )


def _solve(instance: Instance, options: Options) -> tuple[EngineResult, Fleet | None]:
    rated = instance.rated()
    program = compile_program(rated)
    result = solve_highs(program, gap=options.gap, time_limit_s=options.time_limit_s)
    fleet = None if result.values is None else read_fleet(rated, program, result)
    return result, fleet


def _broken(problem: Problem, running: Running, kinds: Kinds) -> Iterator[str]:
    """Yield the limits of today's workload that the running fleet breaks."""
    hardware = problem.workload.hardware
    for name, field in sorted(running.barred.items()):
        if running.nodes.get(name):
            yield f"{field} does not allow {name}"
    for name, why in kinds.refused.items():
        yield f"pool {name} {why}"
    bought: list[tuple[Any, int]] = [
        (running.offers[n], count) for n, count in running.nodes.items() if n in running.offers
    ]
    gpus = sum(o.gpus_per_node * n for o, n in bought)
    if hardware.max_gpus is not None and gpus > hardware.max_gpus:
        yield f"{gpus} accelerators are more than hardware.max_gpus {hardware.max_gpus}"
    cost = sum(running.hourly_usd(o.offer_id) * n for o, n in bought)
    budget = hardware.max_cost_per_hour_usd
    if budget is not None and cost > budget * (1 + 1e-9):
        yield f"${cost:,.2f} an hour is more than hardware.max_cost_per_hour_usd {budget:g}"
    providers = {o.provider for o, _ in bought}
    if hardware.max_providers is not None and len(providers) > hardware.max_providers:
        yield (
            f"{len(providers)} providers are more than hardware.max_providers "
            f"{hardware.max_providers}"
        )
    if hardware.max_power_kw is not None:
        chips = problem.catalog.accelerators
        each = [(chips[o.accelerator].tdp_w if o.accelerator in chips else None) for o, _ in bought]
        if any(w is None for w in each):
            yield "hardware.max_power_kw is set, but the power of an accelerator in use is unknown"
        else:
            watts = sum(
                (w or 0.0) * o.gpus_per_node * n for w, (o, n) in zip(each, bought, strict=True)
            )
            if watts > WATTS_PER_KW * hardware.max_power_kw * (1 + 1e-9):
                yield (
                    f"{watts / WATTS_PER_KW:,.1f} kW are more than hardware.max_power_kw "
                    f"{hardware.max_power_kw:g}"
                )
