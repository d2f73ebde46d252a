"""Candidates: every replica configuration worth a look, with what it admits.

Performance belongs to (accelerator, configuration); price and stock belong to offers. The two
meet only in the program's node rows, so that a thousand prices do not multiply the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.precision import precisions, weight_loss_pct
from model.admission import Job, Limits, admissible_each, admissible_in_tier
from model.architecture import Architecture
from model.kv_cache import with_caps
from model.rate_ceiling import rate_ceiling
from model.replicas import Replicas
from model.service import Operation
from model.shape import Shape
from model.traffic import RequestClass
from model.transfer import link_rps
from solver.demand import Demand
from solver.dominance import undominated
from solver.layouts import (
    BATCH_CAPS,
    PREFILL_CAP,
    Site,
    lay_out,
    quality_loss_pct,
    sites_of,
    weight_formats,
)
from solver.market import Location, Market
from solver.reach import Outlook, within_reach
from solver.role_limits import role_limits
from solver.workload import Workload

Floats = NDArray[np.float64]


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
class _Job:
    """Configurations of one model and role that are to be evaluated.

    Attributes
    ----------
    shapes, places
        Layouts and their locations.
    index, cap
        For each row of `replicas`: the position of its layout, and its batch cap.
    """

    demand: Demand
    role: str
    shapes: list[Shape]
    places: list[tuple[Location, ...]]
    index: NDArray[np.intp]
    cap: NDArray[np.intp]
    replicas: Replicas
    bandwidth: Floats
    limits: Limits

    def take(self, rows: NDArray[np.intp]) -> _Job:
        """Return the job with only some rows."""
        return replace(
            self,
            index=self.index[rows],
            cap=self.cap[rows],
            replicas=self.replicas.take(rows),
            bandwidth=self.bandwidth[rows],
            limits=Limits(
                **{k: v[rows] if np.ndim(v) == 2 else v for k, v in vars(self.limits).items()}
            ),
        )


class CandidateSearch:
    """Evaluates every configuration of every model of a workload.

    Parameters
    ----------
    prune
        If False, dominated candidates stay (to test that dropping them changes nothing).
    known_usd
        Cost of a known fleet: what cannot be part of a cheaper one is not evaluated.
    """

    def __init__(
        self,
        workload: Workload,
        catalog: Catalog,
        coefficients: CoefficientTable,
        *,
        prune: bool = True,
        known_usd: float | None = None,
    ) -> None:
        self.workload, self.catalog, self.coefficients = workload, catalog, coefficients
        self.prune, self.known_usd = prune, known_usd
        self.search = Search()
        self.loss_matters = True

    def candidates(self, demands: Sequence[Demand], market: Market) -> list[Candidate]:
        """Return the candidates worth putting into the program, in a fixed order."""
        wanted = self.workload.serving.disaggregation
        jobs: list[_Job | None] = []
        self.loss_matters = any(self._can_lose_too_much(d.architecture) for d in demands)
        for demand in demands:
            if wanted != "only":
                sites = sites_of(self.catalog, market.offers)
                jobs.append(self._prepare(demand, "aggregated", sites, [()] * len(sites)))
            if wanted != "off":
                sites, places = self._paired_sites(market)
                for role in ("prefill", "decode"):
                    jobs.append(self._prepare(demand, role, sites, places))
        ready = [job for job in jobs if job is not None]
        if self.known_usd is not None:
            ready = self._affordable(ready, market, self.known_usd)
        found = []
        for demand in demands:
            own = [job for job in ready if job.demand is demand]
            alone = admissible_each(
                [Job(j.replicas, demand.classes, j.limits, j.role) for j in own]
            )
            for job, rates in zip(own, alone, strict=True):
                found += self._evaluate(job, rates)
        self.search.undominated = len(found)
        return found

    def _paired_sites(self, market: Market) -> tuple[list[Site], list[tuple[Location, ...]]]:
        """Return sites of equal accelerator and network once, with the locations that share it.

        Where nodes of one accelerator differ in their network, there is a site for each of them
        and the faster ones: a replica on the fast ones need not count on the slowest.
        """
        merged: dict[Site, list[Location]] = {}
        for where in market.locations:
            per_gpu = [
                (o, o.network_gbps / o.gpus_per_node)
                for o in market.at(where)
                if o.network_gbps is not None
            ]
            kinds = sorted({(o.accelerator, share) for o, share in per_gpu})
            sites = [
                site
                for chip, least in kinds
                for site in sites_of(
                    self.catalog,
                    [o for o, share in per_gpu if o.accelerator == chip and share >= least],
                )
            ]
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

    def _prepare(
        self,
        demand: Demand,
        role: str,
        sites: Sequence[Site],
        places: Sequence[tuple[Location, ...]],
    ) -> _Job | None:
        """Lay out the configurations of one model and role; None if there are none."""
        precision = self.workload.precision
        layouts = lay_out(
            demand.architecture,
            tuple(sites),
            tuple(weight_formats(demand.architecture, precision)),
            tuple(precision.kv),
            role,
            self.workload.serving.engine,
            self.workload.serving.chunk_tokens,
            self.coefficients,
            drop_outpaced=self.prune,
            loss_matters=self.loss_matters,
        )
        if not layouts.shapes:
            return None
        caps = (PREFILL_CAP,) if role == "prefill" else BATCH_CAPS
        self.search.considered += layouts.considered * len(caps)
        index, cap, replicas = with_caps(
            layouts.replicas, demand.classes, caps, demand.architecture.vocab
        )
        self.search.fitting += len(index)
        bandwidth = layouts.network[index]
        return _Job(
            demand=demand,
            role=role,
            shapes=layouts.shapes,
            places=[places[i] for i in layouts.site],
            index=index,
            cap=cap,
            replicas=replicas,
            bandwidth=bandwidth,
            limits=role_limits(demand.classes, replicas, bandwidth, role, self.workload),
        )

    def _affordable(self, jobs: Sequence[_Job], market: Market, known_usd: float) -> list[_Job]:
        """Return the jobs without configurations that no fleet of that cost can use."""
        outlooks = [
            Outlook(
                model=job.demand.model,
                role=job.role,
                shapes=[job.shapes[i] for i in job.index],
                places=[job.places[i] for i in job.index],
                ceiling_rps=rate_ceiling(job.replicas, job.demand.classes, job.limits, job.role),
                rates_rps=np.array([c.rate_rps for c in job.demand.classes]),
            )
            for job in jobs
        ]
        kept = within_reach(outlooks, market.offers, known_usd)
        return [job.take(np.nonzero(k)[0]) for job, k in zip(jobs, kept, strict=True) if k.any()]

    def _evaluate(self, job: _Job, alone: Operation) -> list[Candidate]:
        """Rate every tier, drop the dominated, and turn the rest into candidates."""
        demand, role, replicas, limits = job.demand, job.role, job.replicas, job.limits
        shapes, where, index, cap = job.shapes, job.places, job.index, job.cap
        bandwidth = job.bandwidth
        if role == "aggregated":
            self._note_misses(demand, shapes, index, alone)
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
            link = link_rps(replicas, demand.classes, bandwidth)[row]
        loss = np.array([quality_loss_pct(s, demand.architecture) for s in shapes])[index]
        kept = np.arange(len(row))
        if self.prune:
            kept = undominated(
                [shapes[i] for i in index[row]],
                [(where[index[j]], bandwidth[j] / shapes[index[j]].gpus) for j in row],
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
        spread = {k: v[:, members] if np.ndim(v) == 2 else v for k, v in vars(limits).items()}
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
        for chip in sorted({s.accelerator.name for s in shapes}):
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


def _spread(values: Floats, index: Sequence[int], total: int, default: float) -> tuple[float, ...]:
    full = np.full(total, default)
    full[list(index)] = values
    return tuple(full.tolist())
