"""``replan``: a running fleet, a workload and a catalogue in; keep or switch, and why, out."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable, load_coefficients, shipped_coefficients
from solver.change import Change, WorthRules
from solver.fleet import Solved
from solver.footprint import check_regions
from solver.measured import MeasuredCapacity, load_measured
from solver.plan import Plan
from solver.planner import Options, solve_problem
from solver.problem import Problem, build_problem
from solver.replan.decision import KEEP, MUST_SWITCH, SWITCH, Decision
from solver.replan.document import Told, document_of
from solver.replan.held import Held, hold
from solver.replan.kinds import Kinds
from solver.replan.memory import Memory, aware
from solver.replan.policy import Policy
from solver.replan.propose import plan_of
from solver.replan.rules import Rule
from solver.replan.running import Running, as_it_runs, commitment, read_running
from solver.replan.stage import most_per_step, steps_of
from solver.replan.supported import refuse_unsupported
from solver.replan.weigh import (
    Weighed,
    money_rules,
    patience_rules,
    step_rule,
    trigger_rules,
    worth_it,
)
from solver.workload import Workload

Progress = Callable[[str], None]

SAME = 1e-9
"""Costs nearer to one another than this, relatively, are one."""

LEAST_GAP = 1e-8
"""Gap asked of the engine at least, where little of the cost is not sunk."""


def replan(
    workload: Workload,
    catalog: Catalog | None,
    current: Plan | Mapping[str, Any],
    policy: Policy | None = None,
    *,
    moment: dt.datetime,
    memory: Memory | None = None,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | str | Path | None = None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None = None,
    second_engine: bool = False,
    prune: bool = True,
    progress: Progress = lambda stage: None,
) -> Decision:
    """Decide whether a running fleet is kept or switched.

    Pure: equal arguments give equal decisions; no clock is read and no file is written.

    Parameters
    ----------
    catalog
        Accelerators and today's offers; the shipped catalogue by default.
    current
        The plan (or its document) that runs now.
    policy
        What a change must bring; the default policy by default.
    moment
        When the decision is made; without a time zone it counts as UTC.
    memory
        From the decision before (`Decision.memory`); None for the first.
    gap
        Relative gap that counts as proven.
    time_limit_s
        Wall seconds for each program.
    coefficients, measured
        See `solver.planner.plan`.
    second_engine
        Whether CP-SAT is asked for an independent bound on a proposed plan.
    prune
        If False, nothing is dropped before the programs are solved (for tests).
    progress
        Called with the name of each stage as it begins.

    Raises
    ------
    InputError
        If the input is wrong, or asks for what re-planning does not do.
    """
    refuse_unsupported(workload)
    if isinstance(coefficients, (str, Path)):
        coefficients = load_coefficients(Path(coefficients))
    if isinstance(measured, (str, Path)):
        measured = load_measured(measured)
    catalog = catalog or Catalog.load()
    check_regions(workload.objective, catalog)
    policy, memory, moment = policy or Policy(), memory or Memory(), aware(moment)
    progress("reading the running fleet")
    running = read_running(current, workload, catalog, memory, moment, strict=measured is None)
    problem = build_problem(
        workload,
        as_it_runs(catalog, running),
        coefficients or shipped_coefficients(),
        measured=measured,
        prune=prune,
        as_of=moment.date(),
        movable=running.offers.keys(),
        running_kv={p["kv_precision"] for p in running.pools if p["role"] != "aggregated"},
    )
    kinds = Kinds(problem, running)
    change = _change(kinds, running, policy)
    problem = _with(problem, change)
    options = Options(gap, time_limit_s, "none", second_engine, prune)
    progress("solving with the fleet held")
    held = hold(problem, change, kinds, running, options)
    progress("solving free")
    sharper = replace(options, gap=_gap(gap, running))
    free = _solve(problem, sharper, held, running, "free")
    desk = _Desk(catalog, policy, options, moment, progress)
    return desk.decide(problem, running, kinds, change, held, free, sharper, memory)


def _change(kinds: Kinds, running: Running, policy: Policy) -> Change:
    return Change(
        pools=dict(kinds.pools),
        nodes=running.nodes,
        sunk=running.sunk,
        price_usd={n: running.hourly_usd(n) for n in {*running.nodes, *running.sunk}},
        payback_h=policy.payback_h,
        overlap_h=policy.overlap_h,
        pool_usd=policy.cost_per_changed_pool_usd,
        candidates=kinds.candidates,
    )


def _with(problem: Problem, change: Change) -> Problem:
    """Return the problem beside a running fleet, whose candidates take part in it."""
    own = {c.key for c in change.candidates}
    others = tuple(c for c in problem.instance.candidates if c.key not in own or c.prospect)
    instance = replace(problem.instance, candidates=(*others, *change.candidates), change=change)
    return replace(problem, instance=instance)


def _gap(gap: float, running: Running) -> float:
    """Return the gap of the whole cost that is `gap` of what is not sunk."""
    total = running.total_usd
    return max(gap * (total - running.sunk_usd) / total, LEAST_GAP) if total > 0 else gap


def _solve(
    problem: Problem, options: Options, held: Held, running: Running, program: str
) -> tuple[Solved, Weighed | None]:
    """Solve, no dearer than the running fleet where that holds; None if nothing is better."""
    change = problem.instance.change
    assert change is not None
    known = running.total_usd if held.holds else None
    below = math.inf if known is None else known * (1 - SAME)
    problem, solved, predicted = solve_problem(problem, options, known_usd=known, only_below=below)
    if solved.fleet is None or solved.fleet.value(problem.order[0]) >= below:
        return solved, None
    found = Weighed(program, problem, solved, solved.fleet, predicted, running, change)
    return solved, found if found.better or not held.holds else None


class _Desk:
    """What a decision is made with besides what was solved."""

    def __init__(
        self,
        catalog: Catalog,
        policy: Policy,
        options: Options,
        moment: dt.datetime,
        progress: Progress,
    ) -> None:
        self.catalog, self.policy, self.options = catalog, policy, options
        self.moment, self.progress = moment, progress

    def decide(
        self,
        problem: Problem,
        running: Running,
        kinds: Kinds,
        change: Change,
        held: Held,
        free: tuple[Solved, Weighed | None],
        sharper: Options,
        memory: Memory,
    ) -> Decision:
        """Return the decision: triggers first, then the rules, then those within the rules."""
        policy = self.policy
        triggers = trigger_rules(running, held, policy)
        urgent = any(rule.passed is False for rule in triggers)
        weighed, within = free[1], None
        if weighed is not None and not urgent and not worth_it(weighed, policy):
            self.progress("solving within the rules")
            within = _solve(
                _with(problem, self._ruled(change, running)), sharper, held, running, "within_rules"
            )
            if within[1] is not None and worth_it(within[1], policy):
                weighed = within[1]
        worth = weighed is not None and worth_it(weighed, policy)
        remembered = replace(
            memory.confirmed(weighed.fingerprint if weighed is not None and worth else ""),
            commitments=running.commitments,
        )
        rules = [
            *money_rules(weighed, policy),
            *patience_rules(weighed, policy, remembered, self.moment),
        ]
        outcome = _outcome(held, weighed, urgent, rules)
        plan: Plan | None = None
        steps: list[dict[str, Any]] = []
        warnings: list[str] = []
        if outcome != KEEP and weighed is not None:
            self.progress("checking the proposed plan")
            plan = plan_of(weighed, self.options, self.catalog.id, self.progress)
            steps, warnings = steps_of(weighed, plan, kinds, policy)
        most = (
            1
            if weighed is None
            else most_per_step(policy, running.replicas, sum(weighed.fleet.pools.values()))
        )
        largest = max((s["replicas_changed"] for s in steps), default=None)
        accepted = None
        if plan is not None and weighed is not None:
            accepted = _accepted(weighed, self.moment)
        automatic = policy.accept == "automatic" and accepted is not None
        told = Told(
            outcome=outcome,
            moment=self.moment,
            catalog=self.catalog,
            policy=policy,
            running=running,
            held=held,
            free=free[0],
            within=None if within is None else within[0],
            weighed=weighed,
            rules=(*triggers, *rules, step_rule(largest, most, policy)),
            plan=plan,
            steps=steps,
            memory=remembered,
            gap=self.options.gap,
            warnings=warnings,
        )
        return Decision(
            outcome=outcome,
            plan=None if plan is None else plan.to_dict(),
            memory=accepted if automatic and accepted is not None else remembered,
            memory_if_accepted=accepted,
            document=document_of(told),
        )

    def _ruled(self, change: Change, running: Running) -> Change:
        """Return the change with the rules on money and disruption as rows."""
        policy = self.policy
        total, paid = running.total_usd, running.total_usd - running.sunk_usd
        most = total - policy.min_saving_pct / 100 * paid
        each = policy.min_disruption_score * paid / running.replicas
        return replace(change, rules=WorthRules(most, total, each))


def _outcome(held: Held, weighed: Weighed | None, urgent: bool, rules: list[Rule]) -> str:
    """Return what is to be done.

    A fleet that does not hold must be left, wherever to; a price that jumped must have somewhere to
    go that is cheaper, the change included.
    """
    if not held.holds:
        return MUST_SWITCH
    if weighed is None:
        return KEEP
    if urgent:
        return MUST_SWITCH
    return SWITCH if all(rule.passed for rule in rules) else KEEP


def _accepted(weighed: Weighed, moment: dt.datetime) -> Memory:
    """Return the memory of a fleet that is put in place: since when, and what it commits to."""
    running, fleet = weighed.running, weighed.fleet
    bound = list(running.commitments)
    offers = fleet.instance.offers
    terms = {offers[o].offer_id: offers[o].term_months for o in fleet.nodes}
    committed = {offers[o].offer_id for o in fleet.nodes if offers[o].pricing == "committed"}
    for name, n in sorted(fleet.nodes_by_id.items()):
        more = n - running.sunk.get(name, 0)
        if name in committed and more > 0:
            bound.append(commitment(name, more, terms[name], moment))
    return Memory(since=moment, commitments=tuple(bound))
