"""Lists of stored plans."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from api.schemas.base import Document
from api.schemas.units import unit
from api.schemas.words import Status


class PlanEntry(Document):
    """A stored plan without its parts."""

    id: str
    """Name of the plan."""
    status: Status
    """`optimal`, `feasible`, `infeasible` or `unknown`."""
    model: str
    """The workload's model."""
    cost_per_hour_usd: Annotated[float, unit("USD/h", ge=0)] | None
    """Cost of all nodes; null without a fleet."""
    gpus: Annotated[int, unit("accelerators", ge=0)]
    """Accelerators bought."""
    workload_id: str
    """Hash of the workload: equal workloads have equal ones."""
    catalog_id: str
    """Snapshot of the catalogue that it was planned over."""
    created_at: dt.datetime
    """When it was made."""


class PlanList(Document):
    """Plans, the latest first."""

    plans: list[PlanEntry]
    """The plans."""
    next: str | None
    """Path of the next page; null on the last."""
