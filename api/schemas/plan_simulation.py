"""A plan's fleet held in simulation: the figures request by request, and both costs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.base import Document
from api.schemas.units import (
    Count,
    Fraction,
    Milliseconds,
    Percentile,
    Requests,
    Share,
    UsdPerHour,
    UsdPerHourMore,
)
from api.schemas.words import Arrivals, Router


class BesideTarget(Document):
    """A latency at the class's percentile: predicted, simulated, and the target."""

    predicted: Milliseconds | None
    """What the formulas say."""
    simulated: Milliseconds | None
    """What was simulated; null where nothing was, or it never ended."""
    ratio: Fraction | None
    """simulated/predicted; null where either is, or the prediction is 0."""
    target: Milliseconds | None
    """The target; null for none."""
    meets: bool
    """Whether the simulated one keeps it."""


class HeldClass(Document):
    """What a class got in the simulation that the plan had to hold."""

    name: str
    """A class."""
    percentile: Percentile
    """Percentile of its targets and figures."""
    attainment: Share | None
    """Share of its requests that met all its targets; null where none counts."""
    meets: bool
    """Whether it met them at its percentile."""
    ttft_ms: BesideTarget
    """Time to first token: `predicted`, `simulated`, `ratio`, `target`, `meets`."""
    tpot_ms: BesideTarget
    """The same of the time per further output token."""
    e2e_ms: BesideTarget
    """The same of the time to the last token."""


class HeldInSimulation(Document):
    """The simulation that the plan's fleet had to hold."""

    requests: Requests
    """Requests that were simulated."""
    arrivals: Arrivals
    """Arrival process: `poisson`, `gamma:CV`, or `trace`."""
    router: Router
    """How a pool picked a replica: `random`, `round_robin` or `least_loaded`."""
    seed: Count
    """Of all that was drawn."""
    meets: bool
    """Whether every class met its targets at its percentile."""
    fleets_tried: Annotated[int, Field(ge=1)]
    """Fleets that were simulated; all but the last missed a target."""
    cost_per_hour_usd: UsdPerHour
    """Cost of this plan."""
    cost_by_formulas_usd: UsdPerHour
    """Cost of the fleet that the formulas alone would buy."""
    bound_by_formulas_usd: UsdPerHourMore | None
    """What no fleet costs less than, by the formulas alone; null where no bound was found in
    time."""
    classes: list[HeldClass]
    """What each class got."""
    warnings: list[str]
    """What to know before believing the figures: percentiles that rest on few requests, say."""
    all_lowered_to: Annotated[Share, Field(gt=0)]
    """What all configurations are allowed of what the formulas admit; below 1 where fleet after
    fleet failed, and the plan is then not proven."""
