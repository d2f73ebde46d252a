"""``minfleet replan``: whether a running fleet is kept or switched, why, and by which steps."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.catalog_options import CatalogFiles, catalog_options
from api.commands.replan_portfolio import portfolio_options, read_moment, replan_portfolio
from api.model_options import coefficients_option, measured_option
from api.numbers import FiniteRange
from api.sweep_options import worker_options

if TYPE_CHECKING:
    from solver.replan.decision import Decision
    from solver.replan.memory import Memory

EXIT_INFEASIBLE, EXIT_UNPROVEN = 1, 3

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("workload", type=click.Path(), required=False)
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
@click.option(
    "--gap",
    default=1e-4,
    show_default=True,
    type=FiniteRange(0, 1),
    help="Relative gap that counts as proven.",
)
@click.option(
    "--time-limit",
    "time_limit_s",
    default=60.0,
    show_default=True,
    type=FiniteRange(0.1, 86_400),
    help="Seconds for each program.",
)
@click.option("--no-second-engine", is_flag=True, help="Do not ask CP-SAT for a bound of its own.")
@click.option("--json", "as_json", is_flag=True, help="Print the decision document.")
@click.option(
    "--out",
    type=_FILE,
    metavar="FILE.json",
    help="Write the decision document to a file; with --portfolio, the rows to FILE.parquet.",
)
@click.option(
    "--proposed",
    type=_FILE,
    metavar="PLAN.json",
    help="Write the proposed plan to a file, if there is one: the next --current.",
)
@portfolio_options
@worker_options
def replan(
    workload: str | None,
    current: str | None,
    policy: Path | None,
    memory: Path | None,
    at: str | None,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    no_second_engine: bool,
    as_json: bool,
    out: Path | None,
    proposed: Path | None,
    portfolio: Path | None,
    scenarios: Path | None,
    restart: bool,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Decide whether the fleet that runs for WORKLOAD is kept, or switched to another.

    The running fleet is priced at today's offers and checked against today's WORKLOAD. Any other
    fleet must save enough to pay for the change to it. WORKLOAD - reads stdin.

    \b
    minfleet plan examples/chat-70b.yaml --out running.json
    minfleet replan examples/chat-70b.yaml --current running.json --offers today.csv

    With --portfolio, many workloads under many price scenarios, a row for each in a Parquet file;
    an interrupted run goes on where it ended.

    \b
    minfleet replan --portfolio workloads.jsonl --scenarios prices.csv --out decisions.parquet

    Exit status: 0 decided, 1 proven that no fleet serves it, 2 bad input, 3 no proof in time.
    """  # noqa: D301 - click reads the escaped \b
    from api.output_decision import show_decision
    from api.progress import stages
    from api.read import STDIN, load_plan, load_workload, place_of
    from api.write import check_writable
    from solver.replan.decide import replan as decide
    from solver.replan.memory import Memory
    from solver.replan.policy import Policy

    if portfolio is not None:
        given = {"WORKLOAD": workload, "--current": current, "--memory": memory}
        _alone("--portfolio", {**given, "--proposed": proposed})
        replan_portfolio(
            portfolio=portfolio,
            scenarios=scenarios,
            policy=policy,
            at=at,
            out=out,
            restart=restart,
            files=files,
            measured=measured,
            coefficients=coefficients,
            gap=gap,
            time_limit_s=time_limit_s,
            jobs=jobs,
            dask=dask,
            as_json=as_json,
        )
        return
    _alone(
        "one WORKLOAD",
        {"--scenarios": scenarios, "--restart": restart, "--jobs": jobs, "--dask": dask},
    )
    if workload is None or current is None:
        missing = "WORKLOAD" if workload is None else "--current PLAN.json"
        raise click.UsageError(f"{missing} is missing; or give --portfolio.")
    if workload == current == STDIN:
        raise click.UsageError("stdin holds one file: give WORKLOAD or --current as a file.")
    for path in (memory, out, proposed):
        if path is not None:
            check_writable(path)
    wanted, running = load_workload(workload), load_plan(current)
    rules = Policy() if policy is None else Policy.load(policy)
    moment = read_moment(at)
    before = Memory() if memory is None else _read_memory(memory)
    catalog = files.load(strict=measured is None)
    with stages(quiet=as_json) as progress:
        found = decide(
            wanted,
            catalog,
            running,
            rules,
            moment=moment,
            memory=before,
            gap=gap,
            time_limit_s=time_limit_s,
            coefficients=coefficients,
            measured=measured,
            second_engine=not no_second_engine,
            progress=progress,
        )
    _write(found, memory, out, proposed)
    if as_json:
        click.echo(found.to_json())
    else:
        show_decision(found, place_of(workload))
    if found.infeasible:
        sys.exit(EXIT_INFEASIBLE)
    if not found.proven:
        sys.exit(EXIT_UNPROVEN)


def _alone(what: str, others: Mapping[str, object]) -> None:
    """Refuse options that do not go with what is asked for."""
    for name, given in others.items():
        if given:
            raise click.UsageError(f"{name} does not go with {what}; leave it out.")


def _read_memory(path: Path) -> Memory:
    """Return the memory in a file; an empty one where the file is not there yet."""
    from data.errors import InputError
    from data.tables import read_text
    from solver.replan.memory import Memory

    if not path.exists():
        return Memory()
    try:
        content = json.loads(read_text(path, "memory"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: not valid JSON ({error.msg}); delete it to start "
            "without a memory."
        ) from None
    return Memory.from_dict(content, place=str(path))


def _write(found: Decision, memory: Path | None, out: Path | None, proposed: Path | None) -> None:
    """Write what was asked for, the memory last: a decision that is not told is not counted."""
    from api.write import write_atomically

    if out is not None:
        write_atomically(out, found.to_json() + "\n")
    if proposed is not None and found.plan is not None:
        write_atomically(proposed, json.dumps(found.plan, indent=2, allow_nan=False) + "\n")
    if memory is not None:
        write_atomically(memory, json.dumps(found.memory.to_dict(), indent=2) + "\n")
