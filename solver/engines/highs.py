"""HiGHS: the default engine."""

from __future__ import annotations

import threading
import time
from typing import Any

import highspy
import numpy as np
from numpy.typing import NDArray

from data.errors import EngineError
from solver.engines.result import EngineResult, Improved, Termination
from solver.program import Program

FEASIBILITY_TOLERANCE = 1e-7
"""Tighter tolerances cost HiGHS several-fold; shares are settled exactly afterwards."""

GRACE_S = 2.0
"""Time that HiGHS has to answer a cancellation, beside as much again as it was given."""

REPORT_S = 0.1
"""Least time between two reports of an improvement."""

UNPROFITABLE = (
    "mip_allow_restart",
    "mip_detect_symmetry",
    "mip_heuristic_run_feasibility_jump",
    "mip_heuristic_run_rens",
    "mip_heuristic_run_rins",
)
"""What HiGHS does by default and these programs are solved two to three times as fast without:
good fleets are found early, and what remains is to prove it. Older versions lack some of them."""

_STATUS = highspy.HighsModelStatus


def solve_highs(
    program: Program,
    *,
    gap: float,
    time_limit_s: float,
    start: NDArray[np.float64] | None = None,
    improved: Improved | None = None,
) -> EngineResult:
    """Solve a program with HiGHS on one thread.

    Parameters
    ----------
    start
        A solution to start from, one value a column.
    gap
        Relative gap at which to stop.
    time_limit_s
        Wall seconds. HiGHS checks its own limit only between phases, so it is cancelled as well;
        and left alone where it heeds neither, since nothing else ends a phase that never does.
    improved
        Told of better solutions and bounds, from a thread of HiGHS's, every `REPORT_S` at most.

    Raises
    ------
    EngineError
        If HiGHS refuses the program.
    """
    begin = time.perf_counter()
    highs = _load(program)
    highs.setOptionValue("mip_rel_gap", gap)
    highs.setOptionValue("time_limit", time_limit_s)
    if start is not None:
        guess = highspy.HighsSolution()
        guess.col_value = start.tolist()
        highs.setSolution(guess)
    highs.HandleUserInterrupt = True
    if improved is not None:
        _report(highs, improved)
    solving = threading.Thread(target=highs.run, daemon=True)
    solving.start()
    solving.join(time_limit_s)
    if solving.is_alive():
        highs.cancelSolve()
        solving.join(GRACE_S + time_limit_s)
    wall_s = time.perf_counter() - begin
    if solving.is_alive():
        return EngineResult("highs", Termination.LIMIT, None, -np.inf, None, wall_s)
    return _result(highs, program, gap, wall_s)


def _report(highs: highspy.Highs, improved: Improved) -> None:
    """Tell `improved` of better solutions and bounds while HiGHS searches."""
    last = 0.0
    known: tuple[float | None, float] = (None, -np.inf)

    def look(event: Any) -> None:
        nonlocal last, known
        now = time.monotonic()
        if now - last < REPORT_S:
            return
        best = float(event.data_out.mip_primal_bound)
        found = (best if np.isfinite(best) else None, float(event.data_out.mip_dual_bound))
        if found != known:
            last, known = now, found
            improved(*found)

    highs.cbMipInterrupt.subscribe(look)


def reduced_costs(program: Program) -> NDArray[np.float64] | None:
    """Return the reduced costs of a continuous program at its optimum; None if it has none."""
    highs = _load(program)
    highs.run()
    if highs.getModelStatus() != _STATUS.kOptimal:
        return None
    return np.array(highs.getSolution().col_dual)


def row_duals(program: Program) -> NDArray[np.float64] | None:
    """Return the duals of the rows of a continuous program at its optimum; None if it has none."""
    highs = _load(program)
    highs.run()
    if highs.getModelStatus() != _STATUS.kOptimal:
        return None
    return np.array(highs.getSolution().row_dual)


def _load(program: Program) -> highspy.Highs:
    highs = highspy.Highs()
    for name, value in {
        "output_flag": False,
        "threads": 1,
        "random_seed": 1,
        "mip_abs_gap": 0.0,
        "primal_feasibility_tolerance": FEASIBILITY_TOLERANCE,
        "mip_feasibility_tolerance": FEASIBILITY_TOLERANCE,
    }.items():
        highs.setOptionValue(name, value)
    for name in UNPROFITABLE:
        highs.setOptionValue(name, False)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = program.columns, len(program.row_low)
    lp.col_cost_ = program.cost
    lp.col_lower_, lp.col_upper_ = program.col_low, program.col_high
    lp.row_lower_, lp.row_upper_ = program.row_low, program.row_high
    matrix = program.matrix
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data
    lp.integrality_ = [
        highspy.HighsVarType.kInteger if i else highspy.HighsVarType.kContinuous
        for i in program.integer
    ]
    if highs.passModel(lp) == highspy.HighsStatus.kError:
        raise EngineError("HiGHS refused the program; please report it with the workload.")
    return highs


def _result(highs: highspy.Highs, program: Program, gap: float, wall_s: float) -> EngineResult:
    status, info = highs.getModelStatus(), highs.getInfo()
    if status in (_STATUS.kInfeasible, _STATUS.kUnboundedOrInfeasible):
        return EngineResult("highs", Termination.INFEASIBLE, None, np.inf, None, wall_s)
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    values = np.array(highs.getSolution().col_value) if found else None
    mixed = bool(program.integer.any())
    bound = float(info.mip_dual_bound) if mixed else float(info.objective_function_value)
    objective = None if values is None else float(program.cost @ values)
    if status == _STATUS.kOptimal:
        end = Termination.GAP_CLOSED
    elif status in (_STATUS.kTimeLimit, _STATUS.kInterrupt, _STATUS.kSolutionLimit):
        end = Termination.LIMIT
    else:
        end = Termination.FAILED
    if not np.isfinite(bound):
        bound = -np.inf
    return EngineResult("highs", end, objective, bound, values, wall_s)
