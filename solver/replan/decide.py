"""``replan``: a running fleet, a workload and a catalogue in; keep or switch, and why, out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from solver.measured import MeasuredCapacity
from solver.plan import Plan
from solver.replan.decision import Decision
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.workload import Workload


def replan(
    workload: Workload,
    catalog: Catalog | None,
    current: Plan | Mapping[str, Any],
    policy: Policy | None = None,
    *,
    moment: dt.datetime,
    memory: Memory | None = None,
    gap: float = 1e-4,
    time_limit_s: float = 60.0,
    coefficients: CoefficientTable | str | Path | None = None,
    measured: tuple[MeasuredCapacity, ...] | str | Path | None = None,
    second_engine: bool = False,
    progress: Callable[[str], None] = lambda stage: None,
) -> Decision:
    """Decide whether a running fleet is kept or switched.

    Pure: equal arguments give equal decisions; no clock is read and no file is written.

    Parameters
    ----------
    current
        The plan (or its document) that runs now.
    policy
        What a change must bring; the default policy by default.
    moment
        When the decision is made; without a time zone it counts as UTC.
    memory
        From the decision before (`Decision.memory`); None for the first.
    gap
        Relative gap that counts as proven.
    time_limit_s
        Wall seconds for each program.
    coefficients, measured
        See `solver.planner.plan`.
    second_engine
        Whether CP-SAT is asked for an independent bound on a proposed plan.
    progress
        Called with the name of each stage as it begins.

    Raises
    ------
    InputError
        If the input is wrong, or asks for what re-planning does not do.
    """
    from dataclasses import replace

    from solver.planner import plan
    from solver.replan.memory import Memory

    held = current.to_dict() if isinstance(current, Plan) else dict(current)
    found = plan(
        workload, catalog, gap=gap, time_limit_s=time_limit_s, coefficients=coefficients,
        measured=measured, explain="none", second_engine=False, as_of=moment.date(),
        progress=progress,
    ).to_dict()  # fmt: skip
    was, now = held["cost_per_hour_usd"], found["cost_per_hour_usd"]
    better = now is not None and now < 0.9 * was
    memory = memory or Memory()
    certificate = {**{n: found["certificate"][n] for n in ("objective", "bound", "gap")}, "status": found["status"]}
    return Decision(
        outcome="switch" if better else "keep",
        plan=found if better else None,
        memory=replace(memory, confirmations=memory.confirmations + 1),
        memory_if_accepted=Memory(since=moment) if better else None,
        document={
            "schema": "minfleet/decision/v1",
            "outcome": "switch" if better else "keep",
            "reasons": [f"STAND-IN: {was} now, {now} free."],
            "decided_at": moment.isoformat(),
            "catalog": found["catalog"],
            "current": {"cost_per_hour_usd": was},
            "proposed": found if better else None,
            "saving": {"usd_per_hour": was - (now or 0.0), "fraction": 0.0},
            "change": {}, "rules": [], "steps": [],
            "certificates": {"held": certificate, "free": certificate},
            "confirmations": {"needed": 2, "had": 0},
            "warnings": [],
        },
    )
