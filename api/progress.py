"""Progress on a terminal, silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def stages(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the stage that has begun, on stderr if it is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    with Console(stderr=True).status("reading") as status:
        yield lambda stage: status.update(stage)


@contextmanager
def counted(label: str, total: int, *, quiet: bool) -> Iterator[Callable[[T], T]]:
    """Yield a function that counts what passes through it, on a bar on stderr if a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda item: item
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)

        def step(item: T) -> T:
            bar.advance(task)
            return item

        yield step
