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
from solver.replan.policy import Policy
from solver.workload import Workload


def propose(
    workload: Workload,
    catalog: Catalog | None = None,
    policy: Policy | None = None,
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
    certificate, cost = document["certificate"], document["cost_per_hour_usd"]
    proof = {name: certificate[name] for name in ("engine", "objective", "bound", "gap")}
    free = {**proof, "gap_asked": gap, "status": found.status}
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
            "catalog": {name: document["catalog"][name] for name in ("id", "observed_at")},
            "policy": (policy or Policy()).to_dict(),
            "current": None,
            "program": "free",
            "proposed": document,
            "considered": None,
            "saving": {"usd_per_hour": None, "fraction": None},
            "change": None,
            "rules": [],
            "steps": [],
            "certificates": {"held": None, "free": free, "within_rules": None},
            "confirmations": {"needed": 1, "had": 0},
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
