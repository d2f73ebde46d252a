"""Subscriptions, events and deliveries as the service shows them; and what it is asked."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.difference import DifferenceDocument
from api.schemas.requests import Request
from api.schemas.units import Count, Seconds

SubscriptionKind = Literal["webhook", "slack", "email", "apprise"]

EventKind = Literal[
    "catalog.refreshed",
    "catalog.held",
    "catalog.refused",
    "decision.keep",
    "decision.switch",
    "decision.must_switch",
    "decision.failed",
]

DeliveryState = Literal["waiting", "sending", "delivered", "failed", "cancelled"]


class SubscriptionRequest(Request):
    """Who is to be told of what."""

    kind: SubscriptionKind
    """`webhook`: a signed POST. `slack`: an incoming webhook of Slack, Mattermost or alike.
    `email`: a mailto:// or mailtos:// URL of Apprise. `apprise`: any other of its URLs."""
    target: Annotated[str, Field(min_length=1, max_length=2000)]
    """The URL. It is not shown again; neither is what it holds of passwords and tokens logged."""
    events: list[EventKind] = Field([], max_length=20)
    """Kinds of events to be told of; none for all."""
    name: Annotated[str, Field(max_length=200)] = ""
    """What people call it."""


class SubscriptionDocument(Document):
    """Who is told of what."""

    id: str
    """Name of the subscription."""
    name: str
    """What people call it."""
    kind: SubscriptionKind
    """`webhook`, `slack`, `email` or `apprise`."""
    target: str
    """Scheme and host of the target, or the receivers of an e-mail; the rest is not shown."""
    events: list[EventKind]
    """Kinds of events that it is told of; none for all."""
    created_at: dt.datetime
    """Since when: it is told of events from then on."""


class NewSubscription(SubscriptionDocument):
    """A subscription that was just made."""

    secret: str | None
    """What its webhooks are signed with, shown this once; null for other kinds."""


class SubscriptionList(Document):
    """Subscriptions, the oldest first."""

    subscriptions: list[SubscriptionDocument]
    """The subscriptions."""


class TestResult(Document):
    """What came of a test."""

    __test__ = False

    delivered: bool
    """Whether the receiver took it."""
    error: str | None
    """Why not."""
    seconds: Seconds
    """How long it took."""


class EventDocument(Document):
    """Something that happened; webhooks carry it as `data`."""

    schema_: Literal["minfleet/event/v1"]
    """`minfleet/event/v1`."""
    id: str
    """Name of the event, and the `webhook-id` of webhooks: receivers drop what they have seen."""
    number: Annotated[int, Field(ge=0)]
    """Counts up; 0 for a test."""
    kind: EventKind | Literal["subscription.test"]
    """What kind of thing happened."""
    subject: str
    """What it is about: the name of a workload or of a price feed."""
    created_at: dt.datetime
    """When it was recorded, with the change itself."""
    title: str
    """It in a line."""
    text: str
    """What belongs to it, a sentence a line."""
    url: str | None
    """The view of the page that shows it; null where the server does not know its own address."""
    difference: DifferenceDocument | None
    """Where the fleet that a decision weighed differs from the running one, as repriced; null where
    there is none."""
    document: dict[str, Any]
    """It in figures: the decision without its plans, or the report of a refresh."""


class EventList(Document):
    """Events, the latest first."""

    events: list[EventDocument]
    """The events."""
    next: str | None
    """Path of the next page; null on the last."""


class DeliveryDocument(Document):
    """An event on its way to a subscription."""

    number: Annotated[int, Field(ge=1)]
    """Counts up."""
    event_id: str
    """The event."""
    event_kind: EventKind
    """Its kind."""
    subject: str
    """What it is about."""
    subscription_id: str
    """The subscription."""
    state: DeliveryState
    """`waiting` and `sending` go on; `cancelled` ones were to a subscription that was removed."""
    attempts: Count
    """How often it was begun to be sent."""
    due_at: dt.datetime
    """When it is sent next, while it waits."""
    error: str | None
    """Why the last attempt came to nothing; null where none did since."""
    delivered_at: dt.datetime | None
    """When the receiver took it."""


class DeliveryList(Document):
    """Deliveries, the latest event first."""

    deliveries: list[DeliveryDocument]
    """The deliveries."""
    next: str | None
    """Path of the next page; null on the last."""


class SentAgain(Document):
    """How many deliveries are sent again."""

    deliveries: Count
    """How many."""
