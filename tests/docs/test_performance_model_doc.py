"""The page on the performance model: its names exist, its figures are those of the code."""

import csv
import importlib
import re
from pathlib import Path

import pytest

from data.coefficients import shipped_coefficients
from solver.estimate import Request, estimate_replica, step_ms

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def text():
    return (ROOT / "docs" / "performance-model.md").read_text("utf-8")


@pytest.fixture(scope="module")
def estimate():
    return estimate_replica(
        Request(
            model="llama-3.1-70b-instruct",
            accelerator="h100_sxm",
            tp=2,
            weights="fp8",
            kv="fp8",
            isl=1024,
            osl=256,
        )
    )


def test_every_function_named_exists(text):
    names = set(re.findall(r"`((?:data|model|solver)\.\w+\.\w+)`", text))
    assert len(names) > 15
    for name in sorted(names):
        module, attribute = name.rsplit(".", 1)
        assert hasattr(importlib.import_module(module), attribute), name


def test_the_coefficients_are_those_in_force(text):
    block = text.split("<!-- begin coefficients -->")[1].split("<!-- end coefficients -->")[0]
    shown = [
        tuple(cell.strip(" `") for cell in line.strip("|").split("|"))[:5]
        for line in block.strip().splitlines()[2:]
    ]
    with (ROOT / "data" / "coefficients.csv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if not r["coefficient"].startswith("fit_")]
    everyone = {"*": "all"}
    expected = [
        (
            r["coefficient"],
            everyone.get(r["engine"], r["engine"]),
            everyone.get(r["family"], r["family"]),
            r["value"],
            r["unit"],
        )
        for r in rows
    ]
    assert shown == expected


@pytest.mark.parametrize(
    ("row", "term"),
    [("weights", "weights"), ("layers", "layers"), ("collectives", "collectives"),
     ("KV, one sequence", "kv"), ("one decode step", "total")],
)  # fmt: skip
def test_the_worked_example_is_what_the_model_gives(text, estimate, row, term):
    printed = re.search(rf"^\| {re.escape(row)} \| [^|]+ \| ([\d.]+) ms \|$", text, re.MULTILINE)
    assert printed is not None
    assert step_ms(estimate.idle_step)[term] == pytest.approx(float(printed[1]), abs=6e-4)


def test_how_much_tp_speeds_up_decoding(text):
    """70B in FP8 weights and KV, one sequence: a step at TP1 over one at TP8."""
    printed = re.search(r"from TP1 to TP8 a 70B model in FP8 on H200 decodes ([\d.]+) times", text)
    one, eight = (
        estimate_replica(
            Request(
                model="llama-3.1-70b-instruct",
                accelerator="h200_sxm",
                tp=tp,
                weights="fp8",
                kv="fp8",
            )
        )
        for tp in (1, 8)
    )
    steps = [step_ms(e.idle_step)["total"] for e in (one, eight)]
    assert float(printed[1]) == pytest.approx(steps[0] / steps[1], abs=0.06)


def test_the_worked_example_by_hand(estimate):
    """(68.451e9 · 1.002 + 2 · 128,256 · 8,192) B / 2 / (`mbu` · 3,350 GB/s)."""
    mbu = shipped_coefficients().values("vllm", "hopper")["mbu"]
    layers = 70_553_706_496 - 2 * 128_256 * 8192 - (160 + 1) * 8192
    read = (layers * 1.002 + 2 * 128_256 * 8192) / 2
    assert step_ms(estimate.idle_step)["weights"] == pytest.approx(
        read / (mbu * 3350e9) * 1e3, rel=1e-5
    )
    assert estimate.memory_gb["weights"] == pytest.approx(36.398, abs=1e-3)
