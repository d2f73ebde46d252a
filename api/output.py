"""What every command shares: options, tables, JSON documents and the way numbers are written.

Nothing here imports rich before a table is printed, so that ``--help`` stays quick.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

Command = Callable[..., None]
Rows = Sequence[Sequence[str]]
Section = tuple[str, Sequence[str], Rows]
"""A table to show: title, column headings, rows of cells."""

UNKNOWN = "–"
"""A figure that nobody has published; never written as 0."""

PIPE_WIDTH = 4096
"""Columns of a wide table that goes into a pipe, where a folded cell would break a search."""


def option(name: str, default: Any, text: str) -> Callable[[Command], Command]:
    """Add an option whose type is its default's; a tuple makes it repeatable."""
    several = isinstance(default, tuple)
    return click.option(
        name,
        default=default,
        show_default=True,
        multiple=several,
        help=f"{text} May be repeated." if several else text,
    )


def own(name: str, kind: type, text: str) -> Callable[[Command], Command]:
    """Add an option without a default, for a case of the user's own."""
    return click.option(name, type=kind, help=text)


def json_option(command: Command) -> Command:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")(
        command
    )


def console(*, wide: bool = False) -> Console:
    """Return a console on stdout; `wide` tables are not folded in a pipe."""
    from rich.console import Console

    found = Console(highlight=False)
    if wide and not found.is_terminal:
        found.width = PIPE_WIDTH
    return found


def show(
    as_json: bool,
    kind: str,
    document: Mapping[str, object],
    sections: Sequence[Section],
    notes: Sequence[str] = (),
    *,
    text_columns: Collection[str] = (),
    wide: bool = False,
) -> None:
    """Print `document` as JSON, or `sections` as tables followed by `notes`.

    Parameters
    ----------
    kind
        The document's schema is ``minfleet/{kind}/v1``.
    text_columns
        Headings of columns that hold words and are set flush left, as the first always is.
    wide
        In a pipe, let rows be as long as they are.
    """
    if as_json:
        print_json({"schema": f"minfleet/{kind}/v1", **document})
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    out = console(wide=wide)
    for title, headings, rows in sections:
        out.print(Text(title, style="bold"))
        table = Table(box=SIMPLE_HEAD)
        for column, heading in enumerate(headings):
            words = column == 0 or heading in text_columns
            # Folding keeps a long name whole; the default would cut it with an ellipsis.
            table.add_column(Text(heading), justify="left" if words else "right", overflow="fold")
        for cells in rows:
            table.add_row(*(Text(cell) for cell in cells))
        out.print(table)
    for note in notes:
        out.print(Text(note))


def print_json(document: Mapping[str, object]) -> None:
    """Print a document as JSON on stdout."""
    import json

    click.echo(json.dumps(document, indent=2, default=_plain))


def _plain(value: object) -> object:
    """Write dates as ISO text and exact decimals as numbers."""
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def usd(amount: float) -> str:
    """Write dollars with cents."""
    return f"${amount:,.2f}"


def amount(value: float, unit: str) -> str:
    """Write a value of an objective in its unit: dollars an hour as dollars alone."""
    return usd(value) if unit == "USD/h" else f"{value:,.6g} {unit}"


def found_and_bound(certificate: Mapping[str, Any], unit: str = "USD/h") -> str:
    """Write the objective of a certificate, its bound and its gap."""
    bound, gap = certificate["bound"], certificate["gap"]
    below = "no bound" if bound is None else f"nothing below {amount(bound, unit)}"
    rest = "" if gap is None else f", gap {gap:.4%} of {certificate['gap_asked']:.4%} allowed"
    return f"{amount(certificate['objective'], unit)} found, {below}{rest}"


def price(amount: float) -> str:
    """Write a unit price: cents, and further digits only where it has them."""
    cents, _, rest = f"{amount:,.4f}".partition(".")
    return f"${cents}.{rest.rstrip('0').ljust(2, '0')}"


def num(value: float, digits: int = 4) -> str:
    """Write a number at `digits` significant digits, thousands marked; whole ones in full."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def counted(number: int, what: str, plural: str | None = None) -> str:
    """Return a number of things."""
    return f"{number:,} {what if number == 1 else plural or what + 's'}"


def figure(value: float | None) -> str:
    """Write a published number with all its digits, and an unknown one as a dash."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.10g}"


def milliseconds(value: float | None) -> str:
    """Write a latency, in seconds from ten of them on, and an unknown one as a dash."""
    if value is None:
        return UNKNOWN
    if value >= 99_950:
        return f"{value / 1e3:,.0f} s"
    if value >= 9_995:
        return f"{value / 1e3:.1f} s"
    return f"{value:,.0f} ms" if value >= 99.5 else f"{value:.1f} ms"
