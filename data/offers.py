"""Offers: what can be rented, at which price, where, and who said so when."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from data.accelerators import Accelerator, canonical_accelerator, shipped_accelerators
from data.currencies import NANO_USD
from data.faults import Faults
from data.price_steps import PriceStep
from data.price_units import PEERS, KnownPrices, taken_for_node, unit_problem
from data.quotes import PRICE_COLUMNS, Quote, read_quote
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
    currency
        ISO 4217 code of the currency that it was quoted in; every amount here is in US dollars.
    usd_per_unit, rate_date
        US dollars for one unit of that currency, and the day of that rate; None for US dollars.
    price_steps
        Prices that hold for all nodes from some number of them on, that number rising.
    confirmed
        Whether the buyer confirms a price that looks like one of another unit.
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
    usd_per_unit: Decimal | None = None
    rate_date: dt.date | None = None
    price_steps: tuple[PriceStep, ...] = ()
    confirmed: bool = False

    @property
    def hourly_usd(self) -> Decimal:
        """What a node costs an hour (USD): its price, and the part of the upfront payment.

        price + upfront / (term · 730), the latter to the billionth of a dollar. Commitments are
        take-or-pay: the payment is spread over every hour of the term.
        """
        return self.price_per_node_hour_usd + self._upfront_per_hour_usd

    @property
    def _upfront_per_hour_usd(self) -> Decimal:
        if not self.upfront_usd or self.term_months is None:
            return Decimal(0)
        return (self.upfront_usd / (self.term_months * HOURS_PER_MONTH)).quantize(NANO_USD)

    def price_at(self, nodes: int) -> Decimal:
        """Price of each of so many nodes (USD/h) as listed, without what is paid upfront."""
        reached = [s.price_per_node_hour_usd for s in self.price_steps if s.from_nodes <= nodes]
        return reached[-1] if reached else self.price_per_node_hour_usd

    def hourly_usd_at(self, nodes: int) -> Decimal:
        """What each of so many nodes costs an hour (USD), its part of an upfront payment included.

        See `hourly_usd`, which holds below the first step.
        """
        return self.price_at(nodes) + self._upfront_per_hour_usd

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
        payment included), is in a currency without a rate, an upfront payment has no term, or
        the accelerator is unknown.
    """
    place = f"{row.place}, column accelerator"
    name = canonical_accelerator(row.text("accelerator"), accelerators, place, strict=strict)
    gpus = row.integer("gpus_per_node", at_least=1)
    min_nodes = row.optional_integer("min_nodes", at_least=1) or 1
    term = row.optional_integer("term_months", at_least=1)
    quote = read_quote(row, gpus, min_nodes)
    if quote.upfront_usd and term is None:
        raise row.fault(
            "term_months",
            f"is empty, but ${quote.upfront_usd:f} is paid upfront; give the months that it pays "
            "for.",
        )
    pricing = row.choice("pricing", PRICING)
    offer = Offer(
        offer_id=row.text("offer_id"),
        provider=row.text("provider"),
        region=row.cells.get("region", ""),
        instance_type=row.cells.get("instance_type", ""),
        accelerator=name,
        gpus_per_node=gpus,
        price_per_node_hour_usd=quote.price_per_node_hour_usd,
        pricing=pricing,
        stock=row.optional_integer("stock"),
        network_gbps=row.optional_number("network_gbps", above=0, at_most=1e6),
        min_nodes=min_nodes,
        term_months=term,
        upfront_usd=quote.upfront_usd,
        interruptible=_flag(row, "interruptible", pricing == "spot"),
        available_from=row.date("available_from") if row.cells.get("available_from") else None,
        available_until=row.date("available_until") if row.cells.get("available_until") else None,
        currency=quote.rate.currency,
        observed_at=row.date("observed_at"),
        source=row.text("source"),
        notes=row.cells.get("notes", ""),
        usd_per_unit=quote.rate.usd_per_unit,
        rate_date=quote.rate.rate_date,
        price_steps=quote.steps,
        confirmed=_flag(row, "confirmed", False),
    )
    _check_prices(row, quote, offer, accelerators.get(name))
    return offer


def _flag(row: Row, column: str, default: bool) -> bool:
    cell = row.cells.get(column, "").lower()
    if cell not in ("", "true", "false"):
        raise row.fault(column, f"{cell!r} is not true or false.")
    return cell == "true" if cell else default


def _check_prices(row: Row, quote: Quote, offer: Offer, accelerator: Accelerator | None) -> None:
    """Refuse a price that cannot be real, of the first node or of a step."""
    gpus = offer.gpus_per_node
    problem = price_problem(float(offer.hourly_usd), gpus, accelerator)
    if problem:
        listed = offer.hourly_usd <= 2 * offer.price_per_node_hour_usd
        raise row.fault(quote.column if listed else quote.upfront_column, problem)
    for step in offer.price_steps:
        hourly = float(offer.hourly_usd_at(step.from_nodes))
        problem = price_problem(hourly, gpus, accelerator)
        if problem:
            raise row.fault("price_steps", f"from {step.from_nodes} nodes on, {problem}")


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
    rows: Iterable[Row],
    accelerators: Mapping[str, Accelerator],
    *,
    strict: bool = True,
    trusted: bool = False,
    faults: Faults | None = None,
) -> tuple[Offer, ...]:
    """Return the offers of `rows`, all or none of them.

    Parameters
    ----------
    strict
        See `parse_offer`.
    trusted
        Whether the rows ship, or were taken in before: then none is asked whether its price is
        of an accelerator or of a node.
    faults
        What was wrong with the rows already.

    Raises
    ------
    CatalogError
        If a row is wrong, or an id is given twice (both rows are named).
    RowsError
        If several are; it has a sentence for each.
    """
    faults = Faults() if faults is None else faults
    seen: dict[str, str] = {}
    offers = []
    for row in rows:
        with faults:
            _check_id(row, seen)
        with faults:
            offer = parse_offer(row, accelerators, strict=strict)
            if not (trusted or offer.confirmed):
                _check_unit(row, offer)
            offers.append(offer)
    faults.check()
    return tuple(offers)


def _check_id(row: Row, seen: dict[str, str]) -> None:
    """Refuse an id of an earlier row, even where that one is wrong itself."""
    name = row.cells.get("offer_id", "")
    before = seen.setdefault(name, row.place)
    if name and before != row.place:
        raise row.fault(
            "offer_id",
            f"{name!r} is already used at {before}; give each offer an id of its own.",
        )


def _check_unit(row: Row, offer: Offer) -> None:
    """Ask where a price looks like that of one accelerator in place of a node, or the reverse."""
    known = known_prices().get(offer.accelerator)
    if known is None:
        return
    name, gpus = offer.accelerator, offer.gpus_per_node
    column = next(c for c in PRICE_COLUMNS if row.cells.get(c))
    written = row.cells[column] + (" with what is paid upfront" if offer.upfront_usd else "")
    problem = unit_problem(written, column, float(offer.hourly_usd), gpus, name, known)
    if problem:
        raise row.fault(column, problem)
    for step in offer.price_steps:
        hourly = float(offer.hourly_usd_at(step.from_nodes))
        if taken_for_node(hourly, gpus, known):
            raise row.fault(
                "price_steps",
                f"from {step.from_nodes} nodes on, ${hourly:.4g} for a node of {gpus} is "
                f"${hourly / gpus:.3g} an hour for one {name}, below every known price ({known}); "
                f"write steps in the unit of {column}, or set confirmed to true.",
            )


@cache
def shipped_offers() -> tuple[Offer, ...]:
    """Return the offers that ship with minfleet."""
    return parse_offers(shipped_rows("offers"), shipped_accelerators(), trusted=True)


@cache
def known_prices() -> Mapping[str, KnownPrices]:
    """Return what the shipped offers of an accelerator cost, where there are enough of them."""
    prices: dict[str, list[float]] = defaultdict(list)
    for offer in shipped_offers():
        prices[offer.accelerator].append(offer.price_per_gpu_hour_usd)
    return {n: KnownPrices.of(each) for n, each in prices.items() if len(each) >= PEERS}


def load_offers(
    paths: Path | Sequence[Path], accelerators: Mapping[str, Accelerator], *, strict: bool = True
) -> tuple[Offer, ...]:
    """Return the offers of a user's CSV or YAML file, or of several that share no id.

    See `parse_offers`.
    """
    faults = Faults()
    files = (paths,) if isinstance(paths, Path) else paths
    rows = [row for path in files for row in read_table(path, "offers", faults)]
    return parse_offers(rows, accelerators, strict=strict, faults=faults)
