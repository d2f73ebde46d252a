"""A small offers file, whose rows a test can bend."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

OFFER = {
    "offer_id": "acme/eu/h100x8/on_demand",
    "provider": "acme",
    "region": "eu",
    "accelerator": "h100_sxm",
    "gpus_per_node": "8",
    "price_per_node_hour_usd": "20.00",
    "pricing": "on_demand",
    "stock": "",
    "observed_at": "2026-07-01",
    "source": "quote 17",
}


@pytest.fixture
def offers_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a CSV of offers: one row for each mapping of cells that differ from a good offer."""

    def write(*changes: dict[str, str], name: str = "offers.csv") -> Path:
        rows = [{**OFFER, **change} for change in changes or ({},)]
        path = tmp_path / name
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(
                file, fieldnames=list(dict.fromkeys(k for r in rows for k in r))
            )
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write
