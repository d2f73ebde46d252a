"""The file of offers that a supplier fills in: every column, with two offers as examples."""

from __future__ import annotations

import csv
import datetime as dt
import io
import textwrap
from collections.abc import Mapping

from data.tables import Column, columns

WIDTH = 88
"""Characters of a line of comments."""

HEAD = (
    "Offers for minfleet. The two below are examples: put your own in their place, then look at "
    "them with 'minfleet catalog check FILE'. Columns that need not be there may be left empty or "
    "left out."
)


def offers_template(kind: str, today: dt.date) -> str:
    """Return the text of the file.

    Parameters
    ----------
    kind
        ``csv`` or ``yaml``.
    today
        Day that the examples carry.
    """
    known = columns("offers")
    ordered = [c for c in known if _needed(c)] + [c for c in known if not _needed(c)]
    examples = _examples(today)
    if kind == "csv":
        return _csv(ordered, examples)
    return _yaml(ordered, examples)


def _needed(column: Column) -> bool:
    return column.required or column.column == "stock"


def _examples(today: dt.date) -> tuple[Mapping[str, str], ...]:
    """Return an offer on demand in US dollars, and a commitment in euros."""
    day = today.isoformat()
    common = {
        "provider": "example",
        "accelerator": "h100_sxm",
        "gpus_per_node": "8",
        "network_gbps": "3200",
        "observed_at": day,
        "source": "quote 4711 of example",
    }
    return (
        {
            **common,
            "offer_id": "example-on-demand",
            "region": "us-east",
            "price_per_node_hour_usd": "24.00",
            "pricing": "on_demand",
            "stock": "4",
            "notes": "EXAMPLE: a node of 8 accelerators at 24.00 US dollars an hour",
        },
        {
            **common,
            "offer_id": "example-committed",
            "region": "eu-west",
            "price_per_node_hour": "18.00",
            "pricing": "committed",
            "stock": "64",
            "min_nodes": "2",
            "term_months": "12",
            "upfront": "8760",
            "currency": "EUR",
            "usd_per_unit": "1.10",
            "rate_date": day,
            "price_steps": "8: 17.00; 32: 15.50",
            "notes": "EXAMPLE: in euros for 12 months, cheaper from 8 and from 32 nodes on",
        },
    )


def _csv(ordered: list[Column], examples: tuple[Mapping[str, str], ...]) -> str:
    text = io.StringIO()
    names = [c.column for c in ordered]
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(examples)
    return text.getvalue()


def _yaml(ordered: list[Column], examples: tuple[Mapping[str, str], ...]) -> str:
    """Write the first example with every column explained, the others with what they say."""
    lines = [*_comment(HEAD, ""), "offers:"]
    for number, example in enumerate(examples):
        mark = "  - "
        for column in ordered:
            cell = example.get(column.column, "")
            if number == 0:
                lines += _comment(_meaning(column), "    ")
            elif not cell:
                continue
            lines.append(f"{mark}{column.column}:{' ' + _quoted(cell) if cell else ''}")
            mark = "    "
    return "\n".join(lines) + "\n"


def _meaning(column: Column) -> str:
    kind = ", ".join(p for p in (column.type, column.unit) if p)
    default = f" Default: {column.default}." if column.default else ""
    return f"{column.description} ({kind}){default}"


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _quoted(cell: str) -> str:
    """Quote what YAML would take for more than a word."""
    return f'"{cell}"' if ":" in cell else cell
