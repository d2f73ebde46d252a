"""Stores with subscriptions, events to put in them, and receivers that are stopped at the end."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from receivers import Receiver

from api.store.events import Event, record_event
from api.store.records import now
from api.store.store import Store
from api.store.subscriptions import Subscription


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path: Path = tmp_path_factory.mktemp("empty") / "store.db"
    made = Store(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture
def store(empty_file: Path, tmp_path: Path) -> Iterator[Store]:
    """An empty SQLite store."""
    opened = Store(f"sqlite:///{shutil.copy(empty_file, tmp_path)}")
    yield opened
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "sqlite":
        yield request.getfixturevalue("store")
        return
    opened = Store(request.getfixturevalue("postgres_url"))
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def put_event() -> Callable[..., str]:
    """Record an event in a store; return its id."""

    def put(store: Store, kind: str = "catalog.held", subject: str = "gpuhunt") -> str:
        document: dict[str, Any] = {"reasons": ["40 % of the offers are gone"]}
        return store.database.write(lambda c: record_event(c, kind, subject, document))

    return put


@pytest.fixture
def event() -> Event:
    """An event that is stored nowhere."""
    document = {"reasons": ["<b>40 %</b> of the offers are gone"]}
    return Event(7, "event-7", "catalog.held", "gpuhunt", now(), document)


@pytest.fixture
def subscription() -> Callable[..., Subscription]:
    """Make a subscription that is stored nowhere."""

    def make(kind: str, target: str, secret: str | None = None) -> Subscription:
        return Subscription("sub-1", "ops", kind, target, secret, (), None, now(), None)

    return make


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that listens."""
    made = Receiver().start()
    yield made
    made.stop()
