"""What ``frontier`` and ``sweep`` write beside what they print: the document, tables, a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from api.table_files import TableRow

_FILE = click.Path(path_type=Path)


@dataclass(frozen=True)
class OutputFiles:
    """The files that were asked for; None for those that were not."""

    out: Path | None
    csv: Path | None
    parquet: Path | None
    plot: Path | None

    def check(self) -> None:
        """Refuse what could not be written, before the work.

        Raises
        ------
        InputError
            If a file cannot be written, or what it needs is not installed.
        """
        from api.plotting import check_plot
        from api.table_files import check_parquet
        from api.write import check_writable

        if self.parquet is not None:
            check_parquet(self.parquet)
        if self.plot is not None:
            check_plot(self.plot)
        for path in (self.out, self.csv, self.parquet, self.plot):
            if path is not None:
                check_writable(path)

    def write(self, text: str, rows: Sequence[TableRow], draw: Callable[[Path], bytes]) -> None:
        """Write all of them.

        Parameters
        ----------
        text
            The document as JSON.
        rows
            The table.
        draw
            Draws the plot for a file.
        """
        from api.table_files import as_csv, as_parquet
        from api.write import write_atomically

        if self.out is not None:
            write_atomically(self.out, text + "\n")
        if self.csv is not None:
            write_atomically(self.csv, as_csv(rows))
        if self.parquet is not None:
            write_atomically(self.parquet, as_parquet(rows))
        if self.plot is not None:
            write_atomically(self.plot, draw(self.plot))


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--out``, ``--csv``, ``--parquet`` and ``--plot``."""
    options = (
        click.option(
            "--out", type=_FILE, metavar="FILE.json", help="Write the document to a file."
        ),
        click.option(
            "--csv", "as_csv", type=_FILE, metavar="FILE.csv", help="Write the table as CSV."
        ),
        click.option(
            "--parquet",
            type=_FILE,
            metavar="FILE.parquet",
            help="Write the table as Parquet; needs the extra 'parquet'.",
        ),
        click.option(
            "--plot",
            type=_FILE,
            metavar="FILE.svg|.png|.html",
            help="Draw it; needs the extra 'plots'.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
