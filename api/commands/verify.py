"""``minfleet verify``: a stored plan, checked apart from the solver."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from api.catalog_options import CatalogFiles, catalog_options
from api.output import found_and_bound, json_option, print_json


@click.command()
@click.argument("plan", type=click.Path())
@click.option(
    "--workload",
    type=click.Path(),
    metavar="FILE",
    help="Workload to check against (- for stdin); the one stored in the plan by default.",
)
@catalog_options
@click.option(
    "--measured",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Measured capacities the plan was made with.",
)
@click.option(
    "--coefficients",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Coefficients the plan was made with.",
)
@json_option
def verify(
    plan: str,
    workload: str | None,
    files: CatalogFiles,
    measured: Path | None,
    coefficients: Path | None,
    as_json: bool,
) -> None:
    """Re-check a plan document against its workload and catalogue: costs, limits, loads, proof.

    PLAN is the file that 'minfleet plan --out' wrote, or - for stdin.
    """
    from api.read import STDIN, load_plan, load_workload, place_of
    from data.coefficients import load_coefficients, shipped_coefficients
    from data.errors import InputError
    from solver.checker import PlanChecker
    from solver.measured import load_measured
    from solver.workload import Workload

    if plan == workload == STDIN:
        raise InputError("PLAN and --workload cannot both be stdin; give a file for one of them.")
    document, place = load_plan(plan), place_of(plan)
    wanted = (
        load_workload(workload)
        if workload is not None
        else Workload.parse(
            document["workload"], place=f"{place}: workload", folder=Path(plan).parent
        )
    )
    catalog = files.load(strict=measured is None)
    check = PlanChecker(
        document,
        wanted,
        catalog,
        load_coefficients(coefficients) if coefficients else shipped_coefficients(),
        measured=load_measured(measured) if measured else None,
    ).check()
    same = document.get("catalog", {}).get("id") == catalog.id
    if as_json:
        print_json(
            {
                "schema": "minfleet/check/v1",
                "passed": check.passed,
                "rows_checked": check.rows_checked,
                "failures": list(check.failures),
                "same_catalog": same,
            }
        )
    else:
        _show(place, document, check.passed, check.rows_checked, check.failures, same)
    if not check.passed:
        sys.exit(1)


def _show(
    place: str,
    document: dict[str, object],
    passed: bool,
    rows: int,
    failures: tuple[str, ...],
    same: bool,
) -> None:
    verdict = "holds" if passed else f"does not hold ({len(failures)} of {rows} conditions)"
    click.echo(f"{place}: the plan {verdict}; {rows} conditions checked.")
    for sentence in failures:
        click.echo(f"  - {sentence}")
    if not same:
        click.echo("The catalogue is not the one the plan was made with; prices were compared.")
    certificate = document.get("certificate")
    if passed and isinstance(certificate, dict) and certificate.get("objective") is not None:
        objective = document.get("objective")
        unit = str(objective["unit"]) if isinstance(objective, dict) else "USD/h"
        click.echo(f"Stored proof: {found_and_bound(certificate, unit)}.")
        click.echo("It was not re-proven here; 'minfleet plan' does that.")
