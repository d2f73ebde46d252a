"""Several programs as one, with columns and rows that join them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, coo_array, csr_array, hstack, vstack

from solver.program import Program


@dataclass
class Added:
    """Columns and rows beside those of the programs that are joined.

    Attributes
    ----------
    first
        Columns of those programs together, after which the own ones come.
    """

    first: int
    cost: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    key: list[tuple[int, ...]] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def column(
        self, kind: str, key: tuple[int, ...], cost: float, high: float, *, whole: bool
    ) -> int:
        """Add a column with values of 0 to `high`; return its position."""
        self.cost.append(cost)
        self.high.append(high)
        self.whole.append(whole)
        self.kind.append(kind)
        self.key.append(key)
        return self.first + len(self.cost) - 1

    def at_most(self, limit: float, name: str, entries: dict[int, float]) -> int:
        """Add the row Σ entries ≤ limit; return its number among those added."""
        row = len(self.names)
        self.limits.append(limit)
        self.entries += [(row, column, weight) for column, weight in entries.items()]
        self.names.append(name)
        return row


def joined(blocks: Sequence[Program], cost: NDArray[np.float64], added: Added) -> Program:
    """Return one program: those of the blocks side by side, and what is added.

    Parameters
    ----------
    cost
        Of the columns of all blocks.

    Returns
    -------
    Program
        The key of a block's column begins with the number of the block.
    """
    own = block_diag([b.matrix for b in blocks], format="csr")
    count, columns = len(added.names), added.first + len(added.cost)
    at, on, weights = zip(*added.entries, strict=True) if added.entries else ((), (), ())
    extra = coo_array((np.array(weights, dtype=float), (at, on)), shape=(count, columns)).tocsr()
    wide = hstack([own, csr_array((own.shape[0], len(added.cost)))])
    return Program(
        cost=np.concatenate([cost, added.cost]),
        matrix=vstack([wide, extra]).tocsr(),
        row_low=np.concatenate([*(b.row_low for b in blocks), np.full(count, -np.inf)]),
        row_high=np.concatenate([*(b.row_high for b in blocks), added.limits]),
        col_low=np.concatenate([*(b.col_low for b in blocks), np.zeros(len(added.cost))]),
        col_high=np.concatenate([*(b.col_high for b in blocks), added.high]),
        integer=np.concatenate([*(b.integer for b in blocks), np.array(added.whole, dtype=bool)]),
        kind=np.concatenate([*(b.kind for b in blocks), np.array(added.kind, dtype=str)]),
        key=tuple([(t, *key) for t, b in enumerate(blocks) for key in b.key] + added.key),
        row_names=tuple([n for b in blocks for n in b.row_names] + added.names),
    )
