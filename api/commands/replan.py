"""``minfleet replan``: until the decision is merged, its replay alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from api.catalog_options import CatalogFiles, catalog_options
from api.commands.replan_replay import Span, replay, replay_options
from api.model_options import coefficients_option, measured_option


@click.command()
@click.argument("workload", type=click.Path())
@replay_options
@catalog_options
@measured_option
@coefficients_option
@click.option("--gap", default=1e-4)
@click.option("--time-limit", "time_limit_s", default=60.0)
@click.option("--json", "as_json", is_flag=True)
@click.option("--out", type=click.Path(path_type=Path))
def replan(
    workload: str,
    changes: Path,
    providers: tuple[str, ...],
    regions: tuple[str, ...],
    start: dt.datetime | None,
    end: dt.datetime | None,
    every_h: float | None,
    plot: Path | None,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    as_json: bool,
    out: Path | None,
) -> None:
    """Replay a history of prices."""
    replay(
        workload,
        changes,
        span=Span(providers, regions, start, end),
        every_h=every_h,
        files=files,
        measured=measured,
        coefficients=coefficients,
        gap=gap,
        time_limit_s=time_limit_s,
        as_json=as_json,
        out=out,
        plot=plot,
    )
