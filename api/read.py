"""Input from a file, or from stdin where ``-`` stands for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.tables import MAX_FILE_BYTES, parse_yaml
from solver.stored import parse_plan, read_plan
from solver.workload import Workload

STDIN = "-"


def place_of(source: str) -> str:
    """Return what to call a source in messages: its path, or ``stdin``."""
    return "stdin" if source == STDIN else str(Path(source))


def load_workload(source: str) -> Workload:
    """Read a workload from a file or stdin.

    Relative paths in it start from its folder; in one from stdin, from the current folder.

    Raises
    ------
    InputError
        See `Workload.load`.
    """
    if source != STDIN:
        return Workload.load(source)
    place = place_of(source)
    content = parse_yaml(read_stdin("workload"), place)
    return Workload.parse(content, place=place, folder=Path())


def load_plan(source: str) -> dict[str, Any]:
    """Read a plan document with a fleet in it from a file or stdin.

    Raises
    ------
    InputError
        See `solver.stored.read_plan`.
    """
    if source != STDIN:
        return read_plan(Path(source))
    return parse_plan(read_stdin("plan"), place_of(source))


def read_stdin(what: str) -> str:
    """Return the text on stdin; the limits are those of a file.

    Raises
    ------
    InputError
        If stdin is closed or cannot be read, is larger than `MAX_FILE_BYTES`, or not UTF-8 text.
    """
    if sys.stdin is None:  # closed by the shell
        raise InputError(f"stdin: is closed; give the {what} as a file.")
    try:
        raw = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"stdin: cannot be read ({error.strerror}).") from None
    if len(raw) > MAX_FILE_BYTES:
        raise InputError(
            f"stdin: is too large for {what} (more than {MAX_FILE_BYTES / 1e6:.0f} MB); "
            "is it the right file?"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"stdin: byte {error.start} is not UTF-8 text; save the {what} as UTF-8."
        ) from None
