"""notifications.md: its kinds are those of the code, its receiver verifies what is sent."""

from __future__ import annotations

import re
from typing import get_args

from api.notices import webhook
from api.schemas.notices import DeliveryState, EventKind, SubscriptionKind
from api.store.deliveries import STATES
from api.store.events import KINDS
from api.store.records import now
from api.store.subscriptions import SUBSCRIPTION_KINDS, new_secret


def test_kinds_of_the_page_are_those_of_the_code(page):
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", page("notifications.md"), re.MULTILINE)
    shown = dict(rows)
    assert {k: shown[k] for k in KINDS} == KINDS
    assert set(get_args(EventKind)) == set(KINDS)
    assert set(get_args(SubscriptionKind)) == set(SUBSCRIPTION_KINDS)
    assert get_args(DeliveryState) == STATES


def test_the_receiver_of_the_page_takes_a_webhook_once(page):
    (code,) = re.findall(r"```python\n(.*?)```", page("notifications.md"), re.DOTALL)
    seen, acted = set(), []

    def remember(name):
        new = name not in seen
        seen.add(name)
        return new

    names = {
        "SECRET": new_secret(),
        "remember": remember,
        "act": lambda kind, data: acted.append((kind, data["id"])),
    }
    exec(compile(code, "notifications.md", "exec"), names)
    event = {"id": "event-1", "kind": "decision.keep", "created_at": now().isoformat()}
    body = webhook.payload(event)
    for _ in range(2):
        names["receive"](body, webhook.signed(body, "event-1", names["SECRET"], now()))
    assert acted == [("decision.keep", "event-1")]
