"""API keys: shown once, stored as a hash."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import select, update

from api.store.database import Database
from api.store.records import insert_new, now
from api.store.tables import keys

SCOPES = ("read", "plan", "admin")
"""Each includes those before it: read what is stored; plan, register, accept; prices, notices."""

PREFIX = "mf"


@dataclass(frozen=True)
class Key:
    """An API key without its secret.

    Attributes
    ----------
    scope
        One of `SCOPES`.
    rate_per_minute
        Most requests a minute.
    """

    id: str
    name: str
    scope: str
    rate_per_minute: int
    created_at: dt.datetime
    revoked_at: dt.datetime | None

    def may(self, scope: str) -> bool:
        """Whether the key's scope includes another."""
        return SCOPES.index(scope) <= SCOPES.index(self.scope)


class Keys:
    """The keys of a store.

    A secret is 256 random bits, so that a plain SHA-256 of it cannot be turned back; slow hashes
    are for secrets that people choose.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, scope: str, rate_per_minute: int) -> tuple[Key, str]:
        """Return a new key, and the text that it is used with; the store keeps only a hash."""
        key_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        values = {
            "id": key_id,
            "name": name,
            "digest": _digest(secret),
            "scope": scope,
            "rate_per_minute": rate_per_minute,
            "created_at": now(),
        }
        self._database.write(lambda c: insert_new(c, keys, **values))
        found = next(k for k in self.list() if k.id == key_id)
        return found, f"{PREFIX}_{key_id}_{secret}"

    def find(self, text: str) -> Key | None:
        """Return the key that a text is used with; None if it is none, or was revoked."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret:
            return None
        query = select(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        row = self._database.read(lambda c: c.execute(query).first())
        if row is None or not hmac.compare_digest(row.digest, _digest(secret)):
            return None
        return _key(row)

    def list(self) -> list[Key]:
        """Return every key, revoked ones too, the oldest first."""
        query = select(keys).order_by(keys.c.created_at, keys.c.id)
        return [_key(row) for row in self._database.read(lambda c: c.execute(query).all())]

    def revoke(self, key_id: str) -> bool:
        """Let a key open nothing any more; return whether there was such a key."""
        query = (
            update(keys)
            .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
            .values(revoked_at=now())
        )
        return bool(self._database.write(lambda c: c.execute(query).rowcount))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(row: object) -> Key:
    return Key(**{n: getattr(row, n) for n in Key.__dataclass_fields__})
