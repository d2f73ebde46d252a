"""Dropping candidates that another one makes pointless, safely.

Candidate a dominates b (same model, role, accelerator and locations) when k ≥ 1 replicas of a
fit wherever one replica of b does, and together admit at least as much of *every* class, lose
no more quality, and carry at least as much KV over the network.

Why this is safe. Take any feasible plan that uses b: n_b replicas on some nodes, with shares
x_wb. Put k·n_b replicas of a on the very same accelerators and give them b's shares. Then

- node rows: k·size(a) ≤ size(b) for groups inside a node, so the nodes bought hold them;
  nothing is bought anew, so cost, stock, budget, ``max_gpus``, ``max_power_kw`` and
  ``max_providers`` stay as they were;
- capacity rows: Σ_w (λ_w/μ_wa)·x_wb ≤ Σ_w (λ_w/(μ_wb/k))·x_wb = k·Σ_w (λ_w/μ_wb)·x_wb
  ≤ k·n_b; the same holds for the network rows;
- spare rows: load/μ_b ≤ n_b − s gives load/μ_a ≤ k·(n_b − s) ≤ k·n_b − s;
- quality rows: the loss of a is no larger;
- hand-over rows: a has the same role, locations and KV format, so the flows match as before.

Hence a plan without b costs no more, whatever the stocks and limits.

Nor does it take more energy, or have more accelerators. Nodes are the same, and what is charged
for load (TDP·g_c·λ_w/μ_wc a share, see `solver.objective`) is no larger: the accelerators are equal
and in the same place, g_a ≤ g_b/k and μ_wa ≥ μ_wb/k give g_a/μ_wa ≤ g_b/μ_wb.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from model.replicas import Replicas
from model.shape import Shape

Floats = NDArray[np.float64]

_BLOCK = 4_000_000
"""Largest number of comparisons held in memory at once."""


def undominated(
    shapes: Sequence[Shape],
    places: Sequence[Hashable],
    capacity: Floats,
    link: Floats,
    loss: Floats,
    *,
    match_kv: bool,
) -> NDArray[np.intp]:
    """Return the positions of the candidates to keep, in order.

    Parameters
    ----------
    shapes, places
        Configuration and locations of each candidate.
    capacity, link
        Requests/s admitted, and carried by the network; shape (candidates, classes).
    loss
        Quality lost (percent), shape (candidates,).
    match_kv
        Whether the KV format must match (prefill and decode pools).
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, (shape, place) in enumerate(zip(shapes, places, strict=True)):
        kv = shape.kv if match_kv else ""
        groups[shape.accelerator.name, place, kv].append(i)
    alike: dict[int, list[list[int]]] = defaultdict(list)
    for members in groups.values():
        alike[len(members)].append(members)
    sizes = np.array([_block(s) for s in shapes], dtype=float).reshape(-1, 4)
    kept: list[NDArray[np.intp]] = [np.zeros(0, dtype=np.intp)]
    for count, equally_many in alike.items():
        at_once = int(_BLOCK / max(capacity.shape[1], 1) / count**2)
        for index in _batches(np.array(equally_many), at_once):
            if at_once:
                kept.append(index[_keep(sizes[index], capacity[index], link[index], loss[index])])
            else:
                kept.append(_reduce(index[0], sizes, capacity, link, loss))
    return np.sort(np.concatenate(kept))


def _batches(rows: NDArray[np.intp], most: int) -> list[NDArray[np.intp]]:
    """Cut an array into parts of at most `most` rows, and at least one."""
    return np.array_split(rows, -(-len(rows) // max(most, 1)))


def not_outpaced(
    shapes: Sequence[Shape],
    replicas: Replicas,
    network: Floats,
    places: Sequence[Hashable],
    loss: Floats,
    *,
    match_kv: bool,
) -> NDArray[np.intp]:
    """Return the positions of configurations that no other outpaces in every term.

    Between configurations of equal accelerator, TP, PP, EP and batch cap, one with no larger
    time for any unit of work and no less room for KV admits at least as much of any class: step
    times, waits and slots are monotone in each of these. FP8 weights outpace BF16 ones on a
    Hopper, for example, whatever the classes are; so this needs no evaluation under load.
    """
    r = replicas
    worse_if_larger = np.stack(
        [
            r.read_always_bytes / r.bandwidth,
            r.read_expert_bytes / r.expert_bandwidth,
            r.token_flops / r.gemm_flops_per_s,
            r.expert_token_s,
            r.head_flops / r.gemm_flops_per_s,
            r.kv_token_bytes / r.kv_bandwidth,
            r.kv_window_token_bytes / r.kv_bandwidth,
            r.state_bytes / r.kv_bandwidth,
            r.kv_token_bytes / np.maximum(r.kv_budget_bytes, 1e-9),
            r.kv_window_token_bytes / np.maximum(r.kv_budget_bytes, 1e-9),
            r.state_bytes / np.maximum(r.kv_budget_bytes, 1e-9),
            -r.kv_budget_bytes / np.maximum(r.kv_token_bytes, 1e-9),
            -network,
            loss,
        ],
        axis=1,
    )
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for i, (s, place) in enumerate(zip(shapes, places, strict=True)):
        kv = s.kv if match_kv else ""
        layout = (s.tp, s.pp, s.ep, s.batch_cap, s.cross_node, s.network_gbps)
        groups[s.accelerator.name, place, kv, network[i], layout].append(i)
    kept = []
    for members in groups.values():
        terms = worse_if_larger[members]
        beats = (terms[:, None, :] <= terms[None, :, :]).all(axis=2)
        order = np.arange(len(members))
        earlier = order[:, None] < order[None, :]
        beaten = np.asarray((beats & (~(beats & beats.T) | earlier)).any(axis=0))
        kept += [members[i] for i in np.nonzero(~beaten)[0]]
    return np.array(sorted(kept), dtype=np.intp)


def _block(shape: Shape) -> tuple[float, float, float, float]:
    """(accelerators per group, groups, whether it spans nodes, network it needs for that)."""
    if shape.cross_node:
        return shape.tp, shape.pp, 1, shape.network_gbps
    return shape.gpus, 1, 0, 0.0


def _reduce(
    index: NDArray[np.intp],
    sizes: Floats,
    capacity: Floats,
    link: Floats,
    loss: Floats,
) -> NDArray[np.intp]:
    """Drop the dominated, in blocks small enough for memory; repeat until one block is left."""
    width = max(1, int((_BLOCK / max(capacity.shape[1], 1)) ** 0.5))
    while len(index) > width:
        before = len(index)
        parts = [
            part[_keep(sizes[part], capacity[part], link[part], loss[part])]
            for part in _batches(index, width)
        ]
        index = np.concatenate(parts)
        if len(index) == before:
            width *= 2
    return index[_keep(sizes[index], capacity[index], link[index], loss[index])]


def _keep(sizes: Floats, capacity: Floats, link: Floats, loss: Floats) -> NDArray[np.bool_]:
    """Return which candidates of a block no other of it dominates.

    Parameters
    ----------
    sizes, capacity, link
        Shapes (..., candidates, 4) and (..., candidates, classes): leading axes run over blocks.
    loss
        Shape (..., candidates).
    """
    copies = _copies(sizes)
    k = np.maximum(copies, 1)
    beats = (copies >= 1) & (loss[..., :, None] <= loss[..., None, :])
    for rates in (*np.moveaxis(capacity, -1, 0), *np.moveaxis(link, -1, 0)):
        if not np.isinf(rates).all():
            beats &= k * rates[..., :, None] >= rates[..., None, :]
    mutual = beats & np.swapaxes(beats, -1, -2)
    order = np.arange(loss.shape[-1])
    earlier = order[:, None] < order[None, :]
    return np.asarray(~(beats & (~mutual | earlier)).any(axis=-2))


def _copies(sizes: Floats) -> Floats:
    """How many replicas of a (rows) fit on the accelerators of one replica of b (columns).

    Group sizes are powers of two, so groups of a fill a group of b without waste. A replica of
    a that itself spans nodes only stands in for one that spans as many groups of that size, on
    a network as fast.
    """
    size_a, groups_a, spans_a, gbps_a = (sizes[..., :, None, i] for i in range(4))
    size_b, groups_b, spans_b, gbps_b = (sizes[..., None, :, i] for i in range(4))
    inside = (size_b // size_a) * groups_b
    spanning = (size_a <= size_b) & (groups_a <= groups_b) & (spans_b == 1) & (gbps_a <= gbps_b)
    return np.asarray(np.where(spans_a == 1, spanning.astype(float), inside))
