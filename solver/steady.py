"""Whether a workload asks for the cheapest fleet at rates that stay, as most questions take it."""

from __future__ import annotations

from data.errors import WorkloadError
from solver.workload import Workload


def check_steady(workload: Workload, what: str) -> None:
    """Refuse a workload with another objective, a batch, or rates that change.

    Parameters
    ----------
    what
        What is done with the workload, to begin the sentence: ``"offers are compared"``.

    Raises
    ------
    WorkloadError
        In one sentence that names the block to leave out.
    """
    objective = workload.objective
    if objective.order != ("cost",) or objective.maximize is not None:
        raise WorkloadError(
            f"objective asks for {objective.maximize or objective.minimize}, but {what} by cost; "
            "leave minimize, maximize and then out of it."
        )
    if workload.batch is not None:
        raise WorkloadError(
            f"{what} for requests that arrive; give classes a rate_rps, and no batch."
        )
    if workload.demand is not None:
        raise WorkloadError(f"{what} for rates that stay; leave demand out.")
