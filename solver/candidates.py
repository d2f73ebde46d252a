"""Candidates: every replica configuration worth a look, with what it admits.

Performance belongs to (accelerator, configuration); price and stock belong to offers. The two
meet only in the program's node rows, so that a thousand prices do not multiply the candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from data.accelerators import Accelerator
from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.offers import Offer
from data.precision import precisions, weight_loss_pct
from model.admission import Limits, admissible, admissible_in_tier, limits_of
from model.architecture import Architecture
from model.kv_cache import with_caps
from model.replicas import Replicas, build_replicas
from model.service import Operation
from model.shape import Shape
from model.traffic import RequestClass
from model.transfer import handover_s, prompt_kv_bytes
from solver.demand import Demand
from solver.dominance import not_outpaced, undominated
from solver.market import CROSS_NODE_MIN_GBPS, Location, Market, location_of
from solver.workload import PrecisionSpec, Workload

Floats = NDArray[np.float64]

BATCH_CAPS = (16, 64, 256, 512)
"""Batch caps tried for aggregated and decode pools."""

PREFILL_CAP = 32
"""Batch cap of prefill pools; they hold each sequence for one prompt only."""

PIPELINE_DEGREES = (1, 2, 4)

HANDOVER_SHARE = 0.2
"""Share of the TTFT target kept for the hand-over: KV arrival, decode slot and first step."""

E2E_TTFT_SHARE = 0.5
"""Share of an end-to-end target that the TTFT may take when prefill and decode are split."""


@dataclass(frozen=True)
class Candidate:
    """One replica configuration that may be deployed.

    Attributes
    ----------
    classes
        Positions (in the workload) of the classes its pool may serve: its tier.
    location
        Provider and region of a prefill or decode pool; None for aggregated ones.
    capacity_rps
        Requests/s of each class of the workload that one replica admits (0: none).
    link_rps
        Requests/s of each class whose KV cache its network carries (inf: no hand-over).
    network_bytes_per_s
        Network of the replica, its accelerators' share of the node (prefill and decode).
    tightened
        Factor on the capacities, below 1 where a mix of classes would have missed a target.
    """

    model: str
    role: str
    shape: Shape
    classes: tuple[int, ...]
    capacity_rps: tuple[float, ...]
    link_rps: tuple[float, ...]
    loss_pct: float
    location: Location | None = None
    network_bytes_per_s: float = 0.0
    tightened: float = 1.0

    @property
    def gpus(self) -> int:
        """Accelerators a replica takes."""
        return self.shape.gpus

    @property
    def group_size(self) -> int:
        """Accelerators that must sit in one node."""
        return self.shape.tp if self.shape.cross_node else self.shape.gpus

    @property
    def groups(self) -> int:
        """Number of such groups a replica takes (more than 1 only across nodes)."""
        return self.shape.pp if self.shape.cross_node else 1


@dataclass
class Search:
    """What the candidate search looked at.

    Attributes
    ----------
    reasons
        For each accelerator (by name): the idle figures of its best misses, for ``why_not``.
    """

    considered: int = 0
    fitting: int = 0
    feasible: int = 0
    undominated: int = 0
    reasons: dict[str, list[Miss]] = field(default_factory=dict)


@dataclass(frozen=True)
class Miss:
    """Why no configuration of an accelerator serves a class: the nearest miss.

    Attributes
    ----------
    limit
        ``memory``, ``ttft_ms``, ``tpot_ms``, ``e2e_ms`` or ``utilization``.
    best, target
        The best figure an idle replica reaches and the target (units of the limit).
    """

    class_name: str
    limit: str
    best: float
    target: float


@dataclass(frozen=True)
class Site:
    """An accelerator where it can be had.

    Attributes
    ----------
    sizes
        Accelerators per node on offer.
    cross_node_gbps
        Slowest network of its largest nodes, if pipelines may cross them.
    network_bytes_per_gpu
        Network share of one accelerator (bytes/s; 0 where none is known).
    caches
        KV formats to try; None for all that the accelerator runs.
    """

    accelerator: Accelerator
    sizes: tuple[int, ...]
    cross_node_gbps: float | None
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
        largest = max(o.gpus_per_node for o in group)
        fast = [
            o.network_gbps
            for o in group
            if o.gpus_per_node == largest
            and o.network_gbps is not None
            and o.network_gbps >= CROSS_NODE_MIN_GBPS
        ]
        known = [o.network_gbps / o.gpus_per_node for o in group if o.network_gbps is not None]
        sites.append(
            Site(
                accelerator=catalog.accelerators[name],
                sizes=tuple(sorted({o.gpus_per_node for o in group})),
                cross_node_gbps=min(fast) if fast else None,
                network_bytes_per_gpu=min(known) / 8 * 1e9 if known else 0.0,
            )
        )
    return sites


def shapes_of(
    architecture: Architecture, site: Site, precision: PrecisionSpec, role: str
) -> list[Shape]:
    """Return the configurations of a model on an accelerator, without batch caps.

    TP is a power of two that divides the heads and fits a node. Aggregated replicas may also be
    pipelines, whose stages share a node, or fill nodes of the largest size over a network of
    at least `CROSS_NODE_MIN_GBPS`. Expert parallelism is tried at the TP degree beside none.
    """
    chip, largest = site.accelerator, max(site.sizes)
    heads = architecture.query_heads
    weights = [w for w in weight_formats(architecture, precision) if w in chip.weight_formats]
    caches = [k for k in precision.kv if k in (site.caches or chip.kv_formats)]
    degrees = [t for t in (1, 2, 4, 8, 16) if t <= largest and heads % t == 0]
    stages = PIPELINE_DEGREES if role == "aggregated" else (1,)
    layouts = [(t, p, False) for t in degrees for p in stages if t * p <= largest]
    if site.cross_node_gbps is not None and degrees and role == "aggregated":
        layouts += [(degrees[-1], p, True) for p in PIPELINE_DEGREES[1:]]
    experts = architecture.routing[0]
    return [
        Shape(chip, w, k, t, p, e, BATCH_CAPS[0], crosses, site.cross_node_gbps or 0.0)
        for t, p, crosses in layouts
        for e in ((1, t) if experts and t > 1 and experts % t == 0 else (1,))
        for w in weights
        for k in caches
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
class _Batch:
    """Shapes of one role at one set of sites, evaluated together."""

    role: str
    shapes: list[Shape]
    network: Floats
    places: list[tuple[Location, ...]]


class CandidateSearch:
    """Evaluates every configuration of every model of a workload.

    Parameters
    ----------
    prune
        If False, dominated candidates stay (to test that dropping them changes nothing).
    """

    def __init__(
        self,
        workload: Workload,
        catalog: Catalog,
        coefficients: CoefficientTable,
        *,
        prune: bool = True,
    ) -> None:
        self.workload, self.catalog, self.coefficients = workload, catalog, coefficients
        self.prune = prune
        self.search = Search()
        self.loss_matters = True

    def candidates(self, demands: Sequence[Demand], market: Market) -> list[Candidate]:
        """Return the candidates worth putting into the program, in a fixed order."""
        wanted = self.workload.serving.disaggregation
        found: list[Candidate] = []
        self.loss_matters = any(self._can_lose_too_much(d.architecture) for d in demands)
        for demand in demands:
            if wanted != "only":
                sites = sites_of(self.catalog, market.offers)
                found += self._evaluate(demand, "aggregated", sites, [()] * len(sites))
            if wanted != "off":
                sites, places = self._paired_sites(market)
                for role in ("prefill", "decode"):
                    found += self._evaluate(demand, role, sites, places)
        self.search.undominated = len(found)
        return found

    def _paired_sites(self, market: Market) -> tuple[list[Site], list[tuple[Location, ...]]]:
        """Return sites of equal accelerator and network once, with the locations that share it."""
        merged: dict[Site, list[Location]] = {}
        for where in market.locations:
            offers = [o for o in market.at(where) if o.network_gbps is not None]
            sites = sites_of(self.catalog, offers)
            shared = self._shared_caches(sites)
            for site in sites:
                merged.setdefault(replace(site, caches=shared), []).append(where)
        return list(merged), [tuple(w) for w in merged.values()]

    def _shared_caches(self, sites: Sequence[Site]) -> tuple[str, ...] | None:
        """Return the one KV format worth pairing pools with at a location, if there is one.

        Where every accelerator of a location runs the narrowest format and its loss is within
        the limit, moving all pairs of that location to it speeds up every pool at once.
        """
        table = precisions()
        narrow = min(self.workload.precision.kv, key=lambda k: table["kv", k].bits)
        everywhere = all(narrow in s.accelerator.kv_formats for s in sites)
        return (narrow,) if self.prune and everywhere and not self.loss_matters else None

    def _evaluate(
        self,
        demand: Demand,
        role: str,
        sites: Sequence[Site],
        places: Sequence[tuple[Location, ...]],
    ) -> list[Candidate]:
        """Return the undominated candidates of one model and role."""
        shapes, network, where = [], [], []
        for site, locations in zip(sites, places, strict=True):
            for shape in shapes_of(demand.architecture, site, self.workload.precision, role):
                shapes.append(shape)
                network.append(site.network_bytes_per_gpu * shape.gpus)
                where.append(locations)
        if not shapes:
            return []
        base = build_replicas(
            demand.architecture,
            shapes,
            engine=self.workload.serving.engine,
            coefficients=self.coefficients,
            chunk_tokens=self.workload.serving.chunk_tokens,
        )
        self.search.considered += len(shapes) * (1 if role == "prefill" else len(BATCH_CAPS))
        if self.prune:
            loss = np.array([quality_loss_pct(s, demand.architecture) for s in shapes])
            kept = not_outpaced(
                shapes,
                base,
                np.array(network),
                where,
                loss if self.loss_matters else np.zeros_like(loss),
                match_kv=role != "aggregated",
            )
            shapes, where = [shapes[i] for i in kept], [where[i] for i in kept]
            network, base = [network[i] for i in kept], base.take(kept)
        caps = (PREFILL_CAP,) if role == "prefill" else BATCH_CAPS
        index, cap, replicas = with_caps(base, demand.classes, caps, demand.architecture.vocab)
        self.search.fitting += len(index)
        bandwidth = np.array(network)[index]
        limits = role_limits(demand.classes, replicas, bandwidth, role, self.workload)
        alone = admissible(replicas, demand.classes, limits, role)
        if role == "aggregated":
            self._note_misses(demand, shapes, index, alone)
        return self._select(
            demand, role, shapes, where, index, cap, replicas, bandwidth, limits, alone
        )

    def _select(
        self,
        demand: Demand,
        role: str,
        shapes: Sequence[Shape],
        where: Sequence[tuple[Location, ...]],
        index: NDArray[np.intp],
        cap: NDArray[np.intp],
        replicas: Replicas,
        bandwidth: Floats,
        limits: Limits,
        alone: Operation,
    ) -> list[Candidate]:
        """Rate every tier, drop the dominated, and turn the rest into candidates."""
        rows, rates, tiers = [], [], []
        for number, tier in enumerate(demand.tiers):
            mu = self._tier_rates(demand, tier, replicas, limits, alone, role)
            able = np.nonzero(mu.any(axis=1))[0]
            rows.append(able)
            rates.append(mu[able])
            tiers.append(np.full(able.shape, number))
        row, mu, tier_of = np.concatenate(rows), np.concatenate(rates), np.concatenate(tiers)
        self.search.feasible += len(row)
        link = np.full(mu.shape, np.inf)
        if role != "aggregated":
            carried = prompt_kv_bytes(replicas, demand.classes)[row]
            link = bandwidth[row, None] / carried
        loss = np.array([quality_loss_pct(s, demand.architecture) for s in shapes])[index]
        kept = np.arange(len(row))
        if self.prune:
            kept = undominated(
                [shapes[i] for i in index[row]],
                [where[i] for i in index[row]],
                mu,
                link,
                (loss if self.loss_matters else np.zeros_like(loss))[row],
                match_kv=role != "aggregated",
            )
        total = len(self.workload.classes)
        found = []
        for i in kept:
            j = row[i]
            shape = replace(shapes[index[j]], batch_cap=int(cap[j]))
            tier = demand.tiers[tier_of[i]]
            for place in where[index[j]] or (None,):
                found.append(
                    Candidate(
                        model=demand.model,
                        role=role,
                        shape=shape,
                        classes=tuple(demand.index[k] for k in tier),
                        capacity_rps=_spread(mu[i], demand.index, total, 0.0),
                        link_rps=_spread(link[i], demand.index, total, np.inf),
                        loss_pct=float(loss[j]),
                        location=place,
                        network_bytes_per_s=float(bandwidth[j]) if place else 0.0,
                    )
                )
        return found

    def _can_lose_too_much(self, architecture: Architecture) -> bool:
        """Whether some allowed formats lose more quality than allowed; else no loss can bind."""
        precision = self.workload.precision
        table = precisions()
        formats = weight_formats(architecture, precision)
        weights = max(weight_loss_pct(w, architecture.native_precision) for w in formats)
        caches = max(table["kv", k].loss_pct for k in precision.kv)
        return weights + caches > precision.max_quality_loss_pct + 1e-9

    def _tier_rates(
        self,
        demand: Demand,
        tier: tuple[int, ...],
        replicas: Replicas,
        limits: Limits,
        alone: Operation,
        role: str,
    ) -> Floats:
        members = list(tier)
        part = Operation(**{k: v[:, members] for k, v in vars(alone).items()})
        spread = {
            k: v[:, members] if np.ndim(v) == 2 else v for k, v in vars(limits).items()
        }
        classes = [demand.classes[i] for i in members]
        rates = np.zeros((replicas.size, len(demand.classes)))
        rates[:, members] = admissible_in_tier(replicas, classes, Limits(**spread), role, part)
        return rates

    def _note_misses(
        self,
        demand: Demand,
        shapes: Sequence[Shape],
        index: NDArray[np.intp],
        alone: Operation,
    ) -> None:
        """Remember, for each accelerator that cannot serve a class, how near it came."""
        chips = np.array([s.accelerator.name for s in shapes])
        fitting = chips[index]
        for chip in sorted(set(chips)):
            rows = np.nonzero(fitting == chip)[0]
            for k, c in enumerate(demand.classes):
                if not len(rows) or not (alone.slots[rows, k] >= 1).any():
                    miss = Miss(c.name, "memory", 0.0, 0.0)
                elif (alone.rate_rps[rows, k] > 0).any():
                    continue
                else:
                    miss = _nearest_miss(c, alone, rows, k)
                self.search.reasons.setdefault(chip, []).append(miss)


def _nearest_miss(c: RequestClass, alone: Operation, rows: NDArray[np.intp], k: int) -> Miss:
    """Return the limit that the least bad idle configuration misses, and by how much."""
    rows = rows[alone.slots[rows, k] >= 1]
    figures = np.stack(
        [
            alone.ttft_tail_s[rows, k, 0] * 1e3,
            alone.tpot_tail_s[rows, k, 0] * 1e3,
            alone.e2e_tail_s[rows, k, 0] * 1e3,
        ]
    )
    targets = np.array([c.ttft_ms, c.tpot_ms, c.e2e_ms])
    ratios = figures / targets[:, None]
    best = int(np.argmin(ratios.max(axis=0)))
    worst = int(np.argmax(ratios[:, best]))
    name = ("ttft_ms", "tpot_ms", "e2e_ms")[worst]
    return Miss(c.name, name, float(figures[worst, best]), float(targets[worst]))


def role_limits(
    classes: Sequence[RequestClass],
    replicas: Replicas,
    bandwidth: Floats,
    role: str,
    workload: Workload,
) -> Limits:
    """Return the limits of a role under a workload; see `pool_limits`."""
    utilization = workload.serving.max_utilization
    return pool_limits(classes, replicas, bandwidth, role, utilization)


def pool_limits(
    classes: Sequence[RequestClass],
    replicas: Replicas,
    bandwidth: Floats,
    role: str,
    max_utilization: float,
) -> Limits:
    """Return the limits of a role, arrays of shape (replicas, classes).

    When prefill and decode are split, the TTFT target T (or `E2E_TTFT_SHARE` of an end-to-end
    target, if that is shorter) is shared: the prefill pool answers for (1 − h)·T less the time
    its network needs for the prompt's KV; the decode pool for h·T less the time its own network
    needs, with h = `HANDOVER_SHARE`. Both times are counted, which can only be pessimistic.
    """
    whole = limits_of(classes, max_utilization)
    shape = (replicas.size, len(classes))
    if role == "aggregated":
        spread = [np.broadcast_to(v, shape) for v in (whole.ttft_s, whole.tpot_s, whole.e2e_s)]
        return Limits(*spread, utilization=whole.utilization)
    first = np.minimum(whole.ttft_s, E2E_TTFT_SHARE * whole.e2e_s)
    travel = handover_s(replicas, classes, bandwidth)
    never = np.full(shape, np.inf)
    if role == "prefill":
        return Limits((1 - HANDOVER_SHARE) * first - travel, never, never, whole.utilization)
    rest = np.where(np.isinf(whole.e2e_s), np.inf, whole.e2e_s - (1 - HANDOVER_SHARE) * first)
    return Limits(
        ttft_s=HANDOVER_SHARE * first - travel,
        tpot_s=np.broadcast_to(whole.tpot_s, shape),
        e2e_s=np.broadcast_to(rest, shape) - np.where(np.isinf(rest), 0.0, travel),
        utilization=whole.utilization,
    )


def _spread(
    values: Floats, index: Sequence[int], total: int, default: float
) -> tuple[float, ...]:
    full = np.full(total, default)
    full[list(index)] = values
    return tuple(full.tolist())
