"""``minfleet plan``: the cheapest fleet for a workload."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from api.catalog_options import CatalogFiles, catalog_options
from api.effort_options import proof_options
from api.model_options import coefficients_option, measured_option
from api.numbers import FiniteRange

if TYPE_CHECKING:
    from solver.aim import Aim
    from solver.plan import Plan

EXIT_INFEASIBLE, EXIT_UNPROVEN = 1, 3


@click.command()
@click.argument("workload", type=click.Path())
@catalog_options
@measured_option
@coefficients_option
@proof_options("Relative gap that counts as proven.", "Seconds for the main program.")
@click.option(
    "--explain",
    type=click.Choice(["none", "auto", "full"]),
    default="auto",
    show_default=True,
    help="What binds, why not, and alternatives: left out, bounded where large, or all solved.",
)
@click.option(
    "--minimize",
    type=click.Choice(["cost", "gpus", "energy", "carbon"]),
    help="What to make smallest, in place of the workload's objective; then cost decides.",
)
@click.option(
    "--budget",
    type=FiniteRange(0, 1e12, min_open=True),
    metavar="USD_PER_HOUR",
    help="Plan the largest multiple of the rates that this much an hour can serve.",
)
@click.option("--no-second-engine", is_flag=True, help="Leave out the second engine's bound.")
@click.option(
    "--simulate",
    is_flag=True,
    help="Simulate the fleet, and plan again until it holds its targets there.",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Requests to replay in that simulation: Azure CSV or Mooncake JSONL.",
)
@click.option(
    "--server",
    metavar="URL",
    envvar="MINFLEET_SERVER",
    help="Let a 'minfleet serve' plan; its catalogue counts. Also MINFLEET_SERVER.",
)
@click.option(
    "--api-key",
    metavar="KEY",
    envvar="MINFLEET_API_KEY",
    help="Key for that server; better given as MINFLEET_API_KEY.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan document.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Write the plan document to a file.",
)
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="FILE.lp|.mps",
    help="Write the program for another solver.",
)
def plan(
    workload: str,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    explain: Literal["none", "auto", "full"],
    minimize: Aim | None,
    budget: float | None,
    no_second_engine: bool,
    simulate: bool,
    trace: Path | None,
    server: str | None,
    api_key: str | None,
    as_json: bool,
    out: Path | None,
    export: Path | None,
) -> None:
    """Find the cheapest fleet that serves WORKLOAD (YAML or JSON) within its targets.

    WORKLOAD - reads stdin; its relative paths start from the current folder.
    """
    from api.progress import stages
    from api.read import load_workload
    from api.write import check_writable
    from solver.planner import plan as find
    from solver.simulate import LoadOptions

    if trace is not None and not simulate:
        raise click.UsageError("--trace is what --simulate replays; give both.")
    wanted = load_workload(workload)
    if minimize is not None and budget is not None:
        raise click.UsageError("--budget looks for the most load; leave out --minimize.")
    if budget is not None:
        wanted = wanted.most_load_within(budget)
    if minimize is not None:
        wanted = wanted.minimizing(minimize)
    if out is not None:
        check_writable(out)
    if server is not None:
        if trace is not None or export is not None:
            raise click.UsageError("--trace and --export work without --server alone.")
        from api.remote_plan import plan_on

        answer = plan_on(
            server,
            api_key,
            wanted,
            files,
            measured=measured,
            coefficients=coefficients,
            settings={
                "gap": gap,
                "time_limit_s": time_limit_s,
                "explain": explain,
                "second_engine": not no_second_engine,
                "simulate": simulate,
            },
            quiet=as_json,
        )
        _tell(answer, workload, explain=explain, as_json=as_json, out=out)
        return
    load = LoadOptions(trace=trace) if simulate else False
    catalog = files.load(strict=measured is None)
    if export is not None:
        from api.export import export_program

        export_program(export, wanted, catalog, coefficients, measured)
    with stages(quiet=as_json) as progress:
        answer = find(
            wanted,
            catalog,
            gap=gap,
            time_limit_s=time_limit_s,
            coefficients=coefficients,
            measured=measured,
            explain=explain,
            second_engine=not no_second_engine,
            simulate=load,
            progress=progress,
        )
    _tell(answer, workload, explain=explain, as_json=as_json, out=out)


def _tell(
    answer: Plan,
    workload: str,
    *,
    explain: Literal["none", "auto", "full"],
    as_json: bool,
    out: Path | None,
) -> None:
    """Print and write a plan, and end with the status that it asks for."""
    from api.output_plan import show_plan
    from api.read import place_of
    from api.write import write_atomically

    if out is not None:
        write_atomically(out, answer.to_json() + "\n")
    if as_json:
        click.echo(answer.to_json())
    else:
        show_plan(answer, place_of(workload), explain=explain)
    failed = (answer.certificate.get("check") or {}).get("passed") is False
    if answer.status == "infeasible" or failed:
        sys.exit(EXIT_INFEASIBLE)
    if answer.status != "optimal":
        sys.exit(EXIT_UNPROVEN)
