"""Progress on a terminal, silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stages(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the stage that has begun, on stderr if it is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading") as status:
        yield lambda stage: status.update(stage)
