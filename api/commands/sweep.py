"""``minfleet sweep``: a workload planned again and again with some of its values changed."""

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


@click.command()
@click.argument("workload", type=click.Path())
@click.option(
    "--vary",
    multiple=True,
    metavar="NAME=VALUES",
    help="What to change: LOW:HIGH:COUNT or a list, as rate=0.5:4:8 or tpot_ms=30,40,60. May be "
    "repeated.",
)
@click.option(
    "--one-at-a-time",
    is_flag=True,
    help="Change one thing at a time, not every combination of all.",
)
@click.option(
    "--sensitivity",
    is_flag=True,
    help="Move rate, lengths, targets and the price of each accelerator up and down, one at a "
    "time, and rank them by what they do to the cost.",
)
@click.option(
    "--by",
    "by_percent",
    type=FiniteRange(0, 100, min_open=True, max_open=True),
    metavar="PERCENT",
    help="With --sensitivity: how far each is moved; 20 by default.",
)
@catalog_options
@measured_option
@coefficients_option
@point_options
@click.option("--json", "as_json", is_flag=True, help="Print the sweep document.")
@click.option(
    "--restart",
    is_flag=True,
    help="With --out FILE.parquet: throw away what an unfinished run left beside it.",
)
@file_options
def sweep(
    workload: str,
    vary: tuple[str, ...],
    one_at_a_time: bool,
    sensitivity: bool,
    by_percent: float | None,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
    restart: bool,
    out: Path | None,
    as_csv: Path | None,
    parquet: Path | None,
    plot: Path | None,
) -> None:
    """Plan WORKLOAD with some of its values changed, at many points, each with proof.

    NAME is a factor on what the workload and the offers say: rate, isl, osl, ttft, tpot, e2e, or
    price:NAME of an accelerator, a provider, an offer or all. Or it is a field of the workload:
    tpot_ms, max_gpus, serving.engine, classes.chat.rate_rps. Several are combined to a grid.
    WORKLOAD - reads stdin.

    \b
    minfleet sweep examples/chat-70b.yaml --vary rate=0.5:4:8 --vary price:h200_sxm=0.6:1:5
    minfleet sweep examples/chat-70b.yaml --sensitivity --plot tornado.svg
    minfleet sweep examples/chat-70b.yaml --vary rate=0.5:4:1000 --out rates.parquet

    With --out FILE.parquet the rows are written as they are solved, and none is kept in memory: a
    run that is interrupted goes on where it ended when the same command is given again.

    Exit status: 0 done, 1 no point has a fleet, 2 bad input, 3 not all points proven in time.
    """  # noqa: D301 - click reads the escaped \b
    from api.output_sweep import show_sweep
    from api.plot_sweep import check_drawable, draw_sweep
    from api.progress import growing
    from api.read import load_workload, place_of
    from solver.sweep.document import table_rows
    from solver.sweep.factors import read_factor
    from solver.sweep.sensitivity import sensitivity as rank
    from solver.sweep.sweep import sweep as find

    _check_asked(vary, one_at_a_time, sensitivity, by_percent)
    factors = [read_factor(text) for text in vary]
    wanted, name = load_workload(workload), place_of(workload)
    writing = OutputFiles(out, as_csv, parquet, plot)
    writing.check()
    mode = "one_at_a_time" if one_at_a_time else "grid"
    if out is not None and out.suffix == ".parquet":
        from api.commands.sweep_stream import stream_sweep

        rest = {"--sensitivity": sensitivity, "--csv": as_csv, "--parquet": parquet, "--plot": plot}
        _check_streamed(rest)
        stream_sweep(
            wanted,
            factors,
            mode,
            out,
            files=files,
            measured=measured,
            coefficients=coefficients,
            gap=gap,
            time_limit_s=time_limit_s,
            jobs=jobs,
            dask=dask,
            restart=restart,
            as_json=as_json,
        )
        return
    if plot is not None:
        check_drawable(mode, len(factors))
    catalog = files.load(strict=measured is None)
    effort = {
        "gap": gap,
        "time_limit_s": time_limit_s,
        "coefficients": coefficients,
        "measured": measured,
        "jobs": jobs,
        "dask": dask,
    }
    with growing("solving", quiet=as_json) as progress:
        if sensitivity:
            share = 0.2 if by_percent is None else by_percent / 100
            found = rank(wanted, catalog, by=share, progress=progress, **effort)
        else:
            found = find(wanted, catalog, vary=factors, mode=mode, progress=progress, **effort)
    title = f"{name}: what moves its least cost" if sensitivity else f"{name}: least cost"
    document = found.to_dict()
    writing.write(
        found.to_json(), table_rows(found), lambda path: draw_sweep(path, title, document)
    )
    if as_json:
        click.echo(found.to_json())
    else:
        show_sweep(found, name)
    if not found.complete:
        sys.exit(EXIT_UNPROVEN)
    if all(row["cost_per_hour_usd"] is None for row in found.rows):
        sys.exit(EXIT_INFEASIBLE)


def _check_asked(
    vary: tuple[str, ...], one_at_a_time: bool, sensitivity: bool, by_percent: float | None
) -> None:
    """Refuse options that contradict each other."""
    from data.errors import InputError

    if sensitivity and (vary or one_at_a_time):
        raise InputError("--sensitivity chooses what to vary; leave --vary and the rest out.")
    if not sensitivity and by_percent is not None:
        raise InputError("--by goes with --sensitivity; --vary names its own values.")
    if not sensitivity and not vary:
        raise InputError("nothing is varied; give --vary NAME=VALUES or --sensitivity.")


def _check_streamed(rest: dict[str, object]) -> None:
    """Refuse what goes with a document in memory, where rows are written as they come."""
    from data.errors import InputError

    for name, given in rest.items():
        if given:
            raise InputError(
                f"{name} needs all rows at once; leave it out, or give --parquet FILE.parquet "
                "instead of --out FILE.parquet."
            )
