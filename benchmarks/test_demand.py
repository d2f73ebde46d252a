"""Schedules of 8 classes over the shipped catalogue: two periods and 24, with a commitment or none.

All to a gap of 1e-4. The target of 5 s is for the proof, the check of every period included.
"""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

import pytest

from data.catalog import Catalog
from solver.planner import plan
from solver.workload import Workload

MODEL = "llama-3.1-70b-instruct"
CLASSES = [
    {"name": f"c{i}", "rate_rps": 2 + i % 9, "isl": 256 + 150 * i, "osl": 64 * (1 + i % 7)}
    for i in range(8)
]

DAY = [round(0.35 + 0.65 * max(0.0, math.sin(math.pi * (h - 6) / 16)), 3) for h in range(24)]
"""A base at night, a hump by day."""

DEMANDS = {
    "two periods": [0.4] * 14 + [1.0] * 10,
    # Each hour a little apart, so that none shares a fleet with another.
    "24 periods": [round(f + 0.002 * h, 3) for h, f in enumerate(DAY)],
}


def with_commitment(catalog: Catalog) -> Catalog:
    """Return the catalogue with the cheapest H100 for 65 % of its price, for a year."""
    own = (o for o in catalog.offers if o.accelerator == "h100_sxm" and o.pricing == "on_demand")
    cheapest = min(own, key=lambda o: o.price_per_gpu_hour_usd)
    committed = replace(
        cheapest,
        offer_id="h100-year",
        pricing="committed",
        term_months=12,
        price_per_node_hour_usd=cheapest.price_per_node_hour_usd * Decimal("0.65"),
    )
    return replace(catalog, offers=(*catalog.offers, committed))


@pytest.mark.parametrize("market", ["shipped", "and a commitment"])
@pytest.mark.parametrize("name", DEMANDS)
def test_schedule(measure, benchmark, name, market):
    catalog = Catalog.load()
    if market != "shipped":
        catalog = with_commitment(catalog)
    wanted = Workload.parse(
        {
            "model": MODEL,
            "classes": CLASSES,
            "sla": {"ttft_ms": 2500, "tpot_ms": 50},
            "hardware": {"pricing": ["on_demand", "committed"]},
            "demand": {"hourly": DEMANDS[name], "horizon_months": 12},
        }
    )
    answer = measure(lambda: plan(wanted, catalog), target_s=5.0, rounds=1, warm=0)
    benchmark.extra_info.update(status=answer.status, cost_per_hour_usd=answer.cost_per_hour_usd)
    assert answer.status == "optimal"
