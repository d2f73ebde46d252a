"""``/v1/catalog``: what is in it, as lists and as files."""

from __future__ import annotations

import csv
import io
import json
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Query, Request, Response

from api.catalog_filters import matching
from api.commands.catalog_models import model_document, models_view
from api.commands.catalog_views import accelerators_view, catalog_facts, offer_document
from api.schemas.catalog import AcceleratorList, ModelList, OfferList
from api.service.access import Reader
from api.service.routes.common import document, problems, service_of
from api.service.service import Service
from data.catalog import Catalog
from data.models import source_from_config
from data.offer_cells import offer_cells
from data.tables import as_cells, columns

router = APIRouter(prefix="/v1/catalog", tags=["catalogue"])

CSV = "text/csv"

PAGE = 1000

Format = Annotated[
    Literal["json", "csv"],
    Query(description="`csv`: a file that `minfleet plan --offers` or an import reads."),
]
SnapshotId = Annotated[
    str | None, Query(max_length=64, description="Snapshot; the one in force by default.")
]


def offer_filters(
    provider: Annotated[list[str] | None, Query(description="Only this provider.")] = None,
    region: Annotated[list[str] | None, Query(description="Only this region.")] = None,
    vendor: Annotated[
        list[str] | None, Query(description="Only accelerators of this vendor.")
    ] = None,
    accelerator: Annotated[
        list[str] | None, Query(description="Only this accelerator, by name or alias.")
    ] = None,
    pricing: Annotated[
        list[Literal["on_demand", "spot", "committed"]] | None,
        Query(description="Only offers priced like this."),
    ] = None,
    max_price: Annotated[
        float | None, Query(gt=0, le=1e9, description="Most dollars an accelerator-hour.")
    ] = None,
) -> dict[str, Any]:
    """Return the filters of a query; each name may be repeated."""
    names = {
        "provider": provider,
        "region": region,
        "vendor": vendor,
        "accelerator": accelerator,
        "pricing": pricing,
    }
    return {**{k: tuple(v or ()) for k, v in names.items()}, "max_price": max_price}


Filters = Annotated[dict[str, Any], Depends(offer_filters)]


@router.get(
    "/offers",
    summary="List or export offers",
    responses={
        200: document(OfferList, "The offers.", content={CSV: {"schema": {"type": "string"}}}),
        **problems("not-found", "invalid"),
    },
)
async def list_offers(
    request: Request,
    key: Reader,
    filters: Filters,
    catalog_id: SnapshotId = None,
    format: Format = "json",
    limit: Annotated[int, Query(ge=1, le=10_000, description="Offers a page.")] = PAGE,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="Offers to leave out.")] = 0,
) -> Response:
    """Return what can be rented, the cheapest accelerator-hour first; as CSV all of them."""
    service = service_of(request)

    def work() -> Response:
        catalog = snapshot(service, catalog_id)
        offers = matching(catalog, filters, "{}")
        if format == "csv":
            return csv_response("offers", [offer_cells(o) for o in offers])
        page = [offer_document(o) for o in offers[offset : offset + limit]]
        return shown({"catalog": catalog_facts(catalog), "total": len(offers), "offers": page})

    return await to_thread.run_sync(work)


@router.get(
    "/accelerators",
    summary="List or export accelerators",
    responses={
        200: document(
            AcceleratorList, "The accelerators.", content={CSV: {"schema": {"type": "string"}}}
        ),
        **problems("not-found", "invalid"),
    },
)
async def list_accelerators(
    request: Request,
    key: Reader,
    filters: Filters,
    catalog_id: SnapshotId = None,
    format: Format = "json",
) -> Response:
    """Return accelerators with their dense peak rates and what they cost.

    Filters of offers keep those that have such an offer.
    """
    service = service_of(request)

    def work() -> Response:
        catalog = snapshot(service, catalog_id)
        found, _, _ = accelerators_view(catalog, matching(catalog, filters, "{}"), filters)
        if format == "json":
            return shown(found)
        names = [entry["name"] for entry in found["accelerators"]]  # type: ignore[attr-defined]
        rows = [as_cells(catalog.accelerators[name], "accelerators") for name in names]
        return csv_response("accelerators", rows)

    return await to_thread.run_sync(work)


@router.get(
    "/models",
    summary="List models",
    responses={200: document(ModelList, "The models."), **problems()},
)
async def list_models(request: Request, key: Reader) -> Response:
    """Return the models that workloads can name, the smallest first; imported ones too."""
    service = service_of(request)

    def work() -> Response:
        shipped, _, _ = models_view()
        imported = [
            model_document(source_from_config(m.config, m.name))
            for m in service.store.catalogs.models()
        ]
        everything = [*shipped["models"], *imported]  # type: ignore[misc]
        return shown({"models": sorted(everything, key=lambda m: (m["params_total"], m["name"]))})

    return await to_thread.run_sync(work)


def snapshot(service: Service, catalog_id: str | None) -> Catalog:
    """Return a snapshot, or the one in force.

    Raises
    ------
    ProblemError
        If there is none of that id.
    """
    return service.intake.snapshot(catalog_id or service.store.catalogs.in_force().catalog_id)


def shown(content: Any) -> Response:
    """Return a document of the catalogue as JSON."""
    return Response(json.dumps(content, default=_plain), media_type="application/json")


def csv_response(table: str, rows: list[dict[str, str]]) -> Response:
    """Return rows of a table as a file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [c.column for c in columns(table)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    name = {"Content-Disposition": f'attachment; filename="{table}.csv"'}
    return Response(text.getvalue(), headers=name, media_type=CSV)


def _plain(value: Any) -> Any:
    """Write decimals as numbers, dates as text."""
    return value.isoformat() if hasattr(value, "isoformat") else float(value)
