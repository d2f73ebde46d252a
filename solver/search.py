"""The search: every configuration of every model, evaluated for each class alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

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
from solver.role_limits import role_limits
from solver.workload import Workload

Floats = NDArray[np.float64]


class CandidateSearch:
    """Evaluates every configuration of every model of a workload for each class alone.

    Parameters
    ----------
    prune
        If False, outpaced configurations stay (to test that dropping them changes nothing).
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

    def evaluate(self, demands: Sequence[Demand], market: Market) -> TierRater:
        """Return what rates the configurations for tiers."""
        self.loss_matters = losses_matter(demands, self.workload.precision)
        parts = []
        for demand in demands:
            own = list(self._jobs(demand, market))
            alone = admissible_each(
                [Job(j.replicas, demand.classes, j.limits, j.role) for j in own]
            )
            for job, rates in zip(own, alone, strict=True):
                if job.role == "aggregated":
                    self._note_misses(demand, job.shapes, job.index, rates)
                self.search.feasible += int(rates.rate_rps.any(axis=1).sum())
                parts.append(Evaluated(**vars(job), alone=rates))
        return TierRater(parts, len(self.workload.classes), self.loss_matters)

    def _jobs(self, demand: Demand, market: Market) -> Iterator[Configurations]:
        wanted = self.workload.serving.disaggregation
        jobs: list[Configurations | None] = []
        if wanted != "only":
            sites = sites_of(self.catalog, market.offers)
            jobs.append(self._prepare(demand, "aggregated", sites, [()] * len(sites)))
        if wanted != "off":
            sites, places = self._paired_sites(market)
            jobs += [self._prepare(demand, role, sites, places) for role in ("prefill", "decode")]
        return (job for job in jobs if job is not None)

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
    ) -> Configurations | None:
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
        return Configurations(
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
