"""A catalogue of three accelerators in a user's own file, and workloads for it."""

from __future__ import annotations

import copy
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.catalog import Catalog
from solver.workload import Workload

OFFERS: tuple[dict[str, str], ...] = (
    {"offer_id": "l40s-1", "accelerator": "l40s", "gpus_per_node": "1", "price": "1.10"},
    {"offer_id": "l40s-4", "accelerator": "l40s", "gpus_per_node": "4", "price": "4.00"},
    {"offer_id": "a100-1", "accelerator": "a100_sxm_80gb", "gpus_per_node": "1", "price": "1.79"},
    {
        "offer_id": "a100-8",
        "accelerator": "a100_sxm_80gb",
        "gpus_per_node": "8",
        "price": "13.60",
        "network_gbps": "1600",
        "region": "us",
    },
    {"offer_id": "h100-1", "accelerator": "h100_sxm", "gpus_per_node": "1", "price": "3.10"},
    {
        "offer_id": "h100-2",
        "accelerator": "h100_sxm",
        "gpus_per_node": "2",
        "price": "6.10",
        "provider": "bolt",
        "network_gbps": "400",
    },
    {
        "offer_id": "h100-8",
        "accelerator": "h100_sxm",
        "gpus_per_node": "8",
        "price": "23.60",
        "network_gbps": "3200",
        "region": "us",
    },
)
"""Offers of acme in the region eu, unless the row says otherwise."""


def rows(changes: Mapping[str, Mapping[str, str]] | None = None) -> list[dict[str, str]]:
    """Return the offers as rows of a table, some cells changed (offer_id → column → cell)."""
    found = []
    for short in OFFERS:
        row = {
            "provider": "acme",
            "region": "eu",
            "pricing": "on_demand",
            "stock": "",
            "network_gbps": "",
            "min_nodes": "",
            "observed_at": "2026-07-01",
            "source": "quote 17",
            **short,
            **(changes or {}).get(short["offer_id"], {}),
        }
        row["price_per_node_hour_usd"] = row.pop("price")
        found.append(row)
    return found


def write_table(path: Path, table: Sequence[Mapping[str, str]]) -> Path:
    """Write rows as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(k for r in table for k in r)))
        writer.writeheader()
        writer.writerows(table)
    return path


def catalog(
    folder: Path,
    changes: Mapping[str, Mapping[str, str]] | None = None,
    *,
    only: Sequence[str] | None = None,
) -> Catalog:
    """Return the catalogue, written to `folder` and read back.

    Parameters
    ----------
    only
        Offers to keep; all by default.
    """
    table = [r for r in rows(changes) if only is None or r["offer_id"] in only]
    return Catalog.load(offers=write_table(folder / "offers.csv", table))


CHAT: dict[str, Any] = {
    "model": "llama-3.1-8b-instruct",
    "classes": [{"name": "chat", "rate_rps": 20, "isl": 1024, "osl": 256}],
    "sla": {"ttft_ms": 500, "tpot_ms": 40},
}


def workload(**blocks: Any) -> Workload:
    """Return the chat workload with some blocks replaced."""
    return Workload.parse({**copy.deepcopy(CHAT), **blocks})
