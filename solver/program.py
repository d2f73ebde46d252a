"""The program as sparse arrays, which every engine reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solver.formulation import formulate
from solver.instance import Instance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Program:
    """min c·v subject to row_low ≤ A·v ≤ row_high, col_low ≤ v ≤ col_high, some v integer.

    Attributes
    ----------
    kind
        First letter of each column's variable: n, m, h, x, y or b.
    key
        Index of each column within its variable, as in `solver.formulation`.
    row_names
        Constraint that each row belongs to.
    """

    cost: Floats
    matrix: Any
    row_low: Floats
    row_high: Floats
    col_low: Floats
    col_high: Floats
    integer: NDArray[np.bool_]
    kind: NDArray[np.str_]
    key: tuple[tuple[int, ...], ...]
    row_names: tuple[str, ...]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.cost)

    def find(self, kind: str) -> NDArray[np.intp]:
        """Return the positions of the columns of one variable."""
        return np.nonzero(self.kind == kind)[0]

    def without(self, columns: NDArray[np.bool_]) -> Program:
        """Return the program with those columns fixed to zero and taken out.

        Rows that are left empty and satisfied go too; an empty row that is not satisfied stays
        and makes the program infeasible, as it should.
        """
        keep = ~columns
        matrix = self.matrix[:, keep]
        filled = np.diff(matrix.indptr) > 0
        harmless = (self.row_low <= 0) & (self.row_high >= 0)
        rows = np.nonzero(filled | ~harmless)[0]
        kept = np.nonzero(keep)[0]
        return replace(
            self,
            cost=self.cost[keep],
            matrix=matrix[rows],
            row_low=self.row_low[rows],
            row_high=self.row_high[rows],
            col_low=self.col_low[keep],
            col_high=self.col_high[keep],
            integer=self.integer[keep],
            kind=self.kind[keep],
            key=tuple(self.key[i] for i in kept),
            row_names=tuple(self.row_names[i] for i in rows),
        )


def compile_program(instance: Instance) -> Program:
    """Formulate an instance in Pyomo and compile it to sparse arrays."""
    from pyomo.core.expr.numvalue import value
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

    model = formulate(instance)
    form = LinearStandardFormCompiler().write(model, mixed_form=True)
    sense = np.array([row.bound_type for row in form.rows])
    right = np.asarray(form.rhs, dtype=float)
    columns = form.columns
    kinds, keys = [], []
    for column in columns:
        kinds.append(column.parent_component().local_name)
        index = column.index()
        keys.append(index if isinstance(index, tuple) else (index,))
    low = [-np.inf if c.lb is None else float(value(c.lb)) for c in columns]
    high = [np.inf if c.ub is None else float(value(c.ub)) for c in columns]
    return Program(
        cost=np.asarray(form.c.todense(), dtype=float).reshape(-1),
        matrix=sparse.csr_array(form.A),
        row_low=np.where(sense == 1, -np.inf, right),
        row_high=np.where(sense == -1, np.inf, right),
        col_low=np.array(low),
        col_high=np.array(high),
        integer=np.array([not c.is_continuous() for c in columns]),
        kind=np.array(kinds),
        key=tuple(keys),
        row_names=tuple(r.constraint.parent_component().local_name for r in form.rows),
    )
