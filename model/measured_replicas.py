"""The replicas that measured rows ran on: model, accelerator, formats, parallelism, settings."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from data.accelerators import Accelerator, canonical_accelerator, shipped_accelerators
from data.benchmark_settings import BenchmarkSettings, find_settings
from data.coefficients import ENGINES, CoefficientTable
from data.measurements import MeasurementRow, Unusable
from data.model_names import resolve_model
from data.models import ModelSource
from data.workers import read_workers
from model.architecture import Architecture
from model.benchmark import with_cap
from model.read_config import read_architecture
from model.replicas import Replicas, build_replicas
from model.shape import Shape
from model.simulation.clock import Clock
from model.simulation.handover import Workers

CHUNK_TOKENS = 8192
"""Prompt budget of a step where a row does not say (the default of current engines)."""

INFERENCEX = "inferencex"
"""The source whose settings `data.benchmark_settings` knows."""

NARROWEST_EXPERT = 128
"""Elements below which no engine splits an expert: blocks of 8-bit weights are as wide. Rows that
say so leave out that experts lie on different ranks."""

NETWORK_GBPS = 400.0
"""Network of each accelerator where workers hand caches on: a port of current boards (Gbit/s)."""

_WEIGHTS = {
    "fp16": "bf16", "bf16": "bf16", "fp8": "fp8", "fp8_block": "fp8", "fp4": "fp4",
    "nvfp4": "fp4", "mxfp4": "fp4", "int8": "int8", "w8a8": "int8", "int4": "int4",
    "awq": "int4", "gptq": "int4", "w4a16": "int4",
}  # fmt: skip
"""Words for weight formats → the format."""

_KV = {"fp16": "bf16", "bf16": "bf16", "auto": "bf16", "fp8": "fp8", "int8": "fp8"}


def replica_of(row: MeasurementRow, coefficients: CoefficientTable) -> tuple[Replicas, int]:
    """Return the replica a row was measured on, and how many of it ran side by side.

    Raises
    ------
    Unusable
        If the row does not say what it ran on, or names what is not known.
    """
    tp = int(row.number("tp") or row.number("gpu_count") or 1)
    ep = int(row.number("ep") or 1)
    dp = int(float(row.notes.get("attention_dp", "1") or 1))
    if ep > 1 and tp == ep * ep:
        tp = ep  # some sources write the product of both degrees of the experts as TP
    if dp > 1 and dp == ep * ep:
        dp = ep
    replica = _build(row, coefficients, tp, int(row.number("pp") or 1), dp, ep)
    settings = published_settings(row)
    if settings is not None:
        usable = replica.memory_bytes * settings.memory_utilization
        replica = replace(replica, usable_bytes=usable)
    return replica, _side_by_side(row)


def workers_of(
    row: MeasurementRow, coefficients: CoefficientTable, clients: int
) -> tuple[Workers, Workers]:
    """Return the prefill and the decode workers of a row.

    Each takes as many sequences as there are clients, if its memory holds them.

    Raises
    ------
    Unusable
        If the row does not say what it ran on, or names what is not known.
    """
    found = []
    workers = read_workers(row.text("notes"))
    for role in ("prefill", "decode"):
        w = workers[role]
        if w.count is None:
            raise Unusable(f"the number of {role} workers is not recorded")
        replica = with_cap(_build(row, coefficients, w.tp, w.pp, w.dp, w.ep), clients)
        network = NETWORK_GBPS / 8 * 1e9 * float((replica.gpus * replica.network_efficiency)[0])
        found.append(Workers(Clock.of(replica), w.count, network))
    return found[0], found[1]


def _build(
    row: MeasurementRow, coefficients: CoefficientTable, tp: int, pp: int, dp: int, ep: int
) -> Replicas:
    source = _model(row)
    architecture = _architecture(source.name)
    if architecture.query_heads % tp:
        heads = architecture.query_heads
        raise Unusable(f"TP {tp} does not divide the {heads} attention heads of {source.name}")
    engine = row.text("engine").lower()
    if engine not in ENGINES:
        raise Unusable(f"engine {engine[:40]!r} is none of {', '.join(ENGINES)}")
    settings = published_settings(row)
    ranks = tp * dp
    if ep == 1 and 0 < architecture.expert_width / ranks < NARROWEST_EXPERT:
        ep = ranks
    shape = Shape(
        accelerator=_chip(row.text("gpu")),
        weights=_format(row, source),
        kv=_cache_format(row, source, settings),
        tp=tp,
        pp=pp,
        ep=ranks if ep > 1 else 1,
        batch_cap=32,
        dp=dp,
    )
    return build_replicas(
        architecture,
        [shape],
        engine=engine,
        coefficients=coefficients,
        chunk_tokens=CHUNK_TOKENS if settings is None else settings.chunk_tokens,
    )


def _model(row: MeasurementRow) -> ModelSource:
    source = resolve_model(row.text("model"))
    if source is None:
        raise Unusable(f"model {row.text('model')[:60]!r} is not in the catalogue")
    return source


def _side_by_side(row: MeasurementRow) -> int:
    """Return how many replicas a row's figures are of: its ``replicas=N`` note, else one."""
    stated = row.notes.get("replicas", "1")
    if not stated.isdigit() or not int(stated):
        raise Unusable(f"the note replicas={stated[:40]} is not a whole number above zero")
    return int(stated)


def published_benchmark(row: MeasurementRow) -> str:
    """Return the published benchmark that a row is of; empty where it is not a known one."""
    named = (row.text("source"), row.text("notes"))
    return INFERENCEX if any(INFERENCEX in text.lower() for text in named) else ""


def published_settings(row: MeasurementRow) -> BenchmarkSettings | None:
    """Return what the scripts of the row's benchmark set; None where it is not a known one."""
    source = _model(row)
    clients = int(row.number("concurrency_or_batch") or 1)
    family = _chip(row.text("gpu")).family
    return find_settings(
        published_benchmark(row), row.text("engine").lower(), source.name, family, clients
    )


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
