"""Price paths of three made-up offers, for tests of replays."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from data.catalog import Catalog
from solver.measured import MeasuredCapacity
from solver.replay.path import PricePath
from solver.workload import Workload

START = dt.date(2026, 1, 1)
MEASURED = (
    MeasuredCapacity("l4", "chat", 3.0, 1),
    MeasuredCapacity("h100_sxm", "chat", 12.0, 1),
)
NODES = {"small": ("l4", 1), "large": ("l4", 4), "big": ("h100_sxm", 1)}
RATE_RPS = 12.0
"""Four replicas on L4s, or one on an H100."""


def workload(rate_rps=RATE_RPS, **hardware):
    classes = [{"name": "chat", "rate_rps": rate_rps, "isl": 500, "osl": 100}]
    return Workload.parse(
        {"model": "llama-3.1-8b-instruct", "classes": classes, "hardware": hardware}
    )


def catalog_of(pricing="on_demand"):
    rows = [
        {
            "offer_id": name,
            "provider": "acme",
            "region": "eu",
            "accelerator": chip,
            "gpus_per_node": gpus,
            "price_per_node_hour_usd": 1,
            "pricing": pricing,
            "observed_at": START.isoformat(),
            "source": "made up",
            "confirmed": "true",
        }
        for name, (chip, gpus) in NODES.items()
    ]
    return Catalog.load().with_rows(offers=rows)


def path_of(prices, days):
    """Return a price path; `prices` has a mapping of offer to USD/h for each stretch."""
    starts = [START + dt.timedelta(days=sum(days[:t])) for t in range(len(days) + 1)]
    exact = tuple({o: Decimal(str(usd)) for o, usd in p.items()} for p in prices)
    return PricePath(catalog_of(), tuple(starts[:-1]), exact, starts[-1])
