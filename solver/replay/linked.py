"""The program of a replay: those of its stretches, joined by what changes cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, coo_array, csr_array, hstack, vstack

from solver.candidates import Candidate
from solver.hosting import HostKey
from solver.instance import Instance
from solver.program import Program, compile_program
from solver.replay.change import ChangeCost
from solver.replay.path import PricePath
from solver.replay.standing import Kind, PoolKey, Standing, kind_of

ROUNDING = 1e-9
"""How far the sum of exact prices may be off in floating point."""


@dataclass(frozen=True)
class Linked:
    """The program of a replay, and where its parts are.

    Attributes
    ----------
    program
        Its cost is that of an average hour (USD/h).
    starts
        First column of each stretch's own program.
    blocks
        The programs of the stretches.
    instances
        What their columns refer to.
    """

    program: Program
    starts: tuple[int, ...]
    blocks: tuple[Program, ...]
    instances: tuple[Instance, ...]

    def part(self, values: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """Return what a solution says of one stretch."""
        return values[self.starts[t] : self.starts[t] + self.blocks[t].columns]

    def standing(self, values: NDArray[np.float64], t: int) -> Standing:
        """Return the fleet of one stretch, with all that the solution pays for.

        What runs idle is in it, too: it may cost less than to stop and start again.
        """
        instance, block, first = self.instances[t], self.blocks[t], self.starts[t]
        nodes = {
            offer: sum(round(float(values[j])) for j in columns)
            for offer, columns in _nodes(instance, block, first).items()
        }
        pools = {
            key: sum(round(float(values[j])) for j in pool.columns)
            for key, pool in _pools(instance, block, first).items()
        }
        return Standing(
            {o: n for o, n in nodes.items() if n}, {q: n for q, n in pools.items() if n}
        )


@dataclass(frozen=True)
class _Pool:
    """A pool of one stretch: the columns of its replicas, and the most that there can be."""

    columns: tuple[int, ...]
    most: float


@dataclass
class _Added:
    """Columns and rows beside those of the stretches."""

    first: int
    cost: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    kind: list[str] = field(default_factory=list)
    key: list[tuple[int, ...]] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)

    def column(
        self, kind: str, key: tuple[int, ...], cost: float, *, high: float, whole: bool
    ) -> int:
        self.cost.append(cost)
        self.high.append(high)
        self.whole.append(whole)
        self.kind.append(kind)
        self.key.append(key)
        return self.first + len(self.cost) - 1

    def at_most(self, name: str, entries: Sequence[tuple[int, float]], limit: float = 0.0) -> None:
        row = len(self.names)
        self.entries += [(row, column, weight) for column, weight in entries]
        self.names.append(name)
        self.limits.append(limit)


class _ToldApart(Instance):
    """An instance that places replicas of each kind apart, so that pools can be counted."""

    def host_of(self, candidate: Candidate) -> HostKey:
        return replace(super().host_of(candidate), owner=kind_of(candidate))


def link(
    instances: Sequence[Instance],
    path: PricePath,
    change: ChangeCost,
    least_usd: Sequence[float] | None = None,
) -> Linked:
    """Return the program of the cheapest sequence of fleets, one a stretch.

    min Σ_t h_t·Σ_o p_ot·m_ot + Σ_{t>0} (overlap_h·Σ_o p_ot·d_ot + F·Σ_q z_qt),

    over the hours of the whole, with d_ot ≥ m_o,t−1 − m_ot the nodes that leave, and z_qt = 1 where
    the replicas of pool q, a kind on an offer, change: |h_qt − h_q,t−1| ≤ N·z_qt, N the larger of
    their bounds. The first fleet is free to choose.

    Parameters
    ----------
    instances
        One a stretch, screened or not.
    least_usd
        L_t: what no fleet of a stretch costs less than (USD/h). Σ_o p_ot·m_ot ≥ L_t then holds for
        every solution, and lifts the relaxation to what the stretches are known to cost alone.
    """
    instances = [_told_apart(i) for i in instances]
    blocks = tuple(compile_program(i) for i in instances)
    starts = tuple(int(s) for s in np.cumsum([0, *(b.columns for b in blocks)]))
    total = path.total_hours
    shares = [path.hours(t) / total for t in range(len(path))]
    cost = np.concatenate([s * b.cost for s, b in zip(shares, blocks, strict=True)])
    added = _Added(starts[-1])
    if change.overlap_h > 0:
        nodes = [_nodes(i, b, s) for i, b, s in zip(instances, blocks, starts, strict=False)]
        for t in range(1, len(path)):
            _define_leaving(added, t, nodes, path, change.overlap_h / total)
    if change.usd_per_pool > 0:
        pools = [_pools(i, b, s) for i, b, s in zip(instances, blocks, starts, strict=False)]
        for t in range(1, len(path)):
            _define_changed(added, t, pools, change.usd_per_pool / total)
    if least_usd is not None:
        for start, block, usd in zip(starts, blocks, least_usd, strict=False):
            bought = np.nonzero(block.cost)[0]
            entries = [(start + int(j), -float(block.cost[j])) for j in bought]
            added.at_most("least_cost", entries, -usd * (1 - ROUNDING))
    return Linked(_joined(blocks, cost, added), starts[:-1], blocks, tuple(instances))


def _told_apart(instance: Instance) -> Instance:
    return _ToldApart(**{f.name: getattr(instance, f.name) for f in fields(instance)})


def _nodes(instance: Instance, block: Program, start: int) -> dict[str, list[int]]:
    """Return the columns of the nodes of each offer, at all of its prices."""
    found: dict[str, list[int]] = defaultdict(list)
    for j in block.find("m"):
        found[instance.offers[block.key[j][0]].offer_id].append(start + int(j))
    return found


def _pools(instance: Instance, block: Program, start: int) -> dict[PoolKey, _Pool]:
    """Return the pools that a stretch may have."""
    most: dict[Kind, float] = defaultdict(float)
    for j in block.find("n"):
        most[kind_of(instance.candidates[block.key[j][0]])] += float(block.col_high[j])
    keys, columns = list(instance.hosts), defaultdict[PoolKey, list[int]](list)
    for j in block.find("h"):
        k, o = block.key[j]
        kind = kind_of(instance.candidates[instance.hosts[keys[k]][0][0]])
        columns[kind, instance.offers[o].offer_id].append(start + int(j))
    return {pool: _Pool(tuple(js), most[pool[0]]) for pool, js in columns.items()}


def _define_leaving(
    added: _Added, t: int, nodes: Sequence[dict[str, list[int]]], path: PricePath, weight: float
) -> None:
    """d_ot ≥ m_o,t−1 − m_ot, at overlap_h·p_ot each; at the last price of what is withdrawn."""
    for number, (offer, before) in enumerate(nodes[t - 1].items()):
        usd = weight * float(path.last_prices[t][offer])
        left = added.column("d", (number, t), usd, high=np.inf, whole=False)
        now = nodes[t].get(offer, [])
        added.at_most(
            "leaving", [*((j, 1.0) for j in before), *((j, -1.0) for j in now), (left, -1.0)]
        )


def _define_changed(
    added: _Added, t: int, pools: Sequence[dict[PoolKey, _Pool]], weight: float
) -> None:
    """|h_qt − h_q,t−1| ≤ N·z_qt, z_qt ∈ {0, 1}."""
    none = _Pool((), 0.0)
    for number, key in enumerate(dict.fromkeys([*pools[t - 1], *pools[t]])):
        before, now = pools[t - 1].get(key, none), pools[t].get(key, none)
        changed = added.column("z", (number, t), weight, high=1.0, whole=True)
        for more, less in ((now, before), (before, now)):
            if more.columns:
                grown = [(j, 1.0) for j in more.columns] + [(j, -1.0) for j in less.columns]
                added.at_most("changed", [*grown, (changed, -more.most)])


def _joined(blocks: Sequence[Program], cost: NDArray[np.float64], added: _Added) -> Program:
    own = block_diag([b.matrix for b in blocks], format="csr")
    count, columns = len(added.names), added.first + len(added.cost)
    at, on, weights = zip(*added.entries, strict=True) if added.entries else ((), (), ())
    extra = coo_array((np.array(weights, dtype=float), (at, on)), shape=(count, columns)).tocsr()
    wide = hstack([own, csr_array((own.shape[0], len(added.cost)))])
    return Program(
        cost=np.concatenate([cost, added.cost]),
        matrix=vstack([wide, extra]).tocsr(),
        row_low=np.concatenate([*(b.row_low for b in blocks), np.full(count, -np.inf)]),
        row_high=np.concatenate([*(b.row_high for b in blocks), added.limits]),
        col_low=np.concatenate([*(b.col_low for b in blocks), np.zeros(len(added.cost))]),
        col_high=np.concatenate([*(b.col_high for b in blocks), added.high]),
        integer=np.concatenate([*(b.integer for b in blocks), np.array(added.whole, dtype=bool)]),
        kind=np.concatenate([*(b.kind for b in blocks), np.array(added.kind, dtype=str)]),
        key=tuple([(t, *key) for t, b in enumerate(blocks) for key in b.key] + added.key),
        row_names=tuple([n for b in blocks for n in b.row_names] + added.names),
    )
