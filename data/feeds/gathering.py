"""Rows of a feed turned into offers by the rules of an offers file, the cheapest zone of a region.

What cannot become an offer is kept with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping

from data.accelerators import Accelerator
from data.errors import CatalogError
from data.importers import Skipped
from data.offers import Offer, parse_offer, price_problem
from data.quotes import read_quote
from data.tables import Row


class Gathered:
    """Offers of a feed by id, and the rows that gave none.

    Parameters
    ----------
    known
        Accelerators by name.
    """

    def __init__(self, known: Mapping[str, Accelerator]) -> None:
        self.known = known
        self.offers: dict[str, Offer] = {}
        self.skipped: list[Skipped] = []

    def skip(self, place: str, what: str, reason: str) -> None:
        """Keep a row that gave no offer."""
        self.skipped.append(Skipped(place, what, reason))

    def add(self, place: str, what: str, cells: Mapping[str, str]) -> None:
        """Take in the offer of a row; of several with one id the cheapest stays.

        Parameters
        ----------
        what
            Name of the machine, for the report.
        cells
            In the columns of an offers file, the accelerator by its catalogue name.
        """
        row = Row(place, cells)
        try:
            gpus = row.integer("gpus_per_node", at_least=1)
            price = float(read_quote(row, gpus, 1).price_per_node_hour_usd)
            problem = price_problem(price, gpus, self.known.get(cells["accelerator"]))
            if problem:
                self.skipped.append(Skipped(place, what, problem, impossible_price=True))
                return
            offer = parse_offer(row, self.known)
        except CatalogError as error:
            self.skip(place, what, str(error).removeprefix(f"{place}, "))
            return
        before = self.offers.get(offer.offer_id)
        if before is not None and machine_of(before) != machine_of(offer):
            self.skip(place, what, f"another machine is called so: {machine_of(before)}")
        elif before is None or offer.hourly_usd < before.hourly_usd:
            self.offers[offer.offer_id] = offer


def machine_of(offer: Offer) -> str:
    """Return what is rented, such as ``8 × h100_sxm``."""
    return f"{offer.gpus_per_node} × {offer.accelerator}"
