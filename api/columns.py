"""A table whose last column holds words: figures flush right, words wrapped under their heading."""

from __future__ import annotations

from collections.abc import Sequence

from api.lines import GAP, Lines

LEAST = 24
"""Columns that words need: in a narrower terminal they go below the figures."""


def figures_and_words(
    out: Lines, head: Sequence[str], rows: Sequence[Sequence[str]], *, first_left: bool = False
) -> None:
    """Print rows of figures, the last cell of each wrapped under its heading.

    Parameters
    ----------
    first_left
        Whether the first column holds words, too, and is set flush left.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)][:-1]

    def aligned(cells: Sequence[str]) -> str:
        return GAP.join(
            f"{c:<{w}}" if first_left and not i else f"{c:>{w}}"
            for i, (c, w) in enumerate(zip(cells, widths, strict=True))
        )

    indent = sum(widths) + len(GAP) * len(widths)
    below = out.width - indent < LEAST
    out.line(aligned(head[:-1]) + ("" if below else GAP + head[-1]), "dim")
    for *figures, words in rows:
        first = aligned(figures) + GAP
        if below or not words:
            out.line(first.rstrip())
            out.text(words, indent="    ", style="dim")
        else:
            out.text(words, indent=" " * indent, first=first)
