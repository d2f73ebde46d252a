"""Lines for people: columns that fit the terminal, long cells wrapped under their beginning.

Nothing is padded at the end of a line and nothing is read as markup, so that class names may
hold any character and output may be piped, searched and pasted.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from api.output import console

NO_BREAK = "\N{NO-BREAK SPACE}"
"""Keeps two words on one line; printed as a plain space."""

GAP = "  "


class Lines:
    """Prints to stdout in the width of the terminal (80 columns in a pipe)."""

    def __init__(self) -> None:
        self._out = console()

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return self._out.width

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line, however long."""
        from rich.text import Text

        self._out.print(Text(text.replace(NO_BREAK, " "), style=style), soft_wrap=True)

    def text(self, text: str, *, style: str = "", indent: str = "", first: str = "") -> None:
        """Print text, wrapped; `first` stands in for the indent of its first line."""
        wrapped = textwrap.wrap(
            text,
            max(self._out.width, len(indent) + 20),
            initial_indent=first or indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in wrapped:
            self.line(line, style)

    def title(self, text: str) -> None:
        """Print the title of a section after an empty line."""
        self.line()
        self.line(text, "bold")

    def rows(self, rows: Iterable[Sequence[str]], style: str = "") -> None:
        """Print rows of cells set flush left; the last cell of each is wrapped."""
        rows = list(rows)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for *cells, last in rows:
            first = "".join(f"{c:<{w}}{GAP}" for c, w in zip(cells, widths, strict=False))
            self.text(last, style=style, indent=" " * len(first), first=first)

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], under: Sequence[str] = ()
    ) -> None:
        """Print a table; the first column is set flush left, the others flush right.

        Parameters
        ----------
        under
            A remark to print below each row, indented and wrapped.
        """
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        self.line(_aligned(head, widths), "dim")
        for i, cells in enumerate(rows):
            self.line(_aligned(cells, widths))
            if under:
                self.text(under[i], style="dim", indent="    ")


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        f"{c:>{w}}" if i else f"{c:<{w}}"
        for i, (c, w) in enumerate(zip(cells, widths, strict=True))
    )
    return GAP.join((first, *rest)).rstrip()


def warn(out: Lines, warnings: Sequence[str]) -> None:
    """Print warnings after an empty line, if there are any."""
    if warnings:
        out.line()
        out.rows((("!", f"{text}.") for text in warnings), style="yellow")
