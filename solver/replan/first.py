"""The first decision on a workload that no fleet serves yet: the cheapest fleet is proposed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.errors import PlanError
from solver.measured import MeasuredCapacity
from solver.planner import plan
from solver.replan.decision import SCHEMA, SWITCH, Decision
from solver.replan.memory import Memory, aware
from solver.workload import Workload


def propose(
    workload: Workload,
    catalog: Catalog | None = None,
    *,
    moment: dt.datetime,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | None = None,
    measured: tuple[MeasuredCapacity, ...] | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Decision:
    """Return the decision that proposes a first fleet; parameters as of `solver.replan.replan`.

    Nothing is compared, since nothing runs: there are no rules, steps or savings.

    Raises
    ------
    InputError
        If the input is wrong.
    PlanError
        If no fleet serves the workload, or none was found in time.
    """
    moment = aware(moment)
    found = plan(
        workload,
        catalog,
        gap=gap,
        time_limit_s=time_limit_s,
        coefficients=coefficients,
        measured=measured,
        explain="none",
        second_engine=False,
        as_of=moment.date(),
        progress=progress,
    )
    if not found.purchases:
        raise PlanError(_nothing(found.status, found.infeasibility))
    document: dict[str, Any] = found.to_dict()
    cost = document["cost_per_hour_usd"]
    free = {name: document["certificate"][name] for name in ("objective", "bound", "gap")}
    return Decision(
        outcome=SWITCH,
        plan=document,
        memory=Memory(),
        memory_if_accepted=Memory(since=moment),
        document={
            "schema": SCHEMA,
            "outcome": SWITCH,
            "reasons": [f"No fleet runs yet: the cheapest that serves it costs ${cost:,.2f}/h."],
            "decided_at": moment.isoformat(),
            "catalog": document["catalog"],
            "current": None,
            "proposed": document,
            "saving": None,
            "change": None,
            "rules": [],
            "steps": [],
            "certificates": {"held": None, "free": {**free, "status": found.status}},
            "confirmations": None,
            "warnings": document["warnings"],
        },
    )


def _nothing(status: str, infeasibility: Any) -> str:
    """Say why there is no fleet to propose."""
    if status == "infeasible":
        return (
            "no fleet serves the workload within its limits; plan it ('minfleet plan', or POST "
            "/v1/plans) to see which conflict and what relaxing each costs."
        )
    return "no fleet was found in time; raise settings.time_limit_s."
