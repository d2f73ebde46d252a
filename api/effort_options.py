"""The options that say how hard to try and where, shared by the commands that solve."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from api.numbers import FiniteRange

Decorate = Callable[[Callable[..., Any]], Callable[..., Any]]


def proof_options(gap: str, time_limit: str) -> Decorate:
    """Return what adds ``--gap`` and ``--time-limit``.

    Parameters
    ----------
    gap, time_limit
        What they mean to the command, as their help.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        command = click.option(
            "--time-limit",
            "time_limit_s",
            default=60.0,
            show_default=True,
            type=FiniteRange(0.1, 86_400),
            help=time_limit,
        )(command)
        return click.option(
            "--gap", default=1e-4, show_default=True, type=FiniteRange(0, 1), help=gap
        )(command)

    return add


def point_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--gap``, ``--time-limit``, ``--jobs`` and ``--dask`` of what solves many points."""
    proof = proof_options(
        "Relative gap at which a point counts as proven.", "Seconds for each point."
    )
    return proof(worker_options(command))


def worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--jobs`` and ``--dask``: where the work is done; the result is the same."""
    jobs = click.option(
        "--jobs",
        type=click.IntRange(1, 1024),
        help="Processes at work; one for each core by default. The result is the same.",
    )
    dask = click.option(
        "--dask",
        metavar="tcp://HOST:8786",
        help="Solve on the workers of the Dask cluster whose scheduler this is, instead of here; "
        "needs the extra 'dask'. The result is the same.",
    )
    return jobs(dask(command))
