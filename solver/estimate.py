"""One named replica configuration: what fits, how fast it is, what it admits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.accelerators import Accelerator, canonical_accelerator, shipped_accelerators
from data.coefficients import load_coefficients, shipped_coefficients
from data.errors import InputError
from data.precision import compute_format
from model.admission import Limits, admissible
from model.architecture import Architecture
from model.kv_cache import kv_bytes
from model.lengths import Lengths
from model.predict import Deployment, Prediction, predict
from model.replicas import Replicas
from model.shape import Shape
from model.step_time import StepTerms, attention_prefill_s, decode_terms, prefill_work_s
from model.traffic import RequestClass
from solver.assemble import prediction_document, rounded
from solver.demand import load_architecture
from solver.layouts import quality_loss_pct
from solver.remarks import remarks_on
from solver.role_limits import pool_limits


@dataclass(frozen=True)
class Request:
    """One replica configuration and the requests it gets. Units are in the names.

    Attributes
    ----------
    model
        A catalogue name, a Hugging Face id, the path of a config, or ``{config: {…}, name: …}``.
    rate_rps
        Requests/s on this replica; None for the most it admits within the targets.
    """

    model: str | dict[str, Any]
    accelerator: str
    tp: int = 1
    pp: int = 1
    ep: int = 1
    weights: str = "bf16"
    kv: str = "bf16"
    batch_cap: int = 256
    role: str = "aggregated"
    isl: float = 1024.0
    osl: float = 256.0
    rate_rps: float | None = None
    ttft_ms: float | None = 1000.0
    tpot_ms: float | None = 50.0
    e2e_ms: float | None = None
    percentile: float = 99.0
    engine: str = "vllm"
    chunk_tokens: int = 8192
    prefix_hit: float = 0.0
    max_utilization: float = 0.9
    network_gbps: float = 0.0
    cross_node: bool = False
    coefficients: Path | None = None


@dataclass(frozen=True)
class MissedTarget:
    """A target that even an idle replica misses.

    Attributes
    ----------
    limit
        ``ttft_ms``, ``tpot_ms`` or ``e2e_ms``.
    value_ms, target_ms
        What the idle replica reaches, and the target; of a prefill or decode replica the part
        of it that is its own, 0 where moving the KV cache uses it up.
    """

    limit: str
    value_ms: float
    target_ms: float


@dataclass(frozen=True)
class Estimate:
    """What one replica does.

    Attributes
    ----------
    memory_gb
        Part → GB on each accelerator; `kv` is what is left for the cache.
    fits
        Whether one sequence fits at all; without it there is no prediction.
    prefill_ms
        Part → milliseconds of prefilling one prompt on an idle replica.
    admissible_rps
        Most requests/s within the targets (0: even an idle replica misses one).
    missed
        The targets that even an idle replica misses.
    remarks
        What a plan would not do like this, or the model counts only roughly.
    """

    request: Request
    architecture: Architecture
    shape: Shape
    compute: str
    quality_loss_pct: float
    memory_gb: dict[str, float]
    kv_bytes_per_token: float
    kv_capacity_tokens: float
    fits: bool
    idle_step: StepTerms | None
    prefill_ms: dict[str, float]
    admissible_rps: float
    prediction: Prediction | None
    missed: tuple[MissedTarget, ...] = ()
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate ready for JSON; `predicted` is as in a plan document."""
        p = self.prediction
        return {
            "schema": "minfleet/estimate/v1",
            "model": self.architecture.name,
            "accelerator": self.shape.accelerator.name,
            "gpus": self.shape.gpus,
            "role": self.request.role,
            "fits": self.fits,
            "compute_format": self.compute,
            "quality_loss_pct": rounded(self.quality_loss_pct),
            "memory_gb": {k: rounded(v) for k, v in self.memory_gb.items()},
            "kv_bytes_per_token": rounded(self.kv_bytes_per_token),
            "kv_capacity_tokens": rounded(self.kv_capacity_tokens),
            "prefill_ms": {k: rounded(v) for k, v in self.prefill_ms.items()},
            "idle_step_ms": None if self.idle_step is None else step_ms(self.idle_step),
            "step_ms": None if p is None else step_ms(p.step),
            "admissible_rps": rounded(self.admissible_rps),
            "missed": [
                {"limit": m.limit, "value_ms": rounded(m.value_ms), "target_ms": m.target_ms}
                for m in self.missed
            ],
            "remarks": list(self.remarks),
            "predicted": None if p is None else prediction_document(p),
        }


def step_ms(terms: StepTerms) -> dict[str, float | None]:
    """Return the terms of a step in milliseconds, and their sum."""
    found = {k: rounded(float(v.reshape(-1)[0]) * 1e3) for k, v in vars(terms).items()}
    return {**found, "total": rounded(float(terms.total.reshape(-1)[0]) * 1e3)}


def estimate_replica(
    request: Request, accelerators: Mapping[str, Accelerator] | None = None
) -> Estimate:
    """Return what the replica of a request does.

    Parameters
    ----------
    accelerators
        Known accelerators by name; None for the shipped ones.

    Raises
    ------
    InputError
        If the model or accelerator is unknown, a format does not run there, or the layout does
        not divide the model.
    """
    table = (
        load_coefficients(request.coefficients) if request.coefficients else shipped_coefficients()
    )
    architecture, shape = _configuration(request, accelerators or shipped_accelerators())
    deployment = Deployment(
        architecture=architecture,
        shape=shape,
        engine=request.engine,
        chunk_tokens=request.chunk_tokens,
        coefficients=table,
        role=request.role,
        network_bytes_per_s=request.network_gbps / 8 * 1e9,
    )
    r = deployment.replicas()
    cls = _class(request)
    rate, idle, prediction = 0.0, None, None
    missed: tuple[MissedTarget, ...] = ()
    tokens = request.isl + request.osl
    fits = bool(r.kv_budget_bytes[0] >= kv_bytes(r, tokens)[0])
    if fits:
        rate, missed = _admissible(r, cls, request)
        idle = decode_terms(r, np.ones(1), request.isl + request.osl / 2)
        load = request.rate_rps if request.rate_rps is not None else rate
        if load > 0:
            prediction = predict(deployment, [cls], [load])
    return Estimate(
        request=request,
        architecture=architecture,
        shape=shape,
        compute=compute_format(request.weights, shape.accelerator),
        quality_loss_pct=quality_loss_pct(shape, architecture),
        memory_gb=_memory(r),
        kv_bytes_per_token=float(kv_bytes(r, 1.0)[0] * shape.tp * shape.pp),
        kv_capacity_tokens=_capacity(r, tokens),
        fits=fits,
        idle_step=idle,
        prefill_ms=_prefill(r, cls),
        admissible_rps=rate,
        prediction=prediction,
        missed=missed,
        remarks=remarks_on(architecture, shape),
    )


def _configuration(
    request: Request, chips: Mapping[str, Accelerator]
) -> tuple[Architecture, Shape]:
    chip = chips[canonical_accelerator(request.accelerator, chips, "accelerator")]
    reference = request.model
    if isinstance(reference, str) and (reference.endswith(".json") or Path(reference).is_dir()):
        reference = {"config": reference}
    architecture = load_architecture(reference, Path(), "model")
    for field, value, formats in (
        ("weights", request.weights, chip.weight_formats),
        ("kv", request.kv, chip.kv_formats),
    ):
        if value not in formats:
            raise InputError(
                f"{field}: {value} does not run on {chip.name}; it runs {', '.join(formats)}."
            )
    if architecture.query_heads % request.tp:
        raise InputError(
            f"tp: {request.tp} does not divide the {architecture.query_heads} attention heads of "
            f"{architecture.name}."
        )
    if request.ep not in (1, request.tp) or (request.ep > 1 and not architecture.moe_layers):
        raise InputError("ep: must be 1, or for a mixture-of-experts model the TP degree.")
    if request.ep > 1 and architecture.routing[0] % request.ep:
        raise InputError(
            f"ep: {request.ep} does not divide the {architecture.routing[0]} experts of "
            f"{architecture.name}."
        )
    if request.pp > architecture.layers:
        raise InputError(f"pp: {request.pp} stages are more than {architecture.layers} layers.")
    if (request.cross_node or request.role != "aggregated") and not request.network_gbps:
        raise InputError("network_gbps: give the network for stages or pools on different nodes.")
    shape = Shape(
        accelerator=chip,
        weights=request.weights,
        kv=request.kv,
        tp=request.tp,
        pp=request.pp,
        ep=request.ep,
        batch_cap=request.batch_cap,
        cross_node=request.cross_node,
        network_gbps=request.network_gbps,
    )
    return architecture, shape


def _class(request: Request) -> RequestClass:
    def target(value: float | None) -> float:
        return math.inf if value is None else value

    return RequestClass(
        name="requests",
        rate_rps=request.rate_rps or 1.0,
        isl=Lengths(request.isl),
        osl=Lengths(request.osl),
        ttft_ms=target(request.ttft_ms),
        tpot_ms=target(request.tpot_ms),
        e2e_ms=target(request.e2e_ms),
        percentile=request.percentile,
        cached_share=request.prefix_hit,
    )


def _admissible(
    r: Replicas, cls: RequestClass, request: Request
) -> tuple[float, tuple[MissedTarget, ...]]:
    """Return the admissible rate, and where it is 0 the targets that an idle replica misses."""
    bandwidth = np.array([request.network_gbps / 8 * 1e9])
    limits: Limits = pool_limits([cls], r, bandwidth, request.role, request.max_utilization)
    found = admissible(r, [cls], limits, request.role)
    rate = float(found.rate_rps[0, 0])
    pairs = (
        ("ttft_ms", found.ttft_tail_s, limits.ttft_s),
        ("tpot_ms", found.tpot_tail_s, limits.tpot_s),
        ("e2e_ms", found.e2e_tail_s, limits.e2e_s),
    )
    missed = tuple(
        MissedTarget(name, float(value[0, 0, 0]) * 1e3, float(round(target * 1e3, 4)))
        for name, value, limit in pairs
        for target in [float(limit[0, 0])]
        if rate == 0 and value[0, 0, 0] > target
    )
    return rate, missed


def _memory(r: Replicas) -> dict[str, float]:
    return {
        "reported": float(r.memory_bytes[0]) / 1e9,
        "usable": float(r.usable_bytes[0]) / 1e9,
        "weights": float(r.weight_bytes[0]) / 1e9,
        "workspace": float(r.workspace_bytes[0]) / 1e9,
        "reserve": float(r.reserve_bytes[0]) / 1e9,
        "kv": float(r.kv_budget_bytes[0]) / 1e9,
    }


def _capacity(r: Replicas, tokens: float) -> float:
    """Tokens the cache holds, in sequences of `tokens` each."""
    each = float(kv_bytes(r, tokens)[0])
    return max(float(r.kv_budget_bytes[0]), 0.0) / each * tokens


def _prefill(r: Replicas, cls: RequestClass) -> dict[str, float]:
    cached = cls.cached_share * cls.isl.mean
    attention = float(attention_prefill_s(r, cls.isl.mean, cached)[0])
    work = float(prefill_work_s(r, cls.isl.mean, cached, np.zeros(1))[0])
    return {"matrices_and_collectives": (work - attention) * 1e3, "attention": attention * 1e3}
