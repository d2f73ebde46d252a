"""The frontier document, ``minfleet/frontier/v1``: the least cost for each level of one thing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.plan_assumptions import CatalogUsed
from api.schemas.points import Gap, PointFleet
from api.schemas.units import Count, UsdPerHour, UsdPerHourMore
from api.schemas.words import Status
from solver.workload import Workload

Level = Annotated[float, Field(ge=0)]
"""A level in the unit of `of.unit`."""


class FrontierOf(Document):
    """What the cost is set against."""

    name: Literal["tpot_ms", "ttft_ms", "quality_loss_pct", "power_kw", "providers"]
    """`tpot_ms` and `ttft_ms` (targets), `quality_loss_pct` (most that may be lost), `power_kw`
    (rated power of all accelerators bought), `providers` (how many are bought from)."""
    field: str
    """The field of the workload that limits it: with a level there, a plan is that of the point."""
    unit: str
    """Unit of the levels: `ms`, `%`, `kW`, or empty for a number."""
    value: Level | None
    """What the workload itself sets; null for no limit."""


class FrontierPoint(PointFleet):
    """A level at which the cost falls, and the cheapest fleet there."""

    value: Level
    """The tightest level known to have this cost."""
    dearer_at: Level | None
    """The loosest level known to cost more, or to have no fleet: the cost falls between it and
    `value`. null where nothing tighter was solved."""
    holds_until: Level | None
    """The loosest level solved at which this is still the least cost; null for any looser one."""
    in_force: bool
    """Whether the workload's own level lies here."""


class SolvedLevel(Document):
    """A level that was solved, in short."""

    value: Level | None
    """The level; null for no limit."""
    status: Status
    """As in a plan."""
    cost_per_hour_usd: UsdPerHour | None
    """Least cost; null without a fleet."""
    bound_per_hour_usd: UsdPerHourMore | None
    """Proven: no fleet costs less; null without a bound."""
    gap: Gap | None
    """(cost − bound)/cost."""


class FrontierSearch(Document):
    """What was solved."""

    programs: Count
    """Levels solved."""
    gap_asked: Gap
    """Relative gap at which a point counts as proven; costs that differ by less are one."""
    resolution: Gap
    """How narrow each place where the cost falls is known: relatively, and of the quality loss as a
    share of the most that may be lost."""


class FrontierDocument(Document):
    """The least cost for each level of one thing: no fleet is both tighter and cheaper.

    Money is in US dollars; `_per_hour` is an hour of the whole item. `null` means not known or does
    not apply, never 0. Fields may be added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/frontier/v1"]
    """`minfleet/frontier/v1`."""
    of: FrontierOf
    """What the cost is set against."""
    complete: bool
    """Whether every level solved is proven to the gap asked for."""
    infeasible_at: Level | None
    """The loosest level that is proven to have no fleet; null where none was found."""
    points: list[FrontierPoint]
    """Where the cost falls, tightest first; empty where no level has a fleet."""
    solved: list[SolvedLevel]
    """Every level that was solved, tightest first."""
    search: FrontierSearch
    """What was solved."""
    catalog: CatalogUsed
    """The catalogue that it was made from."""
    warnings: list[str]
    """Which prices of what is bought are old."""
    workload: Workload
    """The workload, defaults filled in."""
