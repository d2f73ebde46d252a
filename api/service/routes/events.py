"""``/v1/events``: what happened."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from api.notices.messages import event_document
from api.schemas.notices import EventDocument, EventKind, EventList
from api.service.access import Reader
from api.service.problems import ProblemError
from api.service.routes.common import document, json_response, problems, service_of

router = APIRouter(prefix="/v1/events", tags=["notifications"])


@router.get(
    "",
    summary="List events",
    responses={200: document(EventList, "The events."), **problems("invalid")},
)
async def list_events(
    request: Request,
    key: Reader,
    limit: Annotated[int, Query(ge=1, le=200, description="Events a page.")] = 50,
    before: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only events of a lower number.")
    ] = None,
    kind: Annotated[EventKind | None, Query(description="Only events of this kind.")] = None,
    subject: Annotated[
        str | None,
        Query(max_length=200, description="Only events about this workload or price feed."),
    ] = None,
) -> Response:
    """Return what happened, whether or not someone was told of it; the latest first."""
    service = service_of(request)
    found = await to_thread.run_sync(
        lambda: service.store.events.list(limit + 1, before=before, kind=kind, subject=subject)
    )
    more, found = len(found) > limit, found[:limit]
    following = request.url.include_query_params(before=found[-1].number) if more else None
    path = None if following is None else f"{following.path}?{following.query}"
    entries = [event_document(e, service.settings.public_url) for e in found]
    return json_response({"events": entries, "next": path})


@router.get(
    "/{event_id}",
    summary="Read an event",
    responses={200: document(EventDocument, "The event."), **problems("not-found")},
)
async def read_event(request: Request, key: Reader, event_id: str) -> Response:
    """Return an event, in words and in figures."""
    service = service_of(request)
    found = await to_thread.run_sync(service.store.events.get, event_id[:100])
    if found is None:
        raise ProblemError("not-found", f"there is no event {event_id[:100]!r}.")
    return json_response(event_document(found, service.settings.public_url))
