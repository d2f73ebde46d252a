"""``minfleet simulate``: a stored plan under load, request by request."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from api.model_options import coefficients_option

EXIT_MISSED = 1


@click.command()
@click.argument("plan", type=click.Path())
@click.option(
    "--trace",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Requests to replay: Azure CSV or Mooncake JSONL.",
)
@click.option(
    "--requests",
    type=click.IntRange(2, 10_000_000),
    help="How many; by default enough for a steady state, or the whole trace.",
)
@click.option(
    "--arrivals",
    metavar="poisson|gamma:CV|trace",
    help="How they arrive; by default as the trace, or else as the workload says.",
)
@click.option(
    "--router",
    type=click.Choice(["random", "round_robin", "least_loaded"]),
    default="random",
    show_default=True,
    help="How a pool picks a replica; the formulas assume random.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Of all that is drawn; the same seed gives the same figures.",
)
@click.option(
    "--accelerators",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV or YAML of accelerators to add or override.",
)
@coefficients_option
@click.option("--json", "as_json", is_flag=True, help="Print the simulation document.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Write the simulation document to a file.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.svg|.png|.html",
    help="Draw TTFT and TPOT of each class against their targets.",
)
def simulate(
    plan: str,
    trace: Path | None,
    requests: int | None,
    arrivals: str | None,
    router: str,
    seed: int,
    accelerators: Path | None,
    coefficients: Path | None,
    as_json: bool,
    out: Path | None,
    plot: Path | None,
) -> None:
    """Simulate the pools of a plan request by request and hold them against its targets.

    PLAN is the file that 'minfleet plan --out' wrote, or - for stdin.

    Exit status: 0 all targets hold at their percentile, 1 one is missed, 2 bad input.
    """
    import json

    from api.output_simulation import show_simulation
    from api.plot_simulation import draw_plot
    from api.plotting import check_plot
    from api.progress import advanced
    from api.read import load_plan, place_of
    from api.write import check_writable, write_atomically
    from data.accelerators import load_accelerators, shipped_accelerators
    from data.coefficients import load_coefficients, shipped_coefficients
    from solver.simulate import LoadOptions, PlanSimulation
    from solver.simulation_document import class_curves, simulation_document
    from solver.workload import Workload

    document, place = load_plan(plan), place_of(plan)
    if plot is not None:
        check_plot(plot)
    for path in (out, plot):
        if path is not None:
            check_writable(path)
    prepared = PlanSimulation(
        document,
        Workload.parse(document["workload"], place=f"{place}: workload", folder=Path(plan).parent),
        {**shipped_accelerators(), **(load_accelerators(accelerators) if accelerators else {})},
        load_coefficients(coefficients) if coefficients else shipped_coefficients(),
        LoadOptions(requests, arrivals, trace, router, seed),
    )
    with advanced("simulating", prepared.arrivals.size, quiet=as_json) as advance:
        run, wall_s = prepared.run(advance)
    answer = simulation_document(prepared, run, wall_s)
    text = json.dumps(answer, indent=2, allow_nan=False)
    if out is not None:
        write_atomically(out, text + "\n")
    if plot is not None:
        title = f"{answer['requests']:,} requests to {place}, arrivals {answer['arrivals']}"
        drawn = draw_plot(plot, title, answer["classes"], class_curves(prepared, run))
        write_atomically(plot, drawn)
    if as_json:
        click.echo(text)
    else:
        show_simulation(answer, place, {p["name"]: p for p in document["pools"]})
    if not answer["meets"]:
        sys.exit(EXIT_MISSED)
