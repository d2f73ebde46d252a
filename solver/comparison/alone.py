"""A lever alone: the cheapest fleet that buys nothing else, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from solver.comparison.bench import Answer, Bench, Bought, Found
from solver.comparison.lever import Lever
from solver.explain.restrict import restrict
from solver.explain.why_not import cannot_serve
from solver.power import WATTS_PER_KW, fleet_power_w
from solver.screening import fractional_prices


@dataclass(frozen=True)
class Alone:
    """What a lever does alone.

    Attributes
    ----------
    answer
        Its cheapest fleet, whatever the budget.
    within_budget
        Whether that fleet is affordable; True without one.
    why_not
        Why it cannot serve alone, as half a sentence; "" if it can.
    """

    answer: Found
    within_budget: bool
    why_not: str


def cheapest_alone(bench: Bench, lever: Lever) -> tuple[Alone, Answer]:
    """Return the cheapest fleet of a lever alone, or why there is none."""
    answer = bench.solve(lever.inside(bench))
    if answer.cost_usd is not None:
        within = bench.affordable(answer.cost_usd)
        return Alone(answer.found, within, "" if within else _over_budget(bench, answer)), answer
    return Alone(answer.found, True, _unable(bench, lever) if answer.proven else ""), answer


def _over_budget(bench: Bench, answer: Answer) -> str:
    assert answer.bought is not None
    assert answer.cost_usd is not None
    assert bench.budget_usd is not None
    nodes = sum(answer.bought.values())
    return (
        f"{_nodes(nodes)} would cost ${float(answer.cost_usd):,.2f}/h, more than the "
        f"${float(bench.budget_usd):,.2f}/h of hardware.max_cost_per_hour_usd"
    )


def _unable(bench: Bench, lever: Lever) -> str:
    """Say what keeps a lever from serving alone: what it runs, its stock, or the size limit."""
    offers = lever.inside(bench)
    instance = restrict(bench.problem.instance, offers=offers)
    usd = fractional_prices(instance).class_usd
    unserved = [n for n, v in zip(instance.class_names, usd, strict=True) if not np.isfinite(v)]
    if unserved:
        return _unserved(bench, lever, unserved)
    unlimited = (replace(o, stock=None) for o in offers)
    lifted = bench.solve(unlimited, lift_size=True)
    if lifted.bought is None:
        return "no mix of its configurations serves every class within the limits"
    need = f"it would take {_nodes(sum(lifted.bought.values()))}"
    for offer in offers:
        wanted = lifted.bought.get(offer.offer_id, 0)
        if offer.stock is not None and wanted > offer.stock:
            of = "" if len(offers) == 1 else f" of {offer.offer_id}"
            return f"{need}, and {offer.stock}{of} {_are(offer.stock)} in stock"
    gpus = sum(o.gpus_per_node * lifted.bought.get(o.offer_id, 0) for o in offers)
    most = bench.problem.instance.caps.max_gpus
    if most is not None and gpus > most:
        return f"{need} of {gpus} GPUs, more than the {most} of hardware.max_gpus"
    over = _over_power(bench, lifted.bought)
    if over:
        return f"{need} of {over}"
    return f"{need}, more than its stock and the limits allow"


def _over_power(bench: Bench, bought: Bought) -> str:
    """Say how a fleet is over the limit on power; "" if it is not."""
    most_kw = bench.problem.instance.caps.max_power_kw
    if most_kw is None:
        return ""
    nodes = ((bench.offers[name], count) for name, count in bought.items())
    power_w = fleet_power_w(nodes, bench.problem.catalog.accelerators)
    if power_w is None:
        return "unknown power, and hardware.max_power_kw is set"
    drawn_kw = power_w / WATTS_PER_KW
    if drawn_kw <= most_kw:
        return ""
    return f"{drawn_kw:,.4g} kW, more than the {most_kw:g} of hardware.max_power_kw"


def _unserved(bench: Bench, lever: Lever, classes: list[str]) -> str:
    """Say which classes no replica on its nodes can serve."""
    named = f"class{'es' if len(classes) > 1 else ''} {', '.join(classes)}"
    if bench.problem.measured is not None:
        return f"no measured capacity serves {named} on it"
    chips = {o.accelerator for o in lever.inside(bench)}
    known = bench.problem.search.reasons
    misses = [m for chip in chips for m in known.get(chip, ()) if m.class_name in classes]
    if misses and len(chips) == 1:
        return str(cannot_serve(misses)["sentence"])
    return f"no replica that its nodes can hold serves {named} within its targets"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _nodes(count: int) -> str:
    return f"{count} node{'s' if count != 1 else ''}"
