"""The workloads of a portfolio, read one at a time: tens of thousands need no memory.

What cannot be read is an entry with its fault: one bad workload is a row of the answer, and not
its end.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from data.errors import CatalogError, InputError, nearest
from data.tables import MAX_FILE_BYTES, Row, check_columns, parse_yaml, read_table, read_text
from solver.stored import read_plan

KEYS = ("name", "workload", "current", "since")
"""What a line of JSON lines may hold; a line without ``workload`` is itself a workload."""

SUFFIXES = (".yaml", ".yml", ".json")
"""Files of a folder that are workloads; ``NAME.plan.json`` is the fleet that serves NAME now."""

PLAN = ".plan.json"

EXPLANATIONS = (
    "search",
    "binding",
    "why_not",
    "alternatives",
    "assumptions",
    "certificate",
    "simulation",
    "warnings",
)
"""Blocks of a plan that say nothing of the fleet; most of its bytes, so they are not sent."""


@dataclass(frozen=True)
class Entry:
    """A workload of a portfolio.

    Attributes
    ----------
    place
        Where it was read, for messages.
    folder
        Folder that relative paths in it start from.
    workload
        Its content.
    current
        The plan document that serves it now; None for a workload to plan anew.
    since
        When that fleet was put in place (ISO); "" where it is not known.
    fault
        Why it cannot be read; "" if it can.
    alike
        Equal for workloads that differ in rates and limits alone.
    """

    name: str
    place: str
    folder: str = "."
    workload: Any = None
    current: Mapping[str, Any] | None = None
    since: str = ""
    fault: str = ""
    alike: str = ""


@dataclass(frozen=True)
class Portfolio:
    """A portfolio that is read again each time it is asked for.

    Attributes
    ----------
    count
        Number of workloads.
    digest
        Hash of everything that is read.
    """

    place: str
    count: int
    digest: str
    read: Callable[[], Iterator[Entry]]


def load_portfolio(path: Path) -> Portfolio:
    """Find the workloads of a portfolio and hash them.

    Parameters
    ----------
    path
        JSON lines (``.jsonl``, ``.jsonl.gz``), a folder of workload files, or a table (CSV, YAML,
        ``.parquet``) of ``name``, ``workload`` and ``current``.

    Raises
    ------
    InputError
        If it cannot be read at all, or holds no workload.
    """
    name = path.name.removesuffix(".gz")
    if path.is_dir():
        return _listed(path, _in_folder(path), b"")
    if name.endswith((".jsonl", ".ndjson")):
        return _lines(path)
    read = _parquet_rows if name.endswith(".parquet") else _table_rows
    rows = read(path)
    named = [_named(row, path.parent) for row in rows]
    twice = _twice(entry.name for entry in named)
    if twice:
        raise CatalogError(f"{path}: the name {twice!r} is there twice; names must differ.")
    return _listed(path, named, repr([row.cells for row in rows]).encode())


@dataclass(frozen=True)
class _Files:
    """A workload by the files that hold it."""

    name: str
    workload: Path
    current: Path | None
    since: str = ""

    def entry(self) -> Entry:
        place = str(self.workload)
        try:
            content = parse_yaml(read_text(self.workload, "workload"), place)
            current = None if self.current is None else _fleet_alone(read_plan(self.current))
        except InputError as error:
            return Entry(self.name, place, fault=str(error))
        folder = str(self.workload.parent)
        return Entry(
            self.name, place, folder, content, current, self.since, alike=alike_of(content)
        )


def _listed(path: Path, files: list[_Files], more: bytes) -> Portfolio:
    if not files:
        raise InputError(f"{path}: holds no workload; files must end in {', '.join(SUFFIXES)}.")
    digest = hashlib.sha256(more)
    for one in files:
        digest.update(repr((one.name, one.since)).encode())
        for file in (one.workload, one.current):
            digest.update(_content_hash(file))
    return Portfolio(
        str(path), len(files), digest.hexdigest(), lambda: (one.entry() for one in files)
    )


def _content_hash(file: Path | None) -> bytes:
    """Return the hash of a file; of one that is missing or cannot be read, that of nothing."""
    if file is None:
        return b"none"
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError as error:
        return f"unreadable: {error.strerror}".encode()


def _in_folder(folder: Path) -> list[_Files]:
    paths = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file())
    plans = {p.name.removesuffix(PLAN): p for p in paths if p.name.endswith(PLAN)}
    found = [p for p in paths if not p.name.endswith(PLAN)]
    twice = _twice(p.stem for p in found)
    if twice:
        raise InputError(f"{folder}: holds two workloads called {twice!r}; rename one.")
    return [_Files(p.stem, p, plans.get(p.stem)) for p in found]


def _named(row: Row, folder: Path) -> _Files:
    current = row.cells.get("current")
    return _Files(
        row.text("name"),
        folder / row.text("workload"),
        folder / current if current else None,
        row.cells.get("since", ""),
    )


def _twice(names: Iterable[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def _table_rows(path: Path) -> list[Row]:
    return read_table(path, "portfolio")


def _parquet_rows(path: Path) -> list[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise InputError(
            f"{path}: Parquet needs pyarrow, which is not installed; run "
            "pip install 'minfleet[parquet]'."
        ) from None
    try:
        items = pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({error}).") from None
    rows = [
        Row(
            f"{path}, row {number}",
            {k: "" if v is None else str(v).strip() for k, v in item.items()},
        )
        for number, item in enumerate(items, 1)
    ]
    if not rows:
        raise InputError(f"{path}: holds no workload.")
    check_columns(rows, "portfolio", str(path))
    return rows


def _lines(path: Path) -> Portfolio:
    digest, count = hashlib.sha256(), 0
    with _opened(path) as file:
        for line in file:
            digest.update(line)
            count += bool(line.strip())
    if not count:
        raise InputError(f"{path}: holds no workload; give one on each line.")
    return Portfolio(str(path), count, digest.hexdigest(), lambda: _read_lines(path))


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    opener: Any = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path of the portfolio.") from None
    except (EOFError, gzip.BadGzipFile):
        raise InputError(f"{path}: the gzip data is damaged or cut short.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from None


def _read_lines(path: Path) -> Iterator[Entry]:
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                place = f"{path}, line {number}"
                try:
                    yield _of_line(line, f"line {number}", place, str(path.parent))
                except InputError as error:
                    yield Entry(f"line {number}", place, fault=str(error))


def _of_line(line: bytes, name: str, place: str, folder: str) -> Entry:
    if len(line) > MAX_FILE_BYTES:
        raise InputError(f"{place}: is too long (more than {MAX_FILE_BYTES / 1e6:.0f} MB).")
    try:
        content = parse_yaml(line.decode("utf-8-sig"), place, json_only=True)
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: byte {error.start} is not UTF-8 text.") from None
    if not isinstance(content, dict):
        raise InputError(f"{place}: must be a workload, or a mapping of {', '.join(KEYS)}.")
    if "workload" not in content:
        return Entry(name, place, folder, content, alike=alike_of(content))
    for key in content:
        if key not in KEYS:
            near = nearest(key, KEYS)
            meant = f"did you mean {near}?" if near else f"known keys: {', '.join(KEYS)}."
            raise InputError(f"{place}: unknown key {key!r}; {meant}")
    workload, current = content["workload"], content.get("current")
    return Entry(
        str(content.get("name") or name),
        place,
        folder,
        workload,
        _fleet_alone(current),
        str(content.get("since") or ""),
        alike=alike_of(workload),
    )


def _fleet_alone(plan: Any) -> Any:
    """Return a plan document without what explains it."""
    if not isinstance(plan, Mapping):
        return plan
    return {name: block for name, block in plan.items() if name not in EXPLANATIONS}


def alike_of(workload: Any) -> str:
    """Return a hash of what decides what a replica does: all but names, rates and limits."""
    if not isinstance(workload, Mapping):
        return ""
    kept = {k: workload.get(k) for k in ("model", "sla", "precision", "serving", "trace")}
    classes = workload.get("classes")
    if isinstance(classes, list):
        kept["classes"] = [
            {k: v for k, v in c.items() if k not in ("name", "rate_rps")}
            for c in classes
            if isinstance(c, Mapping)
        ]
    hardware = workload.get("hardware")
    if isinstance(hardware, Mapping):
        kept["hardware"] = [hardware.get(k) for k in ("accelerators", "providers", "regions")]
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
