"""The speed targets, measured: ``make bench``. Medians count; machines are shared and noisy.

Targets on 2 cores, to gap 1e-4 over the shipped catalogue: one class 0.5 s, 8 classes 1 s,
3 models with 32 classes 10 s, all in a warm process; the command from a cold shell 3 s, its help
0.3 s. ``whole`` rows include what binds, why not, and alternatives; ``proof`` rows stop at the
plan, its bounds and the independent check.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from data.catalog import Catalog
from solver.planner import plan
from solver.workload import Workload

ROOT = Path(__file__).parents[1]
MODELS = ("llama-3.1-70b-instruct", "qwen3-32b", "llama-3.1-8b-instruct")


def workload(classes, models):
    return Workload.parse(
        {
            "model": models[0],
            "classes": [
                {
                    "name": f"class{i}",
                    "rate_rps": 2 + i % 9,
                    "isl": 256 + 150 * i,
                    "osl": 64 * (1 + i % 7),
                    "model": models[i % len(models)],
                }
                for i in range(classes)
            ],
            "sla": {"ttft_ms": 2500, "tpot_ms": 50},
        }
    )


CASES = {
    "1 class": (1, MODELS[:1]),
    "8 classes": (8, MODELS[:1]),
    "3 models, 32 classes": (32, MODELS),
}


@pytest.fixture(scope="module")
def catalog():
    return Catalog.load()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("explain", [False, True], ids=["proof", "whole"])
def test_plan(benchmark, catalog, case, explain):
    wanted = workload(*CASES[case])
    answer = benchmark.pedantic(
        plan,
        args=(wanted, catalog),
        kwargs={"explain": explain},
        rounds=5 if case == "1 class" else 1,
        warmup_rounds=1,
    )
    benchmark.extra_info.update(
        status=answer.status, cost=answer.cost_per_hour_usd, gap=answer.certificate["gap"]
    )
    assert answer.status == "optimal"


@pytest.mark.parametrize(
    "arguments", [["plan", "examples/chat-70b.yaml"], ["--help"]], ids=["plan", "help"]
)
def test_cold_shell(benchmark, arguments):
    command = [sys.executable, "-m", "minfleet", *arguments]

    def run():
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
