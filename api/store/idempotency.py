"""Idempotency keys: a request that is sent twice is done once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from api.store.records import insert_new, now
from api.store.tables import idempotency


@dataclass(frozen=True)
class IdempotencyUse:
    """What an Idempotency-Key is used for.

    Attributes
    ----------
    key_id
        API key that it belongs to; "" where none is asked for.
    fingerprint
        Hash of the request: the same name with another fingerprint is a mistake.
    """

    key_id: str
    name: str
    fingerprint: str


class IdempotencyError(Exception):
    """An Idempotency-Key was used for another request before."""


class IdempotencyRaceError(Exception):
    """The same request came twice at once, and the other one was first."""


def used(connection: Connection, use: IdempotencyUse | None) -> Any:
    """Return what a key was used for: a row with `job_id` and `result_id`; None where it was not.

    Raises
    ------
    IdempotencyError
        If it was used for another request.
    """
    if use is None:
        return None
    query = select(idempotency).where(
        idempotency.c.key_id == use.key_id, idempotency.c.name == use.name
    )
    row = connection.execute(query).first()
    if row is not None and row.fingerprint != use.fingerprint:
        raise IdempotencyError(use.name)
    return row


def note_use(connection: Connection, use: IdempotencyUse | None, **what: str) -> None:
    """Note what a key is used for: `job_id` or `result_id`.

    Raises
    ------
    IdempotencyRaceError
        If it was noted for something else since `used` was asked; the transaction must be undone.
    """
    if use is None or insert_new(connection, idempotency, **vars(use), **what, created_at=now()):
        return
    row = used(connection, use)
    if row is None or any(getattr(row, name) != value for name, value in what.items()):
        raise IdempotencyRaceError(use.name)
