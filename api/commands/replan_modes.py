"""The four things that ``minfleet replan`` does, and the options that each of them takes."""

from __future__ import annotations

import click
from click.core import ParameterSource

_PRICES = {"policy", "offers", "add_offers", "accelerators", "measured", "coefficients"}
_PROGRAM = {*_PRICES, "gap", "time_limit_s", "as_json", "out"}

MODES: dict[str, set[str]] = {
    "changes": {
        *_PROGRAM,
        "workload",
        "current",
        "changes",
        "providers",
        "regions",
        "start",
        "end",
        "every_h",
        "plot",
    },
    "due": {"due", "store_url", "server", "api_key", "as_json"},
    "portfolio": {*_PROGRAM, "portfolio", "scenarios", "restart", "at", "jobs", "dask"},
}
"""Parameter that asks for it → parameters that it takes."""

ONE = {*_PROGRAM, "workload", "current", "memory", "at", "no_second_engine", "proposed"}
"""Parameters of a decision about one fleet, which is what is done without any of `MODES`."""


def mode_of(context: click.Context) -> str | None:
    """Return the key of `MODES` that is asked for; None for a decision about one fleet.

    Raises
    ------
    UsageError
        If two are asked for, or an option is given that the one asked for does not take.
    """
    given = {
        str(parameter.name): parameter
        for parameter in context.command.params
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    }
    asked = [name for name in MODES if name in given]
    if len(asked) > 1:
        first, second = (_said(given[name]) for name in asked[:2])
        raise click.UsageError(f"{first} and {second} exclude each other; give one of them.")
    mode = asked[0] if asked else None
    for name, parameter in given.items():
        if name in (MODES[mode] if mode else ONE):
            continue
        if mode is not None:
            what = _said(given[mode])
            raise click.UsageError(f"{_said(parameter)} has no use with {what}; leave it out.")
        home = next(m for m, taken in MODES.items() if name in taken)
        where = next(p for p in context.command.params if p.name == home)
        raise click.UsageError(
            f"{_said(parameter)} goes with {_said(where)} alone; give that, too."
        )
    return mode


def _said(parameter: click.Parameter) -> str:
    """Return how a parameter is written."""
    if isinstance(parameter, click.Argument):
        return str(parameter.name).upper()
    return parameter.opts[0]
