"""What a cloud's instance types are: which accelerator, and how many a node."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from data.tables import shipped_rows


@dataclass(frozen=True)
class Instance:
    """An instance type of a cloud.

    Attributes
    ----------
    accelerator, gpus_per_node
        What it holds; None where it holds no whole accelerator of the catalogue.
    network_gbps
        Network of a node towards other nodes (Gbit/s), up to; None means unknown.
    unusable
        Why nothing can be planned on it; "" where something can.
    """

    provider: str
    instance_type: str
    accelerator: str | None
    gpus_per_node: int | None
    network_gbps: float | None
    unusable: str
    observed_at: dt.date
    source: str


@cache
def shipped_instances() -> Mapping[str, Instance]:
    """Return the shipped instance types by name; no two clouds share one."""
    found: dict[str, Instance] = {}
    for row in shipped_rows("instances"):
        unusable = row.cells.get("unusable", "")
        name = row.text("instance_type")
        if name in found:
            raise row.fault("instance_type", f"{name!r} is there twice; keep one.")
        found[name] = Instance(
            provider=row.text("provider"),
            instance_type=name,
            accelerator=None if unusable else row.text("accelerator"),
            gpus_per_node=None if unusable else row.integer("gpus_per_node", at_least=1),
            network_gbps=row.optional_number("network_gbps", above=0, at_most=1e6),
            unusable=unusable,
            observed_at=row.date("observed_at"),
            source=row.text("source"),
        )
    return found
