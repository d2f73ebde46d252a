"""The block `schedule` of a plan: commitments, and what runs in every period."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.base import Document
from api.schemas.plan_classes import ServedClass
from api.schemas.plan_pools import PlannedPool
from api.schemas.units import (
    Accelerators,
    Months,
    Nodes,
    NodesLeft,
    Share,
    Usd,
    UsdPerHour,
    unit,
)

Month = Annotated[int, unit("month", ge=0)]
Hour = Annotated[int, unit("hour", ge=0, le=167)]
HoursOrNone = Annotated[float, unit("h", ge=0)]
CycleHours = Annotated[int, unit("h", ge=24, le=168)]
Factor = Annotated[float, unit("× rate_rps", gt=0)]


class Commitment(Document):
    """Nodes that are paid for in every hour of their term, used or not."""

    offer_id: str
    """What is committed to."""
    term_months: Months | None
    """Length of its term; null for the whole horizon."""
    first_month: Month
    """First month that it is paid for, from 0."""
    last_month: Month
    """Last month, included."""
    nodes: Nodes
    """Nodes committed to."""
    price_per_node_hour_usd: UsdPerHour
    """Price of one node as listed, at that number of nodes, without what is paid upfront."""
    upfront_usd: Usd
    """Paid in advance for all of them in each term; 0 for nothing."""
    cost_per_hour_usd: UsdPerHour
    """What all of them cost an hour, upfront payments spread over the term."""
    cost_usd: Usd
    """What they cost from the first month to the last."""
    used_share: Share
    """Part of that time in which they hold replicas."""


class PeriodNodes(Document):
    """Nodes of one offer in a period."""

    offer_id: str
    """The offer."""
    pricing: Annotated[str, Field(pattern="^(on_demand|spot|committed)$")]
    """How it is sold."""
    nodes: Nodes
    """Nodes paid for."""
    in_use: NodesLeft
    """Nodes of them that hold replicas."""
    started: NodesLeft
    """Nodes that were not there in the period before."""
    cost_per_hour_usd: UsdPerHour
    """What the nodes paid for cost an hour."""


class ServedPeriod(Document):
    """A stretch of the horizon in which the load is the same, and what runs in it."""

    month: Month
    """Month, from 0; where every month is alike, 0 stands for all."""
    hours: list[Hour]
    """Hours of the day or week, from 0; empty for all."""
    factor: Factor
    """What every rate is multiplied by."""
    share: Share
    """Part of the horizon's hours."""
    cost_per_hour_usd: UsdPerHour
    """What an hour of it costs: commitments, nodes by the hour, and starts."""
    committed_usd_per_hour: UsdPerHour
    """Part of it for commitments, used or not."""
    on_demand_usd_per_hour: UsdPerHour
    """Part of it for nodes on demand."""
    spot_usd_per_hour: UsdPerHour
    """Part of it for spot nodes."""
    starts_usd_per_hour: UsdPerHour
    """Part of it for nodes that start and do not serve yet."""
    idle_usd_per_hour: UsdPerHour
    """What of the former three is paid for nodes that hold nothing."""
    gpus: Accelerators
    """Accelerators paid for."""
    nodes: list[PeriodNodes]
    """Nodes by offer."""
    pools: list[PlannedPool]
    """What runs on them, as `pools` of a plan."""
    classes: list[ServedClass]
    """What each class gets, as `classes` of a plan."""


class Schedule(Document):
    """Commitments for the horizon, and a fleet for each of its periods; average costs."""

    months: Months
    """Months planned for."""
    cycle_hours: CycleHours
    """Hours after which the hourly factors come again."""
    startup_h: HoursOrNone
    """Hours that a node is paid for before it serves."""
    cost_per_hour_usd: UsdPerHour
    """What an average hour costs."""
    cost_usd: Usd
    """What the whole horizon costs."""
    committed_usd_per_hour: UsdPerHour
    """Average part for commitments, used or not."""
    on_demand_usd_per_hour: UsdPerHour
    """Average part for nodes on demand."""
    spot_usd_per_hour: UsdPerHour
    """Average part for spot nodes."""
    starts_usd_per_hour: UsdPerHour
    """Average part for nodes that start and do not serve yet."""
    idle_usd_per_hour: UsdPerHour
    """What of the former three is paid, on average, for nodes that hold nothing."""
    peak_always_usd_per_hour: UsdPerHour | None
    """What the cheapest fleet for the highest load costs, held all the time; null if none was
    found in time."""
    commitments: list[Commitment]
    """What is committed to."""
    periods: list[ServedPeriod]
    """The periods, in order."""
