"""The proposed plan: a full plan document, which says what of it is proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from solver.plan import Plan
from solver.planner import Options, plan_with_fleet
from solver.replan.weigh import Weighed


def plan_of(
    weighed: Weighed, options: Options, catalog_id: str, progress: Callable[[str], None]
) -> Plan:
    """Return the plan of a fleet that could run instead.

    Its objective, and so its certificate, is the cost with the change spread over the hours within
    which it must pay back. Whether a fleet of less cost alone exists is not asked: a warning says
    so.

    Parameters
    ----------
    catalog_id
        Of the catalogue as it is, without the running nodes counted as there.
    """
    answer = plan_with_fleet(
        weighed.problem, weighed.solved, weighed.fleet, dict(weighed.predicted), options, progress
    )
    hours = weighed.change.payback_h
    within = ", of the fleets that keep the policy's rules" if weighed.change.rules else ""
    proof = "proven" if answer.status == "optimal" else "sought"
    return replace(
        answer,
        catalog={**answer.catalog, "id": catalog_id},
        warnings=(
            f"least is {proof} for the cost with the change from the running fleet spread over "
            f"{hours:g} h{within}; a fleet that costs less but is not worth its change may exist",
            *answer.warnings,
        ),
    )
