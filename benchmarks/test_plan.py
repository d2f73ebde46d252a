"""How long a plan takes, in a warm process, over the shipped catalogue, to a gap of 1e-4.

``whole`` is what ``minfleet plan`` does, explanations and second engine included; ``proof`` stops
at the fleet, its bound and the check, which is what a scheduler asks for. ``make bench`` runs
these. They report; they do not fail when a machine is slow, only when a plan is not proven.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data.catalog import Catalog
from solver.planner import plan
from solver.workload import Workload

EXAMPLES = Path(__file__).parents[1] / "examples"

MODELS = ("llama-3.1-70b-instruct", "qwen3-32b", "llama-3.1-8b-instruct")


def alike(count: int, model: str) -> list[dict[str, Any]]:
    """Return classes of one model whose lengths grow, under one target."""
    return [
        {
            "name": f"{model} {i}",
            "model": model,
            "rate_rps": 2 + i % 9,
            "isl": 256 + 150 * i,
            "osl": 64 * (1 + i % 7),
        }
        for i in range(count)
    ]


def unlike(count: int, model: str) -> list[dict[str, Any]]:
    """Return classes of one model with spread lengths and rates, under three targets."""
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


def workload(*classes: dict[str, Any]) -> Workload:
    sla = {"ttft_ms": 2500, "tpot_ms": 50}
    return Workload.parse({"model": MODELS[0], "classes": list(classes), "sla": sla})


WORKLOADS = {
    "1 class": (Workload.load(EXAMPLES / "chat-70b.yaml"), 0.5),
    "8 classes, one target": (workload(*alike(8, MODELS[0])), 1.0),
    "8 classes, three targets": (workload(*unlike(8, MODELS[0])), 1.0),
    "3 models, 32 classes": (
        workload(*alike(11, MODELS[0]), *alike(11, MODELS[1]), *alike(10, MODELS[2])),
        10.0,
    ),
    "3 models of 32 classes": (workload(*(c for m in MODELS for c in alike(32, m))), 10.0),
}
"""Name → workload, and seconds that its whole plan may take."""


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load()


@pytest.mark.parametrize("part", ["proof", "whole"])
@pytest.mark.parametrize("name", WORKLOADS)
def test_plan(measure, benchmark, catalog, name, part):
    wanted, target_s = WORKLOADS[name]
    whole = part == "whole"
    answer = measure(
        lambda: plan(wanted, catalog, explain=whole, second_engine=whole),
        target_s=target_s,
        rounds=5 if len(wanted.classes) == 1 else 1,
        warm=1 if len(wanted.classes) <= 8 else 0,
    )
    benchmark.extra_info.update(status=answer.status, cost_per_hour_usd=answer.cost_per_hour_usd)
    assert answer.status == "optimal"


def test_infeasible(measure, catalog):
    """Proof that nothing exists, the conflict, and what each limit would have to become."""
    wanted = Workload.load(EXAMPLES / "budget-infeasible.yaml")
    answer = measure(lambda: plan(wanted, catalog), target_s=2.0, rounds=3)
    assert answer.status == "infeasible"
