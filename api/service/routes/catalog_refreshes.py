"""``/v1/catalog/refreshes`` and ``/v1/catalog/prices``: feeds, the gate, prices over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from api.feeds.examine import LastTime, examine
from api.feeds.prices import price_history
from api.feeds.refresh import approve, default_name, refresh, reject
from api.feeds.shown import dry_run_document, refresh_document
from api.schemas.refreshes import PriceHistory, RefreshDocument, RefreshList, RefreshRequest
from api.service.access import Admin, Reader
from api.service.bodies import parse_body
from api.service.examples import REFRESH_EXAMPLES
from api.service.intake import parsed
from api.service.openapi import component
from api.service.problems import MOST_FAULTS, ProblemError
from api.service.routes.common import body, body_of, document, json_response, problems, service_of
from api.service.service import Service
from api.store.keys import Key
from api.store.refresh_records import NoRefreshError, NotHeldError, Refresh
from data.errors import InputError
from data.feeds.gate import Limits
from data.feeds.read import Wanted
from data.feeds.reading import Listing

router = APIRouter(prefix="/v1/catalog", tags=["catalogue"])

REFUSALS = (
    "malformed", "slow-body", "too-large", "media-type", "invalid", "too-complex",
)  # fmt: skip

ANYONE = "anyone"
"""Who decided where no API key is asked for."""


@router.post(
    "/refreshes",
    summary="Refresh prices from a feed",
    responses={200: document(RefreshDocument, "What became of it."), **problems(*REFUSALS)},
    openapi_extra=body(
        component(RefreshRequest), examples=REFRESH_EXAMPLES, text="The feed and its lists."
    ),
)
async def post_refresh(
    request: Request,
    key: Admin,
    dry_run: Annotated[bool, Query(description="Read and compare; change nothing.")] = False,
) -> Response:
    """Bring new prices in force, unless the gate holds them for a person.

    A feed that cannot be read or believed is 422; the attempt is kept as `instance`, and the prices
    in force stay.
    """
    service = service_of(request)
    raw = await body_of(request)

    def work() -> Response:
        given = parsed(RefreshRequest, _mapping(parse_body(raw)), "")
        wanted = _wanted(given)
        _check_size(service, wanted)
        store, limits = service.store, Limits(given.max_dropped_pct, given.max_move_pct)
        if dry_run:
            wanted.check()
            base_id = store.catalogs.in_force().catalog_id
            name = given.name or default_name(wanted)
            found = examine(
                wanted,
                store.catalogs.load(base_id),
                dt.date.today(),
                limits=limits,
                last=LastTime.of(store.refreshes.last_good(wanted.feed, name)),
                partial=given.partial,
            )
            if found.state == "refused":
                raise _refused(found.report)
            return json_response(dry_run_document(wanted, name, found, base_id))
        made = refresh(
            store,
            wanted,
            name=given.name,
            limits=limits,
            partial=given.partial,
            key_id=None if key is None else key.id,
        )
        if made.state == "refused":
            raise _refused(made.report, f"/v1/catalog/refreshes/{made.id}")
        return json_response(refresh_document(made))

    return await to_thread.run_sync(work)


@router.get(
    "/refreshes",
    summary="List refreshes",
    responses={200: document(RefreshList, "The refreshes."), **problems("invalid")},
)
async def list_refreshes(
    request: Request,
    key: Reader,
    name: Annotated[
        str | None,
        Query(max_length=100, pattern=r"^[^\x00-\x1f]*$", description="Only those of this name."),
    ] = None,
    state: Annotated[
        Literal["accepted", "unchanged", "held", "refused", "rejected"] | None,
        Query(description="Only those in this state."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Refreshes a page.")] = 50,
    before: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only those of a lower number.")
    ] = None,
) -> Response:
    """Return every attempt to refresh prices, the latest first."""
    refreshes = service_of(request).store.refreshes

    def work() -> list[Refresh]:
        return refreshes.list(limit + 1, before, name=name, state=state)

    found = await to_thread.run_sync(work)
    more, found = len(found) > limit, found[:limit]
    query = request.url.include_query_params(limit=limit, before=found[-1].number) if more else None
    shown = [refresh_document(f) for f in found]
    path = None if query is None else f"{query.path}?{query.query}"
    return json_response({"refreshes": shown, "next": path})


@router.get(
    "/refreshes/{refresh_id}",
    summary="Read a refresh",
    responses={200: document(RefreshDocument, "The refresh."), **problems("not-found")},
)
async def get_refresh(request: Request, key: Reader, refresh_id: str) -> Response:
    """Return one attempt to refresh prices, with the rows that changed."""
    found = await to_thread.run_sync(service_of(request).store.refreshes.get, refresh_id)
    if found is None:
        raise _unknown(refresh_id)
    return json_response(refresh_document(found))


@router.post(
    "/refreshes/{refresh_id}/approval",
    summary="Approve a held refresh",
    responses={
        200: document(RefreshDocument, "The refresh."),
        **problems("not-found", "conflict", "invalid"),
    },
)
async def approve_refresh(request: Request, key: Admin, refresh_id: str) -> Response:
    """Bring a held refresh in force.

    Where other prices came in force meanwhile it is compared again, and stays `held` if that shows
    what its report did not.
    """
    return await _decided(request, key, refresh_id, approve)


@router.post(
    "/refreshes/{refresh_id}/rejection",
    summary="Reject a held refresh",
    responses={
        200: document(RefreshDocument, "The refresh."),
        **problems("not-found", "conflict", "invalid"),
    },
)
async def reject_refresh(request: Request, key: Admin, refresh_id: str) -> Response:
    """Decide that a held refresh does not come in force."""
    return await _decided(request, key, refresh_id, reject)


@router.get(
    "/prices",
    summary="Prices over time",
    responses={200: document(PriceHistory, "The prices."), **problems("invalid")},
)
async def prices(
    request: Request,
    key: Reader,
    offer_id: Annotated[list[str] | None, Query(description="Only this offer.")] = None,
    provider: Annotated[list[str] | None, Query(description="Only this provider.")] = None,
    region: Annotated[list[str] | None, Query(description="Only this region.")] = None,
    accelerator: Annotated[
        list[str] | None, Query(description="Only this accelerator, by name or alias.")
    ] = None,
    pricing: Annotated[
        list[Literal["on_demand", "spot", "committed"]] | None,
        Query(description="Only offers priced like this."),
    ] = None,
    snapshots: Annotated[
        int, Query(ge=1, le=500, description="Snapshots to go back, from the one in force.")
    ] = 100,
    limit: Annotated[int, Query(ge=1, le=1000, description="Offers a page.")] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000, description="Offers to leave out.")] = 0,
) -> Response:
    """Return what offers cost over the snapshots that were in force, as points that changed it."""
    catalogs = service_of(request).store.catalogs

    def work() -> dict[str, Any]:
        return price_history(
            catalogs,
            snapshots=snapshots,
            limit=limit,
            offset=offset,
            offer_id=offer_id or (),
            provider=provider or (),
            region=region or (),
            accelerator=accelerator or (),
            pricing=pricing or (),
        )

    return json_response(await to_thread.run_sync(work))


def _wanted(given: RefreshRequest) -> Wanted:
    listings = tuple(
        Listing(place=f.place, content=f.content, provider=f.provider.strip().lower())
        for f in given.files
    )
    return Wanted(
        feed=given.feed,
        listings=listings,
        observed_at=given.observed_at,
        source=given.source,
        max_impossible_pct=given.max_impossible_pct,
    )


def _check_size(service: Service, wanted: Wanted) -> None:
    """Refuse lists of more lines than an import may have rows."""
    most = service.settings.max_catalog_rows
    rows = sum((x.content or "").count("\n") for x in wanted.listings)
    if rows > most:
        raise ProblemError(
            "too-complex", f"{rows:,} lines are more than this server takes ({most:,})."
        )


def _refused(report: dict[str, Any], instance: str | None = None) -> ProblemError:
    """Return the problem that a refused refresh is."""
    first, *rest = report["reasons"]
    more: dict[str, Any] = {} if instance is None else {"instance": instance}
    if rest:
        more["faults"] = report["reasons"][:MOST_FAULTS]
    return ProblemError("invalid", first, **more)


async def _decided(
    request: Request, key: Key | None, refresh_id: str, decide: Callable[..., Refresh]
) -> Response:
    """Decide on a refresh in the name of the key."""
    store = service_of(request).store
    by = ANYONE if key is None else f"{key.name} ({key.id})"[:200]
    try:
        found = await to_thread.run_sync(decide, store, refresh_id, by)
    except NoRefreshError:
        raise _unknown(refresh_id) from None
    except NotHeldError as error:
        raise ProblemError(
            "conflict", f"{refresh_id} is {error.args[0]}; only held ones wait for a decision."
        ) from None
    return json_response(refresh_document(found))


def _unknown(refresh_id: str) -> ProblemError:
    return ProblemError("not-found", f"there is no refresh {refresh_id!r}.")


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InputError("body: must be a mapping of feed, files, …")
    return content
