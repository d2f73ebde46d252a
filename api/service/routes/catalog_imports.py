"""Imports into the catalogue: a new snapshot each, all or nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from api.schemas.catalog import ImportReport
from api.schemas.requests import CatalogRows, Day, ModelImport
from api.service.access import Admin
from api.service.bodies import parse_body
from api.service.examples import IMPORT_EXAMPLES, MODEL_EXAMPLES
from api.service.openapi import component
from api.service.problems import ProblemError
from api.service.routes.catalog import shown
from api.service.routes.common import body, body_of, document, problems, service_of
from api.service.service import Service
from api.store.catalogs import MovedOnError, as_stored
from data.accelerators import parse_accelerators
from data.catalog import Catalog
from data.checks import check_catalog
from data.errors import InputError
from data.faults import Faults
from data.importers import Imported, read_skypilot
from data.models import shipped_models, source_from_config
from data.offers import Offer, parse_offers
from data.tables import check_columns, parse_csv, rows_of, table_rows
from model.read_config import read_architecture

router = APIRouter(prefix="/v1/catalog", tags=["catalogue"])

REFUSALS = (
    "malformed", "slow-body", "conflict", "too-large", "media-type", "invalid", "too-complex",
)  # fmt: skip

TRIES = 10
"""How often an import starts again because another one came in force before it."""

Mode = Annotated[
    Literal["update", "add", "replace"],
    Query(
        description="`update`: rows replace those of the same name, others stay. `add`: rows of "
        "a known name are an error. `replace`: the rows are all there is."
    ),
]
Note = Annotated[str, Query(max_length=1000, description="What to say of it in the history.")]
DryRun = Annotated[bool, Query(description="Check and report; change nothing.")]


@router.post(
    "/offers",
    summary="Import offers",
    responses={200: document(ImportReport, "What changed."), **problems(*REFUSALS)},
    openapi_extra=body(
        component(CatalogRows),
        examples=IMPORT_EXAMPLES,
        text="Offers as a list of rows, or as CSV (then with `format`).",
    ),
)
async def import_offers(
    request: Request,
    key: Admin,
    mode: Mode = "update",
    format: Annotated[
        Literal["rows", "csv", "skypilot"],
        Query(
            description="`rows`: JSON or YAML. `csv`: the columns of an offers file. `skypilot`: "
            "the vms.csv of one cloud in SkyPilot's catalogue."
        ),
    ] = "rows",
    provider: Annotated[
        str, Query(max_length=200, description="Cloud of a SkyPilot list; it does not say.")
    ] = "",
    observed_at: Annotated[
        Day | None, Query(description="Day a SkyPilot list was fetched; it does not say.")
    ] = None,
    note: Note = "",
    dry_run: DryRun = False,
) -> Response:
    """Bring a new snapshot with these offers in force. Plans keep the one that they were made of.

    One wrong row refuses the whole import; of several, `faults` has a sentence for each.
    """
    service = service_of(request)
    raw = await body_of(request)

    def work(before: Catalog, number: int) -> Response:
        if format == "skypilot":
            if not provider or observed_at is None:
                raise InputError("a SkyPilot list says neither; give provider and observed_at.")
            source = note or f"SkyPilot catalogue of {provider}"
            imported = read_skypilot(
                _text(raw), "body", provider, observed_at, before.accelerators, source=source
            )
            _check_count(service, imported.rows)
        else:
            imported = _offers(service, raw, format, before)
        after = _with_offers(before, imported.offers, mode)
        report = _changes(
            {o.offer_id: o for o in before.offers}, {o.offer_id: o for o in after.offers}
        )
        skipped = [{"place": s.place, "what": s.what, "reason": s.reason} for s in imported.skipped]
        facts = {"rows": imported.rows, **report, "skipped": skipped}
        return _enact(service, before, number, after, facts, note, key, dry_run)

    return await to_thread.run_sync(_on_what_is_in_force, service, work)


@router.post(
    "/accelerators",
    summary="Import accelerators",
    responses={200: document(ImportReport, "What changed."), **problems(*REFUSALS)},
    openapi_extra=body(
        component(CatalogRows),
        examples={},
        text="Accelerators as a list of rows, in the columns of such a file.",
    ),
)
async def import_accelerators(
    request: Request, key: Admin, note: Note = "", dry_run: DryRun = False
) -> Response:
    """Add accelerators, or override them by name, in a new snapshot."""
    service = service_of(request)
    raw = await body_of(request)

    def work(before: Catalog, number: int) -> Response:
        rows = table_rows(parse_body(raw), "accelerators", "body")
        _check_count(service, len(rows))
        after = replace(before, accelerators={**before.accelerators, **parse_accelerators(rows)})
        report = _changes(before.accelerators, after.accelerators)
        facts = {"rows": len(rows), **report, "skipped": []}
        return _enact(service, before, number, after, facts, note, key, dry_run)

    return await to_thread.run_sync(_on_what_is_in_force, service, work)


@router.post(
    "/models",
    summary="Import a model",
    responses={200: document(ImportReport, "What changed."), **problems(*REFUSALS)},
    openapi_extra=body(
        component(ModelImport), examples=MODEL_EXAMPLES, text="A name, and its `config.json`."
    ),
)
async def import_model(request: Request, key: Admin, dry_run: DryRun = False) -> Response:
    """Let workloads name a model of your own; the name of a shipped one is refused."""
    service = service_of(request)
    raw = await body_of(request)

    def work() -> Response:
        given = service.intake.model_import(parse_body(raw))
        shipped = shipped_models()
        if given.name.lower() in {n for m in shipped.values() for n in (m.name, m.hf_id.lower())}:
            raise InputError(f"name: {given.name!r} ships with minfleet; choose another.")
        read_architecture(source_from_config(given.config, given.name))
        catalogs = service.store.catalogs
        known = catalogs.model(given.name)
        changed = known is not None and known.config != given.config
        report = {
            "added": [given.name] if known is None else [],
            "changed": [given.name] if changed else [],
            "removed": [],
        }
        if not dry_run:
            catalogs.add_model(
                given.name, given.config, given.note, None if key is None else key.id
            )
        facts = {"dry_run": dry_run, "catalog_id": catalogs.in_force().catalog_id, "rows": 1}
        return shown({**facts, **report, "skipped": [], "warnings": []})

    return await to_thread.run_sync(work)


def _offers(service: Service, raw: bytes, format: str, before: Catalog) -> Imported:
    """Return the offers of a body in our own columns."""
    faults = Faults()
    if format == "csv":
        rows = list(parse_csv(_text(raw), "body", faults))
    else:
        rows = list(rows_of(parse_body(raw), "body", faults))
    _check_count(service, len(rows))
    if not rows:
        faults.check()
        raise InputError("body: holds no rows of offers.")
    check_columns(rows, "offers", "body")
    return Imported(parse_offers(rows, before.accelerators, faults=faults), (), len(rows))


def _with_offers(before: Catalog, offers: tuple[Offer, ...], mode: str) -> Catalog:
    known = {o.offer_id: o for o in before.offers}
    given = {o.offer_id: o for o in offers}
    if mode == "replace":
        return replace(before, offers=offers)
    clash = sorted(known.keys() & given.keys())
    if mode == "add" and clash:
        raise InputError(
            f"offer_id {clash[0]!r} is already in the catalogue; rename it, or use mode=update."
        )
    return replace(before, offers=tuple({**known, **given}.values()))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[str]]:
    both = before.keys() & after.keys()
    return {
        "added": sorted(after.keys() - before.keys()),
        "changed": sorted(name for name in both if before[name] != after[name]),
        "removed": sorted(before.keys() - after.keys()),
    }


def _on_what_is_in_force(service: Service, work: Callable[[Catalog, int], Response]) -> Response:
    """Change the catalogue in force; start again where another change came first.

    Parameters
    ----------
    work
        Given the snapshot in force and its number in the history.
    """
    for _ in range(TRIES):
        current = service.store.catalogs.in_force()
        try:
            return work(service.intake.snapshot(current.catalog_id), current.number)
        except MovedOnError:
            continue
    raise ProblemError(
        "conflict", "other imports came in force before this one, again and again; send it again."
    )


def _enact(
    service: Service,
    before: Catalog,
    number: int,
    changed: Catalog,
    facts: dict[str, Any],
    note: str,
    key: Any,
    dry_run: bool,
) -> Response:
    """Bring a snapshot in force, unless it only was to be looked at, and report it."""
    after = as_stored(changed)
    today = dt.date.today()
    known = {(f.place, f.message) for f in check_catalog(before, today)}
    new = [f for f in check_catalog(after, today) if (f.place, f.message) not in known]
    if not dry_run:
        service.store.catalogs.bring_in_force(
            after, note, None if key is None else key.id, after=number
        )
    warnings = [f"{f.place}: {f.message}" for f in new]
    return shown({"dry_run": dry_run, "catalog_id": after.id, **facts, "warnings": warnings})


def _check_count(service: Service, rows: int) -> None:
    most = service.settings.max_catalog_rows
    if rows > most:
        raise ProblemError(
            "too-complex", f"{rows:,} rows are more than this server takes ({most:,})."
        )


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProblemError(
            "malformed", f"body: byte {error.start} is not UTF-8 text; send it as UTF-8."
        ) from None
