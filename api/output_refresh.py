"""Refreshes of prices for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from api.output import UNKNOWN, Section, num, price, show

NAMED = 20
"""Rows of a table before the rest is counted; ``--json`` has them all."""


def show_refresh(document: dict[str, Any], *, dry_run: bool) -> None:
    """Print what became of a refresh that was not refused at once."""
    report = document["report"]
    notes = [_outcome(document, dry_run=dry_run)]
    sections: list[Section] = []
    if "counts" in report:
        missing = [f"{name} {why}." for name, why in report["missing"].items()]
        notes[:0] = [_counted(report["counts"]), *missing, *_older(report["counts"])]
        sections = [_providers(report), *_moves(report), *_removed(report), *_skipped(report)]
    show(
        False, "catalog-refresh", {}, sections, notes, text_columns=("Seen on", "Source"), wide=True
    )
    for reason in report["reasons"]:
        click.echo(f"  - {reason}")
    if document["state"] == "held" and document["id"] is not None:
        click.echo(
            f"Decide with 'minfleet catalog refreshes --approve {document['id']}' or --reject."
        )


def refusal_sentences(document: dict[str, Any]) -> list[str]:
    """Return why a refresh was refused, and what is in force."""
    report = document["report"]
    recorded = "" if document["id"] is None else f" Recorded as {document['id']}."
    left = report["faults"] - len(report["reasons"])
    more = [f"{left:,} more faults are there, too."] if left else []
    return [
        *report["reasons"],
        *more,
        f"Nothing was changed: snapshot {document['base_id']} stays in force.{recorded}",
    ]


def show_refreshes(found: Sequence[dict[str, Any]]) -> None:
    """Print a list of refreshes."""
    rows = [
        (
            f["id"],
            f["created_at"][:16].replace("T", " "),
            f["name"],
            f["state"],
            f["catalog_id"] or UNKNOWN,
            _brief(f),
        )
        for f in found
    ]
    headings = ("Refresh", "When (UTC)", "Feed", "State", "Snapshot", "What")
    sections = [(f"{len(found)} refresh{'' if len(found) == 1 else 'es'}", headings, rows)]
    show(False, "catalog-refreshes", {}, sections, text_columns=headings, wide=True)


def _brief(document: dict[str, Any]) -> str:
    report, by = document["report"], document["decided_by"]
    verb = "approved" if document["state"] == "accepted" else "rejected"
    decided = f"; {verb} by {by}" if by else ""
    if "superseded_by" in report:
        decided = f"; {report['superseded_by']} took its place"
    if report["reasons"]:
        more = len(report["reasons"]) - 1
        said = report["reasons"][0].removesuffix(".")
        return said + (f" (and {more} more)" if more else "") + decided
    c = report["counts"]
    return (
        f"{c['offers']:,} offers: {c['added']:,} added, {c['removed']:,} removed, "
        f"{c['moved']:,} moved{decided}"
    )


def _outcome(document: dict[str, Any], *, dry_run: bool) -> str:
    state, base, made = document["state"], document["base_id"], document["catalog_id"]
    what = "Dry run" if dry_run else f"{document['id']}, {document['name']}"
    by = document["decided_by"]
    newer = document["report"].get("superseded_by")
    decided = f" by {by} on {document['decided_at'][:10]}" if by else ""
    if dry_run:
        tense = {
            "accepted": "these prices would come in force.",
            "unchanged": "nothing would change.",
            "held": "it would be held for a person.",
        }[state]
        return f"{what}: {tense} Compared with snapshot {base}."
    said = {
        "accepted": f"approved{decided}; snapshot {made} came in force."
        if by
        else f"accepted; snapshot {made} came in force.",
        "unchanged": f"unchanged; snapshot {base} stays in force.",
        "held": f"held for a person; its prices, snapshot {made}, are not in force.",
        "rejected": f"rejected{decided}; its prices did not come in force."
        if newer is None
        else f"rejected, since {newer} took its place.",
        "refused": f"refused; snapshot {base} stayed in force.",
    }[state]
    return f"{what}: {said}"


def _counted(counts: dict[str, int]) -> str:
    return (
        f"{_many(counts['offers'], 'offer')} from {_many(counts['rows'], 'row')}, beside "
        f"{counts['compared']:,} "
        f"in force: {counts['added']:,} added, {counts['removed']:,} removed, "
        f"{counts['moved']:,} at another price, {counts['kept']:,} as they were."
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _older(counts: dict[str, int]) -> list[str]:
    if not counts["older"]:
        return []
    return [f"{counts['older']:,} of them were seen before the prices in force: an old list?"]


def _providers(report: dict[str, Any]) -> Section:
    rows = [
        (
            p["provider"],
            num(p["offers"]),
            UNKNOWN if p["rows"] is None else num(p["rows"]),
            " to ".join(dict.fromkeys((p["observed_at"]["oldest"], p["observed_at"]["newest"]))),
            "; ".join(p["sources"][:2]) + ("; …" if len(p["sources"]) > 2 else ""),
        )
        for p in report["providers"]
    ]
    return "Prices by provider", ("Provider", "Offers", "Rows", "Seen on", "Source"), rows


def _moves(report: dict[str, Any]) -> list[Section]:
    moves = report["moved"]
    if not moves:
        return []
    rows = [
        (
            m["offer_id"],
            price(m["old_usd"]),
            price(m["new_usd"]),
            m["note"] or (UNKNOWN if m["change_pct"] is None else f"{m['change_pct']:+,.3g} %"),
        )
        for m in moves[:NAMED]
    ]
    title = _title("Prices that move", report["counts"]["moved"])
    return [(title, ("Offer", "Was $/node-h", "Is $/node-h", "Change"), rows)]


def _removed(report: dict[str, Any]) -> list[Section]:
    removed = report["removed"]
    if not removed:
        return []
    title = _title("Offers that go", report["counts"]["removed"])
    return [(title, ("Offer",), [(name,) for name in removed[:NAMED]])]


def _skipped(report: dict[str, Any]) -> list[Section]:
    reasons = report["skipped_by_reason"]
    if not reasons:
        return []
    first = {s["reason"]: s for s in reversed(report["skipped"])}
    rows = []
    for reason, count in list(reasons.items())[:NAMED]:
        where = f"{first[reason]['what']} ({first[reason]['place']})" if reason in first else ""
        rows.append((reason, num(count), where))
    return [("Rows that gave no offer", ("Reason", "Rows", "First"), rows)]


def _title(what: str, count: int) -> str:
    return what if count <= NAMED else f"{what}: the first {NAMED} of {count:,}"
