"""How much of the load a fleet carries, whatever mix of pools it is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from solver.candidates import Candidate
from solver.change import Kind, kind_of
from solver.engines.highs import solve_highs
from solver.instance import Instance
from solver.market import Location
from solver.program import Program

Group = tuple[Kind, Location | None]
"""Replicas that may be sent the same classes: a kind, at one location where caches travel."""

ENOUGH = 1 - 1e-6
"""Part of the load that counts as all of it: tolerances of the engine."""

MOST = 1e6
"""Largest multiple of the load that is told apart."""


class Coverage:
    """The linear program of who serves what, over candidates that are fixed.

    max θ with Σ_c x_wc = θ for every class, Σ_w (λ_w/μ_wc)·x_wc ≤ n_c for every candidate, network,
    hand-over and quality as in `solver.formulation`. Replicas of one kind are split among its tiers
    as whole numbers; spare replicas stay idle.

    Parameters
    ----------
    instance
        Classes, rates and limits; its own candidates are not read.
    candidates
        The candidates of every pool that may run, rated.
    """

    def __init__(self, instance: Instance, candidates: Sequence[Candidate]) -> None:
        self._instance = instance
        self._candidates = list({c.key: c for c in candidates}.values())
        self._groups: dict[Group, list[int]] = defaultdict(list)
        for i, c in enumerate(self._candidates):
            self._groups[kind_of(c), c.location].append(i)
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}

    def group_of(self, kind: Kind, location: Location) -> Group | None:
        """Return the group of replicas of a kind at a place; None if they serve nothing."""
        return next((g for g in ((kind, None), (kind, location)) if g in self._groups), None)

    def factor(self, replicas: Mapping[Group, int], classes: Sequence[int] | None = None) -> float:
        """Return the largest multiple of the load that replicas carry, all classes alike.

        Parameters
        ----------
        replicas
            Replicas of each group.
        classes
            Positions of the classes that count; all by default.
        """
        wanted = tuple(range(len(self._instance.class_names)) if classes is None else classes)
        spare = self._instance.caps.spare_replicas
        rooms = tuple(max(replicas.get(g, 0) - spare, 0) for g in self._groups)
        if (wanted, rooms) not in self._known:
            self._known[wanted, rooms] = self._solve(wanted, rooms)
        return self._known[wanted, rooms]

    def covers(self, replicas: Mapping[Group, int]) -> bool:
        """Whether replicas carry the whole load."""
        return self.factor(replicas) >= ENOUGH

    def by_class(self, replicas: Mapping[Group, int]) -> dict[str, float]:
        """Return the multiple of its load that each class finds room for.

        Classes grow or shrink alike; those that some replica serves do not wait for one that none
        does.
        """
        names = self._instance.class_names
        whole = self.factor(replicas)
        if whole > 0:
            return dict.fromkeys(names, whole)
        able = [w for w in range(len(names)) if self.factor(replicas, (w,)) > 0]
        together = self.factor(replicas, able) if able else 0.0
        return {name: together if w in able else 0.0 for w, name in enumerate(names)}

    def _solve(self, wanted: tuple[int, ...], rooms: tuple[int, ...]) -> float:
        from scipy.sparse import csr_array

        instance, candidates = self._instance, self._candidates
        rates = instance.rates_rps
        here = {i: n for g, n in zip(self._groups.values(), rooms, strict=True) for i in g if n}
        pairs = [(w, i) for i in here for w in wanted if candidates[i].capacity_rps[w] > 0]
        column = {pair: j for j, pair in enumerate(pairs)}
        counts = {i: len(pairs) + k for k, i in enumerate(here)}
        size = len(pairs) + len(counts) + 1
        last = size - 1
        rows: list[tuple[dict[int, float], float, float]] = []
        flows: dict[object, dict[int, float]] = defaultdict(dict)
        for w in wanted:
            starts = {j: 1.0 for (v, i), j in column.items() if v == w and _takes_in(candidates[i])}
            rows.append(({**starts, last: -1.0}, 0.0, 0.0))
            lost = {
                j: candidates[i].loss_pct * (1.0 if candidates[i].role == "aggregated" else 0.5)
                for (v, i), j in column.items()
                if v == w
            }
            allowed = instance.caps.max_quality_loss_pct
            if allowed is not None and max(lost.values(), default=0.0) > allowed:
                rows.append(({**lost, last: -allowed}, -np.inf, 0.0))
        for i, n in counts.items():
            c = candidates[i]
            mine = [(w, j) for (w, k), j in column.items() if k == i]
            load = {j: rates[w] / c.capacity_rps[w] for w, j in mine}
            rows.append(({**load, n: -1.0}, -np.inf, 0.0))
            if c.role != "aggregated":
                link = {j: rates[w] / c.link_rps[w] for w, j in mine}
                rows.append(({**link, n: -1.0}, -np.inf, 0.0))
                for w, j in mine:
                    key = (w, c.location, c.shape.kv, c.model)
                    flows[key][j] = 1.0 if c.role == "prefill" else -1.0
        rows += [(flow, 0.0, 0.0) for flow in flows.values()]
        for group, n in zip(self._groups.values(), rooms, strict=True):
            if n:
                rows.append(({counts[i]: 1.0 for i in group}, -np.inf, float(n)))
        at = [i for i, (row, _, _) in enumerate(rows) for _ in row]
        on = [j for row, _, _ in rows for j in row]
        data = [v for row, _, _ in rows for v in row.values()]
        integer = np.zeros(size, dtype=bool)
        for group in self._groups.values():
            for i in group:
                if i in counts and len(group) > 1:
                    integer[counts[i]] = True
        cost = np.zeros(size)
        cost[last] = -1.0
        high = np.full(size, np.inf)
        high[last] = MOST
        program = Program(
            cost=cost,
            matrix=csr_array((data, (at, on)), shape=(len(rows), size)),
            row_low=np.array([low for _, low, _ in rows]),
            row_high=np.array([top for _, _, top in rows], dtype=float),
            col_low=np.zeros(size),
            col_high=high,
            integer=integer,
            kind=np.array(["x"] * len(pairs) + ["n"] * len(counts) + ["t"]),
            key=(*pairs, *((i,) for i in counts), (0,)),
            row_names=("",) * len(rows),
        )
        result = solve_highs(program, gap=0.0, time_limit_s=60.0)
        return 0.0 if result.values is None else max(float(result.values[last]), 0.0) + 0.0


def _takes_in(candidate: Candidate) -> bool:
    return candidate.role != "decode"
