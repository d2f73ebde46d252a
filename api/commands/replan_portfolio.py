"""``minfleet replan --portfolio``: many workloads under many price scenarios, into Parquet."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from api.catalog_options import CatalogFiles

if TYPE_CHECKING:
    from api.parts_run import Done
    from solver.portfolio.portfolio import PortfolioRun
    from solver.portfolio.row import PortfolioGround, Row

EXIT_FAILED, EXIT_UNPROVEN = 1, 3

_FILE = click.Path(path_type=Path)


def portfolio_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a portfolio besides those of any re-planning."""
    options = (
        click.option(
            "--portfolio",
            type=_FILE,
            metavar="FILE|FOLDER",
            help="Re-plan many workloads: JSON lines, a folder of workload files, or a table (CSV, "
            "Parquet) of name, workload and current.",
        ),
        click.option(
            "--scenarios",
            type=_FILE,
            metavar="FILE",
            help="With --portfolio: CSV or YAML of price scenarios; today's prices by default.",
        ),
        click.option(
            "--restart",
            is_flag=True,
            help="With --portfolio: throw away what an unfinished run left beside --out.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def replan_portfolio(
    *,
    portfolio: Path,
    scenarios: Path | None,
    policy: Path | None,
    at: str | None,
    out: Path | None,
    restart: bool,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
) -> None:
    """Plan or re-plan every workload of a portfolio under every scenario, into ``--out``."""
    from api.commands.replan_one import read_moment
    from api.output_portfolio import show_portfolio, summary_of
    from api.parquet_parts import Parts, note_of, part_rows
    from api.parts_run import run_in_parts
    from api.table_files import check_parquet
    from api.write import check_writable
    from data.errors import InputError
    from data.tables import columns
    from solver.crew.crew import Crew
    from solver.portfolio.entries import load_portfolio
    from solver.portfolio.portfolio import PortfolioRun
    from solver.portfolio.row import ROWS

    if out is None or out.suffix != ".parquet":
        raise InputError("--portfolio writes its rows to Parquet; give --out FILE.parquet.")
    check_parquet(out)
    check_writable(out)
    before = None if restart or at is not None else note_of(out)
    moment = read_moment(at).isoformat() if before is None else str(before["moment"])
    ground = _ground(moment, scenarios, policy, files, measured, coefficients, gap, time_limit_s)
    wanted = load_portfolio(portfolio)
    run = PortfolioRun(wanted, ground, part_rows(wanted.count * len(ground.scenarios)))
    parts = Parts(out, {c.column: c.type for c in columns("decisions")}, run.part_rows)

    def solve(first: int, done: Done) -> Iterator[list[Row]]:
        with Crew(ROWS, ground, jobs, dask) as crew:
            yield from run.parts(crew, first, done)

    with run_in_parts(
        parts,
        run.rows,
        {**_inputs(run), "--at": at or ""},
        moment,
        solve,
        label="re-planning",
        restart=restart,
        quiet=as_json,
    ):
        summary = summary_of(parts.tables(), out, run.portfolio.count)
    if as_json:
        click.echo(json.dumps(summary, indent=2, allow_nan=False))
    else:
        show_portfolio(summary)
    if summary["outcomes"].get("failed"):
        sys.exit(EXIT_FAILED)
    if summary["unproven"]:
        sys.exit(EXIT_UNPROVEN)


def _ground(
    moment: str,
    scenarios: Path | None,
    policy: Path | None,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    gap: float,
    time_limit_s: float,
) -> PortfolioGround:
    from data.coefficients import load_coefficients, shipped_coefficients
    from solver.measured import load_measured
    from solver.portfolio.row import PortfolioGround
    from solver.portfolio.scenarios import TODAY, load_scenarios
    from solver.replan.policy import Policy

    strict = measured is None
    today = files.load(strict=strict)
    return PortfolioGround(
        scenarios=(TODAY,)
        if scenarios is None
        else load_scenarios(scenarios, today, strict=strict),
        today=today,
        coefficients=shipped_coefficients()
        if coefficients is None
        else load_coefficients(coefficients),
        measured=None if measured is None else load_measured(measured),
        policy=Policy() if policy is None else Policy.load(policy),
        moment=dt.datetime.fromisoformat(moment),
        gap=gap,
        time_limit_s=time_limit_s,
    )


def _inputs(run: PortfolioRun) -> Mapping[str, str]:
    """Return name → hash of everything that decides the rows."""
    from api.parts_run import hash_of, inputs_of

    ground = run.ground
    return {
        "workloads": run.portfolio.digest,
        "scenarios": hash_of(ground.scenarios),
        "policy": hash_of(ground.policy.to_dict()),
        **inputs_of(
            ground.today, ground.coefficients, ground.measured, ground.gap, ground.time_limit_s
        ),
    }
