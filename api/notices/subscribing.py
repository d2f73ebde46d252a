"""Subscribing, and subscriptions as they are shown; the service and the command line share it."""

from __future__ import annotations

import time
from typing import Any

from api.notices.addresses import Reach
from api.notices.messages import TEST
from api.notices.sender import Sender
from api.notices.sending import NotDeliveredError
from api.notices.targets import checked, masked
from api.schemas.notices import SubscriptionRequest
from api.service.settings import Settings
from api.store.events import Event
from api.store.records import new_id, now
from api.store.store import Store
from api.store.subscriptions import Subscription


def subscribe(
    store: Store, settings: Settings, request: SubscriptionRequest, key_id: str | None = None
) -> Subscription:
    """Return a new subscription.

    Raises
    ------
    InputError
        If the target is none of its kind, or may not be sent to.
    """
    reach = Reach.of(settings)
    target = checked(request.kind, request.target, reach)
    events = list(dict.fromkeys(request.events))
    return store.subscriptions.create(
        request.kind, target, events, name=request.name, key_id=key_id
    )


def subscription_document(subscription: Subscription) -> dict[str, Any]:
    """Return a subscription without its secrets, `api.schemas.notices.SubscriptionDocument`."""
    return {
        "id": subscription.id,
        "name": subscription.name,
        "kind": subscription.kind,
        "target": masked(subscription.kind, subscription.target),
        "events": list(subscription.events),
        "created_at": subscription.created_at.isoformat(),
    }


async def try_out(sender: Sender, subscription: Subscription) -> dict[str, Any]:
    """Send a message that says so, once, and return what came of it."""
    event = Event(0, new_id("event"), TEST, subscription.name or subscription.id, now(), {})
    begin = time.monotonic()
    error = None
    try:
        await sender.send(event, subscription)
    except NotDeliveredError as found:
        error = str(found)
    return {"delivered": error is None, "error": error, "seconds": time.monotonic() - begin}
