"""The options that choose where prices are kept: a store of this machine, or a server."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from api.client import Client
    from api.store.store import Store


@dataclass(frozen=True)
class Kept:
    """Where prices are kept.

    Attributes
    ----------
    store_url
        Store as given; None for MINFLEET_STORE_URL, or the default.
    server
        URL of a server to go through; None to open the store.
    """

    store_url: str | None
    server: str | None
    api_key: str | None

    def check(self) -> None:
        """Refuse two places.

        Raises
        ------
        InputError
            If a store and a server are given.
        """
        from data.errors import InputError

        if self.store_url is not None and self.server is not None:
            raise InputError("--store-url and --server are two places; give one of them.")

    def client(self) -> Client:
        """Return a client of the server."""
        from api.client import Client

        assert self.server is not None
        return Client(self.server, self.api_key)

    @property
    def url(self) -> str:
        """The store's URL, as settings have it."""
        from api.service.settings import load_settings

        return load_settings(store_url=self.store_url).store_url

    def is_there(self) -> bool:
        """Whether the store can be looked at: a database, or a file that exists."""
        from pathlib import Path

        scheme, _, path = self.url.partition("://")
        return scheme != "sqlite" or Path(path.removeprefix("/")).expanduser().is_file()

    @contextmanager
    def opened(self, *, alone: bool) -> Iterator[Store]:
        """Open the store, with a catalogue in force.

        Parameters
        ----------
        alone
            Whether it is changed: then no server may hold it.

        Raises
        ------
        InputError
            If a server holds the store's file.
        """
        from api.store.store import Store
        from data.errors import InputError, StoreHeldError

        store = Store(self.url)
        try:
            if alone:
                try:
                    store.database.hold_alone()
                except StoreHeldError:
                    raise InputError(
                        f"{store.database.name}: a minfleet server holds this store; go through "
                        "it with --server http://HOST:PORT."
                    ) from None
            store.migrate()
            if alone or not store.catalogs.history(1):
                store.catalogs.adopt_shipped()
            yield store
        finally:
            store.close()


def kept_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--store-url``, ``--server`` and ``--api-key``; passes them as `kept`."""

    @click.option(
        "--store-url", metavar="URL", help="Store of the service; MINFLEET_STORE_URL by default."
    )
    @click.option(
        "--server",
        metavar="URL",
        envvar="MINFLEET_SERVER",
        help="Go through a running 'minfleet serve' instead. Also MINFLEET_SERVER.",
    )
    @click.option(
        "--api-key",
        metavar="KEY",
        envvar="MINFLEET_API_KEY",
        help="Key for that server; better given as MINFLEET_API_KEY.",
    )
    @functools.wraps(command)
    def wrapped(store_url: str | None, server: str | None, api_key: str | None, **rest: Any) -> Any:
        kept = Kept(store_url, server, api_key)
        kept.check()
        return command(kept=kept, **rest)

    return wrapped
