"""Speed of many points: prices and rates, whose replicas are known, and targets, whose are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from solver.sweep.factors import read_factor
from solver.sweep.sweep import sweep
from solver.workload import Workload

CHAT = Path(__file__).parents[1] / "examples" / "chat-70b.yaml"

SWEEPS = {
    "prices and rates": (("price:all=0.5:1.5:10", "rate=0.5:4:20"), 20.0),
    "targets": (("tpot_ms=20:80:20", "ttft_ms=300,400,500"), 12.0),
}
"""Name → what is varied, and seconds that it may take on one core."""


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("name", SWEEPS)
def test_sweep(measure, benchmark, name, jobs):
    vary, target_s = SWEEPS[name]
    factors = [read_factor(text) for text in vary]
    found = measure(
        lambda: sweep(Workload.load(CHAT), vary=factors, jobs=jobs),
        target_s=target_s,
        rounds=1,
        warm=0,
    )
    benchmark.extra_info.update(points=found.search["points"], jobs=jobs)
    assert found.complete
