"""The options that choose a catalogue, shared by the commands that read one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from data.catalog import Catalog

_FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class CatalogFiles:
    """The user's own catalogue files, if any."""

    offers: Path | None
    add_offers: Path | None
    accelerators: Path | None

    def load(self, *, strict: bool = True) -> Catalog:
        """Read them over the shipped catalogue."""
        from data.catalog import Catalog

        return Catalog.load(
            self.offers,
            add_offers=self.add_offers,
            accelerators=self.accelerators,
            strict=strict,
        )


def catalog_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--offers``, ``--add-offers`` and ``--accelerators``; passes them as `files`."""

    @click.option(
        "--offers",
        type=_FILE,
        metavar="FILE",
        help="CSV or YAML of offers to use instead of the shipped ones.",
    )
    @click.option(
        "--add-offers",
        type=_FILE,
        metavar="FILE",
        help="CSV or YAML of offers to use besides the others.",
    )
    @click.option(
        "--accelerators",
        type=_FILE,
        metavar="FILE",
        help="CSV or YAML of accelerators to add or override.",
    )
    @functools.wraps(command)
    def wrapped(
        offers: Path | None, add_offers: Path | None, accelerators: Path | None, **rest: Any
    ) -> Any:
        return command(files=CatalogFiles(offers, add_offers, accelerators), **rest)

    return wrapped
