"""What the service is asked: a comparison of offers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.requests import EffortSettings, Request, Rows
from solver.workload import Workload

OfferIds = Annotated[list[Annotated[str, Field(max_length=400)]], Field(min_length=1)]


class ComparisonRequest(Request):
    """A workload, and the offers to compare for it."""

    workload: Workload
    """What is to be served, as in a request for a plan."""
    offers: Rows
    """Offers to compare, in the columns of an offers file."""
    offer_ids: OfferIds | None = None
    """Compare only these of them; all by default."""
    subsets: dict[str, OfferIds] | None = None
    """Name → compared offers that are reported together, too."""
    add_catalog: bool = False
    """Whether the catalogue's own offers compete in the joint optimum."""
    catalog_id: str | None = None
    """Snapshot of the catalogue to take accelerators, and offers, from; the one in force by
    default."""
    accelerators: Rows | None = None
    """Accelerators to add or override, in the columns of an accelerators file."""
    measured: Rows | None = None
    """Measured capacities in place of the performance model, as in a request for a plan."""
    coefficients: Rows | None = None
    """Coefficients of the performance model over the shipped ones, as `minfleet calibrate` writes
    them."""
    settings: EffortSettings | None = None
    """How hard to try; each has a default. Break-even prices are exact whatever the gap."""
