"""Offers: what can be rented, at which price, where, and who said so when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from data.accelerators import Accelerator, canonical_accelerator, shipped_accelerators
from data.errors import CatalogError
from data.tables import Row, read_table, shipped_rows

PRICING = ("on_demand", "spot", "committed")

ELECTRICITY_FLOOR_USD_PER_KWH = 0.05
"""No accelerator is rented for less than its electricity; below it a price is a typing error."""

FLOOR_POWER_W = 50.0
"""Power taken where an accelerator's is not published: less than any that serves an LLM draws."""

MAX_USD_PER_GPU_HOUR = 100.0
"""Dearer than any accelerator ever listed; above it a price is per month, or in another unit."""

HOURS_PER_MONTH = 730
"""Hours of a month in every cost: 8,760 / 12."""

NANO_USD = Decimal("1e-9")
"""Payments upfront are spread to this exactness, so that sums of them stay exact decimals."""

MAX_DECIMALS = 30
"""Digits after the point of a price; what is written with more is a typing error."""


@dataclass(frozen=True)
class Offer:
    """One price point: a whole node of `gpus_per_node` accelerators for an hour.

    Attributes
    ----------
    price_per_node_hour_usd
        Price of the whole node as listed, without what is paid upfront; exact decimal.
    stock
        Nodes that can be had; None means no limit is known.
    network_gbps
        Network of the node towards other nodes (Gbit/s); None means unknown, and then
        neither pipeline stages nor KV caches are planned across it.
    min_nodes
        Smallest number of nodes that is sold.
    term_months
        Length of the commitment; None means none.
    upfront_usd
        Payment in advance per node for the whole term; None means none.
    available_from, available_until
        First and last day on which it can be rented; None means no limit is known.
    """

    offer_id: str
    provider: str
    region: str
    instance_type: str
    accelerator: str
    gpus_per_node: int
    price_per_node_hour_usd: Decimal
    pricing: str
    stock: int | None
    network_gbps: float | None
    min_nodes: int
    term_months: int | None
    upfront_usd: Decimal | None
    interruptible: bool
    available_from: dt.date | None
    available_until: dt.date | None
    currency: str
    observed_at: dt.date
    source: str
    notes: str

    @property
    def hourly_usd(self) -> Decimal:
        """What a node costs an hour (USD): its price, and the part of the upfront payment.

        price + upfront / (term · 730), the latter to the billionth of a dollar. Commitments are
        take-or-pay: the payment is spread over every hour of the term.
        """
        if not self.upfront_usd or self.term_months is None:
            return self.price_per_node_hour_usd
        spread = self.upfront_usd / (self.term_months * HOURS_PER_MONTH)
        return self.price_per_node_hour_usd + spread.quantize(NANO_USD)

    @property
    def price_per_gpu_hour_usd(self) -> float:
        """Cost of one accelerator-hour (USD), its part of an upfront payment included."""
        return float(self.hourly_usd) / self.gpus_per_node

    def on_sale(self, day: dt.date) -> bool:
        """Whether it can be rented on a day."""
        return (self.available_from is None or self.available_from <= day) and (
            self.available_until is None or day <= self.available_until
        )


def parse_offer(row: Row, accelerators: Mapping[str, Accelerator], *, strict: bool = True) -> Offer:
    """Turn one row into an `Offer`.

    Parameters
    ----------
    strict
        If False, accelerators outside the catalogue are accepted (for measured capacities).

    Raises
    ------
    CatalogError
        If the price has no source or date, is outside sane bounds (its part of an upfront
        payment included), is not in US dollars, an upfront payment has no term, or the
        accelerator is unknown.
    """
    place = f"{row.place}, column accelerator"
    name = canonical_accelerator(row.text("accelerator"), accelerators, place, strict=strict)
    gpus = row.integer("gpus_per_node", at_least=1)
    term = row.optional_integer("term_months", at_least=1)
    upfront = _optional_decimal(row, "upfront_usd")
    if upfront and term is None:
        raise row.fault(
            "term_months",
            f"is empty, but ${upfront:f} is paid upfront; give the months that it pays for.",
        )
    # Where all is paid upfront, an hour costs nothing more.
    row.number("price_per_node_hour_usd", above=-1e-12 if upfront else 0)
    currency = (row.cells.get("currency") or "USD").upper()
    if currency != "USD":
        raise row.fault("currency", f"{currency!r} is not USD; convert the price to US dollars.")
    pricing = row.choice("pricing", PRICING)
    flag = row.cells.get("interruptible", "").lower()
    if flag not in ("", "true", "false"):
        raise row.fault("interruptible", f"{flag!r} is not true or false.")
    offer = Offer(
        offer_id=row.text("offer_id"),
        provider=row.text("provider"),
        region=row.cells.get("region", ""),
        instance_type=row.cells.get("instance_type", ""),
        accelerator=name,
        gpus_per_node=gpus,
        price_per_node_hour_usd=_decimal(row, "price_per_node_hour_usd"),
        pricing=pricing,
        stock=row.optional_integer("stock"),
        network_gbps=row.optional_number("network_gbps", above=0, at_most=1e6),
        min_nodes=row.optional_integer("min_nodes", at_least=1) or 1,
        term_months=term,
        upfront_usd=upfront,
        interruptible=flag == "true" or (flag == "" and pricing == "spot"),
        available_from=row.date("available_from") if row.cells.get("available_from") else None,
        available_until=row.date("available_until") if row.cells.get("available_until") else None,
        currency=currency,
        observed_at=row.date("observed_at"),
        source=row.text("source"),
        notes=row.cells.get("notes", ""),
    )
    problem = price_problem(float(offer.hourly_usd), gpus, accelerators.get(name))
    if problem:
        listed = offer.hourly_usd <= 2 * offer.price_per_node_hour_usd
        raise row.fault("price_per_node_hour_usd" if listed else "upfront_usd", problem)
    return offer


def _optional_decimal(row: Row, column: str) -> Decimal | None:
    value = row.optional_number(column, above=-1e-12, at_most=1e12)
    return None if value is None else _decimal(row, column)


def _decimal(row: Row, column: str) -> Decimal:
    """Return a cell that is known to be a finite number, exactly."""
    value = Decimal(row.cells[column])
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -MAX_DECIMALS:
        raise row.fault(column, f"has more than {MAX_DECIMALS} digits after the point.")
    return value


def price_problem(price: float, gpus: int, accelerator: Accelerator | None) -> str:
    """Say what is wrong with a node price (USD/h) that cannot be real; "" if nothing is.

    Refused are prices below the electricity of the node's own accelerators, and above any ever
    listed.
    """
    per_gpu = price / gpus
    power_w = (accelerator.tdp_w if accelerator else None) or FLOOR_POWER_W
    floor = power_w / 1000 * ELECTRICITY_FLOOR_USD_PER_KWH
    if per_gpu < floor:
        name = accelerator.name if accelerator else "accelerators"
        return (
            f"${price:g} for {gpus} × {name} is less than their electricity "
            f"(${floor * gpus:.3g} an hour); check the figure."
        )
    if per_gpu > MAX_USD_PER_GPU_HOUR:
        return (
            f"${per_gpu:g} per accelerator-hour is above any price ever listed "
            f"(${MAX_USD_PER_GPU_HOUR:g}); is it a monthly price, or in another unit?"
        )
    return ""


def parse_offers(
    rows: Iterable[Row], accelerators: Mapping[str, Accelerator], *, strict: bool = True
) -> tuple[Offer, ...]:
    """Return the offers of `rows`; an id given twice is an error that names both rows."""
    seen: dict[str, str] = {}
    offers = []
    for row in rows:
        offer = parse_offer(row, accelerators, strict=strict)
        if offer.offer_id in seen:
            raise CatalogError(
                f"{row.place}, column offer_id: {offer.offer_id!r} is already used at "
                f"{seen[offer.offer_id]}; give each offer an id of its own."
            )
        seen[offer.offer_id] = row.place
        offers.append(offer)
    return tuple(offers)


@cache
def shipped_offers() -> tuple[Offer, ...]:
    """Return the offers that ship with minfleet."""
    return parse_offers(shipped_rows("offers"), shipped_accelerators())


def load_offers(
    paths: Path | Sequence[Path], accelerators: Mapping[str, Accelerator], *, strict: bool = True
) -> tuple[Offer, ...]:
    """Return the offers of a user's CSV or YAML file, or of several that share no id."""
    files = (paths,) if isinstance(paths, Path) else paths
    rows = (row for path in files for row in read_table(path, "offers"))
    return parse_offers(rows, accelerators, strict=strict)
