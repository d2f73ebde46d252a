"""Events in words: what an e-mail, a chat and the page say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from api.difference_words import headline
from api.output import counted, price, usd
from api.store.events import Event

Document = Mapping[str, Any]

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
        "id": event.id,
        "number": event.number,
        "kind": event.kind,
        "subject": event.subject,
        "created_at": event.created_at.isoformat(),
        "title": message.title,
        "text": message.text,
        "url": link,
        "document": event.document,
    }


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
    if outcome in ("switch", "must_switch"):
        yield from _change(document)
    accepted = document.get("accepted_by")
    if accepted:
        by = "by its policy" if accepted == "policy" else f"with the key {accepted}"
        yield f"The switch was accepted {by}."
    elif outcome in ("switch", "must_switch") and document.get("proposed_plan_id"):
        yield "It waits to be accepted."


def _change(document: Document) -> Iterator[str]:
    difference, saving = document.get("difference"), document.get("saving") or {}
    change = document.get("change") or {}
    if difference:
        yield headline(difference)
    if change.get("total_usd") is not None:
        told = f"The change costs {usd(change['total_usd'])} once"
        if change.get("payback_h") is not None:
            told += f" and is paid back in {change['payback_h']:,.1f} h"
        if saving.get("usd_per_hour") is not None:
            told += f"; it saves {usd(saving['usd_per_hour'])} an hour"
        yield f"{told}."
    steps = document.get("steps") or ()
    if steps:
        yield f"It takes {counted(len(steps), 'step')}; none has less capacity than the load."


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
    counts = document.get("counts") or {}
    if counts:
        yield _sentence(", ".join(f"{v:,} {k.replace('_', ' ')}" for k, v in counts.items()))
    rows = document.get("rows") or ()
    yield from (_sentence(_row(r)) for r in rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield f"{len(rows) - MOST_ROWS:,} more rows are named there."


def _row(row: Any) -> str:
    if not isinstance(row, Mapping):
        return str(row)
    return str(row.get("sentence") or row.get("reason") or row.get("offer_id"))


def _sentence(text: Any) -> str:
    said = str(text).strip()
    return said if said.endswith((".", "?", "!")) else f"{said}."
