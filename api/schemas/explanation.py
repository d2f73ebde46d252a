"""The parts of a plan that explain it, ``minfleet/explanation/v1``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from api.schemas.base import Document
from api.schemas.plan_explanation import Alternative, BindingLimit, Infeasibility, LeftOut
from api.schemas.words import Status

SCHEMA = "minfleet/explanation/v1"


class ExplanationDocument(Document):
    """Why a plan is what it is: what binds, what was left out, what else there is, what to relax.

    The parts are those of the plan document.
    """

    schema_: Literal["minfleet/explanation/v1"]
    """`minfleet/explanation/v1`."""
    plan_id: str
    """Name under which the service stores the plan."""
    status: Status
    """`optimal`, `feasible`, `infeasible` or `unknown`, as the plan says."""
    binding: list[BindingLimit]
    """Limits that hold the cost up, worth most first."""
    why_not: list[LeftOut]
    """Accelerators that the plan does not buy, and why."""
    alternatives: list[Alternative]
    """The cheapest plan of each kind that differs from the plan, cheapest first."""
    infeasibility: Infeasibility | None
    """null unless the status is `infeasible`."""


def explanation_of(plan_id: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the explanation that a plan document holds.

    Parameters
    ----------
    plan_id
        Name under which the plan is stored.
    plan
        The plan document.
    """
    parts = ("status", "binding", "why_not", "alternatives", "infeasibility")
    return {"schema": SCHEMA, "plan_id": plan_id, **{part: plan[part] for part in parts}}
