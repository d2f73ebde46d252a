"""The catalogue: accelerators and the offers that rent them, with an id and dates."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from data.accelerators import (
    Accelerator,
    load_accelerators,
    parse_accelerators,
    shipped_accelerators,
)
from data.errors import CatalogError
from data.offer_cells import offer_cells
from data.offers import Offer, load_offers, parse_offers, shipped_offers
from data.tables import as_cells, table_rows

PathLike = str | Path

PathLikes = PathLike | Sequence[PathLike]
"""A file, or several of one kind."""


@dataclass(frozen=True)
class Catalog:
    """What can be bought: accelerators by name, and offers.

    Attributes
    ----------
    id
        Hash of every accelerator and offer: equal ids mean equal catalogues.
    observed_at
        Dates of the oldest and the newest price.
    """

    accelerators: Mapping[str, Accelerator]
    offers: tuple[Offer, ...]
    id: str = field(init=False)
    observed_at: Mapping[str, dt.date] = field(init=False)

    def __post_init__(self) -> None:
        if not self.offers:
            raise CatalogError("the catalogue holds no offer; give at least one.")
        text = "\n".join(
            [repr(a) for _, a in sorted(self.accelerators.items())]
            + [_identity(o) for o in sorted(self.offers, key=lambda o: o.offer_id)]
        )
        object.__setattr__(self, "id", hashlib.sha256(text.encode()).hexdigest()[:16])
        dates = [o.observed_at for o in self.offers]
        object.__setattr__(self, "observed_at", {"oldest": min(dates), "newest": max(dates)})

    @classmethod
    def load(
        cls,
        offers: PathLikes | None = None,
        *,
        add_offers: PathLikes | None = None,
        accelerators: PathLike | None = None,
        strict: bool = True,
    ) -> Catalog:
        """Return the shipped catalogue, or one with the user's own files.

        Parameters
        ----------
        offers
            CSV or YAML of offers to plan over *instead of* the shipped ones; one file or several.
        add_offers
            CSV or YAML of offers to plan over *besides* the others; one file or several.
        accelerators
            CSV or YAML of accelerators to add, or to override by name.
        strict
            If False, offers may name accelerators that the catalogue does not describe
            (enough for measured capacities).

        Raises
        ------
        InputError
            If a file cannot be read or a row is wrong; the row is named.
        """
        if offers is None and add_offers is None and accelerators is None:
            return _shipped()
        known: Mapping[str, Accelerator] = shipped_accelerators()
        if accelerators is not None:
            known = {**known, **load_accelerators(Path(accelerators))}
        if offers is None:
            base = shipped_offers()
        else:
            base = load_offers(_paths(offers), known, strict=strict)
        if add_offers is not None:
            paths = _paths(add_offers)
            more = load_offers(paths, known, strict=strict)
            base = _joined(base, more, ", ".join(map(str, paths)))
        return cls(known, base)

    def to_dict(self) -> dict[str, list[dict[str, str]]]:
        """Return every row as the cells of its table, ready for JSON; `from_dict` reads it."""
        return {
            "accelerators": [as_cells(a, "accelerators") for a in self.accelerators.values()],
            "offers": [offer_cells(o) for o in self.offers],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], place: str = "catalogue") -> Catalog:
        """Return the catalogue that `to_dict` wrote; one of equal content has an equal id.

        Raises
        ------
        CatalogError
            If a row is wrong; the row is named.
        """
        accelerators = table_rows(
            document["accelerators"], "accelerators", f"{place}, accelerators"
        )
        known = parse_accelerators(accelerators)
        offers = table_rows(document["offers"], "offers", f"{place}, offers")
        return cls(known, parse_offers(offers, known, strict=False, trusted=True))

    def with_rows(
        self,
        *,
        offers: Any = None,
        add_offers: Any = None,
        accelerators: Any = None,
        strict: bool = True,
        place: str = "",
    ) -> Catalog:
        """Return this catalogue with rows of a user's own, as `load` does with files.

        Parameters
        ----------
        offers, add_offers, accelerators
            Lists of mappings of column to value; None for none.
        strict
            See `load`.
        place
            What stands before the names of the lists in error messages.

        Raises
        ------
        CatalogError
            If a row is wrong; the list and the row are named.
        """
        known = self.accelerators
        if accelerators is not None:
            here = f"{place}accelerators"
            known = {
                **known,
                **parse_accelerators(table_rows(accelerators, "accelerators", here)),
            }
        base = self.offers
        if offers is not None:
            rows = table_rows(offers, "offers", f"{place}offers")
            base = parse_offers(rows, known, strict=strict)
        if add_offers is not None:
            here = f"{place}add_offers"
            more = parse_offers(table_rows(add_offers, "offers", here), known, strict=strict)
            base = _joined(base, more, here)
        return replace(self, accelerators=known, offers=base)

    def with_offers(self, offers: Iterable[Offer]) -> Catalog:
        """Return this catalogue with other offers."""
        return replace(self, offers=tuple(offers))

    def offer(self, offer_id: str) -> Offer | None:
        """Return the offer of that id, or None."""
        return next((o for o in self.offers if o.offer_id == offer_id), None)

    @property
    def providers(self) -> tuple[str, ...]:
        """Names of all providers, sorted."""
        return tuple(sorted({o.provider for o in self.offers}))

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of all regions, sorted."""
        return tuple(sorted({o.region for o in self.offers if o.region}))


NOTHING_MORE = ", usd_per_unit=None, rate_date=None, price_steps=(), confirmed=False)"


def _identity(offer: Offer) -> str:
    """Return what an offer's part of the id is made of.

    Fields that came after the first ids were stored count only where they say something, so that
    these stay true.
    """
    text = repr(offer)
    return text.removesuffix(NOTHING_MORE) + ")" if text.endswith(NOTHING_MORE) else text


@cache
def _shipped() -> Catalog:
    """Return the shipped catalogue; its id is worked out once."""
    return Catalog(shipped_accelerators(), shipped_offers())


def _paths(given: PathLikes) -> tuple[Path, ...]:
    return (Path(given),) if isinstance(given, (str, Path)) else tuple(map(Path, given))


def _joined(first: tuple[Offer, ...], more: tuple[Offer, ...], place: str) -> tuple[Offer, ...]:
    taken = {o.offer_id for o in first}
    for offer in more:
        if offer.offer_id in taken:
            raise CatalogError(
                f"{place}: offer_id {offer.offer_id!r} is already in the catalogue; rename it, "
                "or let the file stand alone, without the catalogue's offers."
            )
    return first + more
