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
    target = path.resolve()
    folder = target.parent
    if target.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file in it.")
    if target.exists() and not target.is_file():
        return
    if not folder.is_dir():
        raise InputError(f"{path}: cannot be written; there is no folder {str(folder)!r}.")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: cannot be written; the folder does not allow it.")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the whole new one.

    Text is written as UTF-8.

    A link is followed; what is no file (``/dev/stdout``, a named pipe) is written to as it is.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written to.
    """
    target = path.resolve()
    raw = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(raw)
        else:
            _replace(target, raw)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None


def _replace(target: Path, raw: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
