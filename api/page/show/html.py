"""Pieces of HTML that every view is made of; whatever comes from outside is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

Cell = str
"""HTML, made by these functions."""


def text(value: Any) -> Cell:
    """Return a value as text that is no markup."""
    return escape(str(value))


def tag(name: str, *content: Cell, **attributes: str | None) -> Cell:
    """Return an element; ``class_`` is class, ``aria_label`` is aria-label, None is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{''.join(content)}</{name}>"


def section(title: str, *content: Cell, note: str = "") -> Cell:
    """Return a part of a view below a heading."""
    told = tag("p", text(note), class_="note") if note else ""
    return tag("section", tag("h2", text(title)), told, *content, class_="part")


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    *,
    words: Sequence[int] = (0,),
    stacks: bool = False,
) -> Cell:
    """Return a table that scrolls within itself where the screen is narrow.

    Parameters
    ----------
    rows
        Cells of HTML.
    words
        Columns that hold words and are set flush left.
    stacks
        Whether rows become lines below each other there instead.
    """

    def cell(name: str, column: int, content: Cell, **more: str) -> Cell:
        return tag(name, content, class_=None if column in words else "n", **more)

    head = "".join(cell("th", i, text(h), scope="col") for i, h in enumerate(headings))
    body = "".join(tag("tr", *(cell("td", i, c) for i, c in enumerate(row))) for row in rows)
    inner = tag("table", tag("thead", tag("tr", head)), tag("tbody", body))
    kind = "stacks" if stacks else "scroll"
    return tag("div", inner, class_=kind, tabindex="0", role="region", aria_label="Table")


def chip(kind: str, content: str) -> Cell:
    """Return a few words on a coloured ground; `kind` is good, warn, bad or plain."""
    return tag("span", text(content), class_=f"chip {kind}")


def link(url: str, content: str, *, download: bool = False) -> Cell:
    """Return a link."""
    return tag("a", text(content), href=url, download="" if download else None)


def links(items: Iterable[Cell]) -> Cell:
    """Return links beside each other."""
    return tag("p", " ".join(items), class_="links")


def moment(iso: str | None) -> str:
    """Return a moment in UTC as people read it; a dash for none."""
    return "–" if iso is None else iso[:16].replace("T", " ")
