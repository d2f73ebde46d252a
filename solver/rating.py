"""Rating configurations for tiers of classes, on demand.

What a configuration admits of each class alone is an upper bound on what it admits of that
class in any tier, and costs little to find. Tiers cost more; so only those are rated that a fleet
cheaper than a known one might use.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from data.precision import precisions, weight_loss_pct
from model.admission import Limits, TierJob, admissible_in_tiers
from model.limits import take
from model.replicas import Replicas
from model.service import Operation
from model.shape import Shape
from model.transfer import link_rps
from solver.candidates import Candidate
from solver.demand import Demand
from solver.dominance import undominated
from solver.layouts import quality_loss_pct, weight_formats
from solver.market import Location
from solver.workload import PrecisionSpec

Floats = NDArray[np.float64]

AHEAD = 600
"""Cells (a class on a configuration) of a tier that are rated at once as soon as one is wanted: so
few cost little more than one, and the first fleet and the program each want some."""


@dataclass(frozen=True)
class Configurations:
    """Configurations of one model and role, and what each must hold.

    Attributes
    ----------
    shapes, places
        Layouts and their locations (none for aggregated ones).
    index, cap
        For each row of `replicas`: the position of its layout, and its batch cap.
    bandwidth
        Network of each row (bytes/s).
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


@dataclass(frozen=True)
class Evaluated(Configurations):
    """Configurations with each class alone on each.

    Attributes
    ----------
    alone
        Each row at the admissible rate of each class alone, arrays (rows, classes).
    """

    alone: Operation

    @cached_property
    def links(self) -> Floats:
        """Requests/s whose KV caches the network carries, (rows, classes); inf: no hand-over."""
        if self.role == "aggregated":
            return np.full((self.replicas.size, len(self.demand.classes)), np.inf)
        return link_rps(self.replicas, self.demand.classes, self.bandwidth)

    @cached_property
    def losses(self) -> Floats:
        """Quality lost by each layout (percent)."""
        return np.array([quality_loss_pct(s, self.demand.architecture) for s in self.shapes])

    @cached_property
    def place_codes(self) -> NDArray[np.intp]:
        """Number of the locations of each layout: equal where these are."""
        codes: dict[tuple[Location, ...], int] = {}
        return np.array([codes.setdefault(p, len(codes)) for p in self.places], dtype=np.intp)

    def shape(self, row: int) -> Shape:
        """Return the configuration of a row."""
        s, cap = self.shapes[int(self.index[row])], int(self.cap[row])
        return Shape(
            s.accelerator, s.weights, s.kv, s.tp, s.pp, s.ep, cap, s.cross_node, s.network_gbps
        )

    def where(self, row: int) -> tuple[Location, ...]:
        """Return the locations of a row."""
        return self.places[int(self.index[row])]

    def tier_job(self, tier: tuple[int, ...], rows: NDArray[np.intp]) -> TierJob:
        """Return what rates `rows` for a tier."""
        cells = rows[:, None], np.array(tier)
        return TierJob(
            replicas=self.replicas.take(rows),
            classes=[self.demand.classes[i] for i in tier],
            limits=take(self.limits, cells),
            role=self.role,
            alone=self.alone.take(cells),
        )


def losses_matter(demands: Sequence[Demand], precision: PrecisionSpec) -> bool:
    """Whether some allowed formats lose more quality than allowed; else no loss can bind."""
    table = precisions()
    caches = max(table["kv", k].loss_pct for k in precision.kv)
    weights = max(
        weight_loss_pct(w, d.architecture.native_precision)
        for d in demands
        for w in weight_formats(d.architecture, precision)
    )
    return weights + caches > precision.max_quality_loss_pct + 1e-9


@dataclass
class TierRater:
    """Rates the configurations of a workload for tiers, each at most once.

    Parameters
    ----------
    parts
        Configurations by model and role.
    total
        Classes of the workload.
    loss_matters
        See `losses_matter`.
    """

    parts: Sequence[Evaluated]
    total: int
    loss_matters: bool
    _rates: dict[tuple[int, tuple[int, ...]], Floats] = field(default_factory=dict)
    _rating: Lock = field(default_factory=Lock)

    @cached_property
    def prospects(self) -> tuple[Candidate, ...]:
        """Every configuration that serves some class, in a fixed order.

        Where a model has one tier of one class, the rates alone are those of the tier: these
        are candidates already, and the dominated are dropped.
        """
        found: list[Candidate] = []
        for number, part in enumerate(self.parts):
            able = np.nonzero(part.alone.rate_rps.any(axis=1))[0]
            if part.demand.tiers == ((0,),):
                found += self._candidates(number, {(0,): able}, prune=True)
                continue
            everyone = tuple(range(len(part.demand.classes)))
            rates = part.alone.rate_rps.tolist()
            for row in able.tolist():
                found += self._at(number, row, everyone, rates[row], (number, row))
        return tuple(found)

    def rated(
        self, prospects: Sequence[Candidate], useful: NDArray[np.bool_]
    ) -> tuple[Candidate, ...]:
        """Return the undominated candidates of prospects; see `solver.candidates.Rater`."""
        rows: dict[int, dict[tuple[int, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
        done = []
        for p, use in zip(prospects, useful, strict=True):
            if p.prospect is None:
                done.append(p)
                continue
            number, row = p.prospect
            demand = self.parts[number].demand
            for tier in demand.tiers:
                if any(use[demand.index[i]] for i in tier):
                    rows[number][tier].append(row)
        wanted = {
            number: {tier: np.unique(group) for tier, group in tiers.items()}
            for number, tiers in sorted(rows.items())
        }
        self._rate(wanted)
        for number, tiers in wanted.items():
            done += self._candidates(number, tiers, prune=True)
        return tuple(done)

    def everything(self) -> tuple[Candidate, ...]:
        """Return every candidate of every tier, the dominated ones too."""
        wanted = {
            number: {tier: np.arange(part.replicas.size) for tier in part.demand.tiers}
            for number, part in enumerate(self.parts)
        }
        self._rate(wanted)
        return tuple(
            c for number, tiers in wanted.items() for c in self._candidates(number, tiers, False)
        )

    def _rate(self, wanted: dict[int, dict[tuple[int, ...], NDArray[np.intp]]]) -> None:
        """Rate what has not been rated before, all tiers of a model together.

        A rater is shared by all plans that ask the same question, so one thread rates at a time.
        """
        with self._rating:
            self._rate_missing(wanted)

    def _rate_missing(self, wanted: dict[int, dict[tuple[int, ...], NDArray[np.intp]]]) -> None:
        missing: dict[str, list[tuple[int, tuple[int, ...], NDArray[np.intp]]]] = defaultdict(list)
        for number, tiers in wanted.items():
            part = self.parts[number]
            for tier, rows in tiers.items():
                if len(tier) == 1:
                    continue
                known = self._rates.setdefault(
                    (number, tier), np.full((part.replicas.size, len(tier)), np.nan)
                )
                new = rows[np.isnan(known[rows, 0])]
                if new.size and known.size <= AHEAD:
                    new = np.nonzero(np.isnan(known[:, 0]))[0]
                if new.size:
                    missing[part.demand.model].append((number, tier, new))
        for group in missing.values():
            jobs = [self.parts[number].tier_job(tier, rows) for number, tier, rows in group]
            for (number, tier, rows), rates in zip(group, admissible_in_tiers(jobs), strict=True):
                self._rates[number, tier][rows] = rates

    def _candidates(
        self, number: int, tiers: dict[tuple[int, ...], NDArray[np.intp]], prune: bool
    ) -> list[Candidate]:
        """Return the candidates of some rows of one part, by tier."""
        part = self.parts[number]
        rows, rates, of_tier = [], [], []
        for tier in part.demand.tiers:
            if tier not in tiers:
                continue
            at = tiers[tier]
            mu = np.zeros((len(at), len(part.demand.classes)))
            mu[:, list(tier)] = self._tier_rates(number, tier)[at]
            able = mu.any(axis=1)
            rows.append(at[able])
            rates.append(mu[able])
            of_tier += [tier] * int(able.sum())
        row, mu = np.concatenate(rows), np.concatenate(rates)
        kept = np.arange(len(row))
        if prune:
            kept = self._undominated(part, row, mu)
        return [c for i in kept for c in self._at(number, int(row[i]), of_tier[i], mu[i].tolist())]

    def _tier_rates(self, number: int, tier: tuple[int, ...]) -> Floats:
        if len(tier) == 1:
            return self.parts[number].alone.rate_rps[:, list(tier)]
        return self._rates[number, tier]

    def _undominated(self, part: Evaluated, row: NDArray[np.intp], mu: Floats) -> NDArray[np.intp]:
        layout = part.index[row]
        shapes = [part.shapes[i] for i in layout.tolist()]
        loss = part.losses[layout]
        share = part.bandwidth[row] / np.array([s.gpus for s in shapes], dtype=float)
        return undominated(
            shapes,
            list(zip(part.place_codes[layout].tolist(), share.tolist(), strict=True)),
            mu,
            part.links[row],
            loss if self.loss_matters else np.zeros_like(loss),
            match_kv=part.role != "aggregated",
        )

    def _at(
        self,
        number: int,
        row: int,
        tier: tuple[int, ...],
        rates: Sequence[float],
        prospect: tuple[int, int] | None = None,
    ) -> list[Candidate]:
        """Return a configuration at each of its locations."""
        part = self.parts[number]
        demand, shape = part.demand, part.shape(row)
        classes = tuple(demand.index[k] for k in tier)
        capacity = self._spread(rates, demand.index, 0.0)
        links = self._no_links
        if part.role != "aggregated":
            links = self._spread(part.links[row].tolist(), demand.index, np.inf)
        loss = float(part.losses[part.index[row]])
        network = float(part.bandwidth[row])
        return [
            Candidate(
                model=demand.model,
                role=part.role,
                shape=shape,
                classes=classes,
                capacity_rps=capacity,
                link_rps=links,
                loss_pct=loss,
                location=place,
                network_bytes_per_s=network if place else 0.0,
                prospect=prospect,
            )
            for place in part.where(row) or (None,)
        ]

    @cached_property
    def _no_links(self) -> tuple[float, ...]:
        return (np.inf,) * self.total

    def _spread(
        self, values: Sequence[float], index: Sequence[int], default: float
    ) -> tuple[float, ...]:
        """Write the values of a model's classes among those of the whole workload."""
        if len(index) == self.total:
            return tuple(values)
        full = [default] * self.total
        for i, v in zip(index, values, strict=True):
            full[i] = v
        return tuple(full)
