"""The program of a replay: those of its stretches, joined by what changes cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from solver.candidates import Candidate
from solver.hosting import HostKey
from solver.instance import Instance
from solver.joined import Added, joined
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
    added = Added(starts[-1])
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
            entries = {start + int(j): -float(block.cost[j]) for j in bought}
            added.at_most(-usd * (1 - ROUNDING), "least_cost", entries)
    return Linked(joined(blocks, cost, added), starts[:-1], blocks, tuple(instances))


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
    added: Added, t: int, nodes: Sequence[dict[str, list[int]]], path: PricePath, weight: float
) -> None:
    """d_ot ≥ m_o,t−1 − m_ot, at overlap_h·p_ot each; at the last price of what is withdrawn."""
    for number, (offer, before) in enumerate(nodes[t - 1].items()):
        usd = weight * float(path.last_prices[t][offer])
        left = added.column("d", (number, t), usd, np.inf, whole=False)
        now = nodes[t].get(offer, [])
        entries = {**dict.fromkeys(before, 1.0), **dict.fromkeys((*now, left), -1.0)}
        added.at_most(0.0, "leaving", entries)


def _define_changed(
    added: Added, t: int, pools: Sequence[dict[PoolKey, _Pool]], weight: float
) -> None:
    """|h_qt − h_q,t−1| ≤ N·z_qt, z_qt ∈ {0, 1}."""
    none = _Pool((), 0.0)
    for number, key in enumerate(dict.fromkeys([*pools[t - 1], *pools[t]])):
        before, now = pools[t - 1].get(key, none), pools[t].get(key, none)
        changed = added.column("z", (number, t), weight, 1.0, whole=True)
        for more, less in ((now, before), (before, now)):
            if more.columns:
                grown = {**dict.fromkeys(more.columns, 1.0), **dict.fromkeys(less.columns, -1.0)}
                added.at_most(0.0, "changed", {**grown, changed: -more.most})
