"""The sweep document, ``minfleet/sweep/v1``: what changes of a workload do to its cost."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.plan_assumptions import CatalogUsed
from api.schemas.points import Gap, PointFleet
from api.schemas.units import Count, PercentMore, UsdPerHour
from api.schemas.words import NAME, Status
from solver.workload import Workload

Value = float | str | bool | None
"""What becomes of something that is varied."""

FactorName = Annotated[str, Field(json_schema_extra={NAME: "factor"})]
"""Keys of a mapping: names of what is varied."""


class SweepFactor(Document):
    """One thing that is varied."""

    name: str
    """`rate`, `isl`, `osl`, `ttft`, `tpot`, `e2e` and `price:NAME` are factors on what the workload
    and the offers say; any other is a field of the workload."""
    unit: str
    """Unit of the values; `times` for factors, empty for counts and words."""
    base: Value
    """What a factor is without a change, 1; null for fields."""
    values: list[Value]
    """What becomes of it, in order."""


class SweepRow(PointFleet):
    """A point: what is changed, the cheapest fleet there, and how both differ from now."""

    values: dict[FactorName, Value]
    """What is changed: factor → value."""
    change_pct: PercentMore | None
    """How much more it costs than the workload as it is; null where either has no fleet."""
    fleet_changes: bool | None
    """Whether another fleet is cheapest than of the workload as it is; null where either has none.
    Where both cost the same within the gap, today's is kept if it is known to do."""


class RankedEnd(Document):
    """A factor at one end of its range."""

    factor: float
    """What it is multiplied by."""
    status: Status
    """As in a plan."""
    cost_per_hour_usd: UsdPerHour | None
    """Least cost there; null without a fleet."""
    change_pct: PercentMore | None
    """As in a row."""
    fleet_changes: bool | None
    """As in a row."""


class RankedFactor(Document):
    """A factor of a sensitivity, with what it does to the cost."""

    name: str
    """The factor."""
    effect_usd_per_hour: UsdPerHour | None
    """The larger change of the cost at its two ends; null where an end has no fleet."""
    low: RankedEnd
    """Where it is multiplied by less than 1."""
    high: RankedEnd
    """Where it is multiplied by more than 1: fields as of `low`."""


class SweepSearch(Document):
    """What was solved."""

    points: Count
    """Points solved, the workload as it is included."""
    gap_asked: Gap
    """Relative gap at which a point counts as proven."""


class SweepDocument(Document):
    """A workload planned at many points: what each change does to the cost and the fleet.

    Money is in US dollars; `_per_hour` is an hour of the whole item. `null` means not known or does
    not apply, never 0. Fields may be added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/sweep/v1"]
    """`minfleet/sweep/v1`."""
    mode: Literal["grid", "one_at_a_time", "sensitivity"]
    """`grid`: every combination. `one_at_a_time`: each factor alone. `sensitivity`: each factor
    alone, down and up by the same share."""
    complete: bool
    """Whether every point is proven to the gap asked for."""
    factors: list[SweepFactor]
    """What is varied."""
    base: PointFleet
    """The workload as it is: fields as of `rows`, without what differs."""
    rows: list[SweepRow]
    """One for each point, in the order of the values, the last factor fastest."""
    ranking: list[RankedFactor]
    """Of a sensitivity, the factors by their effect on the cost, largest first, those that leave no
    fleet at an end before all others; else empty."""
    search: SweepSearch
    """What was solved."""
    catalog: CatalogUsed
    """The catalogue that it was made from, its prices as they are."""
    warnings: list[str]
    """Which prices of what is bought are old."""
    workload: Workload
    """The workload, defaults filled in."""
