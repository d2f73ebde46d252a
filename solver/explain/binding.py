"""``binding``: which limits hold the cost up, and what relaxing each one is worth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from solver.engines.result import Termination
from solver.explain.effort import Effort
from solver.fleet import Fleet, Solved, cheapest_fleet
from solver.instance import Instance
from solver.problem import Problem, build_problem
from solver.screening import fractional_prices
from solver.workload import Workload

SLA_STEP = 1.25
"""Latency targets are relaxed by this factor to see what they are worth."""


Build = Callable[[Problem], Instance]
"""Makes the relaxed instance of a problem."""


@dataclass(frozen=True)
class Relaxation:
    """One limit, relaxed alone.

    Attributes
    ----------
    start, to
        The value that is set, and the relaxed one (None: lifted).
    """

    name: str
    start: Any
    to: Any
    instance: Build


def _evaluated(workload: Workload) -> Build:
    """Return how to evaluate a relaxed workload anew."""

    def build(problem: Problem) -> Instance:
        return build_problem(
            workload, problem.catalog, problem.coefficients, as_of=problem.as_of
        ).instance

    return build


def _with_caps(**changes: Any) -> Build:
    """Return how to lift limits of the fleet; what replicas do stays the same."""

    def build(problem: Problem) -> Instance:
        caps = replace(problem.instance.caps, **changes)
        return replace(problem.instance, caps=caps)

    return build


@dataclass(frozen=True)
class _Relaxed:
    """What a relaxed limit leaves: the cost of a fleet, or in fractions the saving alone."""

    cost_usd: float | None
    saved_usd: float
    proven: bool


def binding_limits(
    problem: Problem, fleet: Fleet, solved: Solved, *, gap: float, effort: Effort
) -> tuple[dict[str, Any], ...]:
    """Return the limits that hold the cost up, worth most first.

    Each is relaxed alone (latency targets by a quarter, filters and caps lifted, one more node
    of each exhausted stock) and the program solved again; where that would take too long, the
    saving is that of a fleet in fractional replicas and nodes (`Prices.bound_usd`).
    """
    cost = float(fleet.cost_usd)
    before = _fractional_usd(problem.instance, solved)
    found = []
    for relaxed in relaxations(problem, fleet):
        instance = relaxed.instance(problem)
        if effort.solves:
            answer = _solve(instance, cost, gap, effort)
        else:
            answer = _Relaxed(None, before - _fractional_usd(instance, solved), False)
        if answer is not None and answer.saved_usd > gap * cost:
            found.append(
                {
                    "limit": relaxed.name,
                    "from": relaxed.start,
                    "to": relaxed.to,
                    "cost_per_hour_usd": answer.cost_usd,
                    "worth_per_hour_usd": round(answer.saved_usd, 6),
                    "worth_pct": round(100 * answer.saved_usd / cost, 2),
                    "proven": answer.proven,
                }
            )
    return tuple(sorted(found, key=lambda b: (-float(b["worth_per_hour_usd"]), str(b["limit"]))))


def _solve(instance: Instance, cost: float, gap: float, effort: Effort) -> _Relaxed | None:
    again = cheapest_fleet(instance, gap=gap, time_limit_s=effort.time_limit_s, known_usd=cost)
    if again.fleet is None:
        return None
    less = float(again.fleet.cost_usd)
    return _Relaxed(less, cost - less, again.result.termination is Termination.GAP_CLOSED)


def _fractional_usd(instance: Instance, solved: Solved) -> float:
    """Return the cost in fractional replicas and nodes, stock priced as in the plan."""
    raised = {
        i: solved.stock_usd[o.offer_id]
        for i, o in enumerate(instance.offers)
        if o.stock is not None and o.offer_id in solved.stock_usd
    }
    return fractional_prices(instance, raised).bound_usd


def relaxations(problem: Problem, fleet: Fleet) -> Iterator[Relaxation]:
    """Yield every limit that is set, relaxed alone."""
    workload = problem.workload
    if problem.measured is None:
        yield from _targets(workload)
        yield from _filters(workload)
        if workload.serving.disaggregation != "auto":
            serving = workload.serving.model_copy(update={"disaggregation": "auto"})
            now = workload.serving.disaggregation
            changed = _evaluated(_with(workload, serving=serving))
            yield Relaxation("serving.disaggregation", now, "auto", changed)
    yield from _caps(workload)
    yield from _stocks(fleet)


def _with(workload: Workload, **blocks: Any) -> Workload:
    changed = workload.model_copy(update=blocks)
    changed._folder = workload.folder
    return changed


def _targets(workload: Workload) -> Iterator[Relaxation]:
    for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
        changed = relaxed_target(workload, name, SLA_STEP)
        if changed is not None:
            start = getattr(workload.sla, name)
            to = None if start is None else start * SLA_STEP
            label = f"sla.{name}" if start is not None else f"classes[].sla.{name}"
            yield Relaxation(label, start, to, _evaluated(changed))


def relaxed_target(workload: Workload, name: str, factor: float) -> Workload | None:
    """Return the workload with one latency target of every class multiplied; None if unset."""
    touched = False
    sla, classes = workload.sla, []
    value = getattr(sla, name)
    if value is not None:
        sla, touched = sla.model_copy(update={name: value * factor}), True
    for spec in workload.classes:
        own = None if spec.sla is None else getattr(spec.sla, name)
        if own is not None and spec.sla is not None:
            relaxed = spec.sla.model_copy(update={name: own * factor})
            spec, touched = spec.model_copy(update={"sla": relaxed}), True
        classes.append(spec)
    return _with(workload, sla=sla, classes=classes) if touched else None


def _filters(workload: Workload) -> Iterator[Relaxation]:
    hardware = workload.hardware
    lifted: dict[str, Any] = {
        name: None
        for name in ("accelerators", "providers", "regions")
        if getattr(hardware, name) is not None
    }
    if "spot" not in hardware.pricing:
        lifted["pricing"] = [*hardware.pricing, "spot"]
    for name, to in lifted.items():
        changed = _with(workload, hardware=hardware.model_copy(update={name: to}))
        start = getattr(hardware, name)
        yield Relaxation(f"hardware.{name}", start, to, _evaluated(changed))
    if "max_utilization" in workload.serving.model_fields_set:
        start = workload.serving.max_utilization
        more = round(min(1.0, start + 0.05), 4)
        serving = workload.serving.model_copy(update={"max_utilization": more})
        changed = _with(workload, serving=serving)
        yield Relaxation("serving.max_utilization", start, more, _evaluated(changed))


def _caps(workload: Workload) -> Iterator[Relaxation]:
    hardware = workload.hardware
    for name in ("max_gpus", "max_cost_per_hour_usd", "max_power_kw", "max_providers"):
        start = getattr(hardware, name)
        if start is not None:
            yield Relaxation(f"hardware.{name}", start, None, _with_caps(**{name: None}))
    if hardware.max_spot_share is not None:
        start_share = hardware.max_spot_share
        yield Relaxation(
            "hardware.max_spot_share", start_share, None, _with_caps(max_spot_share=None)
        )
    if hardware.spot_headroom:
        yield Relaxation(
            "hardware.spot_headroom", hardware.spot_headroom, 0.0, _with_caps(spot_headroom=0.0)
        )
    if hardware.spare_replicas:
        start = hardware.spare_replicas
        yield Relaxation("hardware.spare_replicas", start, 0, _with_caps(spare_replicas=0))


def _stocks(fleet: Fleet) -> Iterator[Relaxation]:
    for o, nodes in fleet.nodes.items():
        offer = fleet.instance.offers[o]
        if offer.stock is None or nodes < offer.stock:
            continue

        def one_more(problem: Problem, wanted: str = offer.offer_id) -> Instance:
            offers = tuple(
                replace(x, stock=(x.stock or 0) + 1) if x.offer_id == wanted else x
                for x in problem.instance.offers
            )
            return replace(problem.instance, offers=offers)

        yield Relaxation(f"stock of {offer.offer_id}", offer.stock, offer.stock + 1, one_more)
