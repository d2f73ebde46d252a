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
    raise NotImplementedError
