"""Writing the program for another solver."""

from __future__ import annotations

import tempfile
from pathlib import Path

from api.write import check_writable, write_atomically
from data.catalog import Catalog
from data.coefficients import load_coefficients, shipped_coefficients
from data.errors import InputError
from solver.footprint import Footprint
from solver.formulation import formulate
from solver.measured import load_measured
from solver.objective import objectives_of
from solver.problem import build_problem
from solver.workload import Workload

FORMATS = (".lp", ".mps")


def check_export(path: Path) -> None:
    """Refuse a path that the program could not be written to.

    Raises
    ------
    InputError
        If its ending is not one of `FORMATS`, or it cannot be written.
    """
    if path.suffix not in FORMATS:
        raise InputError(f"{path}: the ending must be {' or '.join(FORMATS)}.")
    check_writable(path)


def export_program(
    path: Path,
    workload: Workload,
    catalog: Catalog,
    coefficients: Path | None,
    measured: Path | None,
) -> None:
    """Write the whole program (before screening) as LP or MPS, by the ending of `path`.

    It is that of the rates of the workload, and of what its objective makes smallest first.

    Raises
    ------
    InputError
        If the ending is another one, or the file cannot be written.
    """
    check_export(path)
    footprint = Footprint.of(workload.objective, catalog.accelerators)
    problem = build_problem(
        workload,
        catalog,
        load_coefficients(coefficients) if coefficients else shipped_coefficients(),
        measured=load_measured(measured) if measured else None,
        order=objectives_of(workload.objective, footprint),
    )
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"program{path.suffix}"
        formulate(problem.instance.rated()).write(
            str(draft), io_options={"symbolic_solver_labels": True}
        )
        write_atomically(path, draft.read_text("utf-8"))
