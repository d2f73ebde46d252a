"""The options that choose how replicas are rated, shared by the commands that rate some."""

from __future__ import annotations

from pathlib import Path

import click

_FILE = click.Path(path_type=Path)

coefficients_option = click.option(
    "--coefficients",
    type=_FILE,
    metavar="FILE.csv",
    help="Coefficients of the performance model over the shipped ones.",
)

measured_option = click.option(
    "--measured",
    type=_FILE,
    metavar="FILE.csv",
    help="Measured capacities (accelerator, class, capacity_rps) in place of the model.",
)
