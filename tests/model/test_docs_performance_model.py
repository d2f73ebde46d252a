"""The generated parts of the performance-model page are current, and its example is the model's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from one_replica import LLAMA_70B, arch, requests, shape

from data.coefficients import shipped_coefficients
from model.kv_cache import kv_bytes
from model.load_search import load_at
from model.predict import Deployment, predict
from model.station import prepare
from model.step_time import attention_prefill_s, prefill_fixed_s, prefill_gemm_s
from model.traffic import Traffic, traffic_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(ROOT / "docs"))
    path = ROOT / "docs" / "render_performance_model.py"
    spec = importlib.util.spec_from_file_location("render_performance_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def unit():
    """The replica of the example, with the coefficients that ship."""
    of = shape("h100_sxm", "fp8", kv="fp8", tp=2, batch_cap=64)
    return Deployment(arch(LLAMA_70B), of, "vllm", 8192, shipped_coefficients())


def test_generated_parts_are_current(script):
    """Coefficients and example; run docs/render_performance_model.py after changing the first."""
    page = (ROOT / "docs" / "performance-model.md").read_text("utf-8")
    for name, content in script.parts().items():
        shown = page.split(f"<!-- begin {name} -->\n")[1].split(f"\n<!-- end {name} -->")[0]
        assert shown == content, f"{name} is out of date"


def test_the_example_under_load_is_what_the_model_predicts(script, unit):
    """Plain arithmetic beside the model: every figure of the page within 1e-6."""
    by_hand = {name: value for name, (_, value, _) in script.example().items()}
    seen = predict(unit, [requests()], [script.RATE])
    r = unit.replicas()
    held = seen.concurrency
    b = by_hand["load"]
    own = prefill_gemm_s(r, 1024.0, b + 1, 1 + b / 255) + prefill_fixed_s(r, 1024.0, 0.0)
    expected = {
        "sequences decoding": held,
        "step": seen.step.total.item() * 1e3,
        "attention of a prompt": attention_prefill_s(r, 1024.0).item() * 1e3,
        "work": own.item() * 1e3,
        "mean TPOT": held / (255 * script.RATE) * 1e3,
        "utilisation": seen.utilization,
        "p99 TTFT": seen.ttft_ms["p99"],
        "p99 TPOT": seen.tpot_ms["p99"],
    }
    for name, value in expected.items():
        assert by_hand[name] == pytest.approx(value, rel=1e-6), name


def test_the_parts_of_the_ttft_are_those_of_the_model(script, unit):
    by_hand = {name: value for name, (_, value, _) in script.example().items()}
    t = traffic_of([requests()], [[1.0]])
    t = Traffic(**{k: v if v.ndim == 2 else v[None] for k, v in vars(t).items()})
    station = prepare(unit.replicas(), t)
    o = load_at(station, script.RATE, station.slots / 4)
    assert station.saturation_rps.item() == pytest.approx(by_hand["saturation rate"], rel=1e-9)
    assert o.ttft_s.item() * 1e3 == pytest.approx(by_hand["mean TTFT"], rel=1e-6)
    own = by_hand["mean TTFT"] - by_hand["own prefill"] - by_hand["beside the steps"]
    wait = by_hand["wait for prefill"] + by_hand["running step"]
    assert own == pytest.approx(wait, abs=0.01)


def test_a_token_of_cache(unit):
    """80 layers · 2 · 8 heads · 128 elements in 8 bits, half on each of two cards."""
    assert kv_bytes(unit.replicas(), 1.0).item() == 81_920
