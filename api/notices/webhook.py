"""Webhooks as standardwebhooks.com has them: an id that never changes, a time, a signature."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from standardwebhooks import Webhook


def payload(event: dict[str, Any]) -> bytes:
    """Return the body of a webhook: the same bytes at every attempt.

    Parameters
    ----------
    event
        See `api.notices.messages.event_document`.
    """
    body = {"type": event["kind"], "timestamp": event["created_at"], "data": event}
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def signed(content: bytes, event_id: str, secret: str, moment: dt.datetime) -> dict[str, str]:
    """Return the headers of a webhook.

    Parameters
    ----------
    event_id
        What `webhook-id` says; receivers drop what they have seen by it.
    moment
        Of this attempt: receivers refuse what is older than a few minutes.
    """
    return {
        "Content-Type": "application/json",
        "User-Agent": "minfleet",
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(event_id, moment, content.decode()),
    }
