"""A long run into a table: it goes on where one before it ended, and says so."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from api.parquet_parts import Parts
from api.table_files import TableRow

if TYPE_CHECKING:
    from data.catalog import Catalog
    from data.coefficients import CoefficientTable

Done = Callable[[int], None]

Solve = Callable[[int, Done], Iterable[Sequence[TableRow]]]
"""Takes the number of the first part, and who is told of rows; yields the rows of each part."""


@contextmanager
def run_in_parts(
    parts: Parts,
    rows: int,
    inputs: Mapping[str, str],
    moment: str,
    solve: Solve,
    *,
    label: str,
    restart: bool,
    quiet: bool,
) -> Iterator[Parts]:
    """Solve and write the parts that are missing, yield all of them, and join them to the table.

    Parameters
    ----------
    rows, inputs, moment, restart
        See `api.parquet_parts.Parts.begun`.
    solve
        See `Solve`.
    label
        What is done, beside the bar on a terminal.
    quiet
        Whether nothing is shown on the way.

    Raises
    ------
    InputError
        See `api.parquet_parts.Parts.begun`.
    """
    from api.progress import growing

    with parts.begun(rows, inputs, moment, restart=restart) as first:
        done = min(first * parts.part_rows, rows)
        if first and not quiet:
            print(f"{parts.path}: going on after {done:,} of {rows:,} rows.", file=sys.stderr)
        with growing(label, quiet=quiet) as progress, _kept(parts, rows):

            def count(more: int) -> None:
                nonlocal done
                done += more
                progress(done, rows)

            count(0)
            if done < rows:
                for number, part in enumerate(solve(first, count), first):
                    parts.write(number, part)
        yield parts
        parts.join()


def inputs_of(
    catalog: Catalog,
    coefficients: CoefficientTable,
    measured: object,
    gap: float,
    time_limit_s: float,
) -> dict[str, str]:
    """Return name → hash of what decides the rows of any run."""
    from solver.crew.versions import versions

    return {
        "prices": catalog.id,
        "coefficients": hash_of(coefficients.rows),
        "measured capacities": hash_of(measured),
        "--gap": repr(gap),
        "--time-limit": repr(time_limit_s),
        "versions of minfleet and what it solves with": hash_of(sorted(versions().items())),
    }


def hash_of(value: object) -> str:
    """Return a hash of a value made of dataclasses, mappings, text and numbers."""
    return hashlib.sha256(repr(value).encode()).hexdigest()


@contextmanager
def _kept(parts: Parts, rows: int) -> Iterator[None]:
    """Say how to go on, where somebody or something ends a run."""
    try:
        yield
    except BaseException:
        kept = min(parts.count() * parts.part_rows, rows)
        print(
            f"{parts.path}: {kept:,} of {rows:,} rows are kept; the same command goes on from "
            "there.",
            file=sys.stderr,
        )
        raise
