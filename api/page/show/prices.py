"""Prices over time and refreshes of them, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.difference_words import fraction
from api.output import counted, price
from api.page.show.html import Cell, chip, moment, table, tag, text

Document = Mapping[str, Any]

STATES = {
    "accepted": ("good", "in force"),
    "unchanged": ("plain", "nothing new"),
    "held": ("warn", "waits for a person"),
    "refused": ("bad", "refused"),
    "rejected": ("plain", "rejected"),
}
"""State of a refresh → kind of chip, and its words."""

MOST_ROWS = 20


def price_table(offers: Sequence[Document]) -> Cell:
    """Return offers with what they cost an accelerator-hour: now, least, most, changes.

    Parameters
    ----------
    offers
        Of `api.schemas.refreshes.PriceHistory`.
    """
    rows = []
    for offer in offers:
        known = [
            p["price_per_gpu_hour_usd"]
            for p in offer["points"]
            if p["price_per_gpu_hour_usd"] is not None
        ]
        last = offer["points"][-1]
        now = last["price_per_gpu_hour_usd"]
        first = known[0]
        change = None if now is None else now / first - 1
        rows.append(
            (
                text(offer["offer_id"]),
                text(f"{offer['accelerator']}, {offer['pricing'].replace('_', '-')}"),
                chip("plain", "gone") if now is None else text(price(now)),
                text(f"{price(min(known))} – {price(max(known))}"),
                text("" if not change else fraction(change)),
                text(moment(last["since"])),
            )
        )
    headings = ("offer", "", "$ an accelerator-hour", "range", "since the first", "as of (UTC)")
    return table(headings, rows, words=(0, 1, 5), stacks=True)


def refresh_card(refresh: Document) -> Cell:
    """Return a refresh: its state, why, counts, and the rows that moved too far or are gone."""
    report = refresh["report"]
    kind, word = STATES.get(refresh["state"], ("plain", refresh["state"]))
    made = moment(refresh["created_at"])
    head = tag("p", chip(kind, word), " ", tag("b", text(refresh["name"])), text(f" · {made} UTC"))
    reasons = "".join(tag("li", text(r)) for r in report.get("reasons") or ())
    return (
        head
        + (tag("ul", reasons) if reasons else "")
        + _counts(report)
        + _moves(report.get("beyond") or ())
        + _removed(report.get("removed") or (), report.get("counts"))
    )


def _counts(report: Document) -> Cell:
    counts = report.get("counts")
    if not counts:
        return ""
    told = (
        f"{counted(counts['offers'], 'offer')} in {counted(counts['rows'], 'row')}: "
        f"{counts['added']:,} new, {counts['removed']:,} gone, {counts['moved']:,} at another "
        f"price, {counts['kept']:,} as before."
    )
    return tag("p", text(told))


def _moves(rows: Sequence[Document]) -> Cell:
    if not rows:
        return ""
    cells = [
        (
            text(r["offer_id"]),
            text(f"{price(r['old_usd'])} → {price(r['new_usd'])}"),
            text("" if r.get("change_pct") is None else fraction(r["change_pct"] / 100)),
            text(r.get("note") or ""),
        )
        for r in rows[:MOST_ROWS]
    ]
    more = len(rows) - MOST_ROWS
    rest = tag("p", text(f"{counted(more, 'more row')} moved as far.")) if more > 0 else ""
    headings = ("moved too far", "$/node-h", "", "")
    return table(headings, cells, words=(0, 3), stacks=True) + rest


def _removed(rows: Sequence[str], counts: Document | None) -> Cell:
    if not rows:
        return ""
    total = counts["removed"] if counts else len(rows)
    listed = "".join(tag("li", text(r)) for r in rows[: 5 * MOST_ROWS])
    told = f"{counted(total, 'offer')} would be gone"
    if total > 5 * MOST_ROWS:
        told += f"; the first {5 * MOST_ROWS}"
    return tag("details", tag("summary", text(told)), tag("ul", listed))


def refresh_table(refreshes: Sequence[Document]) -> Cell:
    """Return past refreshes, a line each."""
    rows = [
        (
            text(moment(r["created_at"])),
            text(r["name"]),
            chip(*STATES.get(r["state"], ("plain", r["state"]))),
            text((r["report"].get("reasons") or [_line(r["report"])])[0]),
            text(r.get("decided_by") or ""),
        )
        for r in refreshes
    ]
    headings = ("refreshed (UTC)", "feed", "", "", "decided by")
    return table(headings, rows, words=(0, 1, 2, 3, 4), stacks=True)


def _line(report: Document) -> str:
    counts = report.get("counts")
    if not counts:
        return ""
    return (
        f"{counts['added']:,} new, {counts['removed']:,} gone, {counts['moved']:,} at another price"
    )
