"""Writing the program for another solver."""

from __future__ import annotations

from pathlib import Path

from data.catalog import Catalog
from data.coefficients import load_coefficients, shipped_coefficients
from data.errors import InputError
from solver.formulation import formulate
from solver.measured import load_measured
from solver.problem import build_problem
from solver.workload import Workload

FORMATS = (".lp", ".mps")


def export_program(
    path: Path,
    workload: Workload,
    catalog: Catalog,
    coefficients: Path | None,
    measured: Path | None,
) -> None:
    """Write the whole program (before screening) as LP or MPS, by the ending of `path`.

    Raises
    ------
    InputError
        If the ending is another one, or the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: the ending must be {' or '.join(FORMATS)}.")
    problem = build_problem(
        workload,
        catalog,
        load_coefficients(coefficients) if coefficients else shipped_coefficients(),
        measured=load_measured(measured) if measured else None,
    )
    try:
        formulate(problem.instance).write(str(path), io_options={"symbolic_solver_labels": True})
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}).") from None
