"""The schema: brought up, torn down, equal to what the code says, and guarded by the database."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import exc, inspect, text

from api.store.store import Store
from api.store.tables import metadata
from data.errors import StoreError

ROOT = Path(__file__).parents[3]

SNAPSHOTS = ("catalogs", "catalog_history", "models")


def migrated(store: Store, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(resources.files("api.store") / "migrations"))

    def work(connection):
        config.attributes["connection"] = connection
        (command.downgrade if revision == "base" else command.upgrade)(config, revision)

    store.database.write(work)


def tables_of(store: Store) -> set[str]:
    return set(inspect(store.database.engine).get_table_names()) - {"alembic_version"}


def test_the_schema_is_what_the_code_says(store):
    with store.database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    assert tables_of(store) == set(metadata.tables)


def test_down_and_up_again(own_store):
    store = own_store
    migrated(store, "base")
    assert tables_of(store) == set()
    store.migrate()
    assert tables_of(store) == set(metadata.tables)
    assert store.catalogs.adopt_shipped().number == 1


START = """
import sys
from api.store.store import Store
store = Store(sys.argv[1])
sys.stdin.readline()
store.migrate()
print(store.catalogs.adopt_shipped().number)
"""


def test_servers_that_start_together_migrate_once(store_url):
    command = [sys.executable, "-c", START, store_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    servers = [subprocess.Popen(command, **pipes, cwd=ROOT) for _ in range(3)]
    for server in servers:
        server.stdin.write("go\n")
        server.stdin.flush()
    assert [server.communicate(timeout=60)[0] for server in servers] == ["1\n"] * 3


def test_a_migrated_store_stays_as_it_is(store, put_plan):
    put_plan()
    store.migrate()
    assert len(store.plans.list(10)) == 1


@pytest.mark.parametrize("table", SNAPSHOTS)
@pytest.mark.parametrize("change", ["UPDATE {} SET created_at = created_at", "DELETE FROM {}"])
def test_the_database_refuses_changes_of_snapshots(store, table, change):
    store.catalogs.add_model("ours", {"a": 1}, "", None)
    with pytest.raises((exc.DBAPIError, StoreError), match=f"rows of {table} are never changed"):
        store.database.write(lambda c: c.execute(text(change.format(table))))
    rows = store.database.read(lambda c: c.execute(text(f"SELECT * FROM {table}")).all())
    assert len(rows) == 1


def test_a_store_of_a_newer_minfleet_is_refused(own_store):
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    own_store.database.write(lambda c: c.execute(newer))
    with pytest.raises(StoreError, match=r"newer minfleet .* upgrade minfleet") as error:
        own_store.migrate()
    assert len(str(error.value).splitlines()) == 1
