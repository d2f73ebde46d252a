"""The program as sparse arrays, which every engine reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solver.formulation import formulate
from solver.instance import Instance
from solver.light_pyomo import pyo

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Program:
    """min c·v subject to row_low ≤ A·v ≤ row_high, col_low ≤ v ≤ col_high, some v integer.

    Attributes
    ----------
    kind
        First letter of each column's variable: n, m, h, x, y, b or v.
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
    from pyomo.repn.linear import LinearRepnVisitor
    from scipy.sparse import csr_array

    model = formulate(instance)
    named = [
        (variable.local_name, key, column)
        for variable in model.component_objects(pyo.Var)
        for key, column in variable.items()
    ]
    columns = [column for _, _, column in named]
    position = {id(column): j for j, column in enumerate(columns)}
    visitor = LinearRepnVisitor({})
    cost = np.zeros(len(columns))
    for j, weight in _linear(visitor, model.objective.expr, position):
        cost[j] = weight
    data, at, starts = [], [], [0]
    low, high, names = [], [], []
    for constraint in model.component_objects(pyo.Constraint, active=True):
        name = constraint.local_name
        for row in constraint.values():
            least, body, most = row.to_bounded_expression(evaluate_bounds=True)
            for j, weight in _linear(visitor, body, position):
                at.append(j)
                data.append(weight)
            starts.append(len(at))
            low.append(-np.inf if least is None else float(least))
            high.append(np.inf if most is None else float(most))
            names.append(name)
    bounds = [column.bounds for column in columns]
    return Program(
        cost=cost,
        matrix=csr_array(
            (np.array(data, dtype=float), np.array(at, dtype=np.int32), np.array(starts)),
            shape=(len(names), len(columns)),
        ),
        row_low=np.array(low),
        row_high=np.array(high),
        col_low=np.array([-np.inf if low is None else float(low) for low, _ in bounds]),
        col_high=np.array([np.inf if high is None else float(high) for _, high in bounds]),
        integer=np.array([not c.is_continuous() for c in columns]),
        kind=np.array([name for name, _, _ in named]),
        key=tuple(k if isinstance(k, tuple) else (k,) for _, k, _ in named),
        row_names=tuple(names),
    )


def _linear(visitor: Any, expression: Any, position: dict[int, int]) -> Iterator[tuple[int, float]]:
    """Yield (column, weight) of a linear expression without constant."""
    terms = visitor.walk_expression(expression)
    assert terms.nonlinear is None
    assert not terms.constant
    for variable, weight in terms.linear.items():
        if weight:
            yield position[variable], float(weight)
