"""The certificate of a plan document: what it says of its own proof must agree with itself.

A bound is not proven anew here; only solving again does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from solver.pool_checker import Finding, unless

SLACK = 1e-6
"""How far a bound may exceed the cost it bounds, as a part of it: tolerances of the engines."""

GAP_ROUNDING = 1e-9
"""How far a stored gap may be from that of the stored objective and bound."""

Document = Mapping[str, Any]


def certificate_findings(document: Document) -> Iterator[Finding]:
    """Compare objective, bound, gap, status and the engines' words with one another.

    A document whose certificate is not filled in yet has nothing to compare, and may not be
    called optimal.
    """
    status, certificate = document.get("status"), document.get("certificate") or {}
    objective = certificate.get("objective")
    if objective is None:
        if status == "optimal":
            yield "certificate: the plan is called optimal, but no objective is certified"
        return
    # Plans of before there were other objectives are for cost.
    cost = {"value": document["cost_per_hour_usd"], "unit": "USD/h"}
    target = document.get("objective") or cost
    value, unit, bound = target["value"], target["unit"], certificate["bound"]
    yield unless(
        status in ("optimal", "feasible"), f"certificate: a plan with a fleet is not {status!r}"
    )
    yield unless(
        abs(objective - value) <= SLACK * max(1.0, abs(value)),
        f"certificate: the objective is {objective} {unit}, but that of the plan is {value}",
    )
    yield unless(
        bound is None or bound <= objective * (1 + SLACK),
        f"certificate: the bound of {bound} is above the objective of {objective} {unit}",
    )
    gap = None if bound is None else max(objective - bound, 0.0) / max(abs(objective), 1e-12)
    yield _same_gap(certificate["gap"], gap)
    if second := certificate["second_engine"]:
        yield from _second_engine(second, objective, certificate["gap_asked"])
    if status == "optimal":
        yield from _optimal(certificate, gap)
    if then := certificate.get("then"):
        yield from _then(status, then)


def load_findings(document: Document, rates: Mapping[str, float]) -> Iterator[Finding]:
    """Compare the factor of a plan for the most load with its rates, its gap and its status.

    Parameters
    ----------
    rates
        Rate of each class that the plan serves.
    """
    load = document.get("load")
    if not load:
        return
    for name, rate in rates.items():
        served, asked = load["served_rps"].get(name), load["asked_rps"].get(name, 0.0)
        yield unless(
            served is not None
            and abs(served - rate) <= SLACK * rate
            and abs(served - load["factor"] * asked) <= SLACK * rate,
            f"load: class {name} is served at {rate:g} req/s, not {served}",
        )
    upper, asked = load["none_from_factor"], load["gap_asked"]
    gap = None if upper is None else upper / load["factor"] - 1
    yield _same_gap(load["gap"], gap)
    yield unless(gap is None or gap >= 0, "load: the factor is one that is said to be impossible")
    yield unless(
        document["status"] != "optimal" or (gap is not None and gap <= asked + GAP_ROUNDING),
        f"load: the plan is called optimal, but its factor is open by {_percent(gap)}",
    )


def _then(status: object, then: Document) -> Iterator[Finding]:
    """Compare the figures of the program that decided between equal fleets."""
    objective, bound, asked = then["objective"], then["bound"], then["gap_asked"]
    yield unless(
        bound is None or bound <= objective * (1 + SLACK),
        f"certificate: the bound of {bound} is above the objective of {objective} {then['unit']}",
    )
    gap = None if bound is None else max(objective - bound, 0.0) / max(abs(objective), 1e-12)
    yield _same_gap(then["gap"], gap)
    if second := then["second_engine"]:
        yield from _second_engine(second, objective, asked)
    yield unless(
        status != "optimal" or (gap is not None and gap <= asked),
        f"certificate: the plan is called optimal, but the gap of its {then['minimize']} is "
        f"{_percent(gap)}, more than the {_percent(asked)} asked for",
    )


def _same_gap(stated: float | None, gap: float | None) -> Finding:
    same = stated is gap
    if stated is not None and gap is not None:
        same = abs(stated - gap) <= GAP_ROUNDING
    return unless(
        same, f"certificate: (objective − bound)/objective is {_percent(gap)}, not {stated!r}"
    )


def _optimal(certificate: Document, gap: float | None) -> Iterator[Finding]:
    """Evaluate what a plan that is called optimal must have."""
    asked, check = certificate["gap_asked"], certificate["check"]
    yield unless(
        gap is not None and gap <= asked,
        f"certificate: the plan is called optimal, but its gap is {_percent(gap)}, "
        f"more than the {_percent(asked)} asked for",
    )
    yield unless(
        check is not None and check["passed"] is True and not check["failures"],
        "certificate: the plan is called optimal, but the check stored with it did not pass",
    )
    yield unless(
        (certificate["second_engine"] or {}).get("agrees") is not False,
        "certificate: the plan is called optimal, but the second engine contradicts",
    )


def _second_engine(second: Document, objective: float, asked: float) -> Iterator[Finding]:
    """Compare what the second engine is said to say with its bound."""
    name, agrees, bound = second["engine"], second["agrees"], second["bound"]
    yield unless(
        agrees is not True
        or (bound is not None and bound >= objective * (1 - asked) - SLACK * abs(objective)),
        f"certificate: {name} is said to agree, but its bound of {bound} does not close the gap",
    )
    yield unless(
        agrees is False or bound is None or bound <= objective * (1 + 2 * SLACK),
        f"certificate: {name} has a bound of {bound}, which contradicts the objective of "
        f"{objective}",
    )


def _percent(gap: float | None) -> str:
    return "unknown" if gap is None else f"{gap:.6%}"
