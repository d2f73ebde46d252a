"""``minfleet replan``: whether a running fleet is kept or switched, why, and by which steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from api.catalog_options import catalog_options
from api.commands.replan_due import due_options, replan_due
from api.commands.replan_modes import MODES, ONE, mode_of
from api.commands.replan_one import replan_one
from api.commands.replan_portfolio import portfolio_options, replan_portfolio
from api.commands.replan_replay import Replayed, replay, replay_options
from api.effort_options import proof_options, worker_options
from api.model_options import coefficients_option, measured_option

_FILE = click.Path(path_type=Path)

_FILES = {"offers", "add_offers", "accelerators"}
"""What `catalog_options` passes as `files`."""


@click.command()
@click.argument("workload", required=False, type=click.Path())
@click.option(
    "--current",
    type=click.Path(),
    metavar="PLAN.json",
    help="The plan that runs now, as 'minfleet plan --out' writes it; - reads stdin.",
)
@click.option(
    "--policy",
    type=_FILE,
    metavar="FILE",
    help="YAML or JSON of what a change must bring; the defaults without it.",
)
@click.option(
    "--memory",
    type=_FILE,
    metavar="FILE.json",
    help="What decisions remember: read if it is there, and written anew.",
)
@click.option(
    "--at",
    metavar="MOMENT",
    help="Moment of the decision (ISO 8601; UTC without a time zone); now by default.",
)
@catalog_options
@measured_option
@coefficients_option
@proof_options("Relative gap that counts as proven.", "Seconds for each program.")
@click.option("--no-second-engine", is_flag=True, help="Do not ask CP-SAT for a bound of its own.")
@click.option("--json", "as_json", is_flag=True, help="Print the document.")
@click.option(
    "--out",
    type=_FILE,
    metavar="FILE",
    help="Write the document to a file; with --replay a table of its decisions where the file ends "
    "in .csv; with --portfolio the rows, to FILE.parquet.",
)
@click.option(
    "--proposed",
    type=_FILE,
    metavar="PLAN.json",
    help="Write the proposed plan to a file, if there is one: the next --current.",
)
@replay_options
@portfolio_options
@worker_options
@due_options
def replan(**given: Any) -> None:
    """Decide whether the fleet that runs for WORKLOAD is kept, or switched to another.

    The running fleet is priced at today's offers and checked against today's WORKLOAD. Any other
    fleet must save enough to pay for the change to it. WORKLOAD - reads stdin.

    \b
    minfleet plan examples/chat-70b.yaml --out running.json
    minfleet replan examples/chat-70b.yaml --current running.json --offers today.csv

    With --replay, the same along a history of prices: what the policy would have cost, beside never
    switching, always switching, and the best that could have been done.

    \b
    minfleet replan examples/replay/chat-8b.yaml --replay CHANGES.csv --region us-central1

    With --portfolio, many workloads under many price scenarios, a row for each in a Parquet file;
    an interrupted run goes on where it ended.

    \b
    minfleet replan --portfolio workloads.jsonl --scenarios prices.csv --out decisions.parquet

    With --due, the registered workloads of the service that are due are planned, each once, whoever
    else looks: from cron, or a CronJob. See docs/registered-workloads.md.

    \b
    minfleet replan --due

    Exit status: 0 decided, 1 proven that no fleet serves it, 2 bad input, 3 no proof in time; with
    --due 3 where a workload came to no decision.
    """  # noqa: D301 - click reads the escaped \b
    mode = mode_of(click.get_current_context())
    taken = {*(MODES[mode] if mode else ONE), "files"} - _FILES
    options = {name: value for name, value in given.items() if name in taken}
    if mode is None:
        replan_one(**options)
    elif mode == "changes":
        if options["workload"] is None:
            raise click.UsageError("WORKLOAD is missing; --replay needs one.")
        names = Replayed.__dataclass_fields__
        asked = Replayed(**{name: options.pop(name) for name in names})
        replay(options.pop("workload"), asked, **options)
    elif mode == "portfolio":
        replan_portfolio(**options)
    else:
        replan_due(
            **{name: value for name, value in options.items() if name not in ("due", "files")}
        )
