"""What the service is asked: a workload to plan again and again."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.requests import Request, Rows
from api.schemas.units import unit
from solver.replan.policy import Policy
from solver.workload import Workload


class ScheduleSpec(Request):
    """When a workload is due: by the clock, when prices change, or both."""

    cron: Annotated[str, Field(max_length=200)] | None = None
    """Minute, hour, day of the month, month and day of the week, as Debian's cron reads them
    (Sunday is 0 or 7): `0 6 * * 1-5`."""
    timezone: Annotated[str, Field(max_length=100)] = "UTC"
    """Time zone of `cron`, such as `Europe/Berlin`. A time that the clock is put forward over comes
    right after; one that it is put back over comes once."""
    on: Literal["price_change"] | None = None
    """`price_change`: whenever another catalogue comes in force than it was last planned with."""


class ReplanningSettings(Request):
    """How hard each decision tries."""

    gap: Annotated[float, Field(ge=0, le=1)] = 1e-4
    """Relative gap at which a fleet counts as proven."""
    time_limit_s: Annotated[float, unit("seconds", ge=0.1, le=86_400)] = 60.0
    """Wall time for each program; the server has limits of its own for it and for the whole job."""


class Registration(Request):
    """A workload, the fleet that runs for it, and when and how it is planned again."""

    workload: Workload
    """What is to be served, as in a request for a plan."""
    policy: Policy | None = None
    """What a change must bring; each rule has a default."""
    schedule: ScheduleSpec | None = None
    """When it is due; without one, only when asked."""
    plan: dict[str, Any] | None = None
    """The fleet that runs now, as a plan document. Without `plan` and `plan_id`, the fleet that is
    known already stays; where none is, the first decision proposes one, and the schedule begins
    when that is accepted."""
    plan_id: Annotated[str, Field(max_length=100)] | None = None
    """The fleet that runs now, as a stored plan."""
    running_since: dt.datetime | None = None
    """When that fleet was put in place (with a time zone); now by default. A policy lets no fleet
    go that is younger than its `min_plan_age_h`."""
    paused: bool = False
    """Whether the schedule rests."""
    measured: Rows | None = None
    """Measured capacities in place of the performance model, as in a request for a plan; by
    default those that `plan_id` was made with."""
    coefficients: Rows | None = None
    """Coefficients of the performance model over the shipped ones; by default those that `plan_id`
    was made with."""
    settings: ReplanningSettings | None = None
    """How hard each decision tries; each has a default."""
