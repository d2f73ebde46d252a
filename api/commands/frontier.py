"""``minfleet frontier``: the least cost for each level of a target or a limit."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from api.catalog_options import CatalogFiles, catalog_options
from api.effort_options import point_options
from api.model_options import coefficients_option, measured_option
from api.numbers import FiniteRange
from api.output_files import OutputFiles, file_options

EXIT_INFEASIBLE, EXIT_UNPROVEN = 1, 3

OF = ("tpot_ms", "ttft_ms", "quality_loss_pct", "power_kw", "providers")


@click.command()
@click.argument("workload", type=click.Path())
@click.option(
    "--of",
    required=True,
    type=click.Choice(OF),
    help="What the cost is set against.",
)
@click.option(
    "--class",
    "of_class",
    metavar="NAME",
    help="Set the target of this class alone; by default that of all without one of their own.",
)
@click.option(
    "--points",
    default=9,
    show_default=True,
    type=click.IntRange(2, 1000),
    help="Levels solved first; more are solved wherever the cost falls.",
)
@click.option(
    "--from",
    "low",
    type=float,
    metavar="NUMBER",
    help="Tightest level; for latencies a quarter of the workload's target by default.",
)
@click.option(
    "--to",
    "high",
    type=float,
    metavar="NUMBER",
    help="Loosest level; for latencies four times the workload's target by default.",
)
@click.option(
    "--resolution",
    default=0.05,
    show_default=True,
    type=FiniteRange(1e-4, 1),
    help="How narrow each place where the cost falls is known, relatively.",
)
@catalog_options
@measured_option
@coefficients_option
@point_options
@click.option("--json", "as_json", is_flag=True, help="Print the frontier document.")
@file_options
def frontier(
    workload: str,
    of: str,
    of_class: str | None,
    points: int,
    low: float | None,
    high: float | None,
    resolution: float,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
    out: Path | None,
    as_csv: Path | None,
    parquet: Path | None,
    plot: Path | None,
) -> None:
    """Find the least cost of WORKLOAD for each level of a latency target or a limit, with proof.

    Levels are solved over a range and then wherever the cost falls between two of them, until each
    step is found. The least cost holds from one line of the answer to the next: no fleet is both
    tighter and cheaper. WORKLOAD - reads stdin.

    \b
    minfleet frontier examples/chat-70b.yaml --of tpot_ms --plot tpot.svg

    Exit status: 0 done, 1 no level has a fleet, 2 bad input, 3 not all levels proven in time.
    """  # noqa: D301 - click reads the escaped \b
    from api.output_frontier import show_frontier, whose
    from api.plot_frontier import draw_frontier
    from api.progress import growing
    from api.read import load_workload, place_of
    from solver.frontier.document import table_rows
    from solver.frontier.frontier import frontier as find

    wanted, name = load_workload(workload), place_of(workload)
    writing = OutputFiles(out, as_csv, parquet, plot)
    writing.check()
    catalog = files.load(strict=measured is None)
    with growing("solving", quiet=as_json) as progress:
        found = find(
            wanted,
            catalog,
            of=of,
            of_class=of_class,
            points=points,
            low=low,
            high=high,
            resolution=resolution,
            gap=gap,
            time_limit_s=time_limit_s,
            coefficients=coefficients,
            measured=measured,
            jobs=jobs,
            dask=dask,
            progress=progress,
        )
    text = found.to_json()
    title = f"{name}: least cost by {whose(found.of)}"
    writing.write(text, table_rows(found), lambda path: draw_frontier(path, title, found.to_dict()))
    if as_json:
        click.echo(text)
    else:
        show_frontier(found, name)
    if not found.points:
        sys.exit(EXIT_INFEASIBLE if found.complete else EXIT_UNPROVEN)
    if not found.complete:
        sys.exit(EXIT_UNPROVEN)
