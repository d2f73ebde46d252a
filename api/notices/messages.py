"""Events in words: what an e-mail, a chat and the page say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from api.decision_words import decision_difference
from api.difference_words import fraction, headline, sentences
from api.output import counted, price, usd
from api.store.events import Event

Document = Mapping[str, Any]

SCHEMA = "minfleet/event/v1"

MOST_ROWS = 10
"""Rows of a refresh that a message names."""

TEST = "subscription.test"
"""Kind of the message that a test sends; no event is stored for it."""


@dataclass(frozen=True)
class Message:
    """An event for people.

    Attributes
    ----------
    title
        One line.
    lines
        What belongs to it, a sentence each.
    path
        The view of the page that shows it; "" for none.
    """

    title: str
    lines: tuple[str, ...]
    path: str = ""

    @property
    def text(self) -> str:
        """The sentences, a line each."""
        return "\n".join(self.lines)


def message_of(event: Event) -> Message:
    """Return an event in words."""
    family, _, what = event.kind.partition(".")
    if family == "decision":
        path = f"/workloads/{quote(event.subject, safe='')}"
        lines = tuple(_decision(event.document, what))
        return Message(_decision_title(event.subject, what, event.document), lines, path)
    if family == "catalog":
        return Message(_refresh_title(event.subject, what), tuple(_refresh(event, what)), "/prices")
    return Message("minfleet can reach you here.", ("This is a test; nothing happened.",))


def event_document(event: Event, public_url: str = "") -> dict[str, Any]:
    """Return an event as it is shown and sent, `api.schemas.notices.EventDocument`.

    Parameters
    ----------
    public_url
        Where people reach this server; without it there is no link.
    """
    message = message_of(event)
    link = f"{public_url.rstrip('/')}{message.path}" if public_url and message.path else None
    return {
        "schema": SCHEMA,
        "id": event.id,
        "number": event.number,
        "kind": event.kind,
        "subject": event.subject,
        "created_at": event.created_at.isoformat(),
        "title": message.title,
        "text": message.text,
        "url": link,
        "difference": _difference(event),
        "document": event.document,
    }


def _difference(event: Event) -> dict[str, Any] | None:
    """Return where the fleet that a decision weighed differs, with the words."""
    found = decision_difference(event.document) if event.kind.startswith("decision.") else None
    return None if found is None else {**found, "words": sentences(found)}


def _decision_title(name: str, outcome: str, document: Document) -> str:
    saving = document.get("saving") or {}
    if outcome == "keep":
        cost = (document.get("current") or {}).get("cost_per_hour_usd")
        return f"{name} keeps its fleet" + ("" if cost is None else f" at {usd(cost)} an hour")
    if outcome == "switch":
        if saving.get("usd_per_hour") is None:
            return f"{name}: another fleet is worth the change"
        part = "" if saving.get("fraction") is None else f" ({saving['fraction'] * 100:.0f} %)"
        return f"{name}: a switch saves {usd(saving['usd_per_hour'])} an hour{part}"
    if outcome == "must_switch":
        return f"{name}: the fleet cannot stay as it is"
    return f"{name} could not be planned again"


def _decision(document: Document, outcome: str) -> Iterator[str]:
    yield from (_sentence(r) for r in document.get("reasons") or ())
    current = document.get("current") or {}
    cost, was = current.get("cost_per_hour_usd"), current.get("was_cost_per_hour_usd")
    if cost is not None and was is not None and f"{cost:.2f}" != f"{was:.2f}":
        yield f"At today's prices the fleet costs {usd(cost)} an hour; it was {usd(was)}."
    yield from (_repriced(p) for p in current.get("purchases") or () if _moved(p))
    if outcome not in ("switch", "must_switch"):
        return
    difference = decision_difference(document)
    if difference is not None:
        yield headline(difference)
    steps = document.get("steps") or ()
    if steps:
        yield f"It takes {counted(len(steps), 'step')}; none has less capacity than the load."
    accepted = document.get("accepted_by")
    if accepted:
        by = "by its policy" if accepted == "policy" else f"with the key {accepted}"
        yield f"The switch was accepted {by}."
    elif document.get("proposed_plan_id"):
        yield "It waits to be accepted."


def _moved(purchase: Document) -> bool:
    return bool(purchase.get("withdrawn")) or bool(purchase.get("price_change_pct"))


def _repriced(purchase: Document) -> str:
    offer = purchase["offer_id"]
    if purchase.get("withdrawn"):
        return f"The offer {offer} is withdrawn."
    now, was = purchase["price_per_node_hour_usd"], purchase["was_price_per_node_hour_usd"]
    return f"The offer {offer} costs {price(now)} a node-hour; it was {price(was)}."


def _refresh_title(feed: str, what: str) -> str:
    told = {
        "refreshed": "new prices are in force",
        "held": "new prices wait for a person",
        "refused": "the price feed was refused; the last good prices hold",
    }
    return f"{feed}: {told.get(what, what)}"


def _refresh(event: Event, what: str) -> Iterator[str]:
    document = event.document
    yield from (_sentence(r) for r in document.get("reasons") or ())
    counts = document.get("counts")
    if counts:
        yield (
            f"{counted(counts['offers'], 'offer')} read: {counts['added']:,} new, "
            f"{counts['removed']:,} gone, {counts['moved']:,} at another price."
        )
    for provider, number in sorted((document.get("gone") or {}).items()):
        yield f"{provider} is gone, with {counted(number, 'offer')}."
    rows = document.get("beyond") or ()
    if len(rows) > 1:  # of one, the reason tells
        yield from map(_move, rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield f"{counted(len(rows) - MOST_ROWS, 'more row')} moved as far."
    if document.get("decided_by"):
        yield f"Approved by {document['decided_by']}."


def _move(row: Document) -> str:
    change = row.get("change_pct")
    part = "" if change is None else f" ({fraction(change / 100)})"
    old, new = price(row["old_usd"]), price(row["new_usd"])
    return f"{row['offer_id']}: {old} → {new} a node-hour{part}."


def _sentence(text: Any) -> str:
    said = str(text).strip()
    return said if said.endswith((".", "?", "!")) else f"{said}."
