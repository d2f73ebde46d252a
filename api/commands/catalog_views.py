"""What ``minfleet catalog`` shows of accelerators, offers, imports and columns.

Each view is the document of ``--json`` together with the tables that say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.output import UNKNOWN, Section, figure, num
from data.accelerators import Accelerator, aliases, canonical_accelerator
from data.catalog import Catalog
from data.errors import UnknownNameError
from data.importers import Imported
from data.offers import Offer
from data.tables import Column, columns, shipped_rows

Document = dict[str, object]

OFFERS_NOTE = f"{UNKNOWN} unknown; of the stock: no limit is known."

QUOTED = ("price_per_node_hour", "price_per_gpu_hour", "upfront")
"""Columns of a file that an offer holds in US dollars, under another name."""

CHEAPEST = 5
"""Offers shown of an accelerator, for each kind of pricing."""


def catalog_facts(catalog: Catalog) -> Document:
    """Return what a document says about the catalogue it comes from."""
    return {"id": catalog.id, "observed_at": dict(catalog.observed_at)}


def offer_document(offer: Offer) -> Document:
    """Return every field of an offer."""
    return {**asdict(offer), "price_per_gpu_hour_usd": offer.price_per_gpu_hour_usd}


def offer_rows(offers: Sequence[Offer]) -> list[tuple[str, ...]]:
    """Return offers as table rows."""
    return [
        (
            o.offer_id,
            o.accelerator,
            num(o.gpus_per_node),
            _usd(o.price_per_gpu_hour_usd),
            _usd(o.price_per_node_hour_usd),
            figure(o.stock),
            figure(o.network_gbps),
            o.observed_at.isoformat(),
        )
        for o in offers
    ]


def _usd(amount: float | Decimal) -> str:
    """Write dollars so that the column lines up; the document has every digit."""
    return f"{amount:,.3f}"


def accelerators_view(
    catalog: Catalog, offers: Sequence[Offer], filters: Mapping[str, Any]
) -> tuple[Document, Section, list[str]]:
    """Return the accelerators that have an offer within `filters`.

    Without a filter on offers, those that nobody offers are listed too.
    """
    names = {canonical_accelerator(n, catalog.accelerators) for n in filters["accelerator"]}
    vendors = {v.lower() for v in filters["vendor"]}
    on_offers = any(filters[f] for f in ("provider", "region", "pricing", "max_price"))
    offered = Counter(o.accelerator for o in offers)
    chosen = [
        a
        for a in catalog.accelerators.values()
        if (not names or a.name in names)
        and (not vendors or a.vendor.lower() in vendors)
        and (not on_offers or a.name in offered)
    ]
    chosen.sort(key=lambda a: (a.vendor, a.memory_gb, a.bf16_tflops, a.name))
    documents, rows = [], []
    for a in chosen:
        least = {kind: _least(offers, a.name, kind) for kind in ("on_demand", "spot")}
        documents.append(
            {**asdict(a), "offers": offered[a.name], "least_price_per_gpu_hour_usd": least}
        )
        rates = ("memory_mib", "bandwidth_gb_per_s", "bf16_tflops", "fp8_tflops", "fp4_tflops")
        rows.append(
            (
                a.name,
                a.vendor,
                *(_marked(a, column) for column in (*rates, "link_gb_per_s", "tdp_w")),
                num(a.link_domain),
                num(offered[a.name]),
                *(UNKNOWN if p is None else _usd(p) for p in least.values()),
            )
        )
    headings = (
        "Accelerator",
        "Vendor",
        "Memory MiB",
        "Memory GB/s",
        "BF16 TFLOPS",
        "FP8 TFLOPS",
        "FP4 TFLOPS",
        "Link GB/s",
        "Power W",
        "Link domain GPUs",
        "Offers",
        "On demand from $/GPU-h",
        "Spot from $/GPU-h",
    )
    title = f"{len(chosen)} of {len(catalog.accelerators)} accelerators (dense rates)"
    note = f"? no primary source confirms the figure.  {UNKNOWN} unknown, or there is none."
    document: Document = {"catalog": catalog_facts(catalog), "accelerators": documents}
    return document, (title, headings, rows), [note]


def _least(offers: Sequence[Offer], accelerator: str, pricing: str) -> float | None:
    """Return the lowest price (USD per accelerator-hour) of an accelerator, if it has one."""
    found = [o for o in offers if o.accelerator == accelerator and o.pricing == pricing]
    return min((o.price_per_gpu_hour_usd for o in found), default=None)


def _marked(accelerator: Accelerator, column: str) -> str:
    """Write a figure, with a question mark if no primary source confirms it."""
    doubt = "?" if column in accelerator.unverified else ""
    return figure(getattr(accelerator, column)) + doubt


def find(name: str, catalog: Catalog) -> tuple[str, Document, list[Section], list[str]]:
    """Return the kind and the view of whatever is called `name`.

    Raises
    ------
    UnknownNameError
        If nothing is; the nearest names are given.
    """
    from api.commands.catalog_models import model_view
    from data.models import find_model, shipped_models

    offer = catalog.offer(name)
    if offer is not None:
        return "offer", *_offer_view(offer)
    try:
        known = canonical_accelerator(name, catalog.accelerators)
    except UnknownNameError:
        known = ""
    if known:
        return "accelerator", *_accelerator_view(catalog.accelerators[known], catalog)
    models = shipped_models()
    if name.lower() in {n for m in models.values() for n in (m.name, m.hf_id.lower())}:
        return "model", *model_view(find_model(name))
    if name.endswith(".json") or Path(name, "config.json").is_file():
        return "model", *model_view(find_model({"config": name}, place="NAME"))
    offers = [o.offer_id for o in catalog.offers]
    raise UnknownNameError(
        "accelerator, offer or model",
        name,
        [*catalog.accelerators, *aliases(), *models, *offers],
        hint="list them with 'minfleet catalog list accelerators', 'offers' or 'models'",
    )


def _figures(record: Any, table: str, unverified: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Return the fields of a record that `table` documents: name, value, unit, doubt."""
    rows: list[tuple[str, ...]] = []
    for column in columns(table):
        if column.column in ("source", "notes", "unverified", *QUOTED):
            continue
        value = getattr(record, column.column)
        if isinstance(value, bool):
            text = "yes" if value else "no"
        elif isinstance(value, (int, float)):
            text = figure(value)
        elif isinstance(value, tuple):
            text = ", ".join(str(v) for v in value)
        else:
            text = UNKNOWN if value is None or value == "" else str(value)
        doubt = "unverified" if column.column in unverified else ""
        rows.append((column.column, text, column.unit, doubt))
    return rows


def _accelerator_view(
    accelerator: Accelerator, catalog: Catalog
) -> tuple[Document, list[Section], list[str]]:
    """Return an accelerator: figures, aliases, and its cheapest offers."""
    own = [o for o in catalog.offers if o.accelerator == accelerator.name]
    own.sort(key=lambda o: (o.price_per_gpu_hour_usd, o.offer_id))
    cheapest = [
        o
        for kind in ("on_demand", "spot", "committed")
        for o in [o for o in own if o.pricing == kind][:CHEAPEST]
    ]
    names = [
        row.cells["alias"]
        for row in shipped_rows("aliases")
        if row.cells["accelerator"] == accelerator.name
    ]
    document: Document = {
        "catalog": catalog_facts(catalog),
        "accelerator": asdict(accelerator),
        "aliases": names,
        "offers": len(own),
        "cheapest_offers": [offer_document(o) for o in cheapest],
    }
    figures = _figures(accelerator, "accelerators", accelerator.unverified)
    sections: list[Section] = [
        (accelerator.name, ("Figure", "Value", "Unit", "Confirmed"), figures)
    ]
    if cheapest:
        rows = [
            (
                o.offer_id,
                num(o.gpus_per_node),
                _usd(o.price_per_gpu_hour_usd),
                _usd(o.price_per_node_hour_usd),
                o.observed_at.isoformat(),
            )
            for o in cheapest
        ]
        headings = ("Offer", "GPUs/node", "$/GPU-h", "$/node-h", "Seen on")
        sections.append((f"Cheapest of its {len(own)} offers", headings, rows))
    notes = [f"Source: {accelerator.source}"]
    notes += [f"Notes: {accelerator.notes}"] if accelerator.notes else []
    notes += [f"Also called: {', '.join(names)}"] if names else []
    notes += [] if own else ["Nobody in this catalogue offers it."]
    if accelerator.unverified:
        notes.append("unverified: no primary source confirms the figure.")
    return document, sections, notes


def _offer_view(offer: Offer) -> tuple[Document, list[Section], list[str]]:
    """Return every field of an offer."""
    rows = [row[:3] for row in _figures(offer, "offers")]
    notes = [f"Source: {offer.source}"]
    notes += [f"Notes: {offer.notes}"] if offer.notes else []
    section = (offer.offer_id, ("Figure", "Value", "Unit"), rows)
    return {"offer": offer_document(offer)}, [section], notes


def import_view(imported: Imported, out: Path | None) -> tuple[Document, list[Section], list[str]]:
    """Return what an import took over and what it left out, by reason."""
    offers = imported.offers
    pricing = Counter(o.pricing for o in offers)
    reasons = Counter(s.reason for s in imported.skipped)
    examples = {s.reason: s for s in reversed(imported.skipped)}
    document: Document = {
        "rows": imported.rows,
        "offers": len(offers),
        "pricing": dict(pricing),
        "accelerators": dict(sorted(Counter(o.accelerator for o in offers).items())),
        "without_accelerator": imported.without_accelerator,
        "skipped": [asdict(s) for s in imported.skipped],
        "out": None if out is None else str(out),
    }
    sections: list[Section] = []
    if reasons:
        rows = [
            (reason, num(count), f"{examples[reason].what} ({examples[reason].place})")
            for reason, count in reasons.most_common()
        ]
        sections.append(("Skipped", ("Reason", "Rows", "First"), rows))
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in pricing.items())
    count = len({o.accelerator for o in offers})
    notes = [
        f"{len(offers):,} offers ({kinds or 'none'}) of {count} accelerators from "
        + f"{imported.rows:,} rows."
    ]
    if imported.without_accelerator:
        notes.append(f"{imported.without_accelerator:,} rows name no accelerator.")
    notes.append("Nothing was written." if out is None else f"Written to {out}.")
    return document, sections, notes


def _kind(column: Column) -> str:
    """Write a column's type, unit and default."""
    parts = [column.type, column.unit, "required" if column.required else ""]
    parts.append(f"default {column.default}" if column.default else "")
    return ", ".join(part for part in parts if part)


def columns_view(table: str | None) -> tuple[Document, list[Section]]:
    """Return the documented columns of one table, or of all.

    Raises
    ------
    UnknownNameError
        If no table has that name.
    """
    tables = list(dict.fromkeys(row.cells["table"] for row in shipped_rows("columns")))
    if table is not None and table not in tables:
        raise UnknownNameError("table", table, tables, hint=f"there are {', '.join(tables)}")
    chosen = [table] if table else tables
    headings = ("Column", "Kind", "Meaning")
    sections: list[Section] = [
        (
            name,
            headings,
            [(c.column, _kind(c), c.description) for c in columns(name)],
        )
        for name in chosen
    ]
    return {"tables": {name: [asdict(c) for c in columns(name)] for name in chosen}}, sections
