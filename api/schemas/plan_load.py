"""The block `load` of a plan: the most load that its limits serve."""

from __future__ import annotations

from typing import Literal

from api.schemas.base import Document
from api.schemas.units import Accelerators, Count, Fraction, RequestsPerSecond, UsdPerHour
from api.schemas.words import ClassName


class LoadSecondEngine(Document):
    """The second engine's word on the load that is proven not to fit."""

    engine: Literal["cp-sat"]
    """Its name."""
    bound: float | None
    """Its lower bound on the cost of any fleet for that load (USD/h); null if it has none."""
    agrees: bool | None
    """true: that is above the budget. null: it ran out of work first."""


class NextStep(Document):
    """The least load that is proven not to fit, and what it would take without the limits."""

    factor: Fraction
    """The factor on the rates."""
    cost_per_hour_usd: UsdPerHour
    """Cost of the cheapest fleet for it, with neither budget nor limit on accelerators."""
    gpus: Accelerators
    """Accelerators of that fleet."""
    bound: float
    """Lower bound on its cost (USD/h)."""
    second_engine: LoadSecondEngine | None
    """The second engine's word; null where there is no budget, or none was asked."""


class MostLoadServed(Document):
    """The largest factor on all rates that a fleet within the limits serves."""

    factor: Fraction
    """It, below 1 where the rates asked for are too much. The plan's `workload` has the rates
    that it serves."""
    served_rps: dict[ClassName, RequestsPerSecond]
    """Rate of each class that the fleet serves."""
    asked_rps: dict[ClassName, RequestsPerSecond]
    """Rate of each class as the workload asked for it, of which `factor` is a multiple."""
    none_from_factor: Fraction | None
    """From this factor on it is proven that no fleet within the limits exists; null without that
    proof."""
    gap: Fraction | None
    """none_from_factor/factor − 1."""
    gap_asked: Fraction
    """Gap at which the factor counts as proven."""
    programs: Count
    """Programs that were solved to find it."""
    next_step: NextStep | None
    """What the next step takes; null where stock or other limits allow none."""
