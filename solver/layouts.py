"""Layouts: which configurations of a model are worth evaluating on which accelerator.

A layout is everything about a replica that does not depend on the requests: formats and degrees
of parallelism. Layouts are remembered between plans, since only catalogue and model fix them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from data.accelerators import Accelerator
from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.offers import Offer
from data.precision import precisions, weight_loss_pct
from model.architecture import Architecture
from model.replicas import Replicas, build_replicas
from model.shape import Shape
from solver.dominance import not_outpaced
from solver.market import pipeline_gbps
from solver.workload import PrecisionSpec

Floats = NDArray[np.float64]

BATCH_CAPS = (32, 128, 512)
"""Batch caps tried for aggregated and decode pools."""

PREFILL_CAP = 32
"""Batch cap of prefill pools; they hold each sequence for one prompt only."""

PIPELINE_DEGREES = (1, 2, 4)


@dataclass(frozen=True)
class Site:
    """An accelerator where it can be had.

    Attributes
    ----------
    sizes
        Accelerators per node on offer.
    crossings
        Nodes that pipelines may cross: (accelerators in a node, network it counts on).
    network_bytes_per_gpu
        Network share of one accelerator (bytes/s; 0 where none is known).
    caches
        KV formats to try; None for all that the accelerator runs.
    """

    accelerator: Accelerator
    sizes: tuple[int, ...]
    crossings: tuple[tuple[int, float], ...]
    network_bytes_per_gpu: float = 0.0
    caches: tuple[str, ...] | None = None


def sites_of(catalog: Catalog, offers: Iterable[Offer]) -> list[Site]:
    """Return each accelerator on offer with its node sizes, in order of name."""
    by_chip: dict[str, list[Offer]] = {}
    for o in offers:
        by_chip.setdefault(o.accelerator, []).append(o)
    sites = []
    for name in sorted(by_chip):
        group = by_chip[name]
        crossings = {(o.gpus_per_node, pipeline_gbps(o)) for o in group if pipeline_gbps(o)}
        known = [o.network_gbps / o.gpus_per_node for o in group if o.network_gbps is not None]
        sites.append(
            Site(
                accelerator=catalog.accelerators[name],
                sizes=tuple(sorted({o.gpus_per_node for o in group})),
                crossings=tuple(sorted(crossings)),
                network_bytes_per_gpu=min(known) / 8 * 1e9 if known else 0.0,
            )
        )
    return sites


def shapes_of(
    architecture: Architecture,
    site: Site,
    weights: Sequence[str],
    caches: Sequence[str],
    role: str,
) -> list[Shape]:
    """Return the configurations of a model on an accelerator, without batch caps.

    TP is a power of two that divides the heads and fits a node. Aggregated replicas may also be
    pipelines, whose stages share a node, or fill nodes on a network that is fast enough.
    Expert parallelism is tried at the TP degree beside none.
    """
    chip, largest = site.accelerator, max(site.sizes)
    heads = architecture.query_heads
    stored = [w for w in weights if w in chip.weight_formats]
    cached = [k for k in caches if k in (site.caches or chip.kv_formats)]
    degrees = [t for t in (1, 2, 4, 8, 16) if t <= largest and heads % t == 0]
    stages = PIPELINE_DEGREES if role == "aggregated" else (1,)
    layouts = [(t, p, 0.0) for t in degrees for p in stages if t * p <= largest]
    if role == "aggregated":
        filled = {(max(t for t in degrees if t <= g), gbps) for g, gbps in site.crossings}
        layouts += [(t, p, gbps) for t, gbps in sorted(filled) for p in PIPELINE_DEGREES[1:]]
    experts = architecture.routing[0]
    return [
        Shape(chip, w, k, t, p, e, BATCH_CAPS[0], gbps > 0, gbps)
        for t, p, gbps in layouts
        for e in ((1, t) if experts and t > 1 and experts % t == 0 else (1,))
        for w in stored
        for k in cached
    ]


def weight_formats(architecture: Architecture, precision: PrecisionSpec) -> list[str]:
    """Return the weight formats a plan may use for a model.

    By default bf16, fp8, int4 and the format the checkpoint was published in, but none wider
    than needed: a wider format than the published one only costs memory.
    """
    if precision.weights is not None:
        return list(dict.fromkeys(precision.weights))
    wanted = ["bf16", "fp8", "int4", architecture.native_precision]
    return list(dict.fromkeys(wanted))


def quality_loss_pct(shape: Shape, architecture: Architecture) -> float:
    """Return the quality lost by a configuration against the published checkpoint (percent)."""
    kv = precisions()["kv", shape.kv].loss_pct
    return weight_loss_pct(shape.weights, architecture.native_precision) + kv


@dataclass(frozen=True)
class Layouts:
    """Shapes of one model and role over sites, as arrays.

    Attributes
    ----------
    site
        Position of each shape's site.
    network
        Network of each replica (bytes/s).
    considered
        Number of shapes before outpaced ones were dropped.
    """

    shapes: list[Shape]
    site: list[int]
    network: Floats
    replicas: Replicas
    considered: int


@lru_cache(maxsize=256)
def lay_out(
    architecture: Architecture,
    sites: tuple[Site, ...],
    weights: tuple[str, ...],
    caches: tuple[str, ...],
    role: str,
    engine: str,
    chunk_tokens: int,
    coefficients: CoefficientTable,
    *,
    drop_outpaced: bool,
    loss_matters: bool,
) -> Layouts:
    """Return the shapes of a model over sites, without those that another outpaces.

    Parameters
    ----------
    weights, caches
        Weight and KV formats allowed.
    loss_matters
        Whether some format loses more quality than allowed, so that losses must be compared.
    """
    shapes: list[Shape] = []
    site: list[int] = []
    for i, at in enumerate(sites):
        found = shapes_of(architecture, at, weights, caches, role)
        shapes += found
        site += [i] * len(found)
    network = np.array(
        [sites[i].network_bytes_per_gpu * s.gpus for i, s in zip(site, shapes, strict=True)]
    )
    if not shapes:
        return Layouts([], [], network, None, 0)  # type: ignore[arg-type]
    replicas = build_replicas(
        architecture, shapes, engine=engine, coefficients=coefficients, chunk_tokens=chunk_tokens
    )
    considered = len(shapes)
    if drop_outpaced:
        loss = np.array([quality_loss_pct(s, architecture) for s in shapes])
        kept = not_outpaced(
            shapes,
            replicas,
            network,
            site,
            loss if loss_matters else np.zeros_like(loss),
            match_kv=role != "aggregated",
        )
        shapes, site = [shapes[i] for i in kept], [site[i] for i in kept]
        network, replicas = network[kept], replicas.take(kept)
    return Layouts(shapes, site, network, replicas, considered)
