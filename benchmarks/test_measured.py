"""Measured capacities, in the shape of profiled GPU mixes: many classes, few accelerators."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import pytest

from data.catalog import Catalog
from data.offers import Offer
from solver.measured import MeasuredCapacity
from solver.planner import plan
from solver.workload import Workload

PRICES = {"l4": "0.70", "a10g": "1.01", "a100_sxm_80gb": "3.67", "h100_sxm": "7.52"}

LENGTHS = (25, 100, 250, 500, 1000, 2000, 4000, 8000, 16000)
"""Buckets of input and of output lengths."""


def offer(accelerator: str, price: str) -> Offer:
    return Offer(
        offer_id=accelerator,
        provider="example",
        region="local",
        instance_type="",
        accelerator=accelerator,
        gpus_per_node=1,
        price_per_node_hour_usd=Decimal(price),
        pricing="on_demand",
        stock=None,
        network_gbps=None,
        min_nodes=1,
        term_months=None,
        upfront_usd=None,
        interruptible=False,
        available_from=None,
        available_until=None,
        currency="USD",
        observed_at=dt.date(2026, 1, 1),
        source="benchmark",
        notes="",
    )


def profile(seed: int) -> tuple[Workload, tuple[MeasuredCapacity, ...]]:
    """Return a mix over a grid of lengths, and what each accelerator sustains of it.

    Larger accelerators gain more on long requests; small ones cannot serve the longest.
    """
    draw = random.Random(seed)
    classes, measured = [], []
    for i, isl in enumerate(LENGTHS):
        for j, osl in enumerate(LENGTHS):
            name = f"{isl}/{osl}"
            classes.append({"name": name, "rate_rps": round(draw.expovariate(0.8) + 0.01, 4)})
            for rank, chip in enumerate(PRICES):
                long = i + j
                if long > 8 + 3 * rank:
                    continue
                speed = 2.2**rank * draw.uniform(0.8, 1.2)
                capacity = 40 * speed / (1 + 0.002 * isl + 0.02 * osl) * (1 + 0.03 * rank * long)
                measured.append(MeasuredCapacity(chip, name, round(capacity, 4), 1))
    return Workload.parse({"model": "llama-2-7b", "classes": classes}), tuple(measured)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_81_classes_on_4_accelerators(measure, seed):
    wanted, measured = profile(seed)
    catalog = Catalog.load().with_offers(offer(*item) for item in PRICES.items())
    answer = measure(lambda: plan(wanted, catalog, measured=measured), target_s=1.0, rounds=3)
    assert answer.status == "optimal"
