"""What an engine says: why it stopped, kept apart from what it left behind."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Improved = Callable[[float | None, float], None]
"""Called while an engine works, with the cost of the best solution so far (USD/h; None without
one) and the proven lower bound (minus infinity without one)."""


class Termination(enum.Enum):
    """Why an engine stopped.

    GAP_CLOSED: the gap asked for is proven. INFEASIBLE: no solution exists. LIMIT: time or
    work ran out. FAILED: the engine gave up for a reason of its own.
    """

    GAP_CLOSED = "gap_closed"
    INFEASIBLE = "infeasible"
    LIMIT = "limit"
    FAILED = "failed"


@dataclass(frozen=True)
class EngineResult:
    """What an engine proved and found.

    Attributes
    ----------
    objective
        Cost of the best solution (USD/h); None without one.
    bound
        Proven lower bound on the cost (USD/h), a claim up to the engine's tolerances; minus
        infinity without one.
    values
        Best solution, one value a column; None without one.
    """

    engine: str
    termination: Termination
    objective: float | None
    bound: float
    values: NDArray[np.float64] | None
    wall_s: float

    @property
    def gap(self) -> float:
        """Relative gap (objective − bound)/objective; infinite without a solution."""
        if self.objective is None:
            return float("inf")
        if self.objective <= self.bound:
            return 0.0
        return (self.objective - self.bound) / max(abs(self.objective), 1e-12)
