"""What the service is asked: a frontier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.requests import EffortSettings, Request, Rows
from solver.workload import Workload


class FrontierRequest(Request):
    """A workload, and what its cost is set against."""

    workload: Workload
    """What is to be served, as in a request for a plan."""
    of: Literal["tpot_ms", "ttft_ms", "quality_loss_pct", "power_kw", "providers"] = "tpot_ms"
    """What the cost is set against: a latency target, the most quality that may be lost, the most
    rated power, or the most providers."""
    points: Annotated[int, Field(ge=2, le=100)] = 9
    """Levels solved first; more are solved wherever the cost falls."""
    low: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """Tightest level; for latencies a quarter of the workload's target by default."""
    high: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """Loosest level; for latencies four times the workload's target by default."""
    resolution: Annotated[float, Field(ge=0.001, le=1)] = 0.05
    """How narrow each place where the cost falls is known, relatively."""
    catalog_id: str | None = None
    """Snapshot of the catalogue to plan over; the one in force by default."""
    offers: Rows | None = None
    """Offers to plan over instead of the catalogue's, in the columns of an offers file."""
    add_offers: Rows | None = None
    """Offers to plan over besides the others."""
    accelerators: Rows | None = None
    """Accelerators to add or override, in the columns of an accelerators file."""
    measured: Rows | None = None
    """Measured capacities in place of the performance model, as in a request for a plan."""
    coefficients: Rows | None = None
    """Coefficients of the performance model over the shipped ones, as `minfleet calibrate` writes
    them."""
    settings: EffortSettings | None = None
    """How hard to try; each has a default."""
