"""A long table written part by part: what is solved is kept, whatever ends the run.

Each part is a Parquet file of its own in a folder beside the table, ``TABLE.parts``, which any
reader of Parquet can look into while the run goes on. At the end the parts are joined in order to
the table, a row group for so many of them, which then appears at once. A run that is started again
with the same inputs goes on after the last part; with others it is refused.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.table_files import TableRow
from data.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "minfleet/parts/v1"

FEWEST, MOST = 16, 512
"""Rows of a part."""

PARTS = 128
"""Parts that a table is cut into, as far as that leaves each of a size within these limits."""

GROUP_ROWS = 16_384
"""Rows of a row group of the table."""

LOCK, NOTE = "lock", "run.json"

KINDS = ("text", "integer", "number", "truth")
"""What a column may hold."""

Columns = Mapping[str, str]
"""Column → one of `KINDS`."""


def folder_of(path: Path) -> Path:
    """Return the folder of the parts of a table."""
    return path.with_name(f"{path.name}.parts")


def note_of(path: Path) -> Mapping[str, Any] | None:
    """Return what an unfinished run into a table noted of itself; None where there is none.

    Raises
    ------
    InputError
        If the folder of its parts holds something else.
    """
    folder = folder_of(path)
    if not folder.exists():
        return None
    try:
        found = json.loads((folder / NOTE).read_text("utf-8"))
        if found["schema"] == SCHEMA and isinstance(found["inputs"], dict):
            return dict(found)
    except FileNotFoundError:
        if all(p.name == LOCK for p in folder.iterdir()):
            return None
    except (OSError, ValueError, LookupError, TypeError):
        pass  # whatever it is, it is not ours
    raise InputError(
        f"{folder}: is not from an unfinished run; move it away, or give --out another name."
    )


def part_rows(rows: int) -> int:
    """Return how many rows of a table make a part."""
    return min(MOST, max(FEWEST, rows // PARTS))


@dataclass(frozen=True)
class Parts:
    """The parts of a table on its way.

    Attributes
    ----------
    path
        Where the table goes.
    columns
        Its columns.
    part_rows
        Rows of a part; the last has fewer.
    """

    path: Path
    columns: Columns
    part_rows: int

    @property
    def folder(self) -> Path:
        """Folder of the parts."""
        return folder_of(self.path)

    @contextmanager
    def begun(
        self, rows: int, inputs: Mapping[str, str], moment: str, *, restart: bool = False
    ) -> Iterator[int]:
        """Hold the folder, and yield the number of parts that are there already.

        Parameters
        ----------
        rows
            Rows of the table.
        inputs
            Name → hash of everything that decides the rows.
        moment
            When the run began; kept, so that a run that goes on counts from the same moment.
        restart
            Whether parts of a run before are thrown away.

        Raises
        ------
        InputError
            If parts are there that were made from other inputs, or another run is at work on them.
        """
        note_of(self.path)  # refuses the folder of something else
        told = {"rows": rows, "part_rows": self.part_rows, "inputs": dict(inputs)}
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be made ({error.strerror}).") from None
        with _held(self.folder / LOCK, self.path):
            if restart:
                for old in self.folder.iterdir():
                    if old.name != LOCK:
                        old.unlink()
            before = note_of(self.path)
            if before is None:
                note = {"schema": SCHEMA, "moment": moment, **told}
                _replace(self.folder / NOTE, (json.dumps(note, indent=2) + "\n").encode())
            else:
                self._check_same(before, told)
            yield self.count()

    def _check_same(self, before: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        inputs, mine = before["inputs"], told["inputs"]
        changed = [k for k in {**inputs, **mine} if inputs.get(k) != mine.get(k)]
        if not changed and any(before[k] != told[k] for k in ("rows", "part_rows")):
            changed = ["number of rows"]
        if changed:
            raise InputError(
                f"{self.folder}: holds part of a run with other {' and '.join(changed)}; give "
                "--restart to begin anew, or --out another name to keep it."
            )

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.parquet"

    def count(self) -> int:
        """Return the number of parts that are there, from the first on."""
        count = 0
        while self._part(count).exists():
            count += 1
        return count

    def write(self, number: int, rows: Sequence[TableRow]) -> None:
        """Write a part, whole or not at all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist([dict(r) for r in rows], self._schema()), sink)
        _replace(self._part(number), sink.getvalue().to_pybytes())

    def _schema(self) -> pa.Schema:
        import pyarrow as pa

        kinds = {
            "text": pa.string(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "truth": pa.bool_(),
        }
        return pa.schema([(name, kinds[kind]) for name, kind in self.columns.items()])

    def tables(self) -> Iterator[pa.Table]:
        """Yield the parts as tables, in order."""
        import pyarrow.parquet as pq

        for number in range(self.count()):
            yield pq.read_table(self._part(number), schema=self._schema())

    def join(self) -> None:
        """Join the parts to the table, which appears at once, and remove them."""
        import pyarrow.parquet as pq

        new = self.folder / "table.parquet"
        with pq.ParquetWriter(new, self._schema()) as writer:
            for group in self._groups():
                writer.write_table(group)
        os.chmod(new, 0o644)
        os.replace(new, self.path.resolve())
        shutil.rmtree(self.folder)

    def _groups(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        held: list[pa.Table] = []
        for table in self.tables():
            held.append(table)
            if sum(map(len, held)) >= GROUP_ROWS:
                yield pa.concat_tables(held).combine_chunks()
                held = []
        if held:
            yield pa.concat_tables(held).combine_chunks()


def _replace(path: Path, raw: bytes) -> None:
    """Write a file such that it is there whole, or not at all, even after a crash."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None


@contextmanager
def _held(path: Path, table: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, however it ends."""
    import fcntl

    with path.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{table}: another run is writing it; wait for that, or give --out another name."
            ) from None
        yield
