"""Prices as a row quotes them, for a node or an accelerator and in any currency: in US dollars."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

from data.currencies import DIGITS, Rate, decimal, plain, read_code, read_rate
from data.price_steps import PriceStep, read_steps
from data.tables import INSTEAD, Row

PRICE_COLUMNS = ("price_per_node_hour_usd", *INSTEAD["price_per_node_hour_usd"])
"""Where a row may give its price; exactly one of them holds it."""

MOST = 1e12
"""Largest amount that is read, in any currency."""


@dataclass(frozen=True)
class Quote:
    """The prices of a row in US dollars.

    Attributes
    ----------
    column
        Where the row gives its price.
    upfront_column
        Where it gives what is paid upfront.
    upfront_usd
        None where nothing is.
    """

    column: str
    rate: Rate
    price_per_node_hour_usd: Decimal
    upfront_column: str
    upfront_usd: Decimal | None
    steps: tuple[PriceStep, ...]


def read_quote(row: Row, gpus: int, min_nodes: int) -> Quote:
    """Return the prices of a row.

    Parameters
    ----------
    gpus
        Accelerators of a node.
    min_nodes
        Smallest number of nodes that is sold.

    Raises
    ------
    CatalogError
        If there is no price or more than one, a figure is out of bounds, or a currency is given
        without its rate or beside a price in US dollars.
    """
    column = _price_column(row)
    upfront_column = _upfront_column(row)
    rate = _rate(row, column, upfront_column)
    upfront = None
    if row.optional_number(upfront_column, above=-1e-12, at_most=MOST) is not None:
        upfront = rate.to_usd(decimal(row, upfront_column))
    # Where all is paid upfront, an hour costs nothing more.
    row.number(column, above=-1e-12 if upfront else 0, at_most=MOST)

    def node_usd(amount: Decimal) -> Decimal:
        with localcontext() as context:
            context.prec = DIGITS
            return rate.to_usd(plain(amount * gpus) if "_gpu_" in column else amount)

    price = node_usd(decimal(row, column))
    steps = read_steps(row, node_usd, price, min_nodes)
    return Quote(column, rate, price, upfront_column, upfront, steps)


def _price_column(row: Row) -> str:
    given = [column for column in PRICE_COLUMNS if row.cells.get(column)]
    if not given:
        raise row.fault(
            PRICE_COLUMNS[0],
            "is empty; a number is required (unknown is not 0), here or in "
            f"{', '.join(PRICE_COLUMNS[1:-1])} or {PRICE_COLUMNS[-1]}.",
        )
    if len(given) > 1:
        raise row.fault(given[1], f"is given besides {given[0]}; give one price.")
    return given[0]


def _upfront_column(row: Row) -> str:
    if not row.cells.get("upfront"):
        return "upfront_usd"
    if row.cells.get("upfront_usd"):
        raise row.fault("upfront", "is given besides upfront_usd; give one of them.")
    return "upfront"


def _rate(row: Row, column: str, upfront_column: str) -> Rate:
    """Return the currency of a row whose figures stand in columns that fit it."""
    used = [c for c in (column, upfront_column) if row.cells.get(c)]
    code = read_code(row)
    for name in used:
        if name.endswith("_usd") and code != "USD":
            raise row.fault(
                "currency",
                f"{code!r} is not USD, but {name} is in US dollars; write the figure as "
                f"{name.removesuffix('_usd')}, with usd_per_unit and rate_date.",
            )
        if not name.endswith("_usd") and not row.cells.get("currency"):
            raise row.fault(
                "currency", f"is empty, but {name} is given in it; write its code, such as EUR."
            )
    return read_rate(row)
