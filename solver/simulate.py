"""A stored plan under load: its pools simulated request by request, held against its targets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from data.accelerators import Accelerator
from data.coefficients import CoefficientTable
from data.errors import InputError
from data.traces import TracedRequest, load_trace, ordered_trace
from model.admission import ROLES
from model.predict import Deployment, Prediction, predict
from model.simulation.arrivals import (
    Arrivals,
    arrival_times,
    cut_to,
    drawn_arrivals,
    nearest_class,
)
from model.simulation.clock import Clock
from model.simulation.fleet import FleetRun, SimulatedPool, simulate_fleet
from model.simulation.outcome import WARM_UP
from model.simulation.routing import ROUTERS, Progress
from model.traffic import RequestClass
from solver.demand import Demand, demands_of
from solver.stored_pool import pool_deployment
from solver.trace_classes import classes_in_trace
from solver.workload import Workload

LEAST_REQUESTS, MOST_REQUESTS = 20_000, 500_000
"""How many requests are simulated unless the user says."""

MOST_REPLICAS = 100_000
"""Each replica of a simulation takes some kilobytes."""

TURNOVERS = 20
"""How often the requests in flight are replaced in that time: enough to reach a steady state."""


@dataclass(frozen=True)
class LoadOptions:
    """How a plan is loaded.

    Attributes
    ----------
    requests
        How many; None for enough to reach a steady state, or the whole trace.
    arrivals
        ``poisson``, ``gamma:CV`` or ``trace``; None for ``trace`` where one is given, else what
        the workload says.
    trace
        Requests, or a file of them, replayed on the plan's first model.
    router
        How each pool picks a replica: ``random``, ``round_robin`` or ``least_loaded``.
    warm_up
        Share of the time, from its start, whose requests are left out.
    """

    requests: int | None = None
    arrivals: str | None = None
    trace: Path | tuple[TracedRequest, ...] | None = None
    router: str = "random"
    seed: int = 0
    warm_up: float = WARM_UP


@dataclass(frozen=True)
class PlannedPool:
    """A pool of the plan: its entry in the document, its model and what is predicted for it."""

    entry: Mapping[str, Any]
    demand: Demand
    deployment: Deployment
    classes: tuple[RequestClass, ...]
    prediction: Prediction


def arrival_cv(text: str) -> float | None:
    """Return the coefficient of variation that an arrival process has; None for ``trace``.

    Raises
    ------
    InputError
        If it is none of ``poisson``, ``gamma:CV`` and ``trace``.
    """
    if text == "trace":
        return None
    if text == "poisson":
        return 1.0
    kind, _, value = text.partition(":")
    try:
        cv = float(value)
    except ValueError:
        cv = math.nan
    if kind != "gamma" or not 0 <= cv <= 100:
        raise InputError(
            f"arrivals {text!r} are none of poisson, gamma:CV (CV from 0 to 100) and trace."
        )
    return cv


class PlanSimulation:
    """A plan made ready to be simulated.

    Parameters
    ----------
    document
        A plan document with a fleet in it.
    workload
        The workload stored in it.
    accelerators
        The catalogue's accelerators.

    Raises
    ------
    InputError
        If the document is damaged or was made from measured capacities, or an option is wrong.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        workload: Workload,
        accelerators: Mapping[str, Accelerator],
        coefficients: CoefficientTable,
        options: LoadOptions | None = None,
    ) -> None:
        # The pools of a schedule are those of its highest load.
        peak = 1.0 if workload.demand is None else workload.demand.peak
        self.document, self.workload = document, workload.at_rates(peak)
        self.options = options or LoadOptions()
        if self.options.router not in ROUTERS:
            raise InputError(f"router {self.options.router!r} is none of {', '.join(ROUTERS)}.")
        self.process = self._process()
        cv = arrival_cv(self.process)
        try:
            if any(p["predicted"] is None for p in document["pools"]):
                raise InputError(
                    "the plan was made from measured capacities, which say nothing of single "
                    "requests; plan without --measured to simulate."
                )
            self.demands = demands_of(workload)
            self.pools = [self._pool(p, accelerators, coefficients) for p in document["pools"]]
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise InputError(
                f"the plan document is incomplete or damaged ({type(error).__name__}: {error})."
            ) from None
        self.cut = 0
        self.arrivals = self._drawn(cv or 0.0) if self.options.trace is None else self._traced(cv)

    def run(self, progress: Progress | None = None) -> tuple[FleetRun, float]:
        """Simulate the fleet; return what it did, and the seconds that took."""
        began = perf_counter()
        run = simulate_fleet(
            [self._simulated(p) for p in self.pools],
            self.arrivals,
            router=self.options.router,
            seed=self.options.seed,
            progress=progress,
        )
        return run, perf_counter() - began

    @cached_property
    def classes(self) -> tuple[RequestClass, ...]:
        """The classes that may arrive: all, or of the plan's first model where a trace does."""
        demands = self.demands if self.options.trace is None else self.demands[:1]
        return tuple(c for d in demands for c in d.classes)

    @property
    def trace_classes(self) -> dict[str, int]:
        """Requests of the trace by the class that they were taken for."""
        found = Counter(self.arrivals.kind.tolist())
        return {c.name: found[k] for k, c in enumerate(self.classes)}

    def _process(self) -> str:
        given, trace = self.options.arrivals, self.options.trace
        if given == "trace" and trace is None:
            raise InputError("arrivals 'trace' need a file of requests; give it with --trace.")
        if given is not None:
            return given
        cv = self.workload.serving.arrival_cv
        return "trace" if trace is not None else "poisson" if cv == 1 else f"gamma:{cv:g}"

    def _pool(
        self,
        pool: Mapping[str, Any],
        accelerators: Mapping[str, Accelerator],
        coefficients: CoefficientTable,
    ) -> PlannedPool:
        for field in ("replicas", "tp", "pp", "ep", "batch_cap"):
            if type(pool[field]) is not int or pool[field] < 1:
                raise ValueError(f"{field} is {pool[field]!r}")
        if pool["replicas"] > MOST_REPLICAS:
            raise ValueError(f"replicas is {pool['replicas']:,}, more than can be simulated")
        if pool["role"] not in ROLES:
            raise ValueError(f"role is {pool['role']!r}")
        demand = next((d for d in self.demands if d.model == pool["model"]), None)
        if demand is None:
            raise KeyError(pool["model"])
        deployment = pool_deployment(pool, self.workload, demand, accelerators, coefficients)
        classes = tuple(c for c in demand.classes if c.name in pool["serves"])
        if len(classes) < len(pool["serves"]) or not classes:
            raise ValueError(f"{pool['name']} serves {', '.join(pool['serves']) or 'nothing'}")
        rates = [float(pool["serves"][c.name]) * c.rate_rps / pool["replicas"] for c in classes]
        return PlannedPool(pool, demand, deployment, classes, predict(deployment, classes, rates))

    def _simulated(self, pool: PlannedPool) -> SimulatedPool:
        p = pool.entry
        return SimulatedPool(
            name=p["name"],
            role=p["role"],
            clock=Clock.of(pool.deployment.replicas()),
            replicas=p["replicas"],
            shares=tuple(float(p["serves"].get(c.name, 0.0)) for c in self.classes),
            place=(p["provider"], p["region"], p["kv_precision"], p["model"]),
            network_bytes_per_s=float(p["network_bytes_per_s"]),
        )

    def _size(self) -> int:
        if self.options.requests is not None:
            return self.options.requests
        flying = sum(p.prediction.concurrency * p.entry["replicas"] for p in self.pools)
        return int(min(max(LEAST_REQUESTS, TURNOVERS * flying), MOST_REQUESTS))

    def _drawn(self, cv: float) -> Arrivals:
        longest = [d.architecture.max_context for d in self.demands for _ in d.classes]
        return drawn_arrivals(
            self.classes, self._size(), cv=cv, seed=self.options.seed, longest=longest
        )

    def _traced(self, cv: float | None) -> Arrivals:
        """Return the requests of the trace; `cv` None: at its own times."""
        trace = self.options.trace
        assert trace is not None
        place = str(trace) if isinstance(trace, Path) else "trace"
        whole = load_trace(trace) if isinstance(trace, Path) else ordered_trace(trace, place)
        rows = whole[: self.options.requests]
        demand = self.demands[0]
        longest = demand.architecture.max_context
        asked = np.array([(r.isl, r.osl) for r in rows], dtype=np.int64)
        isl, osl = cut_to(asked[:, 0], asked[:, 1], longest)
        self.cut = int(((isl < asked[:, 0]) | (osl < asked[:, 1])).sum())
        time_s = np.array([r.arrival_s for r in rows])
        if not time_s[-1] > 0:
            raise InputError(
                f"{place}: its first {len(rows)} requests arrive at once; simulate more of them."
            )
        if cv is not None:
            rng = np.random.default_rng([self.options.seed, 0])
            time_s = arrival_times((len(rows) - 1) / float(time_s[-1]), len(rows), cv, rng)
        blocks: Sequence[tuple[int, ...]] | None = [r.blocks for r in rows]
        if not any(blocks or ()):
            blocks = None
        share = 0.0 if blocks else self.workload.serving.prefix_cache_hit_rate
        cached = np.minimum(np.floor(isl * share).astype(np.int64), isl - 1)
        kind = classes_in_trace(asked[:, 0], asked[:, 1], [c.name for c in demand.classes])
        if kind is None:
            kind = nearest_class(demand.classes, isl, osl)
        return Arrivals(time_s, kind, isl, osl, cached, blocks)
