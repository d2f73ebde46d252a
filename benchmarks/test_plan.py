"""How long a plan takes: the whole of it, explanations and second engine included.

``make bench`` runs these. They report; they do not fail when a machine is slow or busy.
"""

from __future__ import annotations

from typing import Any

import pytest

from data.catalog import Catalog
from solver.plan import Plan
from solver.planner import plan
from solver.workload import Workload

MODELS = ("llama-3.1-8b-instruct", "llama-3.1-70b-instruct", "qwen3-32b")


def classes(count: int, model: str) -> list[dict[str, Any]]:
    """Return classes of one model with spread lengths, rates and targets, always the same."""
    return [
        {
            "name": f"{model} {i}",
            "model": model,
            "rate_rps": 1 + 7 * i % 11,
            "isl": 200 * (1 + 5 * i % 17),
            "osl": 50 * (1 + 3 * i % 9),
            "sla": {"ttft_ms": (500, 1000, 2000)[i % 3]},
        }
        for i in range(count)
    ]


def workload(count: int, *models: str) -> Workload:
    every = [c for model in models for c in classes(count, model)]
    return Workload.parse({"model": models[0], "classes": every})


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


def check(answer: Plan) -> None:
    """A plan that is quick but not proven is no plan."""
    assert answer.status == "optimal"
    assert answer.certificate["gap"] <= 1e-4


def test_one_class(measure, catalog):
    wanted = Workload.load("examples/chat-70b.yaml")
    check(measure(lambda: plan(wanted, catalog), target_s=0.5))


def test_eight_classes(measure, catalog):
    wanted = workload(8, MODELS[1])
    check(measure(lambda: plan(wanted, catalog), target_s=1.0, rounds=3))


def test_three_models_of_32_classes(measure, catalog):
    wanted = workload(32, *MODELS)
    check(measure(lambda: plan(wanted, catalog), target_s=10.0, rounds=1, warm=0))


def test_bare_plan_of_eight_classes(measure, catalog):
    """Without explanations and second engine: what a scheduler asks for."""
    wanted = workload(8, MODELS[1])
    bare = {"explain": False, "second_engine": False}
    check(measure(lambda: plan(wanted, catalog, **bare), target_s=1.0, rounds=3))


def test_infeasible_with_relaxations(measure, catalog):
    wanted = Workload.load("examples/budget-infeasible.yaml")
    answer = measure(lambda: plan(wanted, catalog), target_s=2.0, rounds=3)
    assert answer.status == "infeasible"
