"""A migrated store of each kind, and small things to put in it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from api.store.jobs import NewJob
from api.store.plans import store_plan, store_simulation
from api.store.store import Store
from api.store.tables import metadata
from data.catalog import Catalog


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the shipped catalogue in force, to be copied."""
    path: Path = tmp_path_factory.mktemp("made") / "store.db"
    made = Store(f"sqlite:///{path}")
    made.migrate()
    made.catalogs.adopt_shipped()
    made.close()
    return path


@pytest.fixture(scope="session")
def postgres_again(postgres: Any) -> str:
    """URL of a migrated database that is emptied for each test; to make one takes longer."""
    postgres.psql("CREATE DATABASE again;")
    url = str(postgres.get_uri("again"))
    made = Store(url)
    made.migrate()
    made.close()
    return url


def emptied(connection: Connection) -> None:
    """Delete every row of PostgreSQL, those of snapshots too, and count from one again."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    for table in reversed(metadata.sorted_tables):
        connection.execute(table.delete())
        if "number" in table.c:
            connection.execute(text(f"ALTER SEQUENCE {table.name}_number_seq RESTART"))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with the shipped catalogue in force."""
    if request.param == "sqlite":
        path = shutil.copy(request.getfixturevalue("made_once"), tmp_path)
        opened = Store(f"sqlite:///{path}")
    else:
        opened = Store(request.getfixturevalue("postgres_again"))
        opened.database.write(emptied)
        opened.catalogs.adopt_shipped()
    yield opened
    opened.close()


@pytest.fixture
def own_store(store_url: str) -> Iterator[Store]:
    """A store that no other test gets."""
    opened = Store(store_url)
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def new_job() -> Callable[..., NewJob]:
    """Make a job; another number makes another request."""

    def make(number: int = 0, kind: str = "plan", **more: Any) -> NewJob:
        return NewJob(kind, f"digest-{number}", {"n": number}, **more)

    return make


@pytest.fixture
def plan_of() -> Callable[..., dict[str, Any]]:
    """Make a plan document with what the store reads of it."""
    numbers = itertools.count(1)

    def make(**changes: Any) -> dict[str, Any]:
        return {
            "id": f"plan-{next(numbers)}",
            "status": "optimal",
            "cost_per_hour_usd": 2.5,
            "gpus": 1,
            "workload": {"model": "llama-3.1-8b-instruct", "classes": []},
            "catalog": {"id": Catalog.load().id},
            **changes,
        }

    return make


@pytest.fixture
def put_plan(store: Store, plan_of: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    """Store a plan and return its id."""

    def put(digest: str | None = None, **changes: Any) -> str:
        document = plan_of(**changes)
        store.database.write(
            lambda c: store_plan(c, document, request={"n": 1}, digest=digest, key_id=None)
        )
        return str(document["id"])

    return put


@pytest.fixture
def storing() -> Callable[..., Callable[[Connection], None]]:
    """Return what stores a plan within another transaction."""

    def make(document: dict[str, Any], digest: str | None = None) -> Callable[[Connection], None]:
        def work(connection: Connection) -> None:
            store_plan(connection, document, request={}, digest=digest, key_id=None)

        return work

    return make


@pytest.fixture
def put_simulation(store: Store) -> Callable[..., None]:
    """Store a simulation."""

    def put(simulation_id: str, digest: str | None = None) -> None:
        document = {"id": simulation_id, "meets": True}
        store.database.write(
            lambda c: store_simulation(c, document, digest=digest, plan_id=None, key_id=None)
        )

    return put


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """Call functions in threads at the same time; return what they return, or raise."""

    def run(calls: list[Callable[[], Any]]) -> list[Any]:
        with ThreadPoolExecutor(len(calls)) as pool:
            return [f.result() for f in [pool.submit(call) for call in calls]]

    return run
