"""What runs, as candidates: every tier of each running configuration, rated for today's workload.

Candidates that others outpace or dominate are dropped before a program is built. Of a running
configuration none may be: to keep it costs nothing, to replace it by a better one of the same
accelerator costs a change. For the others dropping stays safe. Where the program would run a
dropped b, not running, the one that dominates it takes b's accelerators: nodes, and so cost, nodes
that leave and idle commitments, stay as they are; the pools of b, each of which appears, are gone,
and at most as many of the other appear or change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from data.accelerators import canonical_accelerator
from model.transfer import link_rps
from solver.candidates import Candidate, CandidateKey
from solver.change import PoolKey, kind_of
from solver.demand import Demand
from solver.layouts import quality_loss_pct, weight_formats
from solver.market import Location
from solver.measured import every_measured
from solver.pool_checker import admissible_rps
from solver.problem import Problem
from solver.replan.running import Running
from solver.stored_pool import pool_deployment

Document = Mapping[str, Any]


class Kinds:
    """The running pools of a problem.

    Attributes
    ----------
    pools
        Replicas by kind and offer; those of a pool that today's workload has no use for are of a
        kind that no candidate is of.
    candidates
        Every tier of the running kinds that can serve some class.
    factors
        How far the plan tightened the rates of its candidates.
    names, places
        What the plan calls its pools, and where they run.
    refused
        Pools that cannot run any more: name → why.
    """

    def __init__(self, problem: Problem, running: Running) -> None:
        self._problem = problem
        self._position = {c.name: w for w, c in enumerate(problem.workload.classes)}
        self.pools: dict[PoolKey, int] = defaultdict(int)
        self.factors: dict[CandidateKey, float] = {}
        self.names: dict[PoolKey, str] = {}
        self.places: dict[PoolKey, Location] = {}
        self.refused: dict[str, str] = {}
        found: dict[CandidateKey, Candidate] = {}
        for pool in running.pools:
            own = [] if self._refuse(pool) else list(self._tiers(pool))
            kind = kind_of(own[0]) if own else ("refused", pool["name"])
            key = kind, str(pool["offer_id"])
            self.pools[key] += int(pool["replicas"])
            self.names[key] = str(pool["name"])
            self.places[key] = (str(pool["provider"]), str(pool["region"]))
            for c in own:
                found.setdefault(c.key, c)
                if pool["tightened"] < 1 and self._tier(pool) == c.classes:
                    self.factors[c.key] = float(pool["tightened"])
            if not own:
                self.refused.setdefault(str(pool["name"]), "serves no class within its targets")
        self.candidates = tuple(found.values())

    def _refuse(self, pool: Document) -> bool:
        """Whether today's workload does not allow a pool at all; remember why."""
        why = ""
        workload = self._problem.workload
        if self._problem.measured is None:
            demand = self._demand(pool)
            wanted = workload.serving.disaggregation
            split = pool["role"] != "aggregated"
            if demand is None:
                why = f"serves {pool['model']}, which is not asked for"
            elif pool["engine"] != workload.serving.engine:
                why = f"runs {pool['engine']}, not {workload.serving.engine}"
            elif pool["weight_precision"] not in weight_formats(
                demand.architecture, workload.precision
            ):
                why = f"has {pool['weight_precision']} weights, which precision.weights bars"
            elif pool["kv_precision"] not in workload.precision.kv:
                why = f"has a {pool['kv_precision']} KV cache, which precision.kv bars"
            elif wanted != "auto" and split != (wanted == "only"):
                why = f"is {pool['role']}, which serving.disaggregation bars"
        if why:
            self.refused[str(pool["name"])] = why
        return bool(why)

    def _demand(self, pool: Document) -> Demand | None:
        return next((d for d in self._problem.demands if d.model == pool["model"]), None)

    def _tier(self, pool: Document) -> tuple[int, ...]:
        """Return the plan's tier of a pool among today's classes."""
        return tuple(sorted(self._position[n] for n in pool["tier"] if n in self._position))

    def _tiers(self, pool: Document) -> Iterator[Candidate]:
        """Yield a running configuration at every tier that serves some class."""
        if self._problem.measured is not None:
            yield from self._measured(pool)
            return
        demand = self._demand(pool)
        assert demand is not None
        problem, workload = self._problem, self._problem.workload
        chips = problem.catalog.accelerators
        deployment = pool_deployment(pool, workload, demand, chips, problem.coefficients)
        shape, split = deployment.shape, pool["role"] != "aggregated"
        own = tuple(demand.index.index(w) for w in self._tier(pool) if w in demand.index)
        links = np.full(len(demand.classes), np.inf)
        if split:
            network = np.array([pool["network_bytes_per_s"]])
            links = link_rps(deployment.replicas(), demand.classes, network)[0]
        loss = quality_loss_pct(shape, demand.architecture)
        for tier in dict.fromkeys((*demand.tiers, *((own,) if own else ()))):
            at_one = tuple(replace(demand.classes[i], rate_rps=1.0) for i in tier)
            rates = admissible_rps(deployment, at_one, workload.serving.max_utilization)
            if not any(rates):
                continue
            yield Candidate(
                model=demand.model,
                role=pool["role"],
                shape=shape,
                classes=tuple(demand.index[i] for i in tier),
                capacity_rps=self._spread(demand, tier, rates, 0.0),
                link_rps=self._spread(demand, range(len(links)), links.tolist(), np.inf),
                loss_pct=loss,
                location=(pool["provider"], pool["region"]) if split else None,
                network_bytes_per_s=pool["network_bytes_per_s"] if split else 0.0,
            )

    def _measured(self, pool: Document) -> Iterator[Candidate]:
        chips = self._problem.catalog.accelerators
        name = str(pool["accelerator"])
        names = {name, canonical_accelerator(name, chips, strict=False)}
        for c in self._every_measured:
            if c.shape.accelerator.name in names and c.gpus == pool["tp"]:
                yield c

    @cached_property
    def _every_measured(self) -> tuple[Candidate, ...]:
        problem = self._problem
        sold = {o.accelerator for o in problem.catalog.offers}
        return every_measured(problem.workload, problem.catalog, problem.measured or (), sold)

    def _spread(self, demand: Demand, tier: Any, values: Any, default: float) -> tuple[float, ...]:
        """Write the values of a model's classes among those of the whole workload."""
        full = [default] * len(self._position)
        for i, value in zip(tier, values, strict=True):
            full[demand.index[i]] = value
        return tuple(full)
