"""What a replica's accelerators say to each other: all-reduces, all-to-alls, pipeline hops.

Tensor parallelism pays two all-reduces a layer (after attention and after the MLP); where norms
span the heads of all ranks, one more, of a few bytes, for their statistics. With expert
parallelism, a MoE layer pays a dispatch and a combine all-to-all in place of the second. With
attention data parallelism the first is among the `tp` ranks of a group, and the second becomes an
all-gather and a reduce-scatter among all `tp·dp` ranks, which move what an all-reduce would.
Pipeline parallelism pays one hop a stage boundary. Each collective costs a latency that grows with
log2 of the ranks, plus bytes over the link that really joins those ranks: the switched domain, a
bridge pair, or PCIe.
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
    """Whether the scale-up link joins all ranks of a stage (else they use PCIe)."""
    return shape.accelerator.link != "pcie" and shape.accelerator.link_domain >= shape.ranks


def rank_bandwidth(shape: Shape) -> float:
    """Bytes/s per rank and direction of the link that joins the ranks of a stage."""
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
    dp = np.array([s.dp for s in shapes], dtype=float)
    ep = np.array([s.ep for s in shapes], dtype=float)
    pp = np.array([s.pp for s in shapes], dtype=float)
    switched = np.array([joins_over_link(s) for s in shapes])
    link = np.array([rank_bandwidth(s) for s in shapes]) * coefficient("link_efficiency")
    farther = np.where(switched, 1.0, coefficient("pcie_latency_factor")) * 1e-6
    token_bytes = architecture.hidden * ACTIVATION_BYTES

    ranks = tp * dp
    routed = np.where(ep > 1, architecture.moe_layers, 0)
    gathered = np.where(ep > 1, tp, ranks)

    def latency_s(members: Floats) -> Floats:
        us = coefficient("allreduce_base_us") + coefficient("allreduce_log2_us") * np.log2(members)
        return np.asarray(np.where(members > 1, us * farther, 0.0), dtype=float)

    def reduce_bytes(members: Floats) -> Floats:
        """Bytes of an all-reduce a token of the replica: ``ranks/members`` groups share them."""
        return np.asarray(2 * (members - 1) / ranks * token_bytes, dtype=float)

    attentions, mlps = architecture.layers, architecture.layers - routed
    exchange_bytes = 2 * (ep - 1) / ep * token_bytes * architecture.routing[1] / ranks
    moved = attentions * reduce_bytes(tp) + mlps * reduce_bytes(gathered) + routed * exchange_bytes
    small = architecture.norm_reduces
    waits = (
        (attentions + small) * latency_s(tp)
        + mlps * latency_s(gathered)
        + 2 * routed * latency_s(ranks)
    )

    crosses = np.array([s.cross_node for s in shapes])
    network = np.array([max(s.network_gbps, 1e-9) for s in shapes]) / 8 * 1e9
    hop_link = np.where(crosses, network * coefficient("network_efficiency"), link)
    hop_us = np.where(crosses, coefficient("pp_hop_network_us"), coefficient("pp_hop_us"))
    hops = np.where(pp > 1, pp, 0.0)
    return {
        "collective_latency_s": waits,
        "collective_token_s": moved / link,
        "hop_s": hops * hop_us * 1e-6,
        "hop_token_s": hops * token_bytes / hop_link,
    }
