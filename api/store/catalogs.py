"""Snapshots of the catalogue: added, never changed; and which of them is in force."""

from __future__ import annotations

import datetime as dt
import json
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Connection, func, select, text

from api.store.database import Database
from api.store.records import insert_new, now
from api.store.tables import catalog_history, catalogs, models
from data.catalog import Catalog

Kind = Literal["shipped", "imported", "refreshed"]


@dataclass(frozen=True)
class InForce:
    """A snapshot that came in force.

    Attributes
    ----------
    number
        Counts up; the greatest is in force.
    """

    number: int
    catalog_id: str
    kind: Kind
    note: str
    key_id: str | None
    created_at: dt.datetime


class MovedOnError(Exception):
    """Another catalogue came in force since the one that a change was made to."""


@dataclass(frozen=True)
class StoredModel:
    """A model config as imported; the last one of a name counts."""

    number: int
    name: str
    config: dict[str, Any]
    note: str
    key_id: str | None
    created_at: dt.datetime


class Catalogs:
    """Snapshots, their history, and imported models."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read = lru_cache(maxsize=16)(self._load)
        self._known: InForce | None = None
        self._changes = 0

    def adopt_shipped(self) -> InForce:
        """Bring the shipped catalogue in force unless the user's own is; return what is in force.

        A newer minfleet ships newer prices: they replace the shipped ones of before, but never an
        import. An older minfleet, started again beside a newer one, brings nothing back.
        """
        shipped = Catalog.load()
        was_shipped = select(catalog_history.c.number).where(
            catalog_history.c.kind == "shipped", catalog_history.c.catalog_id == shipped.id
        )

        def work(connection: Connection) -> InForce:
            take_turns(connection)
            last = last_in_force(connection)
            own = last is not None and last.kind != "shipped"
            if last is not None and (own or connection.execute(was_shipped).first() is not None):
                return last
            return bring_in_force(connection, shipped, "shipped", "ships with minfleet", None)

        return self._database.write(work)

    def in_force(self) -> InForce:
        """Return what is in force.

        Raises
        ------
        LookupError
            If nothing was ever adopted.
        """
        known, changes = self._known, self._changes
        if known is not None:
            return known
        last = self._database.read(last_in_force)
        if last is None:
            raise LookupError("no catalogue is in force")
        if self._database.held_alone and changes == self._changes:
            self._known = last
        return last

    def bring_in_force(
        self, catalog: Catalog, note: str, key_id: str | None, *, after: int | None = None
    ) -> InForce:
        """Store an imported catalogue and bring it in force.

        Parameters
        ----------
        catalog
            As `as_stored` returns it.
        after
            Number of what was in force when the catalogue was made of it; None to replace
            whatever is.

        Raises
        ------
        MovedOnError
            If something else is in force by now.
        """
        found = self._database.write(
            lambda connection: bring_in_force(
                connection, catalog, "imported", note, key_id, after=after
            )
        )
        self.forget()
        return found

    def forget(self) -> None:
        """Look up again what is in force: a transaction of this process changed it."""
        self._changes, self._known = self._changes + 1, None

    def keep(self, catalog: Catalog) -> Catalog:
        """Store a snapshot without bringing it in force, so that plans can name it; return it.

        Raises
        ------
        CatalogError
            See `as_stored`.
        """
        stored = as_stored(catalog)
        self._database.write(lambda connection: keep(connection, stored))
        return stored

    def load(self, catalog_id: str) -> Catalog:
        """Return a snapshot.

        Raises
        ------
        LookupError
            If there is none of that id.
        """
        return self._read(catalog_id)

    def all_offer_cells(self, catalog_id: str) -> list[dict[str, str]]:
        """Return the rows of the offers in a snapshot as they are stored.

        Raises
        ------
        LookupError
            If there is none of that id.
        """
        found: list[dict[str, str]] = self._document(catalog_id)["offers"]
        return found

    def offer_cells(self, catalog_id: str, offer_id: str) -> dict[str, str] | None:
        """Return the row of an offer in a snapshot, without reading the other rows."""
        offers = self._document(catalog_id)["offers"]
        return next((cells for cells in offers if cells["offer_id"] == offer_id), None)

    def history(self, limit: int, before: int | None = None) -> list[InForce]:
        """Return what was in force, the latest first."""
        query = select(catalog_history).order_by(catalog_history.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(catalog_history.c.number < before)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [InForce(**row._mapping) for row in rows]

    def add_model(
        self, name: str, config: dict[str, Any], note: str, key_id: str | None
    ) -> StoredModel:
        """Store a model config; it counts from now on."""

        def work(connection: Connection) -> StoredModel:
            last = _model(connection, name)
            if last is not None and (last.config, last.note) == (config, note):
                return last
            connection.execute(
                models.insert().values(
                    name=name,
                    config=json.dumps(config),
                    note=note,
                    key_id=key_id,
                    created_at=now(),
                )
            )
            found = _model(connection, name)
            assert found is not None
            return found

        return self._database.write(work)

    def model(self, name: str) -> StoredModel | None:
        """Return the imported model of a name, as it was imported last."""
        return self._database.read(lambda connection: _model(connection, name))

    def model_history(self, name: str | None = None) -> list[StoredModel]:
        """Return every import of a model, or of all models, the latest first."""
        query = select(models).order_by(models.c.number.desc())
        if name is not None:
            query = query.where(models.c.name == name)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [_stored_model(row) for row in rows]

    def models(self) -> list[StoredModel]:
        """Return the imported models that count, by name."""
        last = select(func.max(models.c.number)).group_by(models.c.name)
        query = select(models).where(models.c.number.in_(last)).order_by(models.c.name)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [_stored_model(row) for row in rows]

    def _load(self, catalog_id: str) -> Catalog:
        return Catalog.from_dict(self._document(catalog_id), catalog_id)

    def _document(self, catalog_id: str) -> dict[str, Any]:
        query = select(catalogs.c.document).where(catalogs.c.id == catalog_id)
        packed = self._database.read(lambda c: c.execute(query).scalar())
        if packed is None:
            raise LookupError(catalog_id)
        found: dict[str, Any] = json.loads(zlib.decompress(packed))
        return found


def as_stored(catalog: Catalog) -> Catalog:
    """Return a catalogue as it is read back: cells on one line, numbers written out.

    The same rows may be written in several ways; their id is that of this one.

    Raises
    ------
    CatalogError
        If a row could not be read again, such as an offer that costs less than the electricity of
        an accelerator that was changed.
    """
    return Catalog.from_dict(catalog.to_dict())


def keep(connection: Connection, catalog: Catalog) -> None:
    """Store a snapshot within a transaction; nothing happens where it is stored already.

    Parameters
    ----------
    catalog
        As `as_stored` returns it.
    """
    known = select(catalogs.c.id).where(catalogs.c.id == catalog.id)
    if connection.execute(known).first() is None:
        packed = zlib.compress(json.dumps(catalog.to_dict()).encode())
        insert_new(connection, catalogs, id=catalog.id, document=packed, created_at=now())


def last_in_force(connection: Connection) -> InForce | None:
    """Return what is in force, within a transaction; None on an empty store."""
    query = select(catalog_history).order_by(catalog_history.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else InForce(**row._mapping)


def take_turns(connection: Connection) -> None:
    """Let no other server bring anything in force until this transaction ends."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer in any case
        connection.execute(text("LOCK TABLE catalog_history IN SHARE ROW EXCLUSIVE MODE"))


def bring_in_force(
    connection: Connection,
    catalog: Catalog,
    kind: Kind,
    note: str,
    key_id: str | None,
    *,
    after: int | None = None,
) -> InForce:
    """Store a catalogue and bring it in force, within a transaction; see `Catalogs`.

    Raises
    ------
    MovedOnError
        If something else than number `after` is in force by now.
    """
    take_turns(connection)
    last = last_in_force(connection)
    if last is not None and (last.catalog_id, last.kind, last.note) == (catalog.id, kind, note):
        return last
    if after is not None and (last is None or last.number != after):
        raise MovedOnError(catalog.id)
    keep(connection, catalog)
    connection.execute(
        catalog_history.insert().values(
            catalog_id=catalog.id, kind=kind, note=note, key_id=key_id, created_at=now()
        )
    )
    found = last_in_force(connection)
    assert found is not None
    return found


def _model(connection: Connection, name: str) -> StoredModel | None:
    query = select(models).where(models.c.name == name).order_by(models.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _stored_model(row)


def _stored_model(row: Any) -> StoredModel:
    return StoredModel(**{**row._mapping, "config": json.loads(row.config)})
