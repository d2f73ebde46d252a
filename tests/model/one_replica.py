"""Replicas of catalogue models on catalogue chips, with coefficients that hand arithmetic uses.

The coefficients are pinned here, so that fitting better ones changes no expected value.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from data.accelerators import Accelerator, shipped_accelerators
from data.coefficients import Coefficient, CoefficientTable
from data.models import find_model
from model.architecture import Architecture
from model.lengths import Lengths
from model.predict import Deployment
from model.read_config import read_architecture
from model.replicas import Replicas, build_replicas
from model.shape import Shape
from model.station import Station, prepare
from model.traffic import RequestClass, Traffic, traffic_of

VALUES = {
    "mbu": 0.79,
    "mfu_bf16": 0.63,
    "mfu_fp8": 0.56,
    "mfu_int8": 0.5,
    "mfu_fp4": 0.45,
    "mfu_attention": 0.4,
    "mbu_fp4": 0.79,
    **{f"expert_mbu_{stored}": 0.79 for stored in ("bf16", "fp8", "fp4", "int4")},
    **{f"expert_passes_{stored}": 0.0 for stored in ("bf16", "fp8", "fp4", "int4")},
    "expert_mfu_bf16": 0.63,
    "expert_mfu_fp8": 0.56,
    "expert_mfu_fp4": 0.45,
    "expert_mfu_int4": 0.63,
    "kv_read_factor": 2.0,
    "layer_us": 9.0,
    "layer_hidden_us": 4.0,
    "moe_layer_us": 26.0,
    "activation_passes": 0.0,
    "indexer_us": 20.0,
    "expert_imbalance": 1.15,
    "step_ms": 2.0,
    "allreduce_base_us": 1.0,
    "allreduce_log2_us": 5.0,
    "pcie_latency_factor": 2.0,
    "link_efficiency": 0.7,
    "pp_hop_us": 20.0,
    "pp_hop_network_us": 60.0,
    "network_efficiency": 0.7,
    "memory_utilization": 0.9,
    "engine_reserve_gb": 1.0,
    "error_band_pct": 25.0,
    "request_ms": 0.0,
    "launch_layer_us": 0.0,
    "prompt_layer_us": 0.0,
    "moe_prompt_layer_us": 0.0,
    "expert_mfu_factor": 1.0,
    "pp_bubble": 0.2,
    "mixed_steps": 1.0,
}
"""Coefficients of every engine on every chip here."""

COEFFICIENTS = CoefficientTable(
    [Coefficient("*", "*", name, value, "", "pinned", "") for name, value in VALUES.items()]
)

LLAMA_70B = "llama-3.1-70b-instruct"
LLAMA_8B = "llama-3.1-8b-instruct"


@cache
def arch(name: str) -> Architecture:
    """Return an architecture of the catalogue."""
    return read_architecture(find_model(name))


def chip(name: str) -> Accelerator:
    """Return an accelerator of the catalogue."""
    return shipped_accelerators()[name]


def shape(accelerator: str = "h100_sxm", weights: str = "fp8", **changes: Any) -> Shape:
    """Return a configuration: one accelerator and 64 sequences unless `changes` say otherwise."""
    given = {"kv": "bf16", "tp": 1, "pp": 1, "ep": 1, "batch_cap": 64, **changes}
    return Shape(chip(accelerator), weights, **given)


def replicas(
    model: str, *shapes: Shape, chunk_tokens: int = 8192, **coefficients: float
) -> Replicas:
    """Return configurations of a model as arrays; `coefficients` stand in for those above."""
    changed = [Coefficient("*", "*", n, v, "", "pinned", "") for n, v in coefficients.items()]
    table = COEFFICIENTS.over(changed)
    return build_replicas(
        arch(model), shapes, engine="vllm", coefficients=table, chunk_tokens=chunk_tokens
    )


def deployment(model: str, of: Shape, chunk_tokens: int = 8192, **changes: Any) -> Deployment:
    """Return one replica as `predict` takes it."""
    return Deployment(arch(model), of, "vllm", chunk_tokens, COEFFICIENTS, **changes)


def requests(isl: float = 1024, osl: float = 256, **changes: Any) -> RequestClass:
    """Return a class of requests: fixed lengths, no targets, 99th percentile, Poisson."""
    given = {
        "name": "chat",
        "rate_rps": 1.0,
        "isl": Lengths(isl, changes.pop("isl_sigma", 0.0)),
        "osl": Lengths(osl, changes.pop("osl_sigma", 0.0)),
        "ttft_ms": math.inf,
        "tpot_ms": math.inf,
        "e2e_ms": math.inf,
        "percentile": 99.0,
        **changes,
    }
    return RequestClass(**given)


def station(r: Replicas, *classes: RequestClass, role: str = "aggregated") -> Station:
    """Return a replica and an even mix of classes, ready to operate."""
    share = np.full((1, len(classes)), 1 / len(classes))
    t = traffic_of(classes, share, role=role)
    t = Traffic(**{k: np.atleast_2d(v) for k, v in vars(t).items()})
    return prepare(r, t, prefill_only=role == "prefill")
