"""The search: every configuration of every model, evaluated for each class alone.

The answer is remembered, since neither rates nor prices nor stock decide it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.precision import precisions
from model.admission import Job, admissible_each
from model.kv_cache import with_caps
from model.service import Operation
from model.shape import Shape
from model.traffic import RequestClass
from solver.candidates import Miss, Search
from solver.demand import Demand
from solver.layouts import BATCH_CAPS, PREFILL_CAP, Site, lay_out, sites_of, weight_formats
from solver.market import Location, Market
from solver.rating import Configurations, Evaluated, TierRater, losses_matter
from solver.remembered import Remembered
from solver.role_limits import pool_limits
from solver.workload import PrecisionSpec, Serving, Workload

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """All that decides which configurations there are, and what each admits of a class.

    Rates, prices and stock do not, so a service gets the same question again and again.

    Attributes
    ----------
    demands
        The classes by model, each at a rate of one request a second.
    total
        Classes of the workload.
    sites
        Accelerators for aggregated pools.
    paired, places
        Accelerators for prefill and decode pools, each with the locations that have it.
    prune
        If False, outpaced configurations stay (to test that dropping them changes nothing).
    """

    demands: tuple[Demand, ...]
    total: int
    sites: tuple[Site, ...]
    paired: tuple[Site, ...]
    places: tuple[tuple[Location, ...], ...]
    precision: PrecisionSpec = field(hash=False)
    serving: Serving = field(hash=False)
    coefficients: CoefficientTable
    loss_matters: bool
    prune: bool


def evaluate(
    workload: Workload,
    catalog: Catalog,
    market: Market,
    demands: Sequence[Demand],
    coefficients: CoefficientTable,
    *,
    prune: bool = True,
    running_kv: Collection[str] = (),
) -> Evaluation:
    """Return every configuration of every model of a workload, evaluated for each class alone.

    Parameters
    ----------
    prune
        See `Question`.
    running_kv
        KV formats of prefill and decode pools that run now. A pool that stays keeps its format, so
        where one is not the narrowest, no format is left out for its partners.
    """
    wanted, loss_matters = (
        workload.serving.disaggregation,
        losses_matter(demands, workload.precision),
    )
    sites = sites_of(catalog, market.offers) if wanted != "only" else []
    paired: dict[Site, list[Location]] = {}
    if wanted != "off":
        narrow = _narrowest(workload.precision) if prune and not loss_matters else None
        if any(kv != narrow for kv in running_kv):
            narrow = None
        paired = _remembered_pairs(catalog, market, narrow)
    question = Question(
        demands=tuple(
            replace(d, classes=tuple(replace(c, rate_rps=1.0) for c in d.classes)) for d in demands
        ),
        total=len(workload.classes),
        sites=tuple(sites),
        paired=tuple(paired),
        places=tuple(tuple(w) for w in paired.values()),
        precision=workload.precision,
        serving=workload.serving,
        coefficients=coefficients,
        loss_matters=loss_matters,
        prune=prune,
    )
    return _EVALUATIONS.get(question, CandidateSearch(question).evaluate)


def _narrowest(precision: PrecisionSpec) -> str:
    """Return the KV format of the fewest bits that a plan may use."""
    table = precisions()
    return min(precision.kv, key=lambda k: table["kv", k].bits)


def _remembered_pairs(
    catalog: Catalog, market: Market, narrow: str | None
) -> dict[Site, list[Location]]:
    """Return `_paired_sites`, known where the same market is asked for again.

    The answer holds on to its market, so that no other one comes to its place in memory.
    """
    question = (id(market), catalog.id, narrow)
    return _PAIRED.get(question, lambda: (market, _paired_sites(catalog, market, narrow)))[1]


def _paired_sites(
    catalog: Catalog, market: Market, narrow: str | None
) -> dict[Site, list[Location]]:
    """Return sites of equal accelerator and network once, with the locations that share it.

    Where nodes of one accelerator differ in their network, there is a site for each of them
    and the faster ones: a replica on the fast ones need not count on the slowest.

    Parameters
    ----------
    narrow
        A KV format that outpaces the others and loses nothing that matters, if there is one. Where
        every accelerator of a location runs it, moving all pairs of that location to it speeds up
        every pool at once, so it is the only one worth pairing pools with.
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
                catalog, [o for o, share in per_gpu if o.accelerator == chip and share >= least]
            )
        ]
        everywhere = narrow is not None and all(narrow in s.accelerator.kv_formats for s in sites)
        shared = (narrow,) if narrow is not None and everywhere else None
        for site in sites:
            merged.setdefault(replace(site, caches=shared), []).append(where)
    return merged


@dataclass(frozen=True)
class Evaluation:
    """The answer to a question: what rates the configurations for tiers, and what was looked at."""

    rater: TierRater
    search: Search


_BUDGET = 200_000
"""Cells (a class on a configuration) whose evaluation is remembered, of some 250 bytes each."""


def _cells(evaluation: Evaluation) -> int:
    """Size of an evaluation; what a configuration takes beside its classes counts as four."""
    parts = evaluation.rater.parts
    return sum(p.replicas.size * (len(p.demand.classes) + 4) for p in parts)


_EVALUATIONS: Remembered[Question, Evaluation] = Remembered(_cells, _BUDGET)


Paired = tuple[Market, dict[Site, list[Location]]]

_PAIRED: Remembered[tuple[int, str, str | None], Paired] = Remembered(lambda pair: 1, 256)
"""Sites for prefill and decode pools by market."""


class CandidateSearch:
    """Evaluates every configuration of every model of a question for each class alone."""

    def __init__(self, question: Question) -> None:
        self.question, self.search = question, Search()

    def evaluate(self) -> Evaluation:
        """Return what rates the configurations for tiers, and what was looked at."""
        parts = []
        for demand in self.question.demands:
            own = list(self._jobs(demand))
            alone = admissible_each(
                [Job(j.replicas, demand.classes, j.limits, j.role) for j in own]
            )
            for job, rates in zip(own, alone, strict=True):
                if job.role == "aggregated":
                    self._note_misses(demand, job.shapes, job.index, rates)
                self.search.feasible += int(rates.rate_rps.any(axis=1).sum())
                parts.append(Evaluated(**vars(job), alone=rates))
        return Evaluation(
            TierRater(parts, self.question.total, self.question.loss_matters), self.search
        )

    def _jobs(self, demand: Demand) -> Iterator[Configurations]:
        q, jobs = self.question, []
        if q.serving.disaggregation != "only":
            jobs.append(self._prepare(demand, "aggregated", q.sites, [()] * len(q.sites)))
        if q.serving.disaggregation != "off":
            jobs += [self._prepare(demand, r, q.paired, q.places) for r in ("prefill", "decode")]
        return (job for job in jobs if job is not None)

    def _prepare(
        self,
        demand: Demand,
        role: str,
        sites: tuple[Site, ...],
        places: Sequence[tuple[Location, ...]],
    ) -> Configurations | None:
        """Lay out the configurations of one model and role; None if there are none."""
        q = self.question
        layouts = lay_out(
            demand.architecture,
            sites,
            tuple(weight_formats(demand.architecture, q.precision)),
            tuple(q.precision.kv),
            role,
            q.serving.engine,
            q.serving.chunk_tokens,
            q.coefficients,
            drop_outpaced=q.prune,
            loss_matters=q.loss_matters,
        )
        if not layouts.shapes:
            return None
        caps = (PREFILL_CAP,) if role == "prefill" else BATCH_CAPS
        self.search.considered += layouts.considered * len(caps)
        index, cap, replicas = with_caps(
            layouts.replicas, demand.classes, caps, demand.architecture.vocab
        )
        self.search.fitting += len(index)
        bandwidth, utilization = layouts.network[index], q.serving.max_utilization
        return Configurations(
            demand=demand,
            role=role,
            shapes=layouts.shapes,
            places=[places[i] for i in layouts.site],
            index=index,
            cap=cap,
            replicas=replicas,
            bandwidth=bandwidth,
            limits=pool_limits(demand.classes, replicas, bandwidth, role, utilization),
        )

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
