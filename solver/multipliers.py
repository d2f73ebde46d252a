"""Lagrange multipliers of stock limits, from the linear relaxation of a small program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from solver.engines.highs import reduced_costs
from solver.instance import Instance
from solver.program import Program


def stock_multipliers(instance: Instance, program: Program) -> dict[int, float]:
    """Return σ_o ≥ 0 for offers (by position) whose stock the linear relaxation uses up.

    Any non-negative multipliers give a valid bound in `solver.screening`; these give a good one.
    """
    limited = [i for i, o in enumerate(instance.offers) if o.stock is not None]
    if not limited:
        return {}
    kept = np.array([name != "presence" for name in program.row_names])
    rows = np.nonzero(kept)[0]
    relaxed = replace(
        program,
        integer=np.zeros(program.columns, dtype=bool),
        matrix=program.matrix[rows],
        row_low=program.row_low[rows],
        row_high=program.row_high[rows],
    )
    reduced = reduced_costs(relaxed)
    if reduced is None:
        return {}
    return {
        program.key[j][0]: float(-reduced[j])
        for j in program.find("m")
        if program.key[j][0] in limited and reduced[j] < -1e-9
    }
