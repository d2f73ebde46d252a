"""Another fleet beside the running one: what it saves, what the change costs, which rules pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from model.predict import Prediction
from solver.change import Bill, Change, kind_of
from solver.fleet import Fleet, Solved
from solver.problem import Problem
from solver.replan.held import Held
from solver.replan.memory import Memory, aware
from solver.replan.policy import Policy
from solver.replan.rules import Rule, at_least, at_most
from solver.replan.running import Running


@dataclass(frozen=True)
class Weighed:
    """A fleet that could run instead.

    Attributes
    ----------
    program
        What it is the best of: ``free`` or ``within_rules``.
    """

    program: str
    problem: Problem
    solved: Solved
    fleet: Fleet
    predicted: Mapping[int, Prediction]
    running: Running
    change: Change

    @cached_property
    def bill(self) -> Bill:
        """What the change to it costs."""
        bill = self.fleet.bill
        assert bill is not None
        return bill

    @property
    def cost_usd(self) -> float:
        """What it costs an hour beside what is sunk."""
        return float(self.fleet.cost_usd) + self.bill.idle_usd - self.change.sunk_usd

    @property
    def running_usd(self) -> float:
        """What the running fleet costs an hour beside what is sunk."""
        return self.running.total_usd - self.running.sunk_usd

    @property
    def saving_usd(self) -> float:
        """What it saves an hour; negative where it costs more."""
        return self.running_usd - self.cost_usd

    @property
    def saving(self) -> float | None:
        """The same as a part of what the running fleet costs; None where that costs nothing."""
        return self.saving_usd / self.running_usd if self.running_usd > 0 else None

    @property
    def payback_h(self) -> float | None:
        """Hours until the saving has paid for the change; None where it never does."""
        if self.bill.total_usd <= 0:
            return 0.0
        return self.bill.total_usd / self.saving_usd if self.saving_usd > 0 else None

    @property
    def changed_fraction(self) -> float:
        """Part of the running replicas that do not run on."""
        return self.bill.removed / self.running.replicas

    @property
    def score(self) -> float | None:
        """The saving for what is disturbed; None where nothing is, or nothing could be saved."""
        if not self.bill.removed or self.saving is None:
            return None
        return self.saving / self.changed_fraction

    @property
    def better(self) -> bool:
        """Whether it is cheaper than the running fleet with the change spread over H."""
        net = self.saving_usd - self.bill.per_hour_usd
        return net > 1e-9 * max(self.running.total_usd, 1e-9) and self.bill.pools_changed > 0

    @property
    def interruptible(self) -> bool:
        """Whether it puts or keeps load on interruptible offers."""
        return any(self.fleet.instance.offers[o].interruptible for o in self.fleet.nodes)

    @cached_property
    def fingerprint(self) -> str:
        """Its configurations and offers, whatever the numbers: equal where these are."""
        instance = self.fleet.instance
        found = set()
        for placed in self.fleet.placements:
            model, role, s = kind_of(instance.candidates[placed.candidate])
            words = (
                model, role, s.accelerator.name, s.weights, s.kv,
                f"tp{s.tp}pp{s.pp}ep{s.ep}b{s.batch_cap}",
                instance.offers[placed.offer].offer_id,
            )  # fmt: skip
            found.add(" ".join(map(str, words)))
        return "; ".join(sorted(found))


def worth_it(weighed: Weighed, policy: Policy) -> bool:
    """Whether a fleet passes the rules on money and disruption; age and confirmations aside."""
    return all(rule.passed for rule in money_rules(weighed, policy))


def trigger_rules(running: Running, held: Held, policy: Policy) -> list[Rule]:
    """Return the rules that look for another fleet at once where one fails."""
    gone = sorted(name for name in running.lost if running.nodes.get(name))
    rises = list(price_rises(running))
    must = {"decides": "must_switch"}
    return [
        at_most(
            "offers_withdrawn",
            float(len(gone)),
            0.0,
            unit="offers",
            meaning="offers in use that are not for sale any more",
            **must,
        ),
        at_least(
            "load_carried",
            held.carries,
            1.0,
            unit="× load",
            passed=held.carries >= 1 - 1e-6,
            meaning="load that the running replicas carry within the targets of today's workload",
            **must,
        ),
        at_most(
            "limits_broken",
            float(len(held.broken)),
            0.0,
            unit="limits",
            meaning="limits of today's workload that the running fleet does not keep",
            **must,
        ),
        at_most(
            "price_rise",
            max((pct for _, pct in rises), default=0.0),
            policy.price_jump_pct,
            unit="percent",
            meaning="largest rise of a price in use since the plan was made (price_jump_pct)",
            **must,
        ),
    ]


def price_rises(running: Running) -> Iterator[tuple[str, float]]:
    """Yield the offers in use that are dearer than when the plan was made, and by how much (%).

    Nodes that are committed to are paid at the price agreed, whatever it is today.
    """
    for name, count in running.nodes.items():
        today, was = running.listed_usd(name), running.was_usd[name]
        if today is not None and today > was > 0 and count > running.sunk.get(name, 0):
            yield name, 100 * (today / was - 1)


def money_rules(weighed: Weighed | None, policy: Policy) -> list[Rule]:
    """Return the rules on saving, payback and disruption."""
    switch: dict[str, Any] = {"decides": "switch"}
    saving = payback = score = None
    passes: dict[str, Any] = {}
    if weighed is not None:
        saving = None if weighed.saving is None else 100 * weighed.saving
        payback, score = weighed.payback_h, weighed.score
        if payback is None:
            passes["payback"] = {"passed": False}
        if score is None:
            passes["score"] = {"passed": weighed.bill.removed == 0}
    return [
        at_least(
            "min_saving_pct",
            saving,
            policy.min_saving_pct,
            unit="percent",
            meaning="saving, as a part of what the running fleet costs beside what is sunk",
            **switch,
        ),
        at_most(
            "payback_h",
            payback,
            policy.payback_h,
            unit="h",
            meaning="hours until the saving has paid for the change",
            **switch | passes.get("payback", {}),
        ),
        at_least(
            "min_disruption_score",
            score,
            policy.min_disruption_score,
            unit="ratio",
            meaning="saved part of the cost over the part of the running replicas that do not run "
            "on",
            **switch | passes.get("score", {}),
        ),
    ]


def patience_rules(
    weighed: Weighed | None, policy: Policy, memory: Memory, moment: dt.datetime
) -> list[Rule]:
    """Return the rules on the age of the fleet and on confirmations.

    Parameters
    ----------
    memory
        With this decision counted.
    """
    age = None
    if memory.since is not None:
        age = (moment - aware(memory.since)).total_seconds() / 3600
    spot = weighed is not None and weighed.interruptible
    calm = weighed is not None and not spot
    return [
        at_least(
            "min_plan_age_h",
            age,
            policy.min_plan_age_h,
            unit="h",
            decides="switch",
            meaning="hours that the running fleet has run"
            + ("; not known, which counts as long enough" if age is None else ""),
            **({"passed": True} if age is None else {}),
        ),
        at_least(
            "spot_confirmations",
            None if weighed is None else float(memory.confirmations),
            float(0 if calm else policy.spot_confirmations),
            unit="decisions",
            decides="switch",
            meaning="consecutive decisions that found this fleet worth its change"
            + ("; none is asked for, as nothing interruptible is in it" if calm else ""),
            **({"passed": True} if calm else {}),
        ),
    ]


def step_rule(largest: int | None, most: int, policy: Policy) -> Rule:
    """Return the rule on the largest step: kept by how the steps are made."""
    return at_most(
        "max_step_pct",
        None if largest is None else float(largest),
        float(most),
        unit="replicas",
        decides="switch",
        meaning=f"replicas that the largest step replaces ({policy.max_step_pct:g} % of the larger "
        "fleet, at least one)",
    )
