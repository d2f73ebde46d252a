"""Price lists of others, turned into offers; and offers written to a file of our own.

Whatever a list holds that cannot become an offer is reported row by row with the reason: a plan
must not be cheaper than it could be, nor dearer, because a row went missing in silence.
"""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from data.accelerators import Accelerator, shipped_accelerators
from data.boards import BoardFinder
from data.errors import CatalogError, InputError
from data.offer_cells import offer_cells
from data.offers import Offer, load_offers, price_problem
from data.tables import Row, columns, parse_csv, read_text

SKYPILOT_COLUMNS = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Price", "Region")
"""Columns that a SkyPilot price list must have; SpotPrice, AvailabilityZone, GpuInfo may be."""


@dataclass(frozen=True)
class Skipped:
    """A row that did not become an offer: where it is, what it offers, and why not.

    Attributes
    ----------
    impossible_price
        Whether the reason is a price that cannot be real.
    """

    place: str
    what: str
    reason: str
    impossible_price: bool = False


@dataclass(frozen=True)
class Imported:
    """What a price list gave.

    Attributes
    ----------
    offers
        In the order of the file.
    skipped
        Rows (or prices of a row) that name an accelerator and yet gave no offer.
    rows
        Rows of the file.
    without_accelerator
        Rows that name no accelerator, such as machines with CPUs only.
    """

    offers: tuple[Offer, ...]
    skipped: tuple[Skipped, ...]
    rows: int
    without_accelerator: int = 0


def import_csv(
    path: Path, accelerators: Mapping[str, Accelerator] | None = None, *, strict: bool = True
) -> Imported:
    """Read offers in our own columns (CSV or YAML), with accelerators by their catalogue names.

    Parameters
    ----------
    accelerators
        Known accelerators by name; None for the shipped ones.
    strict
        If False, accelerators outside the catalogue are accepted.

    Raises
    ------
    InputError
        If the file cannot be read or any row is wrong; the row is named.
    """
    known = shipped_accelerators() if accelerators is None else accelerators
    offers = load_offers(path, known, strict=strict)
    return Imported(offers, (), len(offers))


def import_skypilot(
    path: Path,
    provider: str,
    observed_at: dt.date,
    accelerators: Mapping[str, Accelerator] | None = None,
    *,
    source: str = "",
) -> Imported:
    """Read a price list of SkyPilot's catalogue (the ``vms.csv`` of one cloud).

    A row gives an on-demand offer from ``Price`` and a spot offer from ``SpotPrice``. Zones of a
    region become one offer at the price of the cheapest.

    Parameters
    ----------
    provider
        Cloud that the list is of; the file does not say.
    observed_at
        Day the list was fetched; the file does not say.
    accelerators
        Known accelerators by name; None for the shipped ones.
    source
        Who published the prices; by default SkyPilot's catalogue and the file name.

    Raises
    ------
    InputError
        If the file cannot be read, is not such a list, or gives two prices for the same machine
        in the same zone.
    """
    text = read_text(path, "price list")
    source = source or f"SkyPilot catalogue, {path.name}"
    return read_skypilot(text, str(path), provider, observed_at, accelerators, source=source)


def read_skypilot(
    text: str,
    place: str,
    provider: str,
    observed_at: dt.date,
    accelerators: Mapping[str, Accelerator] | None = None,
    *,
    source: str,
) -> Imported:
    """Read a price list of SkyPilot's catalogue from its text; see `import_skypilot`.

    Parameters
    ----------
    place
        What to call the text in messages.
    """
    known = shipped_accelerators() if accelerators is None else accelerators
    provider = provider.strip()
    if not provider:
        raise CatalogError(f"{place}: name the provider that this list is of; it does not say.")
    reader = _SkyPilot(provider, observed_at, source, known)
    count = 0
    for count, row in enumerate(parse_csv(text, place), start=1):
        if count == 1:
            _check_header(row, place)
        reader.add(row)
    if not count:
        raise CatalogError(f"{place}: holds no rows.")
    offers = tuple(reader.offers.values())
    return Imported(offers, tuple(reader.skipped), count, reader.without_accelerator)


def _check_header(row: Row, place: str) -> None:
    for column in SKYPILOT_COLUMNS:
        if column not in row.cells:
            raise CatalogError(
                f"{place}: column {column!r} is missing; a SkyPilot price list has "
                f"{', '.join(SKYPILOT_COLUMNS)}."
            )


class _SkyPilot:
    """The offers of a SkyPilot price list, gathered row by row."""

    def __init__(
        self, provider: str, observed_at: dt.date, source: str, known: Mapping[str, Accelerator]
    ) -> None:
        self.provider, self.observed_at, self.source = provider, observed_at, source
        self.known = known
        self.boards = BoardFinder(known)
        self.offers: dict[str, Offer] = {}
        self.skipped: list[Skipped] = []
        self.without_accelerator = 0
        self._seen: dict[tuple[str, ...], tuple[str, dict[str, str]]] = {}
        self._zones: dict[str, str] = {}

    def add(self, row: Row) -> None:
        """Take one row in."""
        cells = row.cells
        if not cells["AcceleratorName"]:
            self.without_accelerator += 1
            return
        what = cells["InstanceType"] or cells["AcceleratorName"]
        if not cells["InstanceType"]:
            # Google's list prices accelerators and their hosts in rows of their own.
            reason = "no InstanceType: the price is the accelerator's alone, without a machine"
            self.skipped.append(Skipped(row.place, what, reason))
            return
        if self._is_repeat(row):
            return
        gpus, problem = _whole_count(row)
        accelerator = note = ""
        if not problem:
            accelerator, note, problem = self.boards.find(row, gpus)
        if problem:
            self.skipped.append(Skipped(row.place, what, problem))
            return
        prices = {"on_demand": _price(row, "Price"), "spot": _price(row, "SpotPrice")}
        if not any(prices.values()):
            self.skipped.append(Skipped(row.place, what, "no price"))
        for pricing, price in prices.items():
            if price is not None:
                self._offer(row, accelerator, gpus, pricing, price, note)

    def _is_repeat(self, row: Row) -> bool:
        """Whether the machine of `row` was there before; at another price that is an error."""
        names = ("InstanceType", "AcceleratorName", "AcceleratorCount", "Region")
        key = (*(row.cells[n] for n in names), row.cells.get("AvailabilityZone", ""))
        prices = {n: row.cells.get(n, "") for n in ("Price", "SpotPrice")}
        place, before = self._seen.setdefault(key, (row.place, prices))
        if before != prices:
            raise row.fault(
                "Price",
                f"{row.cells['InstanceType']!r} has another price for the same zone at {place}; "
                "keep one of the two.",
            )
        return place != row.place

    def _offer(
        self, row: Row, accelerator: str, gpus: int, pricing: str, price: Decimal, note: str
    ) -> None:
        """Add the offer of one price, or take it over from a dearer zone."""
        machine, region = row.cells["InstanceType"], row.cells["Region"] or "global"
        zone = row.cells.get("AvailabilityZone", "")
        problem = price_problem(float(price), gpus, self.known.get(accelerator))
        if problem:
            self.skipped.append(Skipped(row.place, machine, problem, impossible_price=True))
            return
        offer = Offer(
            offer_id=offer_id(self.provider, region, machine, pricing),
            provider=self.provider,
            region=region,
            instance_type=machine,
            accelerator=accelerator,
            gpus_per_node=gpus,
            price_per_node_hour_usd=price,
            pricing=pricing,
            stock=None,
            network_gbps=None,
            min_nodes=1,
            term_months=None,
            upfront_usd=None,
            interruptible=pricing == "spot",
            available_from=None,
            available_until=None,
            currency="USD",
            observed_at=self.observed_at,
            source=self.source,
            notes="; ".join(n for n in (f"seen in zone {zone}" if zone else "", note) if n),
        )
        before = self.offers.get(offer.offer_id)
        if before is None:
            self.offers[offer.offer_id] = offer
        elif _machine(before) != _machine(offer):
            raise row.fault(
                "InstanceType",
                f"{machine!r} in {region!r} is the same offer as {before.instance_type!r} in "
                f"{before.region!r} with {before.gpus_per_node} × {before.accelerator}; "
                "give one of them another name.",
            )
        elif price < before.price_per_node_hour_usd:
            self.offers[offer.offer_id] = offer


def _machine(offer: Offer) -> tuple[str, str, str, int]:
    return offer.instance_type, offer.region, offer.accelerator, offer.gpus_per_node


def _whole_count(row: Row) -> tuple[int, str]:
    """Return the accelerators of a machine, or 0 and why the row cannot be used."""
    count = row.optional_number("AcceleratorCount")
    if count is None or count <= 0:
        return 0, "no count of accelerators"
    if count != int(count):
        return 0, f"a share of an accelerator ({count:g}); only whole ones are planned"
    return int(count), ""


def _price(row: Row, column: str) -> Decimal | None:
    """Return a price exactly as it is written; None where there is none (empty or 0)."""
    if not row.optional_number(column, above=-1e-12):
        return None
    return Decimal(f"{Decimal(row.cells[column]).normalize():f}")


def offer_id(provider: str, region: str, machine: str, pricing: str) -> str:
    """Return the id of an offer as the shipped ones have it: four names in lower case."""
    names = (provider, region, machine, pricing)
    return "/".join(re.sub(r"[^\w.+-]+", "-", name).strip("-").lower() for name in names)


def write_offers(path: Path, offers: Iterable[Offer]) -> None:
    """Write offers as CSV with every documented column, all or nothing.

    The file is written beside `path` and put in its place at the end, so that nobody ever reads
    half of it and a failure leaves what was there.

    Raises
    ------
    CatalogError
        If there is no offer, or two have the same id; nothing is written.
    InputError
        If the file cannot be written, or `path` is there and no regular file: putting the file
        in the place of a device or a pipe would destroy it.
    """
    rows = list(offers)
    if not rows:
        raise CatalogError(f"{path}: there is no offer to write.")
    seen: set[str] = set()
    for offer in rows:
        if offer.offer_id in seen:
            raise CatalogError(
                f"{path}: offer_id {offer.offer_id!r} is there twice; give each offer an id of "
                "its own."
            )
        seen.add(offer.offer_id)
    if path.name.endswith((".yaml", ".yml", ".json", ".gz")):
        raise InputError(f"{path}: offers are written as CSV; name the file .csv.")
    target = Path(os.path.realpath(path))  # a link keeps pointing at what was written
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    names = [c.column for c in columns("offers")]
    try:
        if target.exists() and not target.is_file():
            raise InputError(f"{path}: is not a regular file; give the name of a CSV file.")
        with draft.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            writer.writerows(list(offer_cells(offer).values()) for offer in rows)
        os.replace(draft, target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
