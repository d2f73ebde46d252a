"""``alternatives``: the cheapest plans of a different kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from data.offers import Offer
from solver.engines.result import Termination
from solver.explain.alone import CostsAlone
from solver.explain.effort import Effort
from solver.explain.restrict import restrict
from solver.fleet import Fleet, cheapest_fleet
from solver.instance import Instance
from solver.market import allowed_offers, open_market
from solver.problem import Problem
from solver.screening import fractional_prices


@dataclass(frozen=True)
class Kind:
    """A kind of plan: its name, and the parts of the market it may be made of.

    Attributes
    ----------
    parts
        (lower bound, name, instance), least bound first.
    alone_usd
        Name → cost of a fleet of one configuration, where known.
    """

    key: str
    sentence: str
    parts: tuple[tuple[float, str, Instance], ...]
    alone_usd: Mapping[str, float] = field(default_factory=dict)


def alternatives(
    problem: Problem, fleet: Fleet, alone: CostsAlone, *, gap: float, effort: Effort
) -> tuple[dict[str, Any], ...]:
    """Return the cheapest plan of each kind that differs from the plan.

    Kinds: one accelerator only (or another one), one provider only (or another one), without
    disaggregation (or only with it). Parts are solved in order of their lower bounds until no
    bound is below the best plan found; with less effort, the part of least bound alone gets its
    first good fleet.
    """
    cost = float(fleet.cost_usd)
    found = []
    for kind in _kinds(problem, fleet, alone):
        best, name, proven = _cheapest_part(kind, gap, effort)
        if best is None:
            continue
        extra = float(best.cost_usd) - cost
        found.append(
            {
                "kind": kind.key,
                "sentence": kind.sentence + (f": {name}" if name else ""),
                "cost_per_hour_usd": float(best.cost_usd),
                "extra_per_hour_usd": round(extra, 6),
                "extra_pct": round(100 * extra / cost, 2),
                "gpus": best.gpus,
                "proven": proven,
                "pools": pools_in_short(best),
            }
        )
    return tuple(sorted(found, key=lambda a: float(str(a["cost_per_hour_usd"]))))


def _cheapest_part(kind: Kind, gap: float, effort: Effort) -> tuple[Fleet | None, str, bool]:
    best: Fleet | None = None
    winner, proven = "", True
    if not effort.solves:
        return _likeliest_part(kind, gap, effort)
    for bound, name, part in kind.parts:
        if best is not None and bound >= float(best.cost_usd):
            break
        solved = cheapest_fleet(part, gap=gap, time_limit_s=effort.time_limit_s)
        infeasible = solved.result.termination is Termination.INFEASIBLE
        proven &= infeasible or solved.result.gap <= gap
        if solved.fleet and (best is None or solved.fleet.cost_usd < best.cost_usd):
            best, winner = solved.fleet, name
    return best, winner, proven


def _likeliest_part(kind: Kind, gap: float, effort: Effort) -> tuple[Fleet | None, str, bool]:
    """Return the first good fleet of the part that looks cheapest and has one."""
    for _, name, part in sorted(kind.parts, key=lambda p: kind.alone_usd.get(p[1], p[0])):
        solved = cheapest_fleet(part, gap=gap, time_limit_s=effort.time_limit_s, quick=True)
        if solved.fleet is not None:
            return solved.fleet, name, False
    return None, "", False


def pools_in_short(fleet: Fleet) -> list[dict[str, Any]]:
    """Return what runs where in a fleet, without figures."""
    rows = []
    for placed in fleet.placements:
        c, o = fleet.instance.candidates[placed.candidate], fleet.instance.offers[placed.offer]
        rows.append(
            {
                "role": c.role,
                "model": c.model,
                "accelerator": c.shape.accelerator.name,
                "offer_id": o.offer_id,
                "tp": c.shape.tp,
                "pp": c.shape.pp,
                "weight_precision": c.shape.weights,
                "kv_precision": c.shape.kv,
                "replicas": placed.replicas,
            }
        )
    return rows


def _kinds(problem: Problem, fleet: Fleet, alone: CostsAlone) -> Iterator[Kind]:
    instance = problem.instance
    offers = [fleet.instance.offers[o] for o in fleet.nodes]
    used, providers = {o.accelerator for o in offers}, {o.provider for o in offers}
    split = any(fleet.instance.candidates[c].role != "aggregated" for c in fleet.replicas)

    one = len(used) == 1
    sentence = "cheapest on another single accelerator" if one else "cheapest on one accelerator"
    chips = {o.accelerator for o in instance.offers} - (used if one else set())
    parts = _parts(instance, chips, lambda o: o.accelerator)
    known = {name: cost for name, (cost, _) in alone.items() if cost is not None}
    yield Kind("one_accelerator", sentence, parts, known)

    one = len(providers) == 1
    sentence = "cheapest from another single provider" if one else "cheapest from one provider"
    everything = allowed_offers(
        problem.catalog,
        problem.workload.hardware,
        strict=problem.measured is None,
        as_of=problem.as_of,
    )
    names = {o.provider for o in everything} - (providers if one else set())
    markets = {
        name: open_market((o for o in everything if o.provider == name), pair_locations=False)
        for name in sorted(names)
    }
    merged = replace(instance, offers=tuple(o for m in markets.values() for o in m.offers))
    yield Kind("one_provider", sentence, _parts(merged, names, lambda o: o.provider))

    if split:
        part = restrict(instance, candidates=lambda c: c.role == "aggregated")
        yield Kind("aggregated", "cheapest without disaggregation", ((0.0, "", part),))
    elif any(c.role != "aggregated" for c in instance.candidates):
        part = restrict(instance, candidates=lambda c: c.role != "aggregated")
        yield Kind("disaggregated", "cheapest with prefill and decode apart", ((0.0, "", part),))


def _parts(
    instance: Instance, names: set[str], name_of: Callable[[Offer], str]
) -> tuple[tuple[float, str, Instance], ...]:
    """Return the parts with only the offers of one name each, least lower bound first."""
    found = []
    for name in sorted(names):
        wanted = tuple(o for o in instance.offers if name_of(o) == name)
        part = restrict(instance, offers=wanted)
        if not part.candidates:
            continue
        prices = fractional_prices(part)
        if np.isfinite(prices.bound_usd):
            cheapest = min(float(o.hourly_usd) for o in wanted)
            found.append((max(prices.bound_usd, cheapest), name, part))
    return tuple(sorted(found, key=lambda p: p[:2]))
