"""Price scenarios: a name, and what it makes of the prices of a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from data.accelerators import canonical_accelerator
from data.catalog import Catalog
from data.errors import CatalogError, UnknownNameError
from data.offers import Offer, load_offers
from data.tables import Row, read_table
from solver.sweep.changes import times_price

FILTERS = ("offer", "provider", "accelerator", "region", "pricing")
"""Columns that say which offers a row concerns; all of those given must hold."""

_FIELDS = {"offer": "offer_id"}
"""Column → field of an offer, where they differ."""


@dataclass(frozen=True)
class Move:
    """A factor on the prices of some offers.

    Attributes
    ----------
    wanted
        Column of `FILTERS` → what it must be; all offers where empty.
    """

    wanted: tuple[tuple[str, str], ...]
    factor: Decimal

    def concerns(self, offer: Offer) -> bool:
        """Whether the factor is on the price of an offer."""
        return all(getattr(offer, _FIELDS.get(name, name)) == is_ for name, is_ in self.wanted)


@dataclass(frozen=True)
class Scenario:
    """Prices under a name.

    Attributes
    ----------
    moves
        Applied one after the other: two that concern an offer multiply.
    offers
        What is sold instead of the catalogue's offers; None for those.
    """

    name: str
    moves: tuple[Move, ...] = ()
    offers: tuple[Offer, ...] | None = None

    def catalog(self, today: Catalog) -> Catalog:
        """Return what a catalogue becomes."""
        if self.offers is None and not self.moves:
            return today
        offers = today.offers if self.offers is None else self.offers
        return today.with_offers(self._priced(offer) for offer in offers)

    def _priced(self, offer: Offer) -> Offer:
        factor = Decimal(1)
        for move in self.moves:
            if move.concerns(offer):
                factor *= move.factor
        return offer if factor == 1 else times_price(offer, factor)


TODAY = Scenario("today")
"""Prices as they are."""


def load_scenarios(path: Path, today: Catalog, *, strict: bool = True) -> tuple[Scenario, ...]:
    """Read scenarios from a CSV or YAML file: rows of one name are one scenario.

    Parameters
    ----------
    today
        The catalogue whose prices they move.
    strict
        See `data.catalog.Catalog.load`.

    Raises
    ------
    InputError
        If the file cannot be read, a name is unknown, or a row concerns no offer; the row is named.
    """
    rows: dict[str, list[Row]] = {}
    for row in read_table(path, "scenarios"):
        rows.setdefault(row.text("scenario"), []).append(row)
    return tuple(_scenario(name, of_it, today, path.parent, strict) for name, of_it in rows.items())


def _scenario(name: str, rows: list[Row], today: Catalog, folder: Path, strict: bool) -> Scenario:
    files = {row.cells["offers"]: row for row in rows if row.cells.get("offers")}
    if len(files) > 1:
        raise list(files.values())[1].fault(
            "offers", f"scenario {name!r} has an offers file already; give it one alone."
        )
    offers = None
    if files:
        given = Path(next(iter(files)))
        offers = load_offers((folder / given,), today.accelerators, strict=strict)
    sold = today.offers if offers is None else offers
    moves = tuple(m for m in (_move(row, sold, today) for row in rows) if m is not None)
    return Scenario(name, moves, offers)


def _move(row: Row, sold: tuple[Offer, ...], today: Catalog) -> Move | None:
    """Read the factor of a row; None where it has none."""
    factor = row.optional_number("factor", above=0, at_most=1000)
    wanted = {name: row.cells[name] for name in FILTERS if row.cells.get(name)}
    if factor is None:
        if wanted:
            raise row.fault(
                "factor", f"is empty; give the factor on the prices of that {_one(wanted)}."
            )
        return None
    for name in wanted:
        wanted[name] = _known(name, wanted[name], sold, today, row)
    move = Move(tuple(wanted.items()), Decimal(row.cells["factor"]))
    if not any(move.concerns(offer) for offer in sold):
        both = " and ".join(f"{name} {is_!r}" for name, is_ in wanted.items())
        raise CatalogError(f"{row.place}: no offer has {both} together; leave one of them out.")
    return move


def _one(wanted: Mapping[str, str]) -> str:
    return next(iter(wanted))


def _known(name: str, given: str, sold: tuple[Offer, ...], today: Catalog, row: Row) -> str:
    """Return a value as the offers write it."""
    known = {getattr(offer, _FIELDS.get(name, name)) for offer in sold}
    if given in known:
        return given
    if name == "accelerator":
        found = canonical_accelerator(given, today.accelerators, row.place, strict=False)
        if found in known:
            return found
    place = f"{row.place}, column {name}"
    raise UnknownNameError(name, given, sorted(filter(None, known)), place, "no offer has it")
