"""The options that choose a catalogue, shared by the commands that read one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import datetime as dt

    from data.catalog import Catalog

Command = Callable[..., Any]

_FILE = click.Path(path_type=Path)

PRICING = ("on_demand", "spot", "committed")


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


def _only(name: str, what: str) -> Callable[[Command], Command]:
    """Return a filter by name."""
    return click.option(
        f"--{name}", multiple=True, metavar="NAME", help=f"Only {what}. May be repeated."
    )


def offer_filters(command: Command) -> Command:
    """Add the options that narrow offers down; `matching` applies them."""
    for add in (
        click.option(
            "--max-price", type=float, metavar="USD", help="Most dollars an accelerator-hour."
        ),
        click.option(
            "--pricing",
            multiple=True,
            type=click.Choice(PRICING),
            help="Only offers priced like this. May be repeated.",
        ),
        _only("vendor", "accelerators of this vendor"),
        _only("accelerator", "this accelerator, by name or alias"),
        _only("region", "offers in this region"),
        _only("provider", "offers of this provider"),
    ):
        command = add(command)
    return command


def day(text: str, option: str) -> dt.date:
    """Return the date of an option, written YYYY-MM-DD."""
    import datetime as dt

    from data.errors import InputError

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option}: {text!r} is not a date; write it as YYYY-MM-DD.") from None
