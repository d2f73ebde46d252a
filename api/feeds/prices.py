"""The prices of offers over the snapshots that were in force."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from api.store.catalogs import Catalogs, InForce
from data.accelerators import canonical_accelerator
from data.quotes import read_quote
from data.tables import Row

FACTS = ("offer_id", "provider", "region", "accelerator", "pricing")

Cells = Mapping[str, str]


def price_history(
    catalogs: Catalogs,
    *,
    snapshots: int,
    limit: int,
    offset: int = 0,
    offer_id: Sequence[str] = (),
    provider: Sequence[str] = (),
    region: Sequence[str] = (),
    accelerator: Sequence[str] = (),
    pricing: Sequence[str] = (),
) -> dict[str, Any]:
    """Return an `api.schemas.refreshes.PriceHistory`.

    Parameters
    ----------
    snapshots
        How many are looked at, the latest ones.
    limit, offset
        Offers to tell of, and to leave out before.
    accelerator
        Names or aliases. Each filter keeps offers that have one of its values; an empty one all.

    Raises
    ------
    UnknownNameError
        If there is no such accelerator.
    """
    history = catalogs.history(snapshots)[::-1]
    wanted = {
        "offer_id": set(offer_id),
        "provider": {p.lower() for p in provider},
        "region": set(region),
        "accelerator": _names(catalogs, history, accelerator),
        "pricing": set(pricing),
    }
    filters = {column: values for column, values in wanted.items() if values}
    seen: dict[str, Cells] = {}
    points: dict[str, list[dict[str, Any]]] = {}
    for entry in history:
        there = {
            cells["offer_id"]: cells
            for cells in catalogs.all_offer_cells(entry.catalog_id)
            if all(_value(cells, column) in values for column, values in filters.items())
        }
        seen.update(there)
        for name in points.keys() | there.keys():
            _extend(points.setdefault(name, []), entry, there.get(name))
    names = sorted(seen, key=lambda name: (_newest(points[name]), name))
    return {
        "snapshots": len(history),
        "total": len(names),
        "offers": [
            {
                **{fact: seen[name][fact] for fact in FACTS},
                "gpus_per_node": int(seen[name]["gpus_per_node"]),
                "points": points[name],
            }
            for name in names[offset : offset + limit]
        ],
    }


def _names(catalogs: Catalogs, history: Sequence[InForce], given: Sequence[str]) -> set[str]:
    if not given or not history:
        return set()
    known = catalogs.load(history[-1].catalog_id).accelerators
    return {canonical_accelerator(name, known, "accelerator") for name in given}


def _value(cells: Cells, column: str) -> str:
    return cells[column].lower() if column == "provider" else cells[column]


def _extend(points: list[dict[str, Any]], entry: InForce, cells: Cells | None) -> None:
    """Add a point where the price of an offer is another than before."""
    node = gpu = None
    if cells is not None:
        node, gpus = _price(tuple(sorted(cells.items())))
        gpu = node / gpus
    if not points or points[-1]["price_per_node_hour_usd"] != node:
        points.append(
            {
                "number": entry.number,
                "catalog_id": entry.catalog_id,
                "since": entry.created_at.isoformat(),
                "price_per_node_hour_usd": node,
                "price_per_gpu_hour_usd": gpu,
            }
        )


@lru_cache(maxsize=20_000)
def _price(cells: tuple[tuple[str, str], ...]) -> tuple[float, int]:
    """Return price (USD per node-hour) and accelerators of a stored row."""
    row = Row("stored offer", dict(cells))
    gpus = row.integer("gpus_per_node", at_least=1)
    quote = read_quote(row, gpus, row.optional_integer("min_nodes", at_least=1) or 1)
    return float(quote.price_per_node_hour_usd), gpus


def _newest(points: list[dict[str, Any]]) -> float:
    prices = (p["price_per_gpu_hour_usd"] for p in reversed(points))
    return float(next(p for p in prices if p is not None))
