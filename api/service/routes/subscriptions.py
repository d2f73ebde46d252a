"""``/v1/subscriptions``: who is told of events, and what became of the messages."""

from __future__ import annotations

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from api.notices.subscribing import subscribe, subscription_document, try_out
from api.schemas.notices import (
    DeliveryList,
    DeliveryState,
    NewSubscription,
    SentAgain,
    SubscriptionDocument,
    SubscriptionList,
    SubscriptionRequest,
    TestResult,
)
from api.service.access import Admin, Reader
from api.service.bodies import parse_body
from api.service.examples import SUBSCRIPTION_EXAMPLES
from api.service.openapi import component
from api.service.problems import ProblemError
from api.service.routes.catalog import shown
from api.service.routes.common import (
    body,
    body_of,
    document,
    json_response,
    problems,
    service_of,
)
from api.store.subscriptions import Subscription

router = APIRouter(prefix="/v1/subscriptions", tags=["notifications"])


@router.post(
    "",
    summary="Subscribe to events",
    status_code=201,
    responses={
        201: document(NewSubscription, "The subscription, with the secret of a webhook."),
        **problems("malformed", "slow-body", "too-large", "media-type", "invalid"),
    },
    openapi_extra=body(
        component(SubscriptionRequest),
        examples=SUBSCRIPTION_EXAMPLES,
        text="Kind and target, and the kinds of events.",
    ),
)
async def make_subscription(request: Request, key: Admin) -> Response:
    """Tell a webhook, a chat or an e-mail address of events from now on.

    A webhook's `secret` is shown in this answer alone. The target is never shown again.
    """
    service = service_of(request)
    wanted = service.intake.subscription(parse_body(await body_of(request)))
    key_id = None if key is None else key.id
    made = await to_thread.run_sync(subscribe, service.store, service.settings, wanted, key_id)
    answer = {**subscription_document(made), "secret": made.secret}
    return json_response(answer, 201, {"Location": f"/v1/subscriptions/{made.id}"})


@router.get(
    "",
    summary="List subscriptions",
    responses={200: document(SubscriptionList, "The subscriptions."), **problems()},
)
async def list_subscriptions(request: Request, key: Reader) -> Response:
    """Return the subscriptions, the oldest first; of targets no more than the host."""
    store = service_of(request).store

    def work() -> list[dict[str, Any]]:
        return [subscription_document(s) for s in store.subscriptions.list()]

    return json_response({"subscriptions": await to_thread.run_sync(work)})


@router.get(
    "/{subscription_id}",
    summary="Read a subscription",
    responses={
        200: document(SubscriptionDocument, "The subscription."),
        **problems("not-found"),
    },
)
async def read_subscription(request: Request, key: Reader, subscription_id: str) -> Response:
    """Return a subscription; of its target no more than the host."""
    found = await _subscription(request, subscription_id)
    return json_response(await to_thread.run_sync(subscription_document, found))


@router.delete(
    "/{subscription_id}",
    summary="Unsubscribe",
    responses={
        200: document(SubscriptionDocument, "The subscription, as it was."),
        **problems("not-found"),
    },
)
async def remove_subscription(request: Request, key: Admin, subscription_id: str) -> Response:
    """Tell it nothing more, and forget its target; what waits for it is given up."""
    found = await _subscription(request, subscription_id)
    shown_before = await to_thread.run_sync(subscription_document, found)
    await to_thread.run_sync(service_of(request).store.subscriptions.remove, found.id)
    return json_response(shown_before)


@router.post(
    "/{subscription_id}/test",
    summary="Test a subscription",
    responses={200: document(TestResult, "What came of it."), **problems("not-found")},
)
async def test_subscription(request: Request, key: Admin, subscription_id: str) -> Response:
    """Send a message of the kind `subscription.test`, once, and tell whether it arrived."""
    found = await _subscription(request, subscription_id)
    return json_response(await try_out(service_of(request).sender, found))


@router.get(
    "/{subscription_id}/deliveries",
    summary="List deliveries",
    responses={
        200: document(DeliveryList, "The deliveries."),
        **problems("not-found", "invalid"),
    },
)
async def list_deliveries(
    request: Request,
    key: Reader,
    subscription_id: str,
    limit: Annotated[int, Query(ge=1, le=200, description="Deliveries a page.")] = 50,
    before: Annotated[
        int | None, Query(ge=1, le=2**53, description="Only deliveries of a lower number.")
    ] = None,
    state: Annotated[
        DeliveryState | None, Query(description="Only deliveries in this state.")
    ] = None,
) -> Response:
    """Return what was, is and will be sent: state, attempts, the last error; the latest first."""
    store = service_of(request).store
    subscription = await _subscription(request, subscription_id)
    found = await to_thread.run_sync(
        lambda: store.deliveries.list(subscription.id, limit + 1, before=before, state=state)
    )
    more, found = len(found) > limit, found[:limit]
    following = request.url.include_query_params(before=found[-1].number) if more else None
    path = None if following is None else f"{following.path}?{following.query}"
    return shown({"deliveries": [vars(d) for d in found], "next": path})


@router.post(
    "/{subscription_id}/send-again",
    summary="Send again",
    responses={
        200: document(SentAgain, "How many are sent again."),
        **problems("not-found", "conflict", "invalid"),
    },
)
async def send_again(
    request: Request,
    key: Admin,
    subscription_id: str,
    event_id: Annotated[
        str | None,
        Query(max_length=40, description="Only this event, even if it was delivered."),
    ] = None,
) -> Response:
    """Send what failed again, now, as often as something new; or one event, whatever became of it.

    A webhook gets it under the id that it had before.
    """
    service = service_of(request)
    found = await _subscription(request, subscription_id)
    number = await to_thread.run_sync(service.store.deliveries.send_again, found.id, event_id)
    if event_id is not None and not number:
        raise ProblemError(
            "conflict",
            f"{event_id!r} is being sent to {found.id} right now, or was never meant for it.",
        )
    service.deliverer.notify()
    return json_response({"deliveries": number})


async def _subscription(request: Request, subscription_id: str) -> Subscription:
    subscriptions = service_of(request).store.subscriptions
    found = await to_thread.run_sync(subscriptions.get, subscription_id[:100])
    if found is None:
        raise ProblemError("not-found", f"there is no subscription {subscription_id[:100]!r}.")
    return found
