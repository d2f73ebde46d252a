"""A plan as a page: the parts below its headline, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.page.show.findings import (
    alternatives,
    binding,
    infeasibility,
    left_out,
    targets,
    warnings,
)
from api.page.show.html import Cell, link, links
from api.page.show.proof import proof
from api.page.show.topology import topology

PARTS = (topology, infeasibility, targets, proof, binding, alternatives, left_out, warnings)


def plan_details(plan: Mapping[str, Any]) -> Cell:
    """Return everything below the headline."""
    return "".join(part(plan) for part in PARTS)


def plan_links(plan_id: str) -> Cell:
    """Return where a plan stays, and what it can be downloaded as."""
    here = f"/download/plans/{plan_id}"
    return links(
        (
            link(f"/plans/{plan_id}", "Link to this plan"),
            link(f"{here}.json", "JSON", download=True),
            link(f"{here}/pools.csv", "Pools as CSV", download=True),
        )
    )
