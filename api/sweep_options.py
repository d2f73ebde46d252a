"""The options that say how hard to try, shared by the commands that solve many points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from api.numbers import FiniteRange


def effort_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--gap``, ``--time-limit`` and ``--jobs``."""
    options = (
        click.option(
            "--gap",
            default=1e-4,
            show_default=True,
            type=FiniteRange(0, 1),
            help="Relative gap at which a point counts as proven.",
        ),
        click.option(
            "--time-limit",
            "time_limit_s",
            default=60.0,
            show_default=True,
            type=FiniteRange(0.1, 86_400),
            help="Seconds for each point.",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1, 1024),
            help="Processes at work; one for each core by default. The result is the same.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
