"""Replica configurations as arrays: everything that does not depend on load.

A replica is one serving engine on ``tp·dp·pp`` accelerators. Thousands of configurations of one
model are held as NumPy arrays of equal shape, one element a configuration, so that the whole
catalogue is evaluated at once; an estimate of a single replica is the same code on arrays of
length one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.coefficients import CoefficientTable
from data.precision import compute_format, precisions
from model.architecture import Architecture
from model.communication import ACTIVATION_BYTES, communication
from model.shape import Shape

Floats = NDArray[np.float64]
CoefficientArrays = Mapping[str, Floats]

LOGIT_BYTES = 4.0
"""Logits are sampled from in 32-bit floats."""

STATE_BYTES = 4.0
"""Recurrent states are kept in 32-bit floats."""

ROUTED = 8.0
"""Experts a token visits in most models; overheads of routing are given for these, and grow with
them: each token is permuted to, multiplied in and summed from as many groups."""

WORKSPACE_HIDDEN_COPIES = 6.0
"""Live copies of the residual stream during a prefill step (inputs, outputs, q, k, v, buffers)."""


@dataclass(frozen=True)
class Replicas:
    """Load-independent figures of replica configurations; arrays of one common shape.

    Bytes and flops are per accelerator unless the name says otherwise. `window_tokens`,
    `experts` and `top_k` are properties of the model and therefore scalars.

    Attributes
    ----------
    read_always_bytes, read_expert_bytes
        Weight bytes an accelerator streams for a token batch to pass *all* layers: those every
        token passes, and those of all routed experts.
    bandwidth, expert_bandwidth, kv_bandwidth
        Rates at which these and the cache are streamed.
    gemm_flops_per_s, expert_flops_per_s
        Matrix rates of what every token passes, and of the routed experts.
    token_flops, expert_token_flops, head_flops
        Flops of one token through what every token passes, through its experts, and of one sampled
        token through the head. The head multiplies in 16 bits; its flops are scaled to the rate of
        the layers.
    kv_token_bytes, kv_window_token_bytes, state_bytes
        Cache stored per token (growing layers, window layers) and per sequence; with attention
        data parallelism the mean over ranks, whose sequences are taken to be equally many.
    expert_move_s
        Time to gather and sum the copies of a token, one for each expert it visits; with experts
        split by TP every rank moves them all, with EP those of its own experts.
    pointwise_token_s
        Time of a token in what is done to its residual stream between the products (norms, sums,
        narrowing to 8 bits), all layers; every rank of a TP group does all of its group's.
    pipeline_loss
        Factor on stage times: stages and micro-batches are never equal; 1 without pipeline.
    launch_s
        Time in which the host launches the layers of a step with prompts, kernel by kernel: their
        overhead and matrices take no less.
    mixed
        1 where a step that carries prompts decodes as well, 0 where decoding waits meanwhile.
    kv_budget_bytes
        Memory left for the cache; zero or less means that the model does not fit.
    """

    tp: Floats
    pp: Floats
    ep: Floats
    dp: Floats
    batch_cap: Floats
    chunk_tokens: Floats
    bandwidth: Floats
    expert_bandwidth: Floats
    kv_bandwidth: Floats
    gemm_flops_per_s: Floats
    expert_flops_per_s: Floats
    expert_move_s: Floats
    attention_flops_per_s: Floats
    read_always_bytes: Floats
    read_expert_bytes: Floats
    token_flops: Floats
    expert_token_flops: Floats
    head_flops: Floats
    score_flops: Floats
    window_score_flops: Floats
    layer_s: Floats
    pointwise_token_s: Floats
    step_s: Floats
    collective_latency_s: Floats
    collective_token_s: Floats
    hop_s: Floats
    hop_token_s: Floats
    network_efficiency: Floats
    memory_bytes: Floats
    usable_bytes: Floats
    weight_bytes: Floats
    workspace_bytes: Floats
    reserve_bytes: Floats
    kv_token_bytes: Floats
    kv_window_token_bytes: Floats
    state_bytes: Floats
    pipeline_loss: Floats
    mixed: Floats
    error_band_pct: Floats
    launch_s: Floats
    request_s: Floats
    experts: float
    top_k: float
    window_tokens: float

    @property
    def size(self) -> int:
        """Number of configurations."""
        return int(self.tp.size)

    @property
    def gpus(self) -> Floats:
        """Accelerators a replica takes."""
        return self.tp * self.dp * self.pp

    @property
    def kv_budget_bytes(self) -> Floats:
        """Memory left for the KV cache on each accelerator."""
        taken = self.weight_bytes + self.workspace_bytes + self.reserve_bytes
        return self.usable_bytes - taken

    @cached_property
    def token_s(self) -> Floats:
        """Time to multiply one token through what all tokens pass, all stages (seconds)."""
        return self.token_flops / self.gemm_flops_per_s * self.pipeline_loss

    @cached_property
    def expert_token_s(self) -> Floats:
        """Time to move one token to its routed experts, to multiply and to sum it up (seconds)."""
        multiply = self.expert_token_flops / self.expert_flops_per_s
        return (multiply + self.expert_move_s) * self.pipeline_loss

    @cached_property
    def head_s(self) -> Floats:
        """Time to multiply one token through the output projection (seconds)."""
        return self.head_flops / self.gemm_flops_per_s * self.pipeline_loss

    @cached_property
    def always_read_s(self) -> Floats:
        """Time to stream the weights that every step reads (seconds)."""
        return self.read_always_bytes / self.bandwidth * self.pipeline_loss

    @cached_property
    def expert_read_s(self) -> Floats:
        """Time to stream all routed experts (seconds)."""
        return self.read_expert_bytes / self.expert_bandwidth * self.pipeline_loss

    @cached_property
    def bare_step_s(self) -> Floats:
        """Time of a step beside its matrix products, without any sequence (seconds)."""
        return self.step_s + self.layer_s + self.collective_latency_s + self.hop_s

    @cached_property
    def waiting_step_s(self) -> Floats:
        """The bare step that prompts pay for where decoding waits for them, else 0 (seconds)."""
        return (1 - self.mixed) * self.bare_step_s

    @cached_property
    def launch_beyond_s(self) -> Floats:
        """What launching a step with prompts takes beyond the overhead of its layers (seconds)."""
        return self.launch_s - self.layer_s

    def map(self, change: Callable[[Floats], Floats]) -> Replicas:
        """Return a copy whose arrays are ``change(array)``, e.g. a reshape or a selection."""
        known = self.__dict__
        changed: dict[str, Any] = {name: change(known[name]) for name in _ARRAYS}
        changed.update({name: known[name] for name in _SCALARS})
        return Replicas(**changed)

    def take(self, index: Any) -> Replicas:
        """Return the configurations at `index` (any NumPy index)."""
        return self.map(lambda a: a[index])

    @cached_property
    def column(self) -> Replicas:
        """The arrays with a trailing axis of length one, to broadcast over classes."""
        return self.map(lambda a: a[..., None])


_SCALARS = ("experts", "top_k", "window_tokens")
"""Properties of the model among the fields of `Replicas`."""

_ARRAYS = tuple(f.name for f in fields(Replicas) if f.name not in _SCALARS)
"""The other fields, one element a configuration."""


def build_replicas(
    architecture: Architecture,
    shapes: Sequence[Shape],
    *,
    engine: str,
    coefficients: CoefficientTable,
    chunk_tokens: int,
) -> Replicas:
    """Return the load-independent figures of `shapes`, all replicas of one model.

    Parameters
    ----------
    engine
        Serving engine whose coefficients apply: ``vllm``, ``sglang`` or ``trtllm``.
    chunk_tokens
        Token budget of one step (``max_num_batched_tokens``).
    """
    chips = list({s.accelerator.name: s.accelerator for s in shapes}.values())
    chip_of = {a.name: i for i, a in enumerate(chips)}
    of_family = {a.family: coefficients.values(engine, a.family) for a in chips}
    k: CoefficientArrays = {
        n: np.array([of_family[a.family][n] for a in chips]) for n in coefficients.names
    }
    chip = np.array([chip_of[s.accelerator.name] for s in shapes], dtype=np.intp)

    def per_chip(values: Sequence[float]) -> Floats:
        return np.asarray(values, dtype=float)[chip]

    def coefficient(name: str) -> Floats:
        return np.asarray(k[name][chip], dtype=float)

    tp = np.array([s.tp for s in shapes], dtype=float)
    pp = np.array([s.pp for s in shapes], dtype=float)
    ep = np.array([s.ep for s in shapes], dtype=float)
    dp = np.array([s.dp for s in shapes], dtype=float)
    ranks = tp * dp
    weight = _weight_figures(architecture, shapes, tp, pp)
    dense = _dense_formats(architecture, shapes)
    dense_rate = _compute_rates(shapes, dense, chip_of, k)
    wide_rate = _compute_rates(shapes, ["bf16"] * len(shapes), chip_of, k)
    peak_bandwidth = per_chip([a.bandwidth_gb_per_s for a in chips]) * 1e9
    narrow = np.array([stored == "fp4" for stored in dense])
    expert_mbu, expert_rate, passes = _expert_rates(shapes, chip_of, k)
    imbalance = np.where(ep > 1, coefficient("expert_imbalance"), 1.0)
    hidden = architecture.hidden
    routings = architecture.moe_layers * architecture.routing[1] / ROUTED
    copies = architecture.moe_layers * architecture.routing[1] * imbalance / ep
    layer_us = coefficient("layer_us") + coefficient("layer_hidden_us") * hidden / 8192
    windows = [g.attention.window for g in architecture.groups if g.attention.window is not None]
    memory = per_chip([a.memory_bytes for a in chips])
    width = hidden * WORKSPACE_HIDDEN_COPIES + 2 * architecture.widest_activation / tp
    cap = np.array([s.batch_cap for s in shapes], dtype=float)
    logits = cap * architecture.vocab * LOGIT_BYTES / ranks
    return Replicas(
        tp=tp,
        pp=pp,
        ep=ep,
        dp=dp,
        batch_cap=cap,
        chunk_tokens=chunk_tokens * dp,
        bandwidth=peak_bandwidth * np.where(narrow, coefficient("mbu_fp4"), coefficient("mbu")),
        expert_bandwidth=peak_bandwidth * expert_mbu,
        kv_bandwidth=peak_bandwidth * coefficient("mbu") / coefficient("kv_read_factor"),
        gemm_flops_per_s=dense_rate,
        expert_flops_per_s=expert_rate * coefficient("expert_mfu_factor"),
        expert_move_s=passes * copies * hidden * ACTIVATION_BYTES / peak_bandwidth,
        attention_flops_per_s=per_chip([a.bf16_tflops for a in chips])
        * 1e12
        * coefficient("mfu_attention"),
        read_always_bytes=weight["always"],
        read_expert_bytes=weight["experts"] * imbalance,
        token_flops=2 * architecture.always_params / ranks,
        expert_token_flops=2 * architecture.routed_params * imbalance / ranks,
        head_flops=2 * architecture.head_params / ranks * dense_rate / wide_rate,
        layer_s=(architecture.layers * layer_us + routings * coefficient("moe_layer_us")) * 1e-6
        + architecture.indexed_layers * coefficient("indexer_us") * 1e-6,
        pointwise_token_s=architecture.layers
        * coefficient("activation_passes")
        * hidden
        * ACTIVATION_BYTES
        / (peak_bandwidth * coefficient("mbu") * dp),
        step_s=coefficient("step_ms") * 1e-3,
        memory_bytes=memory,
        usable_bytes=memory * coefficient("memory_utilization"),
        weight_bytes=weight["stored"],
        workspace_bytes=chunk_tokens * width * ACTIVATION_BYTES + logits,
        reserve_bytes=coefficient("engine_reserve_gb") * 1e9,
        network_efficiency=coefficient("network_efficiency"),
        pipeline_loss=1 + coefficient("pp_bubble") * (pp - 1) / pp,
        mixed=coefficient("mixed_steps"),
        error_band_pct=coefficient("error_band_pct"),
        launch_s=architecture.layers * coefficient("launch_layer_us") * 1e-6,
        request_s=coefficient("request_ms") * 1e-3
        + architecture.layers * coefficient("prompt_layer_us") * 1e-6
        + routings * coefficient("moe_prompt_layer_us") * 1e-6,
        experts=float(architecture.routing[0]),
        top_k=float(architecture.routing[1]),
        window_tokens=float(max(windows, default=0)),
        **communication(architecture, shapes, coefficient),
        **_kv_figures(architecture, shapes, tp, pp),
    )


def _dense_formats(architecture: Architecture, shapes: Sequence[Shape]) -> list[str]:
    """Weight format of all but the routed experts, for each shape.

    FP4 checkpoints of MoE models (MXFP4, NVFP4) quantise the routed experts alone.
    """
    moe = architecture.expert_params > 0
    return ["bf16" if s.weights == "fp4" and moe else s.weights for s in shapes]


def _weight_figures(
    architecture: Architecture, shapes: Sequence[Shape], tp: Floats, pp: Floats
) -> Mapping[str, Floats]:
    """Bytes that a rank reads in a step, and stores.

    Embeddings, output projection and norms stay in 16 bits. Groups of ranks that share nothing but
    the experts each hold the attention and, with expert parallelism, the shared experts.
    """
    table = precisions()
    dense = _dense_formats(architecture, shapes)
    layer_bytes = np.array([table["weights", stored].bytes for stored in dense])
    expert_bytes = np.array([table["weights", s.weights].bytes for s in shapes])
    ranks = tp * np.array([s.dp for s in shapes])
    apart = np.array([s.ep > 1 for s in shapes])
    attention = architecture.attention_params
    mlp = (architecture.always_params - attention) / np.where(apart, tp, ranks)
    always = (attention / tp + mlp) * layer_bytes
    experts = architecture.expert_params * expert_bytes / ranks
    ends = [architecture.embedding_params, 0.0 if architecture.tied else architecture.head_params]
    end_params = np.where(pp > 1, max(ends), sum(ends))
    stage_share = np.ceil(architecture.layers / pp) / architecture.layers
    return {
        "always": always + architecture.head_params * 2.0 / ranks,
        "experts": experts,
        "stored": (always + experts) * stage_share
        + end_params * 2.0 / tp
        + architecture.other_params * 2.0,
    }


def _compute_rates(
    shapes: Sequence[Shape],
    formats: Sequence[str],
    chip_of: Mapping[str, int],
    k: CoefficientArrays,
) -> Floats:
    """Rate at which each configuration multiplies weights of `formats` (flop/s an accelerator).

    An engine may always widen weights to 16 bits first, so no format runs slower than that.
    """
    rates: dict[tuple[str, str], float] = {}
    for s, stored in zip(shapes, formats, strict=True):
        key = (s.accelerator.name, stored)
        if key not in rates:
            reached = []
            for number_format in {"bf16", compute_format(stored, s.accelerator)}:
                peak = s.accelerator.tflops(number_format)
                assert peak is not None
                mfu = float(k[f"mfu_{number_format}"][chip_of[s.accelerator.name]])
                reached.append(peak * 1e12 * mfu)
            rates[key] = max(reached)
    return np.array(
        [rates[s.accelerator.name, stored] for s, stored in zip(shapes, formats, strict=True)]
    )


def _expert_rates(
    shapes: Sequence[Shape], chip_of: Mapping[str, int], k: CoefficientArrays
) -> tuple[Floats, Floats, Floats]:
    """Kernels of routed experts: share of the bandwidth, flop/s an accelerator, and passes."""
    share, rate, passes = [], [], []
    for s in shapes:
        chip = chip_of[s.accelerator.name]
        stored = "fp8" if s.weights == "int8" else s.weights
        peak = s.accelerator.tflops(compute_format(s.weights, s.accelerator))
        assert peak is not None
        share.append(float(k[f"expert_mbu_{stored}"][chip]))
        rate.append(peak * 1e12 * float(k[f"expert_mfu_{stored}"][chip]))
        passes.append(float(k[f"expert_passes_{stored}"][chip]))
    return np.array(share), np.array(rate), np.array(passes)


def _kv_figures(
    architecture: Architecture, shapes: Sequence[Shape], tp: Floats, pp: Floats
) -> dict[str, Floats]:
    """Cache bytes an accelerator stores, and prefill attention work it does."""
    table = precisions()
    element = np.array([table["kv", s.kv].bytes for s in shapes])
    growing, windowed, state = np.zeros_like(tp), np.zeros_like(tp), np.zeros_like(tp)
    score, window_score = np.zeros_like(tp), np.zeros_like(tp)
    groups = pp * np.array([s.dp for s in shapes])
    ranks = tp * np.array([s.dp for s in shapes])
    for group in architecture.groups:
        a = group.attention
        stored = group.count * a.kv_elements / np.minimum(tp, a.kv_shards) * element / groups
        if a.window is None:
            growing += stored
            score += group.count * a.score_flops / ranks
        else:
            windowed += stored
            window_score += group.count * a.score_flops / ranks
        state += group.count * a.state_elements / np.minimum(tp, a.kv_shards) * STATE_BYTES / groups
    return {
        "kv_token_bytes": growing,
        "kv_window_token_bytes": windowed,
        "state_bytes": state,
        "score_flops": score,
        "window_score_flops": window_score,
    }


def joined(parts: Sequence[Replicas]) -> Replicas:
    """Return replicas of one model, arrays of shape (n,), one after another."""
    if len(parts) == 1:
        return parts[0]
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for p in parts]) for name in _ARRAYS
    }
    return replace(parts[0], **arrays)
