"""Which workloads can be planned again and again."""

from __future__ import annotations

from data.errors import InputError
from solver.workload import Workload


def refuse_unsupported(workload: Workload) -> None:
    """Raise where a workload asks for what re-planning does not do.

    Raises
    ------
    InputError
        With a sentence for each kind.
    """
    if workload.demand is not None:
        raise InputError(
            "demand: re-planning is for steady rates, and a schedule has fleets that come and go "
            "every day; leave demand out, or plan the schedule anew."
        )
    if workload.batch is not None:
        raise InputError(
            "batch: re-planning is for requests that keep arriving, and a batch ends; plan what "
            "is left of it as a batch of its own."
        )
    if workload.objective.maximize is not None:
        raise InputError(
            "objective.maximize: re-planning lowers the cost of a load that is given; leave "
            "maximize out and give the rates that are to be served."
        )
    if workload.objective.order != ("cost",):
        raise InputError(
            f"objective: re-planning weighs a saving in dollars against the cost of the change, "
            f"and cannot make {' and then '.join(workload.objective.order)} smallest; set "
            "minimize to cost and leave then out."
        )
