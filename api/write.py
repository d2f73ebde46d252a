"""Writing files whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from data.errors import InputError


def check_writable(path: Path) -> None:
    """Refuse a path that could not be written, before the work whose result it is to hold.

    Raises
    ------
    InputError
        If it is a folder, or its folder does not exist or cannot be written to.
    """
    folder = path.parent
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file in it.")
    if not folder.is_dir():
        raise InputError(f"{path}: cannot be written; there is no folder {str(folder)!r}.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: cannot be written; the folder does not allow it.")


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` so that a reader sees the old file or the whole new one.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written to.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None
