"""Small things that every part of the store needs: ids, times, rows that may be there already."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def new_id(kind: str) -> str:
    """Return an id that nothing has, such as ``plan-5f3a…``."""
    return f"{kind}-{secrets.token_hex(10)}"


def now() -> dt.datetime:
    """Return the time, in UTC. It is shown to people; nothing is ordered or decided by it."""
    return dt.datetime.now(dt.UTC)


def digest_of(content: Any) -> str:
    """Return the hash of a value: equal JSON has equal hashes, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def insert_new(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with the same key is there; return whether it was inserted."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(table).on_conflict_do_nothing().returning(*table.primary_key)
    # Of an insertion not every driver tells how many rows it made, so the row itself is asked for.
    return connection.execute(statement, values).first() is not None
