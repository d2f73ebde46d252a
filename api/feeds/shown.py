"""Refreshes as documents (`api.schemas.refreshes.RefreshDocument`)."""

from __future__ import annotations

from typing import Any

from api.feeds.examine import Examined
from api.feeds.refresh import default_name
from api.store.refresh_records import Refresh
from data.feeds.read import Wanted

FIELDS = (
    "id", "number", "feed", "name", "place", "state", "base_id", "catalog_id", "report",
)  # fmt: skip

TIMES = ("created_at", "decided_at")


def refresh_document(refresh: Refresh) -> dict[str, Any]:
    """Return a stored refresh, ready for JSON."""
    times = {name: getattr(refresh, name) for name in TIMES}
    return {
        **{name: getattr(refresh, name) for name in FIELDS},
        **{name: None if at is None else at.isoformat() for name, at in times.items()},
        "decided_by": refresh.decided_by,
    }


def dry_run_document(wanted: Wanted, name: str, found: Examined, base_id: str) -> dict[str, Any]:
    """Return what a refresh would be, ready for JSON."""
    return {
        **dict.fromkeys((*FIELDS, *TIMES, "decided_by")),
        "feed": wanted.feed,
        "name": name or default_name(wanted),
        "place": wanted.place,
        "state": found.state,
        "base_id": base_id,
        "catalog_id": None if found.catalog is None else found.catalog.id,
        "report": found.report,
    }
