"""Histories of prices: files that say from which day on an offer costs something else.

Three layouts are read, told apart by their header:

- ours: ``date, offer_id, price_per_node_hour_usd``, of offers that a catalogue describes;
- a cloud's price list followed over time, ``date, region, instance_type, kind, old_usd_h,
  new_usd_h, rel_change, commit``;
- the same of one region, ``date, instance_type, old_usd_h, new_usd_h, commit``.

What an instance type holds comes from ``instances.csv``. An empty old price means that the offer
appears on that day, an empty new one that it is withdrawn.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from data.accelerators import Accelerator
from data.errors import CatalogError
from data.instances import Instance, shipped_instances
from data.offers import Offer, price_problem
from data.tables import Row, check_columns, parse_csv, read_text

OWN = frozenset(("date", "offer_id", "price_per_node_hour_usd"))
"""Columns of our own layout."""

SPELLINGS = {"old": "old_usd_h", "new": "new_usd_h", "karpenter_commit": "commit"}
"""Column of a cloud's layout as it is also written → its name here."""

CLOUD = frozenset(("date", "instance_type", "old_usd_h", "new_usd_h"))
"""Columns that both layouts of clouds have."""


@dataclass(frozen=True)
class PriceChange:
    """From a day on, an offer costs something else.

    Attributes
    ----------
    before, after
        Price of a node (USD/h) until and from that day; None: not on sale. In our own layout
        `before` is None for the first change, whose offer's catalogue says it.
    place
        File and line.
    """

    date: dt.date
    offer_id: str
    before: Decimal | None
    after: Decimal | None
    place: str


@dataclass(frozen=True)
class Skipped:
    """An instance type of the file that nothing can be planned on, and why."""

    instance_type: str
    reason: str
    rows: int


@dataclass(frozen=True)
class PriceChanges:
    """A history of prices.

    Attributes
    ----------
    changes
        By day, then by offer.
    offers
        What a cloud's file itself describes, each at its first known price; empty in our own
        layout, whose offers a catalogue describes.
    described
        Whether the file describes its offers.
    skipped
        Instance types that are left out.
    rows
        Rows of the file, those left out included.
    warnings
        What a reader should know of the file.
    """

    changes: tuple[PriceChange, ...]
    offers: tuple[Offer, ...]
    described: bool
    skipped: tuple[Skipped, ...]
    rows: int
    warnings: tuple[str, ...]

    def only(self, providers: Collection[str], regions: Collection[str]) -> PriceChanges:
        """Return the history of some providers and regions; an empty collection means all.

        Raises
        ------
        CatalogError
            If nothing is left; what there is, is named.
        """
        kept = tuple(
            o
            for o in self.offers
            if (not providers or o.provider in providers) and (not regions or o.region in regions)
        )
        if not kept:
            there = sorted({o.region if regions else o.provider for o in self.offers})
            raise CatalogError(
                "the price changes hold no offer of "
                f"{', '.join(sorted(providers))}{' in ' * bool(providers and regions)}"
                f"{', '.join(sorted(regions))}; they are of {', '.join(filter(None, there))}."
            )
        names = {o.offer_id for o in kept}
        return PriceChanges(
            tuple(c for c in self.changes if c.offer_id in names),
            kept,
            self.described,
            self.skipped,
            self.rows,
            self.warnings,
        )


def load_price_changes(
    path: Path, accelerators: Mapping[str, Accelerator], *, region: str = ""
) -> PriceChanges:
    """Return the history of prices in a CSV file (gzip by its ending).

    Parameters
    ----------
    accelerators
        Those that offers may be of, by name; others are skipped.
    region
        Where the offers of a file without a column ``region`` are.

    Raises
    ------
    CatalogError
        If it is of no known layout, or a row is wrong; row and column are named.
    """
    rows = list(parse_csv(read_text(path, "price changes"), str(path)))
    if not rows:
        raise CatalogError(f"{path}: holds no price changes.")
    rows = [Row(r.place, {SPELLINGS.get(k, k): v for k, v in r.cells.items()}) for r in rows]
    header = rows[0].cells.keys()
    if header >= CLOUD:
        return _of_cloud(rows, accelerators, region)
    if header >= OWN:
        check_columns(rows, "price_changes", str(path))
        changes = [_own_change(row) for row in rows]
        ordered, warnings = _in_order(changes)
        return PriceChanges(ordered, (), False, (), len(rows), warnings)
    raise CatalogError(
        f"{path}: the header is of no known layout; give the columns "
        "date, offer_id, price_per_node_hour_usd, or date, region, instance_type, kind, old_usd_h, "
        "new_usd_h."
    )


def _own_change(row: Row) -> PriceChange:
    return PriceChange(
        row.date("date"),
        row.text("offer_id"),
        None,
        _price(row, "price_per_node_hour_usd"),
        row.place,
    )


def _price(row: Row, column: str) -> Decimal | None:
    """Return a price exactly as it is written; None for an empty cell."""
    if row.optional_number(column, above=0) is None:
        return None
    return Decimal(row.cells[column])


def _of_cloud(
    rows: Sequence[Row], accelerators: Mapping[str, Accelerator], region: str
) -> PriceChanges:
    changes: list[PriceChange] = []
    offers: dict[str, tuple[dt.date, Offer]] = {}
    left_out: Counter[tuple[str, str]] = Counter()
    for row in rows:
        name = row.text("instance_type")
        found = shipped_instances().get(name)
        problem = _problem(found, accelerators)
        if problem or found is None:
            left_out[name, problem] += 1
            continue
        change, offer = _cloud_change(row, found, accelerators, region)
        changes.append(change)
        known = offers.get(offer.offer_id)
        if known is None or change.date < known[0]:
            offers[offer.offer_id] = (change.date, offer)
    ordered, warnings = _in_order(changes)
    return PriceChanges(
        ordered,
        tuple(offer for _, offer in sorted(offers.values(), key=lambda f: f[1].offer_id)),
        True,
        tuple(Skipped(name, why, n) for (name, why), n in sorted(left_out.items())),
        len(rows),
        warnings,
    )


def _problem(found: Instance | None, accelerators: Mapping[str, Accelerator]) -> str:
    """Say why nothing can be planned on an instance type; "" if something can."""
    if found is None:
        return "the table of instance types does not list it"
    if found.unusable:
        return found.unusable
    if found.accelerator not in accelerators:
        return f"the catalogue does not describe {found.accelerator}"
    return ""


def _cloud_change(
    row: Row, instance: Instance, accelerators: Mapping[str, Accelerator], region: str
) -> tuple[PriceChange, Offer]:
    assert instance.accelerator is not None
    assert instance.gpus_per_node is not None
    where = row.text("region") if "region" in row.cells else region
    pricing = row.choice("kind", ("on_demand", "spot")) if "kind" in row.cells else "on_demand"
    prices = {c: _price(row, c) for c in ("old_usd_h", "new_usd_h")}
    for column, price in prices.items():
        if price is not None:
            accelerator = accelerators[instance.accelerator]
            problem = price_problem(float(price), instance.gpus_per_node, accelerator)
            if problem:
                raise row.fault(column, problem)
    first = prices["old_usd_h"] if prices["old_usd_h"] is not None else prices["new_usd_h"]
    if first is None:
        raise row.fault("new_usd_h", "is empty, and so is the old price; give one of them.")
    name = "/".join(filter(None, (instance.provider, where, instance.instance_type, pricing)))
    date, commit = row.date("date"), row.cells.get("commit", "")
    offer = Offer(
        offer_id=name.lower(),
        provider=instance.provider,
        region=where,
        instance_type=instance.instance_type,
        accelerator=instance.accelerator,
        gpus_per_node=instance.gpus_per_node,
        price_per_node_hour_usd=first,
        pricing=pricing,
        stock=None,
        network_gbps=instance.network_gbps,
        min_nodes=1,
        term_months=None,
        upfront_usd=None,
        interruptible=pricing == "spot",
        available_from=None,
        available_until=None,
        currency="USD",
        observed_at=date,
        source=f"price changes, commit {commit}" if commit else "price changes",
        notes="",
    )
    change = PriceChange(date, offer.offer_id, prices["old_usd_h"], prices["new_usd_h"], row.place)
    return change, offer


def _in_order(changes: Sequence[PriceChange]) -> tuple[tuple[PriceChange, ...], tuple[str, ...]]:
    """Return changes by day, and what is odd about them.

    Raises
    ------
    CatalogError
        If an offer changes twice on a day.
    """
    ordered = sorted(changes, key=lambda c: (c.date, c.offer_id))
    last: dict[str, PriceChange] = {}
    gaps: list[str] = []
    for change in ordered:
        before = last.get(change.offer_id)
        if before is not None:
            if before.date == change.date:
                raise CatalogError(
                    f"{change.place}: {change.offer_id} changes twice on {change.date} "
                    f"(the other time at {before.place}); keep one."
                )
            if change.before is not None and change.before != before.after:
                gaps.append(change.place)
        last[change.offer_id] = change
    if not gaps:
        return tuple(ordered), ()
    told = f"{gaps[0]}: the old price is not the new one of the change before"
    more = f", as in {len(gaps) - 1} other rows" if len(gaps) > 1 else ""
    return tuple(ordered), (f"{told}{more}; a change between the two is missing.",)
