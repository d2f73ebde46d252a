"""What a replica's accelerators say to each other: all-reduces, all-to-alls, pipeline hops.

Tensor parallelism pays two all-reduces a layer (after attention and after the MLP). With
expert parallelism, a MoE layer pays a dispatch and a combine all-to-all in place of the
second. Pipeline parallelism pays one hop a stage boundary. Each collective costs a latency
that grows with log2 of the ranks, plus bytes over the link that really joins those ranks:
the switched domain, a bridge pair, or PCIe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.architecture import Architecture
from model.shape import Shape

Floats = NDArray[np.float64]

ACTIVATION_BYTES = 2.0
"""Activations travel in 16 bits."""


def joins_over_link(shape: Shape) -> bool:
    """Whether the scale-up link joins all ranks of a TP group (else they use PCIe)."""
    return shape.accelerator.link != "pcie" and shape.accelerator.link_domain >= shape.tp


def rank_bandwidth(shape: Shape) -> float:
    """Bytes/s per rank and direction of the link that joins a TP group."""
    a = shape.accelerator
    if joins_over_link(shape) or a.pcie_gb_per_s is None:
        return a.link_gb_per_s * 1e9
    return a.pcie_gb_per_s * 1e9


def communication(
    architecture: Architecture,
    shapes: Sequence[Shape],
    coefficient: Callable[[str], Floats],
) -> dict[str, Floats]:
    """Return the communication terms of `Replicas` for `shapes`.

    Returns
    -------
    dict
        ``collective_latency_s`` (a step, all layers), ``collective_token_s`` (a token in the
        step, all layers), ``hop_s`` (a step, all stage boundaries), ``hop_token_s``.
    """
    tp = np.array([s.tp for s in shapes], dtype=float)
    ep = np.array([s.ep for s in shapes], dtype=float)
    pp = np.array([s.pp for s in shapes], dtype=float)
    switched = np.array([joins_over_link(s) for s in shapes])
    link = np.array([rank_bandwidth(s) for s in shapes]) * coefficient("link_efficiency")
    latency_us = coefficient("allreduce_base_us") + coefficient("allreduce_log2_us") * np.log2(tp)
    latency = latency_us * 1e-6 * np.where(switched, 1.0, coefficient("pcie_latency_factor"))
    token_bytes = architecture.hidden * ACTIVATION_BYTES

    routed = np.where(ep > 1, architecture.moe_layers, 0)
    all_reduces = 2 * architecture.layers - routed
    all_to_alls = 2 * routed
    top_k = architecture.routing[1]
    reduce_bytes = 2 * (tp - 1) / tp * token_bytes
    exchange_bytes = (ep - 1) / ep * token_bytes * top_k / tp
    parallel = tp > 1

    crosses = np.array([s.cross_node for s in shapes])
    network = np.array([max(s.network_gbps, 1e-9) for s in shapes]) / 8 * 1e9
    hop_link = np.where(crosses, network * coefficient("network_efficiency"), link)
    hop_us = np.where(crosses, coefficient("pp_hop_network_us"), coefficient("pp_hop_us"))
    hops = np.where(pp > 1, pp, 0.0)
    return {
        "collective_latency_s": np.where(parallel, (all_reduces + all_to_alls) * latency, 0.0),
        "collective_token_s": np.where(
            parallel, (all_reduces * reduce_bytes + all_to_alls * exchange_bytes) / link, 0.0
        ),
        "hop_s": hops * hop_us * 1e-6,
        "hop_token_s": hops * token_bytes / hop_link,
    }
