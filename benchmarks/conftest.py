"""Targets beside measurements: a table of both at the end of ``make bench``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

ROWS: list[tuple[str, float, float]] = []
"""Name, median (s) and target (s) of what was measured."""


@pytest.fixture
def measure(request: pytest.FixtureRequest, benchmark: Any) -> Iterator[Callable[..., Any]]:
    """Run a function several times against a target in seconds; return its last result."""
    targets: list[float] = []

    def run(function: Callable[[], Any], *, target_s: float, rounds: int = 5, warm: int = 1) -> Any:
        targets.append(target_s)
        benchmark.extra_info["target_s"] = target_s
        return benchmark.pedantic(function, rounds=rounds, warmup_rounds=warm)

    yield run
    if targets and benchmark.stats is not None:
        ROWS.append((request.node.name, benchmark.stats.stats.median, targets[0]))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what was measured beside its target."""
    if not ROWS:
        return
    terminalreporter.section("seconds (median) against targets")
    for name, median, target in ROWS:
        verdict = "ok" if median <= target else f"{median / target:.1f} × the target"
        terminalreporter.write_line(f"{name:<48} {median:8.2f} {target:8.2f}  {verdict}")
