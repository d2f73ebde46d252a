"""The connection to the store: SQLite or PostgreSQL, whole transactions, one kind of error."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

from data.errors import InputError, StoreError, StoreHeldError

T = TypeVar("T")
Work = Callable[[Connection], T]
"""A whole transaction. It may be run again after the connection broke, even while it was being
committed, so that running it twice must do no more than running it once."""

BUSY_S = 10.0
"""How long SQLite waits for another writer."""

RETRY_S = 3.0
"""How long a broken connection is tried again before the request fails."""


class Database:
    """A store that is reached by URL.

    Parameters
    ----------
    url
        ``sqlite:///PATH``, or ``postgresql://…`` (psycopg 3 is used).
    retry_s
        How long a transaction is tried again where the connection breaks.

    Raises
    ------
    InputError
        If the URL is none of these, or the folder of the file cannot be made.
    """

    def __init__(self, url: str, *, retry_s: float = RETRY_S) -> None:
        self.engine = _engine(url)
        self._writing = self.engine.execution_options(minfleet_write=True)
        self.retry_s = retry_s
        self._lock: int | None = None

    @property
    def name(self) -> str:
        """The URL without its password and its options, where another may stand."""
        url = self.engine.url.set(drivername=self.engine.dialect.name, query={})
        return url.render_as_string(hide_password=True)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.engine.dialect.name == "sqlite"

    @property
    def held_alone(self) -> bool:
        """Whether no other process can change it; see `hold_alone`."""
        return self._lock is not None

    def read(self, work: Work[T]) -> T:
        """Run a transaction that changes nothing.

        Raises
        ------
        StoreError
            If the store cannot be reached.
        """
        return self._run(work, self.engine)

    def write(self, work: Work[T]) -> T:
        """Run a transaction, all or nothing; it is on disk when this returns.

        Raises
        ------
        StoreError
            If the store cannot be reached or is full; nothing was changed.
        """
        return self._run(work, self._writing)

    def _run(self, work: Work[T], engine: Engine) -> T:
        again = Retrying(
            retry=retry_if_exception(_is_broken),
            stop=stop_after_delay(self.retry_s),
            wait=wait_random_exponential(multiplier=0.05, max=1.0),
            reraise=True,
        )

        def once() -> T:
            with engine.begin() as connection:
                return work(connection)

        try:
            return again(once)
        except (exc.IntegrityError, exc.DataError):
            raise  # a fault of ours, which no other try would mend
        except exc.DBAPIError as error:
            raise StoreError(f"the store cannot be used: {_reason(error)}.") from error
        except exc.TimeoutError as error:
            raise StoreError("the store is busy: no connection is free.") from error

    def hold_alone(self) -> None:
        """Hold an SQLite file for this process alone, until it ends; PostgreSQL is shared.

        Raises
        ------
        StoreHeldError
            If another server holds it.
        InputError
            If it cannot be written.
        """
        path = self.engine.url.database
        if not self.is_sqlite:
            return
        try:
            handle = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise InputError(
                f"{path}: the store cannot be written ({error.strerror}); give another with "
                "MINFLEET_STORE_URL."
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise StoreHeldError(
                f"{path}: another minfleet server uses this store; stop it, or give both a "
                "PostgreSQL store with MINFLEET_STORE_URL."
            ) from None
        self._lock = handle

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (exc.ArgumentError, ValueError):
        raise InputError(
            "store_url: is not a URL; write sqlite:///PATH or postgresql://USER@HOST/NAME."
        ) from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend == "postgresql":
        try:
            return create_engine(
                parsed.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                pool_size=10,
                max_overflow=20,
                pool_timeout=5,
                connect_args={"connect_timeout": 5},
                hide_parameters=True,
            )
        except ModuleNotFoundError:
            raise InputError(
                "store_url: PostgreSQL needs the package psycopg; install minfleet[postgres]."
            ) from None
    raise InputError(f"store_url: {backend!r} is not known; the store is SQLite or PostgreSQL.")


def _sqlite(url: Any) -> Engine:
    if not url.database or url.database == ":memory:":
        raise InputError("store_url: names no file; write sqlite:///PATH.")
    path = Path(url.database).expanduser().resolve()  # of links, what they lead to
    url = url.set(database=str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be made ({error.strerror}).") from None
    engine = create_engine(
        url,
        connect_args={"timeout": BUSY_S, "check_same_thread": False},
        pool_size=10,
        max_overflow=40,
        pool_timeout=5,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions are begun below
        cursor = connection.cursor()
        # FULL: what was answered as accepted outlives a power cut, not only the process.
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A reader that turns writer would find the file changed under it: writers say so at once.
        write = connection.get_execution_options().get("minfleet_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _is_broken(error: BaseException) -> bool:
    """Whether the connection broke, or a deadlock was undone: trying again may help."""
    if not isinstance(error, exc.DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None) or ""
    return (
        error.connection_invalidated
        or state[:2] in ("08", "40", "57")
        or (isinstance(error, exc.OperationalError) and "connection" in str(error.orig).lower())
    )


def _reason(error: exc.DBAPIError) -> str:
    """Return the database's own words, one line of them and without the statement."""
    lines = [" ".join(line.split()) for line in str(error.orig).splitlines()] or [""]
    said = lines[-1] if lines[0].endswith(":") else lines[0]
    return said.strip("- ").rstrip(".?!")
