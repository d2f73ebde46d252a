"""Limits of split pools: what the hand-over takes is taken from the targets."""

import numpy as np
import pytest

from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from model.predict import predict
from solver.problem import build_problem
from solver.workload import Workload


@pytest.fixture(scope="module")
def problem():
    workload = Workload.parse(
        {
            "model": "llama-3.1-70b-instruct",
            "classes": [{"name": "documents", "rate_rps": 3, "isl": 16000, "osl": 500}],
            "sla": {"ttft_ms": 4000, "tpot_ms": 30, "percentile": 95},
            "hardware": {"providers": ["nebius", "aws", "gcp"]},
        }
    )
    return build_problem(workload, Catalog.load(), shipped_coefficients())


def test_every_candidate_keeps_its_part_of_the_targets_at_its_rate(problem):
    """16,000 tokens of 70B KV are 5.2 GB; over 1.6 GB/s they outlast the whole TTFT target.

    Such a pool must admit nothing, rather than anything.
    """
    part = {"prefill": 0.8 * 4000, "decode": 0.2 * 4000, "aggregated": 4000.0}
    seen = set()
    for c in problem.instance.candidates:
        (rate,) = c.capacity_rps
        request = problem.demand_of(c.model).classes[0]
        figures = predict(problem.deployment(c), [request], [rate]).classes["documents"]
        assert figures.ttft_ms <= part[c.role] * (1 + 1e-6), c
        if c.role != "prefill":
            assert figures.tpot_ms <= 30 * (1 + 1e-6), c
        seen.add(c.role)
    assert seen == {"aggregated", "prefill", "decode"}
    assert np.isfinite(problem.seconds["candidates"])
