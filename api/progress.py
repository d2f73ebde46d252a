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
    with advanced(label, total, quiet=quiet) as advance:

        def step(item: T) -> T:
            advance(1)
            return item

        yield step


@contextmanager
def advanced(label: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yield a function that is told how many more are done, on a bar on stderr if a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda count: bar.advance(task, count)


@contextmanager
def growing(label: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that is told how many are done and of how many, on a bar as of `advanced`.

    The total may grow as more turns out to be needed.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def staged(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a function that is told what is done now, how many of it are done and of how many."""
    if quiet or not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda what, done, total: bar.update(
            task, description=what, completed=done, total=total
        )
