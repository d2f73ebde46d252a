"""``minfleet keys``: who may use the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from api.errors import MinfleetGroup
from api.output import json_option, show

if TYPE_CHECKING:
    from api.store.store import Store

store_option = click.option(
    "--store-url", metavar="URL", help="Store of the service; MINFLEET_STORE_URL by default."
)


@contextmanager
def opened(store_url: str | None) -> Iterator[Store]:
    """Open the store of the service, brought up to date, while the context lasts."""
    from api.service.settings import load_settings
    from api.store.store import Store

    store = Store(load_settings(store_url=store_url).store_url)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


@click.group("keys", cls=MinfleetGroup)
def keys() -> None:
    """Create, list and revoke API keys of 'minfleet serve'."""


@keys.command("create")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "plan", "admin"]),
    default="plan",
    show_default=True,
    help="read: what is stored. plan: and plan, estimate, simulate, register workloads, accept "
    "decisions. admin: and import or refresh prices, subscribe.",
)
@click.option(
    "--rate-per-minute",
    type=click.IntRange(1, 1_000_000),
    help="Most requests a minute.  [default: 600]",
)
@store_option
@json_option
def create(
    name: str, scope: str, rate_per_minute: int | None, store_url: str | None, as_json: bool
) -> None:
    """Create a key for NAME and print it. It is shown this once; the store keeps only a hash."""
    from api.output import print_json
    from api.service.settings import load_settings

    rate = rate_per_minute or load_settings().rate_per_minute
    with opened(store_url) as store:
        key, text = store.keys.create(name, scope, rate)
    if as_json:
        print_json({"schema": "minfleet/key/v1", "key": text, **_shown(key)})
        return
    click.echo(text)
    click.echo(
        f"Key {key.id} of {key.name!r}: scope {key.scope}, {key.rate_per_minute:,} requests a "
        "minute. Send it as 'Authorization: Bearer …'; it is not shown again.",
        err=True,
    )


@keys.command("list")
@store_option
@json_option
def list_keys(store_url: str | None, as_json: bool) -> None:
    """List the keys, without their secrets."""
    with opened(store_url) as store:
        found = store.keys.list()
    rows = [
        (
            k.id,
            k.name,
            k.scope,
            f"{k.rate_per_minute:,}",
            k.created_at.date().isoformat(),
            "" if k.revoked_at is None else f"revoked {k.revoked_at.date()}",
        )
        for k in found
    ]
    headings = ("Key", "Name", "Scope", "Requests/min", "Created", "")
    document: dict[str, object] = {"keys": [_shown(k) for k in found]}
    text = ("Name", "Scope", "Created", "")
    show(as_json, "keys", document, [(f"{len(found)} keys", headings, rows)], text_columns=text)


@keys.command("revoke")
@click.argument("key_id")
@store_option
def revoke(key_id: str, store_url: str | None) -> None:
    """Let a key open nothing any more. KEY_ID is the one that 'minfleet keys list' shows."""
    from data.errors import UnknownNameError

    with opened(store_url) as store:
        if not store.keys.revoke(key_id):
            known = [k.id for k in store.keys.list() if k.revoked_at is None]
            raise UnknownNameError("key", key_id, known, hint="list them with 'minfleet keys list'")
    click.echo(f"Key {key_id} is revoked.")


def _shown(key: object) -> dict[str, object]:
    return dict(vars(key))
