"""A market whose replicas have measured capacities, so that fleets can be worked out by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from small_catalog import write_table

from data.catalog import Catalog
from solver.measured import MeasuredCapacity
from solver.workload import Workload

DAY = dt.date(2026, 7, 15)

Row = tuple[str, str, str, str, str]
"""Offer id, provider, accelerator, price of a node of one, stock."""

TWO_CHIPS: tuple[Row, ...] = (
    ("fast", "acme", "h100_sxm", "2.00", ""),
    ("slow", "acme", "l40s", "0.70", ""),
)
"""An H100 of 700 W that serves 10 requests/s, and an L40S of 350 W that serves 4."""

CAPACITY = {"h100_sxm": 10.0, "l40s": 4.0}


def market(folder: Path, *rows: Row) -> Catalog:
    """Return a catalogue of single accelerators."""
    names = ("offer_id", "provider", "accelerator", "price_per_node_hour_usd", "stock")
    same = {
        "region": "eu",
        "gpus_per_node": "1",
        "pricing": "on_demand",
        "observed_at": "2026-07-01",
        "source": "a quote",
    }
    table = [dict(zip(names, row, strict=True)) | same for row in rows]
    return Catalog.load(offers=write_table(folder / "offers.csv", table))


def capacities(**rps: float) -> tuple[MeasuredCapacity, ...]:
    """Return what one replica of one accelerator admits; those of `CAPACITY` by default."""
    return tuple(MeasuredCapacity(c, "chat", v, 1) for c, v in (rps or CAPACITY).items())


def chat(rate_rps: float, **blocks: Any) -> Workload:
    """Return a workload of one class."""
    content = {"model": "m", "classes": [{"name": "chat", "rate_rps": rate_rps}], **blocks}
    return Workload.parse(content)
