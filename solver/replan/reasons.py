"""Why a decision is what it is, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from solver.assumptions import stale_prices
from solver.replan.decision import KEEP, MUST_SWITCH, SWITCH
from solver.replan.document import Told
from solver.replan.rules import Rule
from solver.replan.weigh import Weighed, price_rises

Certificates = Mapping[str, Any]


def reasons_of(told: Told, certificates: Certificates) -> list[str]:
    """Return the reasons of a decision, the decisive one first."""
    return [*_triggers(told), *_conclusion(told, certificates)]


def _triggers(told: Told) -> Iterator[str]:
    """Yield why another fleet was looked for at once."""
    running, held = told.running, told.held
    for name, why in sorted(running.lost.items()):
        if running.nodes.get(name):
            yield f"An offer in use is withdrawn: {why}."
    for limit in held.broken:
        yield f"The running fleet does not keep today's workload: {limit}."
    if held.carries < 1 - 1e-6 and not held.refused:
        yield f"The running fleet carries {held.carries:.1%} of today's load within its targets."
    jumped = [(n, p) for n, p in price_rises(running) if p > told.policy.price_jump_pct]
    for name, pct in jumped:
        yield (
            f"The price of {name} rose by {pct:.1f} % since the plan was made, more than "
            f"price_jump_pct {told.policy.price_jump_pct:g}."
        )


def _conclusion(told: Told, certificates: Certificates) -> Iterator[str]:
    weighed, free = told.weighed, certificates["free"]
    if weighed is None:
        yield from _nothing(told, free)
        return
    if told.outcome == MUST_SWITCH:
        yield _weighing(weighed)
        failed = [r for r in told.rules if r.decides == "switch" and r.passed is False]
        if failed:
            names = ", ".join(r.name for r in failed)
            yield f"Not held back by {names}, which {_do(failed)} not pass."
        return
    if told.outcome == SWITCH:
        yield _weighing(weighed)
        yield "Every rule of the policy passes."
        return
    failed = [r for r in told.rules if r.decides == "switch" and r.passed is False]
    yield _weighing(weighed)
    for rule in failed:
        yield _failure(rule, weighed)
    if told.within is not None and weighed.program == "free":
        yield "No fleet within the rules on saving and disruption is worth its change either."


def _do(failed: list[Rule]) -> str:
    return "does" if len(failed) == 1 else "do"


def _nothing(told: Told, free: Mapping[str, Any]) -> Iterator[str]:
    hours = told.policy.payback_h
    if told.outcome == KEEP:
        if free["status"] == "optimal":
            yield (
                "No other fleet is cheaper once its change is paid back within "
                f"{hours:g} h: proven."
            )
        else:
            yield (
                "No cheaper fleet was found in time, and it is not proven that there is none; "
                "raise the time limit."
            )
    elif free["status"] == "infeasible":
        yield (
            "No fleet serves the workload within its targets and limits at all: proven infeasible. "
            "'minfleet plan' says what to relax."
        )
    else:
        yield "No fleet that serves the workload was found in time; raise the time limit."


def _weighing(weighed: Weighed) -> str:
    """Say what a fleet costs and saves."""
    cost, running = weighed.cost_usd, weighed.running_usd
    saving, bill = weighed.saving_usd, weighed.bill
    change = f"the change costs ${bill.total_usd:,.2f}"
    if saving <= 0:
        return (
            f"The cheapest fleet for it costs ${cost:,.2f} an hour, ${-saving:,.2f} more than the "
            f"running one; {change}."
        )
    share = "" if weighed.saving is None else f" ({weighed.saving:.1%})"
    back = "" if weighed.payback_h is None else f" and is paid back in {weighed.payback_h:.1f} h"
    return (
        f"Another fleet costs ${cost:,.2f} an hour in place of ${running:,.2f}: it saves "
        f"${saving:,.2f}{share}; {change}{back}."
    )


def _failure(rule: Rule, weighed: Weighed) -> str:
    """Say why a rule holds a change back."""
    figure = "not known" if rule.figure is None else f"{rule.figure:,.4g}"
    told = {
        "min_saving_pct": f"The saving of {figure} % is less than min_saving_pct {rule.limit:g}.",
        "payback_h": f"The payback of {figure} h is longer than payback_h {rule.limit:g}.",
        "min_disruption_score": (
            f"{weighed.changed_fraction:.0%} of the running replicas would not run on: a score of "
            f"{figure}, less than min_disruption_score {rule.limit:g}."
        ),
        "min_plan_age_h": (
            f"The running fleet is {figure} h old, less than min_plan_age_h {rule.limit:g}."
        ),
        "spot_confirmations": (
            f"It uses interruptible offers and was found by {figure} consecutive decisions, of "
            f"{rule.limit:g} that spot_confirmations asks for."
        ),
    }
    return told[rule.name]


def warnings_of(told: Told) -> Iterator[str]:
    """Yield what a reader should know of a decision."""
    running = told.running
    unknown = [c.offer_id for c in running.commitments if c.until is None]
    for name in dict.fromkeys(unknown):
        yield (
            f"it is not known when the commitment to {name} ends: it counts as still binding; give "
            "the memory of the decision before, or since in it"
        )
    for name, n in sorted(running.nodes.items()):
        offer = running.offers.get(name)
        if offer is not None and offer.stock is not None and offer.stock < n:
            yield (
                f"{name} has a stock of {offer.stock} and {n} nodes run: they can stay, but what "
                "leaves cannot be had again"
            )
    if told.plan is None:
        held = [running.offers[n] for n in running.nodes if n in running.offers]
        yield from stale_prices(held, told.moment.date())
