"""``why_not``: one line for each accelerator that the plan leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.candidates import Miss
from solver.explain.alone import CostsAlone, costs_alone
from solver.fleet import Fleet
from solver.market import allowed_accelerators, filtered_offers
from solver.objective import Objective
from solver.problem import Problem

Floats = NDArray[np.float64]


def why_not(
    problem: Problem, fleet: Fleet | None, alone: CostsAlone | None = None
) -> tuple[dict[str, Any], ...]:
    """Return, for each accelerator of the catalogue that is not bought, the reason.

    Where dearer, the plan is compared with the cheapest fleet of one configuration on one offer
    of that accelerator alone; where no single configuration serves every class, with a lower
    bound on any fleet of it.
    """
    used = set()
    if fleet is not None:
        used = {fleet.instance.offers[o].accelerator for o in fleet.nodes}
    hardware = problem.workload.hardware
    strict = problem.measured is None
    allowed = allowed_accelerators(problem.catalog, hardware, strict=strict)
    offered_anywhere = {o.accelerator for o in problem.catalog.offers}
    offered = {o.accelerator for o in problem.instance.offers}
    unsold = {o.accelerator for o in filtered_offers(problem.catalog, hardware, strict=strict)}
    names = sorted(set(problem.catalog.accelerators) | offered_anywhere)
    costs = costs_alone(problem.instance) if alone is None else alone
    lines = []
    for name in names:
        if name in used:
            continue
        entry: dict[str, Any] = {"accelerator": name}
        if allowed is not None and name not in allowed:
            entry |= _line("excluded", "not among hardware.accelerators")
        elif name not in offered_anywhere:
            entry |= _line("no_offer", "no offer in the catalogue")
        elif name not in offered and name in unsold:
            entry |= _line("not_on_sale", f"its offers are not on sale on {problem.as_of}")
        elif name not in offered:
            entry |= _line(
                "filtered", "its offers do not pass the provider, region or pricing filters"
            )
        elif hardware.max_power_kw is not None and _tdp_w(problem, name) is None:
            entry |= _line(
                "power_unknown", "its power is not published, and hardware.max_power_kw is set"
            )
        elif name in costs:
            entry |= _dearer(costs[name], fleet, problem.instance.objective)
        else:
            entry |= cannot_serve(problem.search.reasons.get(name, []))
        lines.append(entry)
    return tuple(lines)


def _tdp_w(problem: Problem, name: str) -> float | None:
    chip = problem.catalog.accelerators.get(name)
    return None if chip is None else chip.tdp_w


def _line(reason: str, sentence: str) -> dict[str, Any]:
    return {"reason": reason, "sentence": sentence}


def _dearer(
    costs: tuple[float | None, float], fleet: Fleet | None, objective: Objective
) -> dict[str, Any]:
    alone, bound = costs
    plan = None if fleet is None else fleet.value(objective)
    if plan is None:
        return _line("not_in_plan", "could serve the classes, but no plan exists within the limits")
    figure = alone if alone is not None else bound
    more = figure - plan
    if objective.name != "cost":
        return _line("outdone", _outdone(alone, figure, plan, objective))
    if alone is None and more <= 0:
        entry = _line("dearer", "serves every class, but only in a dearer mix of configurations")
        return entry | {"cost_at_least_usd_per_hour": round(bound, 4)}
    percent = f"{more / plan:+.0%}"
    word = "alone would cost at least" if alone is None else "in one configuration would cost"
    entry = _line("dearer", f"{word} ${figure:,.2f}/h, ${more:,.2f} more ({percent})")
    if alone is None:
        return entry | {"cost_at_least_usd_per_hour": round(bound, 4)}
    return entry | {
        "cost_per_hour_usd": round(alone, 4),
        "cost_at_least_usd_per_hour": round(bound, 4),
        "extra_per_hour_usd": round(more, 4),
    }


def _outdone(alone: float | None, figure: float, plan: float, objective: Objective) -> str:
    """Say what a fleet of an accelerator would take of an objective that is not cost."""
    more, unit = figure - plan, objective.unit
    if more <= 0:
        return f"serves every class, but no fleet of it was found to take less {unit}"
    word = "alone would take at least" if alone is None else "in one configuration would take"
    return f"{word} {figure:,.4g} {unit}, {more:,.4g} more ({more / plan:+.0%})"


def cannot_serve(misses: list[Miss]) -> dict[str, Any]:
    """Say why no configuration of an accelerator serves a class: the worst of its misses."""
    if not misses:
        return _line("unsupported", "runs none of the allowed weight and KV formats for this model")
    worst = max(misses, key=lambda m: (m.limit == "memory", m.best / m.target if m.target else 0.0))
    if worst.limit == "memory":
        return _line("does_not_fit", f"class {worst.class_name} does not fit its memory") | {
            "class": worst.class_name
        }
    name = worst.limit.removesuffix("_ms").upper()
    over = worst.best / worst.target - 1
    sentence = (
        f"class {worst.class_name} misses its {name}: {worst.best:,.4g} ms at best against "
        f"{worst.target:,.4g} ms ({over:+.0%})"
    )
    return _line("misses_target", sentence) | {
        "class": worst.class_name,
        "limit": worst.limit,
        "best": round(worst.best, 4),
        "target": worst.target,
    }
