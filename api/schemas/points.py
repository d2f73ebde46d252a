"""What a point of a frontier or a sweep is: a fleet in short, and its proof."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.base import Document
from api.schemas.plan_explanation import AlternativePool
from api.schemas.units import (
    Accelerators,
    Kilowatts,
    Milliseconds,
    Nodes,
    Percent,
    Usd,
    UsdPerHour,
    UsdPerHourMore,
    UsdPerMillionTokens,
)
from api.schemas.words import Status

Gap = Annotated[float, Field(ge=0)]


class PointPurchase(Document):
    """Nodes of one offer that a fleet buys."""

    offer_id: str
    """Offer to buy, dearest item first."""
    provider: str
    """Who sells it."""
    nodes: Nodes
    """Nodes of it."""


class PointFleet(Document):
    """The cheapest fleet at a point, and its proof; without a fleet its figures are null."""

    status: Status
    """As in a plan: `optimal` is proven to the gap asked for, checked, and keeps every target."""
    cost_per_hour_usd: UsdPerHour | None
    """Cost of all nodes, their part of what is paid upfront included."""
    cost_per_month_usd: Usd | None
    """The same for 730 hours."""
    cost_per_million_output_tokens_usd: UsdPerMillionTokens | None
    """Cost over the output tokens of the whole workload at its full rate; null where output lengths
    are not known, too."""
    bound_per_hour_usd: UsdPerHourMore | None
    """Proven: no fleet costs less."""
    gap: Gap | None
    """(cost − bound)/cost."""
    gpus: Accelerators | None
    """Accelerators bought."""
    nodes: Nodes | None
    """Nodes bought."""
    gpu_power_kw: Kilowatts | None
    """Rated power (TDP) of the accelerators bought; null where one's is not published, too."""
    providers: list[str]
    """Who is bought from."""
    ttft_ms: Milliseconds | None
    """Predicted TTFT of the slowest class at its percentile; null with measured capacities, too."""
    tpot_ms: Milliseconds | None
    """Predicted TPOT of the slowest class, likewise."""
    quality_loss_pct: Percent | None
    """Mean quality lost by the class that loses most, rounded up; null with measured capacities,
    too."""
    fleet: str
    """What runs, in words; empty without a fleet."""
    purchases: list[PointPurchase]
    """What to buy, dearest first; empty without a fleet."""
    pools: list[AlternativePool]
    """What runs where, in short; empty without a fleet."""
    warnings: list[str]
    """What to know before buying it: commitments, interruptible offers, unverified figures, what
    lies outside of what the model was fitted on; empty without a fleet."""
