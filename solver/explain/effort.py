"""How far explanations go: what they solve, and what they only bound."""

from __future__ import annotations

from dataclasses import dataclass

SOLVED_COLUMNS = 300
"""Plans whose program is larger are explained by first fleets and bounds unless asked for more.

A size, not a time, so that the same input gives the same document on any machine.
"""


@dataclass(frozen=True)
class Effort:
    """How far explanations go.

    Attributes
    ----------
    solves
        Whether each question is a program solved to the gap of explanations; otherwise limits
        are valued in fractions, and other plans are the first good fleet found.
    time_limit_s
        Wall seconds for each program.
    """

    solves: bool
    time_limit_s: float


def effort_for(columns: int, *, full: bool, time_limit_s: float) -> Effort:
    """Return the effort for a plan whose program has `columns` columns."""
    return Effort(full or columns <= SOLVED_COLUMNS, time_limit_s)
