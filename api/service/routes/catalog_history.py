"""``/v1/catalog/…/history``: what was in force when, and how an offer changed."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from api.schemas.catalog import CatalogHistory, ModelVersions, OfferHistory
from api.service.access import Reader
from api.service.problems import ProblemError
from api.service.routes.catalog import shown
from api.service.routes.common import document, problems, service_of
from data.quotes import read_quote
from data.tables import Row

router = APIRouter(prefix="/v1/catalog", tags=["catalogue"])

SNAPSHOTS_READ = 200
"""Snapshots that the history of an offer goes back."""


@router.get(
    "/history",
    summary="What was in force",
    responses={200: document(CatalogHistory, "The snapshots."), **problems("invalid")},
)
async def catalog_history(
    request: Request,
    key: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="Snapshots a page.")] = 50,
    before: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only snapshots of a lower number.")
    ] = None,
) -> Response:
    """Return the snapshots of accelerators and offers that were in force, the latest first."""
    catalogs = service_of(request).store.catalogs
    found = await to_thread.run_sync(catalogs.history, limit + 1, before)
    more, found = len(found) > limit, found[:limit]
    path = f"{request.url.path}?limit={limit}&before={found[-1].number}" if more else None
    entries = [{k: v for k, v in vars(f).items() if k != "key_id"} for f in found]
    return shown({"history": entries, "next": path})


@router.get(
    "/offers/history",
    summary="How an offer changed",
    responses={200: document(OfferHistory, "Its prices."), **problems("not-found", "invalid")},
)
async def offer_history(
    request: Request,
    key: Reader,
    offer_id: Annotated[str, Query(max_length=400, description="The offer.")],
) -> Response:
    """Return price and stock of an offer in the snapshots that were in force, the latest first."""
    catalogs = service_of(request).store.catalogs

    def work() -> list[dict[str, object]]:
        changes: list[dict[str, object]] = []
        for entry in reversed(catalogs.history(SNAPSHOTS_READ)):
            cells = catalogs.offer_cells(entry.catalog_id, offer_id)
            if not changes and cells is None:
                continue
            figures = _figures(cells)
            if not changes or any(changes[-1][k] != v for k, v in figures.items()):
                told = {"catalog_id": entry.catalog_id, "since": entry.created_at}
                changes.append({**told, **figures})
        return changes[::-1]

    found = await to_thread.run_sync(work)
    if not found:
        raise ProblemError("not-found", f"no snapshot holds the offer {offer_id!r}.")
    return shown({"offer_id": offer_id, "changes": found})


@router.get(
    "/models/history",
    summary="Imports of models",
    responses={200: document(ModelVersions, "The imports."), **problems("invalid")},
)
async def model_history(
    request: Request,
    key: Reader,
    name: Annotated[
        str | None, Query(max_length=200, description="Only imports of this model.")
    ] = None,
) -> Response:
    """Return the configs of imported models, the latest first."""
    catalogs = service_of(request).store.catalogs
    found = await to_thread.run_sync(catalogs.model_history, name)
    entries = [{k: v for k, v in vars(f).items() if k != "key_id"} for f in found]
    return shown({"models": entries})


def _figures(cells: dict[str, str] | None) -> dict[str, float | None]:
    """Return price and stock of a stored row; None for each where there is no row."""
    if cells is None:
        return {"price_per_node_hour_usd": None, "stock": None}
    row = Row("stored offer", cells)
    price = read_quote(row, int(cells["gpus_per_node"]), int(cells["min_nodes"] or 1))
    return {
        "price_per_node_hour_usd": float(price.price_per_node_hour_usd),
        "stock": row.optional_integer("stock"),
    }
