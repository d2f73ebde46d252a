"""The rules of a policy: each figure beside its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """One rule, evaluated.

    Attributes
    ----------
    figure
        What is compared; None where it is not known or there is nothing to compare.
    comparison
        ``>=`` or ``<=``: how the figure must stand to the limit.
    passed
        Whether it does; None where there is no other fleet to weigh.
    decides
        ``must_switch``: one that fails looks for another fleet at once. ``switch``: all must pass
        for a switch that only saves money.
    meaning
        What is compared, in words.
    """

    name: str
    figure: float | None
    limit: float
    unit: str
    comparison: str
    passed: bool | None
    decides: str
    meaning: str

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as a document shows it."""
        return {
            "name": self.name,
            "figure": None if self.figure is None else round(self.figure, 6),
            "limit": self.limit,
            "unit": self.unit,
            "comparison": self.comparison,
            "passed": self.passed,
            "decides": self.decides,
            "meaning": self.meaning,
        }


SLACK = 1e-9
"""How far a figure may miss its limit, as a part of it: rounding of floats."""


def at_least(name: str, figure: float | None, limit: float, **rest: Any) -> Rule:
    """Return the rule that a figure is no less than its limit."""
    passed = None if figure is None else figure >= limit - SLACK * max(1.0, abs(limit))
    return Rule(name, figure, limit, comparison=">=", **{"passed": passed, **rest})


def at_most(name: str, figure: float | None, limit: float, **rest: Any) -> Rule:
    """Return the rule that a figure is no more than its limit."""
    passed = None if figure is None else figure <= limit + SLACK * max(1.0, abs(limit))
    return Rule(name, figure, limit, comparison="<=", **{"passed": passed, **rest})
