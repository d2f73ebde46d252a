"""Infeasible gets an answer: which limits conflict, and the least relaxation of each alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.errors import InputError
from data.offers import PRICING
from data.precision import precisions, weight_loss_pct
from solver.candidates import Miss
from solver.demand import merged_sla
from solver.explain.size import SIZES, Size, smallest
from solver.fleet import Fleet, cheapest_fleet
from solver.instance import Instance
from solver.layouts import weight_formats
from solver.problem import Problem, build_problem
from solver.screening import fractional_prices
from solver.workload import ClassSpec, Workload

TARGET_STEPS = (1.1, 1.25, 1.5, 2, 3, 5, 10, 20, 50, 100)
"""Factors by which a latency target is relaxed, in order, until a plan exists."""


def explain_infeasible(problem: Problem, *, gap: float, time_limit_s: float) -> dict[str, Any]:
    """Return the conflicting limits and, for each, the smallest relaxation that gives a plan.

    Numeric limits of the fleet (accelerators, budget) are relaxed exactly: the program is solved
    without the limit for its least value. Latency targets are relaxed in steps and then halved
    towards the smallest that works; filters are lifted.
    """
    relaxed = [r for r in _relaxations(problem, gap, time_limit_s) if r is not None]
    conflicts = _conflicts(problem)
    named = {str(c.get("limit")) for c in conflicts}
    for r in relaxed:
        if r["field"] not in named:
            conflicts.append({"limit": r["field"], "value": r["from"]})
    return {"conflicts": conflicts, "relaxations": relaxed}


def _conflicts(problem: Problem) -> list[dict[str, Any]]:
    """Name the classes that nothing can serve, with the nearest miss."""
    found: list[dict[str, Any]] = []
    served = fractional_prices(problem.instance).class_usd
    for w, name in enumerate(problem.instance.class_names):
        if np.isfinite(served[w]):
            continue
        misses = [
            (m, chip)
            for chip, group in sorted(problem.search.reasons.items())
            for m in group
            if m.class_name == name
        ]
        near = [(m.best / m.target, m, chip) for m, chip in misses if m.limit != "memory"]
        if not near:
            found.append({**_unserved(problem, name, bool(misses)), "class": name})
            continue
        _, miss, chip = min(near, key=lambda n: (n[0], n[2]))
        label = miss.limit.removesuffix("_ms").upper()
        found.append(
            {
                "limit": _field(problem.workload, w, miss.limit),
                "class": name,
                "value": miss.target,
                "best": round(miss.best, 4),
                "accelerator": chip,
                "sentence": (
                    f"class {name}: even an idle replica misses the {label} target of "
                    f"{miss.target:,.6g} ms; the nearest, on {chip}, takes {miss.best:,.4g} ms"
                    + _per_token(problem, w, miss)
                ),
            }
        )
    return found


def _field(workload: Workload, w: int, name: str) -> str:
    """Return where the target that a class is held to is set."""
    spec = workload.classes[w]
    own = spec.sla is not None and name in spec.sla.model_fields_set
    return f"classes.{spec.name}.sla.{name}" if own else f"sla.{name}"


def _unserved(problem: Problem, name: str, fits_nowhere: bool) -> dict[str, Any]:
    """Say why nothing serves a class although no target is in the way."""
    if _hidden_by_power(problem, name):
        return {
            "limit": "hardware.max_power_kw",
            "value": problem.instance.caps.max_power_kw,
            "sentence": f"class {name}: the power of what could serve it is not published",
        }
    if problem.measured is not None:
        return {"limit": "measured", "sentence": f"class {name}: no capacity was measured for it"}
    if problem.workload.serving.disaggregation == "only":
        sentence = (
            f"class {name}: no prefill and decode pools at one location with a known network "
            "keep its targets together"
        )
        return {"limit": "serving.disaggregation", "value": "only", "sentence": sentence}
    if fits_nowhere:
        sentence = f"class {name}: fits the memory of no accelerator allowed"
        return {"limit": "memory", "sentence": sentence}
    sentence = f"class {name}: no accelerator allowed runs the allowed weight and KV formats"
    return {"limit": "precision", "sentence": sentence}


def _hidden_by_power(problem: Problem, name: str) -> bool:
    """Whether a class could be served but for accelerators whose power is not known."""
    instance = problem.instance
    if instance.caps.max_power_kw is None:
        return False
    free = replace(instance, caps=replace(instance.caps, max_power_kw=None))
    served = fractional_prices(free).class_usd
    return bool(np.isfinite(served[instance.class_names.index(name)]))


def _per_token(problem: Problem, w: int, miss: Miss) -> str:
    """Say what an end-to-end target leaves for each token: more replicas do not help it."""
    osl = problem.workload.classes[w].osl
    if miss.limit != "e2e_ms" or osl is None:
        return ""
    tokens = osl if isinstance(osl, float) else osl.mean
    first = min(problem.workload.sla.ttft_ms or 0.1 * miss.target, 0.1 * miss.target)
    left = (miss.target - first) / max(tokens - 1, 1)
    return (
        f". {tokens:,.0f} tokens within {miss.target:,.6g} ms leave about {left:.1f} ms a token; "
        "neither batching nor more replicas shorten one request"
    )


def _relaxations(
    problem: Problem, gap: float, time_limit_s: float
) -> Iterator[dict[str, Any] | None]:
    caps, workload = problem.instance.caps, problem.workload
    for size in SIZES:
        if size.limit(caps) is not None:
            yield _least_size(problem, size, gap, time_limit_s)
    if caps.max_providers is not None:
        more = range(caps.max_providers, max(len(problem.instance.providers), 1) + 1)
        yield _least_change(problem, "max_providers", more, gap, time_limit_s)
    if caps.max_cost_per_hour_usd is not None:
        free = replace(caps, max_cost_per_hour_usd=None)
        fleet = _solve(replace(problem.instance, caps=free), gap, time_limit_s)
        if fleet is not None:
            start, least = caps.max_cost_per_hour_usd, float(fleet.cost_usd)
            yield _entry("hardware.max_cost_per_hour_usd", start, least, least)
    if caps.spare_replicas:
        fewer = range(caps.spare_replicas, -1, -1)
        yield _least_change(problem, "spare_replicas", fewer, gap, time_limit_s)
    if caps.max_spot_share is not None:
        shares = _hundredths(caps.max_spot_share, 1.0)
        yield _least_change(problem, "max_spot_share", shares, gap, time_limit_s)
    if caps.spot_headroom:
        headrooms = _hundredths(caps.spot_headroom, 0.0)
        yield _least_change(problem, "spot_headroom", headrooms, gap, time_limit_s)
    if any(o.stock is not None for o in problem.instance.offers):
        unlimited = tuple(replace(o, stock=None) for o in problem.instance.offers)
        fleet = _solve(replace(problem.instance, offers=unlimited), gap, time_limit_s)
        if fleet is not None:
            yield _stock_entry(problem.instance, fleet)
    if problem.measured is None:
        for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
            yield _least_target(problem, name, _owners(problem, name), gap, time_limit_s)
        yield from _filters(problem, workload, gap, time_limit_s)


def _entry(field: str, start: Any, to: Any, cost: float) -> dict[str, Any]:
    return {"field": field, "from": start, "to": to, "cost_per_hour_usd": cost}


def _solve(instance: Instance, gap: float, time_limit_s: float) -> Fleet | None:
    return cheapest_fleet(instance, gap=gap, time_limit_s=time_limit_s).fleet


def _least_change(
    problem: Problem, name: str, values: Sequence[float], gap: float, time_limit_s: float
) -> dict[str, Any] | None:
    """Return the least change of a limit that a plan exists with; None if none does.

    Parameters
    ----------
    values
        The limit as it is, then ever weaker ones.
    """

    def changed(step: int) -> Fleet | None:
        other: dict[str, Any] = {name: values[step]}
        caps = replace(problem.instance.caps, **other)
        return _solve(replace(problem.instance, caps=caps), gap, time_limit_s)

    low, high = 0, len(values) - 1
    best = changed(high)
    if best is None:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        fleet = changed(middle)
        if fleet is None:
            low = middle
        else:
            high, best = middle, fleet
    return _entry(f"hardware.{name}", values[0], values[high], float(best.cost_usd))


def _hundredths(start: float, end: float) -> list[float]:
    """Return a share and those towards `end`, a hundredth apart."""
    step = 0.01 if end > start else -0.01
    between = (round(start + n * step, 6) for n in range(1, math.ceil(abs(end - start) * 100)))
    return [start, *between, end]


def _least_size(
    problem: Problem, size: Size, gap: float, time_limit_s: float
) -> dict[str, Any] | None:
    found = smallest(problem.instance, size, gap=gap, time_limit_s=time_limit_s)
    if found is None:
        return None
    least, fleet = found
    start = size.limit(problem.instance.caps)
    return _entry(f"hardware.{size.name}", start, least, float(fleet.cost_usd))


def _stock_entry(instance: Instance, fleet: Fleet) -> dict[str, Any]:
    short = {
        instance.offers[o].offer_id: (instance.offers[o].stock, nodes)
        for o, nodes in fleet.nodes.items()
        if instance.offers[o].stock is not None and nodes > (instance.offers[o].stock or 0)
    }
    start = {k: v[0] for k, v in short.items()}
    to = {k: v[1] for k, v in short.items()}
    return _entry("stock", start, to, float(fleet.cost_usd))


def _owners(problem: Problem, name: str) -> tuple[str | None, ...]:
    """Return whose target to relax: the workload's (None), or classes' own (their names).

    Only those that classes which nothing serves are held to; without such, all that are set.
    """
    workload = problem.workload
    served = np.isfinite(fractional_prices(problem.instance).class_usd)
    late = [c for c, ok in zip(workload.classes, served, strict=True) if not ok]
    owners: dict[str | None, None] = {}
    for spec in late or workload.classes:
        own = spec.sla is not None and name in spec.sla.model_fields_set
        if getattr(merged_sla(spec, workload.sla), name) is not None:
            owners[spec.name if own else None] = None
    return tuple(owners)


def _least_target(
    problem: Problem,
    name: str,
    owners: tuple[str | None, ...],
    gap: float,
    time_limit_s: float,
) -> dict[str, Any] | None:
    """Return the smallest relaxation of one latency target that gives a plan.

    Where classes with targets of their own are late together, all are relaxed by one factor.
    """
    start = {owner: _target_of(problem.workload, name, owner) for owner in owners}

    def attempt(targets: Mapping[str | None, float]) -> Fleet | None:
        changed = _with_targets(problem.workload, name, targets)
        again = build_problem(changed, problem.catalog, problem.coefficients, as_of=problem.as_of)
        return _solve(again.instance, gap, time_limit_s)

    def at(factor: float) -> Fleet | None:
        return attempt({owner: value * factor for owner, value in start.items()})

    if not owners or at(TARGET_STEPS[-1]) is None:
        return None
    low, high = 1.0, float(TARGET_STEPS[-1])
    for factor in TARGET_STEPS:
        if at(factor) is not None:
            high = factor
            break
        low = factor
    while high / low > 1.02:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if at(middle) is None else (low, middle)
    to = {owner: _round_up(value * high) for owner, value in start.items()}
    fleet = attempt(to)
    if fleet is None:
        return None
    if len(owners) == 1:
        (owner,) = owners
        field = f"sla.{name}" if owner is None else f"classes.{owner}.sla.{name}"
        return _entry(field, start[owner], to[owner], float(fleet.cost_usd))
    before, after = ({o or "sla": v for o, v in values.items()} for values in (start, to))
    return _entry(f"sla.{name}", before, after, float(fleet.cost_usd))


def _round_up(value: float) -> float:
    """Round up to three significant digits."""
    step: float = 10.0 ** (math.floor(math.log10(value)) - 2)
    return round(math.ceil(value / step - 1e-9) * step, 6)


def _target_of(workload: Workload, name: str, owner: str | None) -> float:
    sla = workload.sla if owner is None else _spec(workload, owner).sla
    return float(getattr(sla, name))


def _spec(workload: Workload, name: str) -> ClassSpec:
    return next(c for c in workload.classes if c.name == name)


def _with_targets(workload: Workload, name: str, targets: Mapping[str | None, float]) -> Workload:
    """Return the workload with one latency target changed, by owner."""
    sla, classes = workload.sla, []
    if None in targets:
        sla = sla.model_copy(update={name: targets[None]})
    for spec in workload.classes:
        if spec.name in targets and spec.sla is not None:
            own = spec.sla.model_copy(update={name: targets[spec.name]})
            spec = spec.model_copy(update={"sla": own})
        classes.append(spec)
    return _changed(workload, sla=sla, classes=classes)


def _changed(workload: Workload, **blocks: Any) -> Workload:
    changed = workload.model_copy(update=blocks)
    changed._folder = workload.folder
    return changed


def _filters(
    problem: Problem, workload: Workload, gap: float, time_limit_s: float
) -> Iterator[dict[str, Any] | None]:
    """Lift each filter alone."""
    hardware, precision, serving = workload.hardware, workload.precision, workload.serving
    lifted: dict[str, Any] = {
        name: None
        for name in ("accelerators", "providers", "regions")
        if getattr(hardware, name) is not None
    }
    pricing = [p for p in PRICING if p in hardware.pricing or p in ("on_demand", "spot")]
    if set(pricing) != set(hardware.pricing):
        lifted["pricing"] = pricing
    for name, to in lifted.items():
        changed = _changed(workload, hardware=hardware.model_copy(update={name: to}))
        start = getattr(hardware, name)
        yield _lifted(problem, changed, f"hardware.{name}", start, to, gap, time_limit_s)
    if precision.weights is not None:
        changed = _changed(workload, precision=precision.model_copy(update={"weights": None}))
        yield _lifted(
            problem, changed, "precision.weights", precision.weights, None, gap, time_limit_s
        )
    if serving.disaggregation != "auto":
        changed = _changed(workload, serving=serving.model_copy(update={"disaggregation": "auto"}))
        field, start = "serving.disaggregation", serving.disaggregation
        yield _lifted(problem, changed, field, start, "auto", gap, time_limit_s)
    yield _least_loss(problem, workload, gap, time_limit_s)


def _least_loss(
    problem: Problem, workload: Workload, gap: float, time_limit_s: float
) -> dict[str, Any] | None:
    """Return the smallest loss, of those that the allowed formats have, that gives a plan."""
    allowed = workload.precision.max_quality_loss_pct
    table, formats = precisions(), workload.precision
    losses = {
        round(weight_loss_pct(w, d.architecture.native_precision) + table["kv", k].loss_pct, 4)
        for d in problem.demands
        for w in weight_formats(d.architecture, formats)
        for k in formats.kv
    }
    steps = sorted(v for v in losses if v > allowed)
    field, best = "precision.max_quality_loss_pct", None
    while steps:
        middle = (len(steps) - 1) // 2 if best else len(steps) - 1
        to = steps[middle]
        precision = formats.model_copy(update={"max_quality_loss_pct": to})
        changed = _changed(workload, precision=precision)
        entry = _lifted(problem, changed, field, allowed, to, gap, time_limit_s)
        if entry is None and best is None:
            return None
        best = entry or best
        steps = steps[middle + 1 :] if entry is None else steps[:middle]
    return best


def _lifted(
    problem: Problem,
    workload: Workload,
    field: str,
    start: Any,
    to: Any,
    gap: float,
    time_limit_s: float,
) -> dict[str, Any] | None:
    try:
        again = build_problem(workload, problem.catalog, problem.coefficients, as_of=problem.as_of)
    except InputError:
        return None  # the rest of the filters still leaves no offer: lifting this one is no help
    fleet = _solve(again.instance, gap, time_limit_s)
    if fleet is None:
        return None
    return _entry(field, start, to, float(fleet.cost_usd))
