"""From a workload and a catalogue to an instance of the program."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.errors import WorkloadError
from data.offers import Offer
from model.predict import Deployment
from solver.candidates import Candidate, CandidateKey, Rater, Search
from solver.demand import Demand, demands_of
from solver.demand_spec import outlasting
from solver.instance import Caps, Instance
from solver.market import allowed_offers, filtered_offers
from solver.measured import MeasuredCapacity, measured_candidates
from solver.objective import COST, Objective
from solver.opened import market_of
from solver.search import evaluate
from solver.workload import Workload


@dataclass(frozen=True)
class Problem:
    """A workload over a catalogue, evaluated and ready to be solved.

    Attributes
    ----------
    demands
        The classes by model; empty when capacities are measured.
    considered_offers
        Offers that pass the workload's filters and are on sale.
    as_of
        Day on which offers must be on sale, and that the age of prices is counted to.
    order
        What counts, first things first.
    seconds
        Wall time of each stage so far.
    """

    workload: Workload
    catalog: Catalog
    coefficients: CoefficientTable
    instance: Instance
    demands: tuple[Demand, ...]
    search: Search
    considered_offers: int
    as_of: dt.date
    measured: tuple[MeasuredCapacity, ...] | None = None
    order: tuple[Objective, ...] = (COST,)
    seconds: dict[str, float] = field(default_factory=dict)

    def demand_of(self, model: str) -> Demand:
        """Return the demand of a model."""
        return next(d for d in self.demands if d.model == model)

    def deployment(self, candidate: Candidate) -> Deployment:
        """Return how a replica of a candidate is run, for prediction."""
        return Deployment(
            architecture=self.demand_of(candidate.model).architecture,
            shape=candidate.shape,
            engine=self.workload.serving.engine,
            chunk_tokens=self.workload.serving.chunk_tokens,
            coefficients=self.coefficients,
            role=candidate.role,
            network_bytes_per_s=candidate.network_bytes_per_s,
        )


def build_problem(
    workload: Workload,
    catalog: Catalog,
    coefficients: CoefficientTable,
    *,
    measured: tuple[MeasuredCapacity, ...] | None = None,
    prune: bool = True,
    as_of: dt.date | None = None,
    movable: Collection[str] = (),
    order: tuple[Objective, ...] = (COST,),
    running_kv: Collection[str] = (),
) -> Problem:
    """Evaluate every candidate of a workload over a catalogue.

    Parameters
    ----------
    measured
        Measured capacities that stand in for the performance model.
    prune
        If False, neither offers nor candidates are dropped as dominated.
    as_of
        Day on which offers must be on sale; None for today.
    movable
        Offers that stay whatever they cost; see `open_market`.
    order
        What counts, first things first; the instance is charged by the first.
    running_kv
        KV formats of prefill and decode pools that run now, and that others may be paired with.

    Raises
    ------
    InputError
        If the workload names something unknown, or no offer passes its filters and is on sale.
    """
    begin = time.perf_counter()
    strict = measured is None
    day = as_of or dt.date.today()
    offers = allowed_offers(catalog, workload.hardware, strict=strict, as_of=day)
    if not offers:
        unsold = filtered_offers(catalog, workload.hardware, strict=strict)
        raise WorkloadError(_not_on_sale(unsold, day) if unsold else _nothing_left(workload))
    if workload.demand is not None:
        longer = {o.offer_id for o in outlasting(workload.demand, offers)}
        offers = tuple(o for o in offers if o.offer_id not in longer)
        if not offers:
            raise WorkloadError(
                "every offer that passes the filters is a commitment that outlasts the horizon; "
                "raise demand.horizon_months, or allow on_demand in hardware.pricing."
            )
    known = tuple(o for o in offers if all(objective.knows(o) for objective in order))
    if not known:
        raise WorkloadError(_no_power(offers, order))
    market = market_of(
        workload,
        catalog,
        known,
        day=day,
        strict=strict,
        prune=prune,
        movable=movable,
        order=order,
    )
    demands = demands_of(workload) if measured is None else ()
    opened = time.perf_counter()
    rater: Rater | None
    if measured is None:
        found = evaluate(
            workload, catalog, market, demands, coefficients, prune=prune, running_kv=running_kv
        )
        candidates = found.rater.prospects if prune else found.rater.everything()
        rater, figures = found.rater, found.search
    else:
        candidates, figures = measured_candidates(workload, catalog, measured, as_of=day)
        rater = None
    hardware = workload.hardware
    instance = Instance(
        class_names=tuple(c.name for c in workload.classes),
        rates_rps=tuple(c.rate_rps for c in workload.classes),
        candidates=candidates,
        offers=market.offers,
        caps=Caps(
            max_gpus=hardware.max_gpus,
            max_cost_per_hour_usd=hardware.max_cost_per_hour_usd,
            max_power_kw=hardware.max_power_kw,
            max_providers=hardware.max_providers,
            spare_replicas=hardware.spare_replicas,
            max_spot_share=hardware.max_spot_share,
            spot_headroom=hardware.spot_headroom,
            max_quality_loss_pct=workload.precision.max_quality_loss_pct,
        ),
        rater=rater,
        objective=order[0],
    )
    return Problem(
        workload=workload,
        catalog=catalog,
        coefficients=coefficients,
        instance=instance,
        demands=demands,
        search=figures,
        considered_offers=market.considered,
        as_of=day,
        measured=measured,
        order=order,
        seconds={"market": opened - begin, "candidates": time.perf_counter() - opened},
    )


def _nothing_left(workload: Workload) -> str:
    set_filters = [
        f"hardware.{name}"
        for name in ("accelerators", "providers", "regions", "pricing")
        if getattr(workload.hardware, name) is not None
    ]
    return f"no offer of the catalogue passes {', '.join(set_filters)} together; widen one of them."


def _no_power(offers: tuple[Offer, ...], order: tuple[Objective, ...]) -> str:
    names = ", ".join(sorted({o.accelerator for o in offers}))
    return (
        f"objective.minimize is {order[0].name}, but the board power of {names} is not known; give "
        "tdp_w in a file of --accelerators, or allow others in hardware.accelerators."
    )


def _not_on_sale(offers: tuple[Offer, ...], day: dt.date) -> str:
    """Say that the filters leave offers, all of them outside their dates."""
    ended = [o.available_until for o in offers if o.available_until and o.available_until < day]
    begins = [o.available_from for o in offers if o.available_from and o.available_from > day]
    when = [
        *([f"the last ended on {max(ended)}"] if ended else []),
        *([f"the next begins on {min(begins)}"] if begins else []),
    ]
    return (
        f"no offer that passes the filters of hardware is on sale on {day} "
        f"({' and '.join(when)}); add an offer, or correct available_from and available_until."
    )


def tightened(
    problem: Problem, factors: Mapping[CandidateKey, float], common: float = 1.0
) -> Problem:
    """Return the problem with the capacities of some candidates scaled down.

    Parameters
    ----------
    common
        A further factor, on those of all candidates.
    """
    before = problem.instance.factors
    changed = {key: before.get(key, 1.0) * factor for key, factor in factors.items()}
    instance = replace(
        problem.instance,
        factors={**before, **changed},
        common_factor=problem.instance.common_factor * common,
    )
    return replace(problem, instance=instance)
