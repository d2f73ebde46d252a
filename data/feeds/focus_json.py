"""FOCUS rows as JSON: what a cloud bills, or lists, in the columns of the FinOps Foundation.

https://focus.finops.org. The columns that are read are `COLUMNS`; a row is an offer where it has an
hourly unit price and its machine has accelerators: named in the row itself, or of a machine type
that the catalogue knows.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from data.accelerators import Accelerator, canonical_accelerator
from data.errors import CatalogError, InputError, UnknownNameError
from data.feeds.gathering import Gathered
from data.feeds.reading import Listing, Reading
from data.importers import offer_id

FEED = "focus-json"

COLUMNS = {
    "ProviderName": "provider (ServiceProviderName in FOCUS 1.3)",
    "RegionId": "region; RegionName where it is empty, else global",
    "SkuId": "machine type, where SkuPriceDetails names none",
    "SkuPriceDetails": "InstanceType and GpuCount, with or without the prefix F_",
    "PricingCategory": "Standard: on demand; Dynamic: spot; Committed: committed; others skipped",
    "ContractedUnitPrice": "price; of several in one period the lowest counts",
    "ListUnitPrice": "price where none is contracted",
    "PricingUnit": "Hours, or GPU-Hours for the price of one accelerator; others skipped",
    "PricingCurrency": "currency; BillingCurrency where it is empty, else USD",
    "ChargeCategory": "rows of other categories than Usage are passed over",
    "ChargePeriodStart": "day on which the price was seen; of several periods the last counts",
    "x_Accelerator": "accelerator by name or alias, where the catalogue does not know the machine",
    "x_UsdPerUnit": "US dollars for one unit of the currency; needed where it is not USD",
    "x_RateDate": "day of that rate",
    "x_TermMonths": "months of a commitment",
}
"""Column of FOCUS → what it is read as. Names beginning with ``x_`` are the user's own, as FOCUS
allows."""

PRICING = {"standard": "on_demand", "dynamic": "spot", "committed": "committed"}

UNITS = {"hours": "node", "hour": "node", "gpu-hours": "gpu", "gpu-hour": "gpu"}

Machines = Mapping[tuple[str, str], tuple[str, int]]
"""Provider and machine type, in lower case → accelerator, and how many."""


def read_focus(
    listings: tuple[Listing, ...], known: Mapping[str, Accelerator], machines: Machines
) -> Reading:
    """Read FOCUS rows.

    Parameters
    ----------
    known
        Accelerators by name.
    machines
        What is in the machines of the catalogue.

    Raises
    ------
    InputError
        If a file is no such JSON.
    """
    reader = _Focus(known, machines)
    for listing in listings:
        for place, item in _items(listing.text(), listing.place):
            reader.add(place, item)
    for listing_place, what, cells in reader.latest.values():
        reader.gathered.add(listing_place, what, cells)
    return Reading(
        feed=FEED,
        place=", ".join(x.place for x in listings),
        offers=tuple(reader.gathered.offers.values()),
        skipped=tuple(reader.gathered.skipped),
        rows=reader.rows,
        without_accelerator=reader.bare,
        rows_by_provider=reader.by_provider,
        prices_only=True,
    )


def _items(text: str, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the rows of a list, of a mapping with ``rows``, or of JSON lines."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    if not first:
        raise CatalogError(f"{place}: is empty.")
    found: Any
    if first.lstrip().startswith("{") and _is_json(first) and len(lines) > 1:
        found = []
        for number, line in enumerate(lines, start=1):
            if line.strip():
                found.append((f"{place}, line {number}", _parsed(line, f"{place}, line {number}")))
    else:
        loaded = _parsed(text, place)
        if isinstance(loaded, Mapping) and "rows" in loaded:
            loaded = loaded["rows"]
        elif isinstance(loaded, Mapping):
            loaded = [loaded]
        if not isinstance(loaded, list):
            raise CatalogError(f'{place}: must be a list of FOCUS rows, or {{"rows": […]}}.')
        found = [(f"{place}, row {n}", item) for n, item in enumerate(loaded, start=1)]
    if not found:
        raise CatalogError(f"{place}: holds no rows.")
    for where, item in found:
        if not isinstance(item, Mapping):
            raise CatalogError(f"{where}: must be a mapping of FOCUS column to value.")
        yield where, item
    columns = {name for _, item in found for name in item}
    if not columns & {"ContractedUnitPrice", "ListUnitPrice"}:
        raise CatalogError(
            f"{place}: no row has ContractedUnitPrice or ListUnitPrice; are these FOCUS rows?"
        )


def _is_json(line: str) -> bool:
    try:
        return "rows" not in json.loads(line)
    except ValueError:
        return False


def _parsed(text: str, place: str) -> Any:
    """Return the value of JSON whose numbers stay as they are written."""

    def constant(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_float=str, parse_int=str, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not valid JSON ({error}); the file may be cut short.") from None


class _Focus:
    """The last price of each machine, gathered row by row."""

    def __init__(self, known: Mapping[str, Accelerator], machines: Machines) -> None:
        self.known, self.machines = known, machines
        self.gathered = Gathered(known)
        self.latest: dict[str, tuple[str, str, dict[str, str]]] = {}
        self.rows = self.bare = 0
        self.by_provider: dict[str, int] = {}
        self._since: dict[str, str] = {}

    def add(self, place: str, item: Mapping[str, Any]) -> None:
        """Take one row in."""
        self.rows += 1
        cell = {k: "" if v is None else str(v).strip() for k, v in item.items()}
        provider = cell.get("ProviderName") or cell.get("ServiceProviderName") or ""
        provider = _PROVIDERS.get(provider.lower(), provider.lower().replace(" ", "-"))
        if provider:
            self.by_provider[provider] = self.by_provider.get(provider, 0) + 1
        if cell.get("ChargeCategory", "Usage").lower() not in ("", "usage"):
            self.bare += 1
            return
        details = _details(item.get("SkuPriceDetails"), place)
        machine = details.get("InstanceType") or cell.get("SkuId", "")
        accelerator, gpus = self._machine(provider, machine, cell, details)
        if not accelerator and not gpus:
            self.bare += 1
            return
        what = machine or cell.get("x_Accelerator", "")
        problem = self._problem(provider, machine, accelerator, gpus, cell)
        if problem:
            self.gathered.skip(place, what, problem)
            return
        cells = _cells(place, cell, provider, machine, accelerator, gpus)
        self._keep(place, what, cells, cell["ChargePeriodStart"])

    def _machine(
        self, provider: str, machine: str, cell: Mapping[str, str], details: Mapping[str, str]
    ) -> tuple[str, int]:
        """Return accelerator and count of a row; "" and 0 where it says neither."""
        count = details.get("GpuCount", "")
        gpus = int(float(count)) if re.fullmatch(r"\d+(\.0*)?", count) else 0
        accelerator, fitted = self.machines.get((provider, machine.lower()), ("", 0))
        return cell.get("x_Accelerator", "") or accelerator, gpus or fitted

    def _problem(
        self, provider: str, machine: str, accelerator: str, gpus: int, cell: Mapping[str, str]
    ) -> str:
        """Say why a row cannot be used; "" if it can."""
        if not provider:
            return "names no provider"
        if not machine:
            return "names no machine (InstanceType in SkuPriceDetails, or SkuId)"
        if not accelerator:
            return (
                f"the catalogue knows no machine {machine!r} of {provider}; give its accelerator "
                "in x_Accelerator"
            )
        if not gpus:
            return "no count of accelerators (GpuCount in SkuPriceDetails)"
        try:
            canonical_accelerator(accelerator, self.known)
        except UnknownNameError as error:
            return str(error)
        category, unit = cell.get("PricingCategory", ""), cell.get("PricingUnit", "")
        if category.lower() not in PRICING:
            return f"PricingCategory {category!r} is not one of Standard, Dynamic, Committed"
        if unit.lower() not in UNITS:
            return f"PricingUnit {unit!r} is not Hours or GPU-Hours"
        if not (cell.get("ContractedUnitPrice") or cell.get("ListUnitPrice")):
            return "no unit price"
        if not re.match(r"\d{4}-\d{2}-\d{2}", cell.get("ChargePeriodStart", "")):
            return "ChargePeriodStart is no date"
        return ""

    def _keep(self, place: str, what: str, cells: dict[str, str], since: str) -> None:
        """Keep a row of the last period; of several prices in it the lowest.

        A machine has several prices where it is billed with other operating systems, or by
        volume; what is looked for is the machine itself.
        """
        name = cells["offer_id"]
        before = self._since.get(name, "")
        if since < before:
            return
        if since == before:
            there, _, known = self.latest[name]
            if _unit(known) != _unit(cells):
                self.gathered.skip(place, what, f"in another unit or currency than {there}")
                return
            price, least = _amount(cells), _amount(known)
            if price >= least:
                if price > least:
                    self.gathered.skip(place, what, f"dearer than {there}, of the same period")
                return
            self.gathered.skip(there, what, f"dearer than {place}, of the same period")
        self._since[name] = since
        self.latest[name] = place, what, cells


_PROVIDERS = {
    "amazon web services": "aws",
    "amazon": "aws",
    "google": "gcp",
    "google cloud": "gcp",
    "google cloud platform": "gcp",
    "microsoft": "azure",
    "microsoft azure": "azure",
    "oracle": "oci",
    "oracle cloud": "oci",
    "oracle cloud infrastructure": "oci",
}
"""What bills call a provider that has another name in the catalogue."""


def _details(given: Any, place: str) -> Mapping[str, str]:
    """Return SkuPriceDetails, which may be a mapping or the text of one, without prefixes."""
    if isinstance(given, str) and given.strip():
        given = _parsed(given, f"{place}, column SkuPriceDetails")
    if not isinstance(given, Mapping):
        return {}
    return {k.removeprefix("F_"): "" if v is None else str(v) for k, v in given.items()}


def _unit(cells: Mapping[str, str]) -> tuple[str, ...]:
    price = next(c for c in cells if c.startswith("price_per_"))
    return price, cells["currency"], cells["usd_per_unit"]


def _amount(cells: Mapping[str, str]) -> float:
    """Return a price as a number; what is none counts as the dearest, and is refused later."""
    try:
        return float(cells[_unit(cells)[0]])
    except ValueError:
        return math.inf


def _cells(
    place: str, cell: Mapping[str, str], provider: str, machine: str, accelerator: str, gpus: int
) -> dict[str, str]:
    """Return a row in the columns of an offers file."""
    region = cell.get("RegionId") or cell.get("RegionName") or "global"
    pricing = PRICING[cell["PricingCategory"].lower()]
    currency = (cell.get("PricingCurrency") or cell.get("BillingCurrency") or "USD").upper()
    suffix = "_usd" if currency == "USD" else ""
    column = f"price_per_{UNITS[cell['PricingUnit'].lower()]}_hour{suffix}"
    return {
        "offer_id": offer_id(provider, region, machine, pricing),
        "provider": provider,
        "region": region,
        "instance_type": machine,
        "accelerator": accelerator,
        "gpus_per_node": str(gpus),
        column: cell.get("ContractedUnitPrice") or cell["ListUnitPrice"],
        "pricing": pricing,
        "currency": currency,
        "usd_per_unit": cell.get("x_UsdPerUnit", ""),
        "rate_date": cell.get("x_RateDate", ""),
        "term_months": cell.get("x_TermMonths", ""),
        "observed_at": cell["ChargePeriodStart"][:10],
        "source": f"FOCUS rows, {place.partition(', ')[0].rpartition('/')[2]}",
    }
