"""What a plan takes for granted, and what its reader should be warned of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from data.checks import STALE_DAYS, STALE_RATE_DAYS, stale_rate
from data.offers import HOURS_PER_MONTH, Offer
from solver.charges import footprint_rules
from solver.fleet import Fleet
from solver.layouts import BATCH_CAPS, PIPELINE_DEGREES, weight_formats
from solver.market import CROSS_NODE_MIN_GBPS
from solver.plan import Pool
from solver.problem import Problem
from solver.role_limits import E2E_TTFT_SHARE, HANDOVER_SHARE
from solver.workload import Hardware

NAMED = 5
"""Offers that one warning names before it counts the rest."""


def assumptions_of(problem: Problem, fleet: Fleet | None = None) -> dict[str, Any]:
    """Return every setting in force, defaults included, and the rules of the search."""
    w = problem.workload
    found: dict[str, Any] = {
        "sla": w.sla.model_dump(),
        "hardware": w.hardware.model_dump(),
        "precision": w.precision.model_dump(),
        "serving": w.serving.model_dump(),
        "hours_per_month": HOURS_PER_MONTH,
        "footprint": footprint_rules(problem, fleet),
    }
    if problem.measured is not None:
        return found | {"capacities": "measured; loads of different classes add up as fractions"}
    formats = {d.model: weight_formats(d.architecture, w.precision) for d in problem.demands}
    return found | {
        "weight_formats": formats,
        "arrivals": (
            "Poisson"
            if w.serving.arrival_cv == 1
            else f"coefficient of variation {w.serving.arrival_cv:g}"
        ),
        "batch_caps": list(BATCH_CAPS),
        "pipeline_degrees": list(PIPELINE_DEGREES),
        "cross_node_pipeline_min_gbps": CROSS_NODE_MIN_GBPS,
        "handover_share_of_ttft": HANDOVER_SHARE,
        "ttft_share_of_e2e_when_split": E2E_TTFT_SHARE,
        "kv_reservation": "sequences are counted at their final length",
        "prefix_cache": "saves prefill work; no memory is saved",
    }


def warnings_of(
    problem: Problem,
    fleet: Fleet | None,
    classes: Sequence[dict[str, Any]] = (),
    pools: Sequence[Pool] = (),
) -> tuple[str, ...]:
    """Return what the reader should know before buying."""
    found = []
    late = [str(c["name"]) for c in classes if not c["meets"]]
    if late:
        found.append(f"the mix misses a target of {', '.join(late)}; the plan is not proven")
    if fleet is None:
        return tuple(found)
    bought = {fleet.instance.offers[o]: nodes for o, nodes in fleet.nodes.items()}
    found.extend(stale_prices(bought, problem.as_of))
    found += _default_grids(problem, fleet)
    found += _stale_rates([o for o in bought if stale_rate(o, problem.as_of)])
    for offer, nodes in bought.items():
        if offer.term_months is not None:
            found.append(_committed(offer, nodes))
        if offer.interruptible:
            found.append(_interruptible(offer, problem.workload.hardware))
    tight = sorted({c.shape.accelerator.name for c in _tightened(fleet)})
    if tight:
        found.append(f"admissible rates on {', '.join(tight)} were tightened so that mixes hold")
    for pool in pools:
        beyond = (pool.predicted or {}).get("outside_fit")
        if beyond:
            found.append(
                f"{pool.name} lies outside of what the coefficients were fitted on: "
                f"{', '.join(beyond)}; its error band is wider"
            )
    unverified = sorted(
        {
            chip.name
            for c in fleet.replicas
            for chip in [fleet.instance.candidates[c].shape.accelerator]
            if chip.unverified
        }
    )
    if unverified and problem.measured is None:
        found.append(
            f"some figures of {', '.join(unverified)} are unverified (see 'minfleet catalog show')"
        )
    return tuple(found)


def _default_grids(problem: Problem, fleet: Fleet) -> Iterator[str]:
    """Yield which regions count at the default, where the plan is made for carbon."""
    if all(objective.name != "carbon" for objective in problem.order):
        return
    grids = footprint_rules(problem, fleet)["grids"]
    unknown = [f"{g['provider']}/{g['region']}" for g in grids if g["default"]]
    if unknown:
        figure = next(g["gco2e_per_kwh"] for g in grids if g["default"])
        yield (
            f"no grid is known for {', '.join(unknown)}: {figure:g} g CO2e/kWh is taken; give "
            "objective.grid_gco2e_per_kwh.by_region a figure"
        )


def stale_prices(offers: Iterable[Offer], as_of: dt.date) -> Iterator[str]:
    """Yield a sentence that says which prices are old, if any are."""
    cutoff = as_of - dt.timedelta(days=STALE_DAYS)
    stale = [o for o in offers if o.observed_at < cutoff]
    if stale:
        yield _stale(stale)


def _stale(offers: Sequence[Offer]) -> str:
    oldest = min(o.observed_at for o in offers)
    names = [o.offer_id for o in offers]
    if len(names) == 1:
        return (
            f"the price of {names[0]} was observed on {oldest}, more than {STALE_DAYS} days ago: "
            "check it before you buy"
        )
    if len(names) > NAMED + 1:
        names = [*names[:NAMED], f"{len(names) - NAMED} more"]
    return (
        f"the prices of {', '.join(names[:-1])} and {names[-1]} were observed more than "
        f"{STALE_DAYS} days ago, the oldest on {oldest}: check them before you buy"
    )


def _interruptible(offer: Offer, hardware: Hardware) -> str:
    if hardware.spot_headroom == 0:
        return f"{offer.offer_id} can be interrupted; no headroom is planned for it"
    return (
        f"{offer.offer_id} can be interrupted; {hardware.spot_headroom:.0%} more nodes than are "
        "in use are bought, free for replicas whose node is taken back"
    )


def _stale_rates(offers: Sequence[Offer]) -> list[str]:
    """Say in one sentence a currency that prices were converted at an old rate."""
    found = []
    for currency in sorted({o.currency for o in offers}):
        own = [o for o in offers if o.currency == currency]
        names = [o.offer_id for o in own]
        if len(names) > NAMED:
            names = [*names[:NAMED], f"{len(names) - NAMED} more"]
        oldest = min(o.rate_date for o in own if o.rate_date)
        found.append(
            f"{currency} was converted at a rate of {oldest}, more than {STALE_RATE_DAYS} days "
            f"ago, for {', '.join(names)}: look the rate up before you buy"
        )
    return found


def _committed(offer: Offer, nodes: int) -> str:
    months = f"{offer.term_months} month{'s' if offer.term_months != 1 else ''}"
    if not offer.upfront_usd:
        return f"{offer.offer_id} is committed for {months}: it is paid for whether used or not"
    return (
        f"{offer.offer_id} is committed for {months}: ${offer.upfront_usd * nodes:,.2f} upfront "
        "is spread over the term"
    )


def _tightened(fleet: Fleet) -> list[Any]:
    return [
        c
        for i, c in enumerate(fleet.instance.candidates)
        if i in fleet.replicas and c.tightened < 1
    ]
