"""The program of a horizon: those of its periods, joined by commitments and by starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.offers import Offer
from solver.horizon.periods import Period, Start, block_of, block_share
from solver.instance import Caps, Instance
from solver.joined import Added, joined
from solver.price_tiers import alike
from solver.program import Program, compile_program


@dataclass(frozen=True)
class Linked:
    """The program of a horizon, and where its parts are.

    Attributes
    ----------
    starts
        First column of each period's own program.
    blocks
        The programs of the periods.
    commitments
        (offer, term) → column of M: nodes committed to in that of its terms.
    uses
        (offer, period) → row of m_ot ≤ M.
    kept
        (offer, period) → column of k: nodes that stay on though nothing needs them, which may
        be cheaper than to start them again.
    """

    program: Program
    starts: tuple[int, ...]
    blocks: tuple[Program, ...]
    commitments: dict[tuple[int, int], int]
    uses: dict[tuple[int, int], int]
    kept: dict[tuple[int, int], int]

    def part(self, values: NDArray[np.float64], t: int) -> NDArray[np.float64]:
        """Return what a solution says of one period."""
        return values[self.starts[t] : self.starts[t] + self.blocks[t].columns]


def link(
    instances: Sequence[Instance],
    periods: Sequence[Period],
    offers: Sequence[Offer],
    *,
    start: Start | None = None,
) -> Linked:
    """Return the program of a horizon; its cost is that of an average hour (USD/h).

    min Σ_o p_o·Σ_b share_ob·M_ob + Σ_t s_t·Σ_o p_o·m_ot + Σ_t Σ_o (hours/cycle)·s'_t·p_o·u_ot

    with m_ot ≤ M_ob for committed o (b: its term in t), M_ob ≥ min_o where any is bought, and
    u_ot ≥ (m + k)_ot − (m + k)_o,t−1 for the others, where k_ot ≥ 0 nodes stay on without need at
    s_t·p_o each: the periods of a month follow each other in a cycle, and s'_t is the share of
    the month.

    Parameters
    ----------
    instances
        One a period, as `solver.horizon.prices.priced` makes them and screening leaves them.
    offers
        What the offers cost in truth, in the instances' order.
    start
        What it costs to start a node; None for nothing.
    """
    blocks = tuple(compile_program(i) for i in instances)
    starts = tuple(int(s) for s in np.cumsum([0, *(b.columns for b in blocks)]))
    nodes = [
        {b.key[j][0]: start + int(j) for j in b.find("m")}
        for b, start in zip(blocks, starts, strict=False)
    ]
    added = Added(starts[-1])
    cost = np.concatenate([b.cost for b in blocks])
    commitments: dict[tuple[int, int], int] = {}
    uses: dict[tuple[int, int], int] = {}
    kept: dict[tuple[int, int], int] = {}
    for o, offer in enumerate(offers):
        for t, period in enumerate(periods):
            column = nodes[t].get(o)
            if column is None:
                continue
            term = block_of(offer, period)
            if term is None:
                cost[column] = period.share * float(offer.hourly_usd)
                continue
            cost[column] = 0.0
            if (o, term) not in commitments:
                commitments[o, term] = _commit(added, offer, o, term, periods, instances)
            uses[o, t] = added.at_most(0.0, "commitment", {column: 1.0, commitments[o, term]: -1.0})
        if start is not None and offer.pricing != "committed":
            kept |= _keep_on(added, offer, o, blocks, nodes, periods)
            _count_starts(added, offer, o, nodes, kept, periods, start)
    _limit_kept(added, offers, instances[0].caps, nodes, kept)
    _share_stock(added, offers, commitments)
    own_rows = sum(b.matrix.shape[0] for b in blocks)
    uses = {key: row + own_rows for key, row in uses.items()}
    program = joined(blocks, cost, added)
    return Linked(program, starts[:-1], blocks, commitments, uses, kept)


def _commit(
    added: Added,
    offer: Offer,
    o: int,
    term: int,
    periods: Sequence[Period],
    instances: Sequence[Instance],
) -> int:
    """Add M_ob, and its minimum; return its column."""
    most = max(
        i.most_nodes(o)
        for i, p in zip(instances, periods, strict=True)
        if block_of(offer, p) == term
    )
    most = max(most, offer.min_nodes)
    if offer.stock is not None:
        most = min(most, offer.stock)
    paid = block_share(offer, term, periods) * float(offer.hourly_usd)
    column = added.column("M", (o, term), paid, float(most), whole=True)
    if offer.min_nodes > 1:
        bought = added.column("B", (o, term), 0.0, 1.0, whole=True)
        added.at_most(0.0, "least_commitment", {bought: float(offer.min_nodes), column: -1.0})
        added.at_most(0.0, "commitment_made", {column: 1.0, bought: -float(most)})
    return column


def _share_stock(
    added: Added, offers: Sequence[Offer], commitments: dict[tuple[int, int], int]
) -> None:
    """Let the prices of one offer share its stock, in each of its terms."""
    for group in alike(offers):
        stock = offers[group[0]].stock
        for term in sorted({b for o, b in commitments if o in group}):
            if stock is not None:
                mine = {commitments[o, term]: 1.0 for o in group if (o, term) in commitments}
                added.at_most(float(stock), "shared_stock", mine)


def _keep_on(
    added: Added,
    offer: Offer,
    o: int,
    blocks: Sequence[Program],
    nodes: Sequence[dict[int, int]],
    periods: Sequence[Period],
) -> dict[tuple[int, int], int]:
    """Add k_ot for every period in which an offer may stay on; return the columns.

    What is sold from a minimum number of nodes stays on only beside nodes in use, so that its
    price is never had for less.
    """
    found = {}
    months = {p.month for t, p in enumerate(periods) if o in nodes[t]}
    for t, period in enumerate(periods):
        if period.month not in months or (offer.min_nodes > 1 and o not in nodes[t]):
            continue
        paid = period.share * float(offer.hourly_usd)
        found[o, t] = column = added.column("k", (o, t), paid, np.inf, whole=False)
        if offer.min_nodes > 1:
            block = blocks[t]
            most = max(b.col_high[c] for b in blocks for c in _nodes_of(b, o))
            bought = next(int(j) for j in block.find("b") if block.key[j] == (o,))
            first = nodes[t][o] - next(iter(_nodes_of(block, o)))
            added.at_most(0.0, "kept_minimum", {column: 1.0, first + bought: -float(most)})
    return found


def _nodes_of(block: Program, o: int) -> list[int]:
    """Return the columns of the nodes of an offer."""
    return [int(j) for j in block.find("m") if block.key[j] == (o,)]


def _limit_kept(
    added: Added,
    offers: Sequence[Offer],
    caps: Caps,
    nodes: Sequence[dict[int, int]],
    kept: dict[tuple[int, int], int],
) -> None:
    """Count nodes that stay on against stock and ``max_gpus``, as those in use are."""
    groups = alike(offers)
    groups += [[o] for o in range(len(offers)) if not any(o in group for group in groups)]
    for t in sorted({t for _, t in kept}):
        for group in groups:
            stock = offers[group[0]].stock
            staying = [kept[o, t] for o in group if (o, t) in kept]
            if stock is not None and staying:
                used = [nodes[t][o] for o in group if o in nodes[t]]
                added.at_most(float(stock), "kept_stock", dict.fromkeys(used + staying, 1.0))
        if caps.max_gpus is not None:
            columns = [*nodes[t].items(), *((o, k) for (o, at), k in kept.items() if at == t)]
            bought = {column: float(offers[o].gpus_per_node) for o, column in columns}
            added.at_most(float(caps.max_gpus), "kept_max_gpus", bought)


def _count_starts(
    added: Added,
    offer: Offer,
    o: int,
    nodes: Sequence[dict[int, int]],
    kept: dict[tuple[int, int], int],
    periods: Sequence[Period],
    start: Start,
) -> None:
    """Add u_ot for every period that an offer may grow in."""
    for t, before in start.steps(periods):
        if (o, t) not in kept:
            continue
        usd = start.share_of(periods, t) * float(offer.hourly_usd)
        started = added.column("u", (o, t), usd, np.inf, whole=False)
        entries = {started: -1.0}
        for at, sign in ((before, -1.0), (t, 1.0)):
            entries[kept[o, at]] = sign
            if o in nodes[at]:
                entries[nodes[at][o]] = sign
        added.at_most(0.0, "start", entries)
