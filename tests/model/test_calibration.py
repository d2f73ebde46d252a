"""Calibration: known coefficients are found again, ranges recorded, bad fits refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from one_replica import COEFFICIENTS

from data.coefficients import Coefficient
from data.errors import CalibrationError
from data.measurements import MeasurementRow
from model.calibration.calibrate import calibrate
from model.calibration.fit import fit
from model.calibration.parameters import SPREADS, own_keys, parameters
from model.calibration.record import records
from model.calibration.samples import samples_of
from model.measured_rows import predict_row

TRUE = {
    "launch_layer_us": 150.0,
    "layer_us": 14.0,
    "step_ms": 0.9,
    "request_ms": 55.0,
}
"""What the engine of these runs is like; the table says 9 us, 2 ms and 0."""


def run(tp, clients, isl, osl, **measured):
    cells = {
        "engine": "vllm", "model": "llama-3.1-8b-instruct", "gpu": "h100_sxm", "tp": f"{tp}",
        "precision_weights": "bf16", "isl": f"{isl}", "osl": f"{osl}",
        "concurrency_or_batch": f"{clients}", "scenario": "closed-loop-agg",
        **{k: f"{v:.6g}" for k, v in measured.items()},
    }  # fmt: skip
    return MeasurementRow("runs", cells)


def truth():
    rows = [Coefficient("vllm", "hopper", k, v, "", "truth", "") for k, v in TRUE.items()]
    return COEFFICIENTS.over(rows)


@pytest.fixture(scope="module")
def runs():
    """Twelve runs as an engine of the true coefficients would give them."""
    found = []
    for tp in (1, 4):
        for clients, isl, osl in ((1, 512, 128), (4, 512, 128), (16, 1024, 128), (32, 256, 256),
                                  (8, 2048, 64), (64, 512, 64)):  # fmt: skip
            of = predict_row(run(tp, clients, isl, osl), truth())
            found.append(
                run(tp, clients, isl, osl, ttft_ms_median=of.ttft_ms, tpot_ms_median=of.tpot_ms)
            )
    return found


@pytest.fixture(scope="module")
def found(runs):
    return calibrate(runs, COEFFICIENTS, "test")


def test_known_coefficients_are_found_again(found):
    """Runs without noise: latencies within 2 %, and the constant of the TTFT within 15 %."""
    after = {e.figure: e for e in [*found.groups()[0].after.values()]}
    before = {e.figure: e for e in [*found.groups()[0].before.values()]}
    assert before["ttft_ms"].mape_pct > 20
    assert after["tpot_ms"].mape_pct < 2
    assert after["ttft_ms"].mape_pct < 3
    fitted = {c.name: c.value for c in found.coefficients}
    assert fitted["request_ms"] == pytest.approx(55.0, rel=0.15)
    # Layers and steps are told together by dense runs of one model: 32 layers.
    overhead = 32 * fitted["layer_us"] / 1e3 + fitted["step_ms"]
    assert overhead == pytest.approx(32 * 14e-3 + 0.9, rel=0.3)


def test_what_the_runs_do_not_tell_is_said(found):
    """A dense model in 16 bits says nothing of experts or of 4-bit rates."""
    quiet = {p.name for p in found.fit.unidentified}
    assert {"moe_layer_us", "mfu_fp4", "expert_mfu_factor"} <= quiet
    assert "request_ms" not in quiet
    written = {c.name for c in found.coefficients}
    assert not {"moe_layer_us", "mfu_fp4"} & written


def test_the_fit_records_its_range(found):
    table = COEFFICIENTS.over(found.coefficients)
    fitted = table.fitted("vllm", "hopper")
    assert fitted.rows == 12
    assert fitted.ranges["tp"] == (1, 4)
    assert fitted.ranges["batch"] == (1, 64)
    assert fitted.ranges["isl"] == (256, 2048)
    assert fitted.outside(tp=4, isl=2048, batch=64, active_params_b=8) == []
    # A quarter beyond the ends counts as within.
    assert fitted.outside(tp=5) == []
    assert fitted.outside(tp=8) == ["8 accelerators a replica (measured 1 to 4)"]
    assert table.fitted("vllm", "blackwell") is None
    assert (
        table.values("vllm", "hopper")["layer_us"]
        != COEFFICIENTS.values("vllm", "hopper")["layer_us"]
    )


def test_the_same_run_counts_once(runs):
    twice = [*runs, runs[0]]
    samples, left_out = samples_of(twice, [predict_row(r, COEFFICIENTS) for r in twice])
    assert len(samples) == 12
    assert left_out == {"the same run is there twice": 1}


def test_what_cannot_be_used_is_counted_by_reason(runs):
    odd = [
        MeasurementRow("x", {**runs[0].cells, "model": "unheard-of"}),
        MeasurementRow("x", {**runs[0].cells, "ttft_ms_median": "", "tpot_ms_median": ""}),
    ]
    samples, left_out = samples_of(odd, [predict_row(r, COEFFICIENTS) for r in odd])
    assert samples == []
    assert set(left_out.values()) == {1}
    assert "neither latencies nor throughput were measured" in left_out


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_runs(runs, count):
    with pytest.raises(CalibrationError, match=f"{count} of {count} measured runs"):
        calibrate(runs[:count], COEFFICIENTS, "test")


def test_a_fit_that_is_no_better_changes_nothing(runs):
    """The true coefficients already predict these runs; nothing is better."""
    keys = [("vllm", "hopper", name) for name in TRUE]
    samples, _ = samples_of(runs, [predict_row(r, truth()) for r in runs])
    with pytest.raises(CalibrationError, match="better"):
        fit(samples, truth(), parameters(truth(), keys), most_evaluations=3)


def test_priors_hold_without_evidence(found):
    """A coefficient that no run touches stays exactly where it was."""
    at = dict(zip(found.fit.parameters, found.fit.x, strict=True))
    still = next(x for p, x in at.items() if p.name == "mfu_fp4")
    assert still == pytest.approx(0.0, abs=1e-9)


def test_one_outlier_counts_linearly(runs):
    """One run with a TPOT ten times too long moves the others' error by little."""
    cells = dict(runs[0].cells)
    cells["tpot_ms_median"] = str(10 * float(cells["tpot_ms_median"]))
    spoiled = calibrate([MeasurementRow("x", cells), *runs[1:]], COEFFICIENTS, "test")
    errors = [
        abs(p.tpot_ms / s.measured["tpot_ms"] - 1)
        for s, p in zip(spoiled.samples[1:], spoiled.fit.after[1:], strict=True)
    ]
    assert np.median(errors) < 0.05


def test_every_spread_is_a_coefficient_of_the_model():
    assert set(SPREADS) <= set(COEFFICIENTS.names)
    assert all(0 < s <= 1 for s in SPREADS.values())


def test_records_of_errors_by_hand(runs):
    """Predictions 10 % too long everywhere: median and 90th percentile are 10 %."""
    samples, _ = samples_of(runs, [predict_row(r, truth()) for r in runs])
    exact = [predict_row(s.row, truth()) for s in samples]
    long = [replace(p, tpot_ms=1.1 * s.measured["tpot_ms"]) for s, p in zip(samples, exact,
            strict=True)]  # fmt: skip
    kept = {c.name: c for c in records(samples, long, "test")}
    assert kept["fit_tpot_error"].value == pytest.approx(10)
    assert kept["fit_tpot_error"].high == pytest.approx(10)
    assert kept["fit_rows"].value == 12
    assert kept["fit_active_params_b"].low == pytest.approx(8.03, rel=1e-2)


def test_keys_are_of_what_was_measured(runs):
    samples, _ = samples_of(runs, [predict_row(r, truth()) for r in runs])
    assert {(e, f) for e, f, _ in own_keys(samples)} == {("vllm", "hopper")}
