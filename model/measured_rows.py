"""Predicting measured benchmark rows of any source, or saying why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from data.coefficients import CoefficientTable
from data.errors import MinfleetError
from data.measurements import MeasurementRow, Unusable
from model.benchmark import (
    CannotServe,
    Load,
    Measured,
    closed_loop,
    closed_loop_apart,
    offline,
    open_loop,
    static_batch,
    with_cap,
)
from model.measured_replicas import (
    INFERENCEX,
    published_benchmark,
    published_settings,
    replica_of,
    workers_of,
)
from model.replicas import Replicas

INFERENCEX_ROUNDS = 10
"""Requests that each client of an InferenceX benchmark sends."""

OFFLINE_CAP = 2048
"""Batch cap of offline runs, whose engines are set to take what fits."""

OPEN_LOOP_CAP = 1024
"""Batch cap where a run at a request rate does not say (vLLM's default on large accelerators)."""


@dataclass(frozen=True)
class RowPrediction:
    """What is predicted for a row; `refused` says why nothing is, if so."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    output_tok_per_s: float | None = None
    error_band_pct: float | None = None
    refused: str = ""


def predict_row(row: MeasurementRow, coefficients: CoefficientTable) -> RowPrediction:
    """Return the figures of a measured row, or why it is refused; never an error."""
    try:
        if row.scenario == "closed-loop-disagg":
            return _run_apart(row, coefficients)
        return _run(row, coefficients)
    except (Unusable, CannotServe) as reason:
        return RowPrediction(refused=str(reason))
    except MinfleetError as reason:
        return RowPrediction(refused=str(reason).rstrip("."))


def _load(row: MeasurementRow) -> Load:
    """Return the lengths and the number of rounds of a row's benchmark."""
    isl, osl = row.positive("isl"), row.number("osl") or 1.0
    return Load(
        isl=int(isl),
        osl=max(int(osl), 1),
        shortest=0.8 if "U[0.8L" in row.text("notes") else 1.0,
        in_step="in_step" in row.notes,
        rounds=INFERENCEX_ROUNDS if published_benchmark(row) == INFERENCEX else None,
    )


def _run_apart(row: MeasurementRow, coefficients: CoefficientTable) -> RowPrediction:
    """Run the row's benchmark on its prefill and decode workers."""
    clients = max(round(row.positive("concurrency_or_batch")), 1)
    prefill, decode = workers_of(row, coefficients, clients)
    figures = closed_loop_apart(prefill, decode, replace(_load(row), clients=clients))
    band = max(float(w.clock.replicas.error_band_pct[0]) for w in (prefill, decode))
    return _prediction(figures, 1, band)


def _run(row: MeasurementRow, coefficients: CoefficientTable) -> RowPrediction:
    """Run the row's benchmark on one of its replicas, which share the load evenly."""
    replica, count = replica_of(row, coefficients)
    figures = _run_on(replica, count, row)
    return _prediction(figures, count, float(replica.error_band_pct[0]))


def _prediction(figures: Measured, count: int, band: float) -> RowPrediction:
    rate = figures.output_tok_per_s
    return RowPrediction(
        ttft_ms=figures.ttft_ms,
        tpot_ms=figures.tpot_ms,
        output_tok_per_s=None if rate is None else rate * count,
        error_band_pct=band,
    )


def _run_on(replica: Replicas, count: int, row: MeasurementRow) -> Measured:
    scenario, load = row.scenario, _load(row)
    if scenario == "max-throughput-offline":
        return offline(with_cap(replica, OFFLINE_CAP), load)
    if scenario == "open-loop":
        driven = replace(load, rate_rps=row.positive("request_rate") / count)
        return open_loop(with_cap(replica, OPEN_LOOP_CAP), driven)
    clients = max(round(row.positive("concurrency_or_batch") / count), 1)
    settings = published_settings(row)
    steps = 1 if settings is None else settings.poll_steps
    driven = replace(load, clients=clients, poll_steps=steps)
    replica = with_cap(replica, clients)
    if scenario == "static-batch-ttft":
        return static_batch(replica, Load(load.isl, 1, clients=clients))
    if scenario in ("static-batch", "peak-throughput-static-batch"):
        return static_batch(replica, driven)
    return closed_loop(replica, driven)


def as_cells(prediction: RowPrediction) -> Mapping[str, str]:
    """Return a prediction as the cells that are added to its row."""

    def cell(value: float | None) -> str:
        return "" if value is None else f"{value:.6g}"

    return {
        "predicted_ttft_ms": cell(prediction.ttft_ms),
        "predicted_tpot_ms": cell(prediction.tpot_ms),
        "predicted_output_tok_per_s": cell(prediction.output_tok_per_s),
        "error_band_pct": cell(prediction.error_band_pct),
        "refused": prediction.refused,
    }
