"""Predicting measured benchmark rows of any source, or saying why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from data.accelerators import Accelerator, canonical_accelerator, shipped_accelerators
from data.benchmark_settings import BenchmarkSettings, find_settings
from data.coefficients import ENGINES, CoefficientTable
from data.errors import MinfleetError
from data.measurements import MeasurementRow, Unusable
from data.model_names import resolve_model
from data.models import ModelSource
from model.architecture import Architecture
from model.benchmark import (
    CannotServe,
    Load,
    Measured,
    closed_loop,
    offline,
    open_loop,
    static_batch,
    with_cap,
)
from model.read_config import read_architecture
from model.replicas import Replicas, build_replicas
from model.shape import Shape

CHUNK_TOKENS = 8192
"""Prompt budget of a step where a row does not say (the default of current engines)."""

INFERENCEX_ROUNDS = 10
"""Requests that each client of an InferenceX benchmark sends."""

INFERENCEX = "inferencex"
"""The source whose settings `data.benchmark_settings` knows."""

OFFLINE_CAP = 2048
"""Batch cap of offline runs, whose engines are set to take what fits."""

OPEN_LOOP_CAP = 1024
"""Batch cap where a run at a request rate does not say (vLLM's default on large accelerators)."""

_WEIGHTS = {
    "fp16": "bf16", "bf16": "bf16", "fp8": "fp8", "fp8_block": "fp8", "fp4": "fp4",
    "nvfp4": "fp4", "mxfp4": "fp4", "int8": "int8", "w8a8": "int8", "int4": "int4",
    "awq": "int4", "gptq": "int4", "w4a16": "int4",
}  # fmt: skip
"""Words for weight formats → the format."""

_KV = {"fp16": "bf16", "bf16": "bf16", "auto": "bf16", "fp8": "fp8", "int8": "fp8"}


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
        replica, count = _replica(row, coefficients)
        figures = _run(row, replica, count)
    except (Unusable, CannotServe) as reason:
        return RowPrediction(refused=str(reason))
    except MinfleetError as reason:
        return RowPrediction(refused=str(reason).rstrip("."))
    rate = figures.output_tok_per_s
    return RowPrediction(
        ttft_ms=figures.ttft_ms,
        tpot_ms=figures.tpot_ms,
        output_tok_per_s=None if rate is None else rate * count,
        error_band_pct=float(replica.error_band_pct[0]),
    )


def _run(row: MeasurementRow, replica: Replicas, count: int) -> Measured:
    """Run the row's benchmark on one of its `count` replicas, which share the load evenly."""
    scenario = row.scenario
    if scenario == "closed-loop-disagg":
        raise Unusable("prefill and decode workers apart are not predicted for rows yet")
    isl, osl = row.positive("isl"), row.number("osl") or 1.0
    load = Load(
        isl=int(isl),
        osl=max(int(osl), 1),
        shortest=0.8 if "U[0.8L" in row.text("notes") else 1.0,
        rounds=INFERENCEX_ROUNDS if _source(row) == INFERENCEX else None,
    )
    if scenario == "max-throughput-offline":
        return offline(with_cap(replica, OFFLINE_CAP), load)
    if scenario == "open-loop":
        driven = replace(load, rate_rps=row.positive("request_rate") / count)
        return open_loop(with_cap(replica, OPEN_LOOP_CAP), driven)
    clients = max(round(row.positive("concurrency_or_batch") / count), 1)
    settings = _settings(row)
    steps = 1 if settings is None else settings.poll_steps
    driven = replace(load, clients=clients, poll_steps=steps)
    replica = with_cap(replica, clients)
    if scenario == "static-batch-ttft":
        return static_batch(replica, Load(load.isl, 1, clients=clients))
    if scenario in ("static-batch", "peak-throughput-static-batch"):
        return static_batch(replica, driven)
    return closed_loop(replica, driven)


def _replica(row: MeasurementRow, coefficients: CoefficientTable) -> tuple[Replicas, int]:
    """Return the replica a row was measured on, and how many of it ran side by side."""
    source = resolve_model(row.text("model"))
    if source is None:
        raise Unusable(f"model {row.text('model')[:60]!r} is not in the catalogue")
    chip = _chip(row.text("gpu"))
    tp = int(row.number("tp") or row.number("gpu_count") or 1)
    pp = int(row.number("pp") or 1)
    ep = int(row.number("ep") or 1)
    if ep > 1 and tp == ep * ep:
        tp = ep  # some sources write the product of both degrees of the experts as TP
    engine = row.text("engine").lower()
    if engine not in ENGINES:
        raise Unusable(f"engine {engine[:40]!r} is none of {', '.join(ENGINES)}")
    settings = _settings(row)
    shape = Shape(
        accelerator=chip,
        weights=_format(row, source),
        kv=_cache_format(row, source, settings),
        tp=tp,
        pp=pp,
        ep=tp if ep > 1 else 1,
        batch_cap=32,
    )
    dp = int(float(row.notes.get("attention_dp", "1") or 1))
    if dp > 1:
        raise Unusable(
            f"attention is data-parallel over {dp} ranks; such replicas are not modelled"
        )
    replica = build_replicas(
        _architecture(source.name),
        [shape],
        engine=engine,
        coefficients=coefficients,
        chunk_tokens=CHUNK_TOKENS if settings is None else settings.chunk_tokens,
    )
    if settings is not None:
        usable = replica.memory_bytes * settings.memory_utilization
        replica = replace(replica, usable_bytes=usable)
    return replica, _side_by_side(row)


def _side_by_side(row: MeasurementRow) -> int:
    """Return how many replicas a row's figures are of: its ``replicas=N`` note, else one."""
    stated = row.notes.get("replicas", "1")
    if not stated.isdigit() or not int(stated):
        raise Unusable(f"the note replicas={stated[:40]} is not a whole number above zero")
    return int(stated)


def _source(row: MeasurementRow) -> str:
    """Return the published benchmark that a row is of; empty where it is not a known one."""
    named = (row.text("source"), row.text("notes"))
    return INFERENCEX if any(INFERENCEX in text.lower() for text in named) else ""


def _settings(row: MeasurementRow) -> BenchmarkSettings | None:
    source = resolve_model(row.text("model"))
    assert source is not None
    clients = int(row.number("concurrency_or_batch") or 1)
    family = _chip(row.text("gpu")).family
    return find_settings(_source(row), row.text("engine").lower(), source.name, family, clients)


def _format(row: MeasurementRow, source: ModelSource) -> str:
    stated = row.text("precision_weights").lower()
    if not stated:
        return source.native_precision
    if stated not in _WEIGHTS:
        raise Unusable(f"weight format {stated[:40]!r} is not known")
    return _WEIGHTS[stated]


def _cache_format(
    row: MeasurementRow, source: ModelSource, settings: BenchmarkSettings | None
) -> str:
    """Format of the KV cache: as stated, as the benchmark set it, or as the checkpoint asks for.

    Checkpoints that ModelOpt narrows (all NVFP4 ones of models published wider, and FP8 ones for
    TensorRT-LLM) ask for an 8-bit cache; else engines take 16 bits.
    """
    stated = row.text("precision_kv").lower()
    if stated in _KV:
        return _KV[stated]
    if stated:
        raise Unusable(f"KV format {stated[:40]!r} is not known")
    weights = row.text("precision_weights").lower()
    narrowed = weights == "nvfp4" and source.native_precision != "fp4"
    narrowed = narrowed or (weights == "fp8" and row.text("engine").lower() == "trtllm")
    if narrowed:
        return "fp8"
    return "bf16" if settings is None else settings.kv


def _chip(name: str) -> Accelerator:
    known = shipped_accelerators()
    found = canonical_accelerator(name, known, strict=False)
    if found not in known:
        raise Unusable(f"accelerator {name[:40]!r} is not in the catalogue")
    return known[found]


@cache
def _architecture(name: str) -> Architecture:
    source = resolve_model(name)
    assert source is not None
    return read_architecture(source)


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
