"""OR-Tools CP-SAT: the independent second engine.

CP-SAT knows integers only. Shares x are counted in parts of `SHARES`, and coefficients scaled
to integers and rounded so that the integer program is a *relaxation* of the true one:

- any true solution rounded down to the grid satisfies every ≤ row whose coefficients on shares
  are rounded down, since all of them are non-negative;
- a row that asks shares to sum to 1, or two sums of shares to be equal, is loosened by one
  part for each share in it, which is more than rounding down can lose.

Hence CP-SAT's bound on the relaxation is a true lower bound on the objective, however coarse the
grid; where shares are charged, the grid is finer, since the bound loses what rounding loses.
Its own best solution is not used as a plan.

What costs more than the first engine's fleet is cut off, which leaves the search less to do and
changes no bound below that cost. Where nothing is left, the two engines contradict each other.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from solver.engines.result import EngineResult, Termination
from solver.program import Program

SHARES = 100_000
"""Parts that a share of 1 is counted in."""

CHARGED_SHARES = 10 * SHARES
"""The same where the objective charges shares."""

_MICRO = 1_000_000
"""Parts that a unit of the objective is counted in; more where shares are charged."""

_LARGEST = 2.0**61
"""Largest sum that an objective may reach; CP-SAT counts in 64 bits."""

_SCALE = 10_000
"""Units that a replica of load is counted in, a part of a share."""

_SMALL = 150
"""Columns up to which presolving takes longer than it saves."""


def bound_cpsat(
    program: Program, *, at_most_usd: float, gap: float, work_limit: float, time_limit_s: float
) -> EngineResult:
    """Return CP-SAT's lower bound on the objective of a program.

    Parameters
    ----------
    at_most_usd
        Objective of a known solution; infinite if none is known.
    gap
        Relative gap at which to stop.
    work_limit
        CP-SAT's deterministic time, so that equal inputs give equal answers on any machine.
    time_limit_s
        Wall seconds after which it stops in any case.
    """
    from ortools.sat.python import cp_model

    begin = time.perf_counter()
    shares, parts = _grid(program)
    model = _model(program, at_most_usd, shares, parts)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    solver.parameters.relative_gap_limit = gap
    solver.parameters.max_deterministic_time = work_limit
    solver.parameters.max_time_in_seconds = time_limit_s
    solver.parameters.linearization_level = 2
    solver.parameters.cp_model_presolve = program.cost.size > _SMALL
    # Probing and symmetries take half the time of these programs, and close none of them.
    solver.parameters.cp_model_probing_level = 0
    solver.parameters.symmetry_level = 0
    status = solver.solve(model)
    wall_s = time.perf_counter() - begin
    if status == cp_model.INFEASIBLE:
        return EngineResult("cp-sat", Termination.INFEASIBLE, None, np.inf, None, wall_s)
    bound = float(solver.best_objective_bound) / parts
    if status == cp_model.OPTIMAL:
        best = float(solver.objective_value) / parts
        return EngineResult("cp-sat", Termination.GAP_CLOSED, best, bound, None, wall_s)
    best_known = float(solver.objective_value) / parts if status == cp_model.FEASIBLE else None
    return EngineResult("cp-sat", Termination.LIMIT, best_known, bound, None, wall_s)


def _grid(program: Program) -> tuple[int, int]:
    """Return the parts that a share of 1, and a unit of the objective, are counted in."""
    if not program.cost[~program.integer].any():
        return SHARES, _MICRO
    tops = np.where(np.isinf(program.col_high), _finite_bound(program), program.col_high)
    largest = float(np.abs(program.cost) @ tops)
    parts = CHARGED_SHARES * _MICRO
    while parts > CHARGED_SHARES and largest * parts > _LARGEST:
        parts //= 10
    return CHARGED_SHARES, parts


def _model(program: Program, at_most: float, shares: int, parts: int) -> Any:
    """Return the CP-SAT relaxation of a program; its objective is in whole parts, floored."""
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    variables = []
    for whole, low, high in zip(program.integer, program.col_low, program.col_high, strict=True):
        scale = 1 if whole else shares
        top = _finite_bound(program) if np.isinf(high) else int(np.floor(high * scale + 1e-9))
        variables.append(model.new_int_var(int(np.ceil(low * scale)), top, ""))
    matrix = program.matrix
    for row in range(matrix.shape[0]):
        span = slice(matrix.indptr[row], matrix.indptr[row + 1])
        _add_row(
            model,
            [variables[j] for j in matrix.indices[span]],
            matrix.data[span],
            program.integer[matrix.indices[span]],
            (float(program.row_low[row]), float(program.row_high[row])),
            shares,
        )
    weights = [
        int(np.floor(c * parts + 1e-6)) if whole else int(np.floor(c * (parts // shares)))
        for c, whole in zip(program.cost, program.integer, strict=True)
    ]
    objective = _sum(weights, variables)
    model.minimize(objective)
    if np.isfinite(at_most):
        _bounded(model, objective, None, int(np.ceil(at_most * parts)) + 1)
    return model


def _finite_bound(program: Program) -> int:
    """An upper bound for hosting columns, which the formulation leaves open: all replicas."""
    return int(program.col_high[program.kind == "n"].sum()) + 1


def _add_row(
    model: Any,
    variables: list[Any],
    weights: Any,
    whole: Any,
    limits: tuple[float, float],
    shares: int,
) -> None:
    """Add one row of the relaxation, its sum within `limits`."""
    low, high = limits
    if whole.all() and np.all(weights == np.round(weights)):
        _bounded(model, _sum(weights, variables), _up(low), _down(high))
        return
    if not whole.any() and np.all(np.abs(weights) == 1):
        lost_up, lost_down = int((weights > 0).sum()), int((weights < 0).sum())
        lower = None if np.isinf(low) else int(np.floor(low * shares)) - lost_up
        upper = None if np.isinf(high) else int(np.ceil(high * shares)) + lost_down
        _bounded(model, _sum(weights, variables), lower, upper)
        return
    if not np.isinf(low):
        raise AssertionError("rows that mix shares and integers are all of the form <=")
    unit = _SCALE * shares
    scaled = [
        int(np.floor(w * unit + 1e-6)) if integral else int(np.floor(w * _SCALE))
        for w, integral in zip(weights, whole, strict=True)
    ]
    _bounded(model, _sum(scaled, variables), None, int(np.ceil(high * unit)))


def _sum(weights: Any, variables: list[Any]) -> Any:
    """Return Σ w·v over the weights that are not 0; the number 0 if all are."""
    from ortools.sat.python import cp_model

    used = [(int(w), v) for w, v in zip(weights, variables, strict=True) if w]
    if not used:
        return 0
    return cp_model.LinearExpr.weighted_sum([v for _, v in used], [w for w, _ in used])


def _up(value: float) -> int | None:
    return None if np.isinf(value) else int(np.ceil(value - 1e-9))


def _down(value: float) -> int | None:
    return None if np.isinf(value) else int(np.floor(value + 1e-9))


def _bounded(model: Any, expression: Any, low: int | None, high: int | None) -> None:
    if isinstance(expression, int):
        if (low is not None and expression < low) or (high is not None and expression > high):
            model.add_bool_or([])
        return
    if low is not None and low == high:
        model.add(expression == low)
        return
    if low is not None:
        model.add(expression >= low)
    if high is not None:
        model.add(expression <= high)
