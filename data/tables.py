"""Reading tables: CSV and YAML files into rows whose faults carry file, row and column.

The columns of every table are data themselves (``columns.csv``), so the reader, the
documentation and ``minfleet catalog check`` cannot disagree about them.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from data.cells import cell_from, cell_of
from data.errors import CatalogError, InputError, nearest
from data.faults import AT_ONCE, Faults, Gathering

MAX_FILE_BYTES = 20_000_000
"""Largest file that is read as input; a catalogue of 100,000 offers is about 15 MB."""

MAX_UNPACKED_BYTES = 10 * MAX_FILE_BYTES
"""Largest text that a gzip file may unpack to."""

MAX_YAML_DEPTH = 50
"""Deepest nesting that is read; nothing here nests ten deep, and the C parser overflows its stack
on a file of nothing but opening brackets."""


INSTEAD = {
    "price_per_node_hour_usd": (
        "price_per_gpu_hour_usd",
        "price_per_node_hour",
        "price_per_gpu_hour",
    )
}
"""Required column → columns of which any may stand in its place."""


@dataclass(frozen=True)
class Column:
    """One documented column: its type, unit, default and meaning (a row of ``columns.csv``)."""

    table: str
    column: str
    type: str
    unit: str
    required: bool
    default: str
    description: str


@dataclass(frozen=True)
class Row:
    """One row of a table with the place it came from, for error messages."""

    place: str
    cells: Mapping[str, str]

    def fault(self, column: str, problem: str) -> CatalogError:
        """Return the error that names this row and `column`."""
        return CatalogError(f"{self.place}, column {column}: {problem}")

    def text(self, column: str) -> str:
        """Return a required text cell."""
        value = self.cells.get(column, "")
        if not value:
            raise self.fault(column, "is empty; it is required.")
        return value

    def number(self, column: str, *, above: float = -math.inf, at_most: float = math.inf) -> float:
        """Return a required finite number with ``above < value <= at_most``."""
        value = self.optional_number(column, above=above, at_most=at_most)
        if value is None:
            raise self.fault(column, "is empty; a number is required (unknown is not 0).")
        return value

    def optional_number(
        self, column: str, *, above: float = -math.inf, at_most: float = math.inf
    ) -> float | None:
        """Return a finite number in ``(above, at_most]``, or None for an empty cell."""
        cell = self.cells.get(column, "")
        if cell == "":
            return None
        try:
            value = float(cell)
        except ValueError:
            raise self.fault(column, f"{cell!r} is not a number.") from None
        if not math.isfinite(value):
            raise self.fault(column, f"{cell!r} is not a finite number.")
        if not above < value <= at_most:
            limit = f"more than {above:g}" + (
                f" and at most {at_most:g}" if math.isfinite(at_most) else ""
            )
            raise self.fault(column, f"{cell} is out of bounds; it must be {limit}.")
        return value

    def optional_integer(self, column: str, *, at_least: int = 0) -> int | None:
        """Return a whole number >= `at_least`, or None for an empty cell."""
        value = self.optional_number(column, above=at_least - 1, at_most=1e9)
        if value is not None and value != int(value):
            raise self.fault(column, f"{self.cells[column]} is not a whole number.")
        return None if value is None else int(value)

    def integer(self, column: str, *, at_least: int = 0) -> int:
        """Return a required whole number >= `at_least`."""
        value = self.optional_integer(column, at_least=at_least)
        if value is None:
            raise self.fault(column, "is empty; a whole number is required.")
        return value

    def date(self, column: str) -> dt.date:
        """Return a required ISO date."""
        cell = self.text(column)
        try:
            return dt.date.fromisoformat(cell)
        except ValueError:
            raise self.fault(column, f"{cell!r} is not a date; write it as YYYY-MM-DD.") from None

    def choice(self, column: str, allowed: Sequence[str]) -> str:
        """Return a required cell that is one of `allowed`."""
        cell = self.text(column)
        if cell not in allowed:
            raise self.fault(column, f"{cell!r} is not one of {', '.join(allowed)}.")
        return cell

    def names(self, column: str) -> tuple[str, ...]:
        """Return a semicolon-separated cell as a tuple (empty cell: empty tuple)."""
        return tuple(p.strip() for p in self.cells.get(column, "").split(";") if p.strip())


def read_text(path: Path, what: str) -> str:
    """Return the text of a user's file (gzip by its ending), refusing what cannot be one.

    Raises
    ------
    InputError
        If the file is missing, a folder, larger than `MAX_FILE_BYTES`, or not UTF-8 text.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: this is a folder; give the {what} file inside it.")
        with path.open("rb") as file:
            # A device or a pipe has no size to ask for, so the limit holds on what is read.
            raw = file.read(MAX_FILE_BYTES + 1)
        _check_size(raw, MAX_FILE_BYTES, path, what)
        if path.suffix == ".gz":
            with gzip.open(io.BytesIO(raw)) as unpacked:
                raw = unpacked.read(MAX_UNPACKED_BYTES + 1)
            _check_size(raw, MAX_UNPACKED_BYTES, path, what)
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path of the {what}.") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {error.start} is not UTF-8 text; save the {what} as UTF-8."
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise InputError(f"{path}: the gzip data is damaged or cut short.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:  # a path with a null byte
        raise InputError(f"{str(path)!r}: is not a path ({error}).") from None


def _check_size(raw: bytes, limit: int, path: Path, what: str) -> None:
    """Refuse a file that was read up to more than `limit` bytes."""
    if len(raw) > limit:
        raise InputError(
            f"{path}: is too large for {what} (more than {limit / 1e6:.0f} MB); "
            "is it the right file?"
        )


def parse_csv(text: str, place: str, faults: Gathering = AT_ONCE) -> Iterator[Row]:
    """Yield the rows of CSV text; a row with too many or too few cells is an error.

    Parameters
    ----------
    faults
        What gathers the errors of rows; by default the first one is raised.
    """
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        header = [h.strip() for h in next(reader, [])]
        if not any(header):
            raise CatalogError(f"{place}: is empty; the first line must name the columns.")
        doubled = {h for h in header if header.count(h) > 1}
        if doubled:
            raise CatalogError(f"{place}: column {min(doubled)!r} is there twice.")
        for cells in reader:
            if not any(c.strip() for c in cells):
                continue
            here = f"{place}, line {reader.line_num}"
            if len(cells) != len(header):
                with faults:
                    raise CatalogError(
                        f"{here}: has {len(cells)} cells where the header has {len(header)}; "
                        "the file may be cut short, or a comma is unquoted."
                    )
                continue
            yield Row(here, {h: c.strip() for h, c in zip(header, cells, strict=True)})
    except csv.Error as error:
        raise CatalogError(f"{place}, line {reader.line_num}: not valid CSV ({error}).") from None


def _yaml_rows(text: str, place: str, faults: Gathering) -> Iterator[Row]:
    """Yield the rows of a YAML list of mappings."""
    loaded = parse_yaml(text, place, scalars_as_text=True)
    if isinstance(loaded, Mapping) and len(loaded) == 1:
        loaded = next(iter(loaded.values()))
    yield from rows_of(loaded, place, faults)


def rows_of(items: Any, place: str, faults: Gathering = AT_ONCE) -> Iterator[Row]:
    """Yield the rows of a list of mappings, each of column to value.

    Parameters
    ----------
    faults
        See `parse_csv`.

    Raises
    ------
    CatalogError
        If it is no such list.
    """
    if not isinstance(items, list):
        raise CatalogError(f"{place}: must be a list of rows, each a mapping of column to value.")
    for number, item in enumerate(items, start=1):
        row = None
        with faults:
            row = _row(item, f"{place}, row {number}")
        if row is not None:
            yield row


def _row(item: Any, place: str) -> Row:
    if not isinstance(item, Mapping):
        raise CatalogError(f"{place}: must be a mapping of column to value.")
    cells = {}
    for key, value in item.items():
        column = str(key).strip()
        try:
            cells[column] = cell_from(value, column)
        except ValueError as problem:
            raise Row(place, {}).fault(column, str(problem)) from None
    return Row(place, cells)


def table_rows(items: Any, table: str, place: str) -> list[Row]:
    """Return a list of mappings as rows of the documented table `table`.

    Raises
    ------
    CatalogError
        As `read_table`.
    """
    rows = list(rows_of(items, place))
    if not rows:
        raise CatalogError(f"{place}: holds no rows of {table}.")
    check_columns(rows, table, place)
    return rows


def as_cells(record: Any, table: str) -> dict[str, str]:
    """Return a record as the cells of its row in `table`, which read back as the same."""
    return {c.column: cell_of(getattr(record, c.column)) for c in columns(table)}


def parse_yaml(
    text: str, place: str, *, scalars_as_text: bool = False, json_only: bool = False
) -> Any:
    """Return the value of YAML or JSON text; faults name line and column.

    Aliases are refused: nothing here needs them, and they let a small file grow without bound.
    A key given twice is refused too, because only one of its values could count.

    Parameters
    ----------
    scalars_as_text
        Leave plain values as they are written, as the cells of a CSV are: a region ``no`` stays
        a word, a price keeps its digits, and a wrong date is found by the column that holds it.
    json_only
        Refuse what is not JSON. YAML takes some hundred times as long to read.
    """
    if json_only or text.lstrip()[:1] in ("{", "["):
        try:
            return _parse_json(text, place, scalars_as_text)
        except (ValueError, RecursionError) as error:
            # Flow style YAML, or damaged: the YAML parser says where.
            if json_only:
                raise InputError(f"{place}: not valid JSON ({error}).") from None
    import yaml

    flavour = "BaseLoader" if scalars_as_text else "SafeLoader"
    loader = getattr(yaml, f"C{flavour}", getattr(yaml, flavour))
    try:
        _check_yaml_events(yaml.parse(text, Loader=loader), place)
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise InputError(f"{place}{at}: not valid YAML or JSON ({problem}).") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: not valid YAML or JSON ({error}).") from None


def _parse_json(text: str, place: str, scalars_as_text: bool) -> Any:
    """Return the value of JSON text; a key given twice is an error."""

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(k for k, n in Counter(key for key, _ in pairs).items() if n > 1)
            raise InputError(f"{place}: the key {twice!r} is there twice; keep one.")
        return found

    def constant(name: str) -> Any:
        raise ValueError(name)  # NaN and Infinity are not JSON

    number = str if scalars_as_text else None
    return json.loads(
        text,
        object_pairs_hook=mapping,
        parse_float=number,
        parse_int=number,
        parse_constant=constant,
    )


def _check_yaml_events(events: Iterable[Any], place: str) -> None:
    """Refuse aliases, keys given twice and endless nesting before anything is built from them."""
    import yaml

    # One frame for each open collection: the keys of a mapping seen so far, None for a list.
    frames: list[set[str] | None] = []
    key_next: list[bool] = []
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise InputError(f"{place}, line {line}: YAML aliases (*name) are not accepted.")
        if isinstance(event, yaml.NodeEvent) and frames and frames[-1] is not None:
            if key_next[-1] and isinstance(event, yaml.ScalarEvent):
                if event.value in frames[-1]:
                    raise InputError(
                        f"{place}, line {line}: the key {event.value!r} is there twice; keep one."
                    )
                frames[-1].add(event.value)
            key_next[-1] = not key_next[-1]
        if isinstance(event, yaml.CollectionStartEvent):
            if len(frames) == MAX_YAML_DEPTH:
                raise InputError(
                    f"{place}, line {line}: is nested more than {MAX_YAML_DEPTH} deep; "
                    "is it the right file?"
                )
            frames.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
            key_next.append(True)
        elif isinstance(event, yaml.CollectionEndEvent):
            frames.pop()
            key_next.pop()


def read_table(path: Path, table: str, faults: Faults | None = None) -> list[Row]:
    """Read a user's CSV or YAML file as rows of the documented table `table`.

    Parameters
    ----------
    faults
        What gathers the errors of single rows; by default the first one is raised.

    Raises
    ------
    CatalogError
        If a column is unknown (the nearest known one is named) or a required one is missing.
    """
    text = read_text(path, f"{table} table")
    is_yaml = path.name.removesuffix(".gz").endswith((".yaml", ".yml", ".json"))
    parse = _yaml_rows if is_yaml else parse_csv
    rows = list(parse(text, str(path), AT_ONCE if faults is None else faults))
    if not rows:
        if faults is not None:
            faults.check()
        raise CatalogError(f"{path}: holds no rows of {table}.")
    check_columns(rows, table, str(path))
    return rows


def check_columns(rows: Sequence[Row], table: str, place: str) -> None:
    """Raise if `rows` carry a column that `table` does not document, or lack a required one."""
    documented = {c.column: c for c in columns(table)}
    for row in rows:
        for name in row.cells:
            if name not in documented:
                near = nearest(name, documented)
                meant = f"; did you mean {near}?" if near else f"; known: {', '.join(documented)}."
                raise CatalogError(f"{row.place}: unknown column {name!r}{meant}")
    missing = [
        name
        for name, column in documented.items()
        if column.required and not {name, *INSTEAD.get(name, ())} & rows[0].cells.keys()
    ]
    if missing:
        raise CatalogError(f"{place}: column {missing[0]!r} is missing; {table} need it.")


def shipped_rows(table: str) -> list[Row]:
    """Return the rows of a table that ships with minfleet, e.g. ``"accelerators"``."""
    name = f"{table}.csv"
    return list(parse_csv(resources.files("data").joinpath(name).read_text("utf-8"), name))


@cache
def columns(table: str) -> tuple[Column, ...]:
    """Return the documented columns of `table`, in file order."""
    return tuple(
        Column(
            table=row.cells["table"],
            column=row.cells["column"],
            type=row.cells["type"],
            unit=row.cells["unit"],
            required=row.cells["required"] in ("yes", "true"),
            default=row.cells["default"],
            description=row.cells["description"],
        )
        for row in shipped_rows("columns")
        if row.cells["table"] == table
    )
