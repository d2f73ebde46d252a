"""Lagrange multipliers of limits, from the linear relaxation of a small program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from solver.engines.highs import reduced_costs, row_duals
from solver.instance import Instance
from solver.power import WATTS_PER_KW
from solver.program import Program


@dataclass(frozen=True)
class Multipliers:
    """What limits add to the prices of nodes, and what is taken off the bound for it.

    Attributes
    ----------
    stock_usd
        σ_o ≥ 0 of m_o ≤ A_o, by position of the offer (USD/h and node).
    power_usd_per_w
        π ≥ 0 of Σ_o W_o·m_o ≤ P, the limit on power (USD/h and watt).
    """

    stock_usd: Mapping[int, float] = field(default_factory=dict)
    power_usd_per_w: float = 0.0

    def added_usd(self, instance: Instance, o: int) -> float:
        """Return what a node of an offer is priced up by: σ_o + π·W_o."""
        added = self.stock_usd.get(o, 0.0)
        if self.power_usd_per_w:
            added += self.power_usd_per_w * (instance.node_power_w(o) or 0.0)
        return added

    def allowed_usd(self, instance: Instance) -> float:
        """Return the most that a fleet within the limits is priced up by: Σ_o σ_o·A_o + π·P."""
        stock = sum(s * (instance.offers[o].stock or 0) for o, s in self.stock_usd.items())
        return stock + self.power_usd_per_w * WATTS_PER_KW * (instance.caps.max_power_kw or 0.0)


def multipliers_of(instance: Instance, program: Program) -> Multipliers:
    """Return the multipliers of the limits that the linear relaxation uses up.

    Any non-negative multipliers give a valid bound in `solver.screening`; these give a good one.
    """
    limited = [i for i, o in enumerate(instance.offers) if o.stock is not None]
    powered = "max_power" in program.row_names
    if not limited and not powered:
        return Multipliers()
    kept = np.array([name != "presence" for name in program.row_names])
    rows = np.nonzero(kept)[0]
    relaxed = replace(
        program,
        integer=np.zeros(program.columns, dtype=bool),
        matrix=program.matrix[rows],
        row_low=program.row_low[rows],
        row_high=program.row_high[rows],
        row_names=tuple(program.row_names[i] for i in rows),
    )
    return Multipliers(
        _of_stock(relaxed, limited) if limited else {}, _of_power(relaxed) if powered else 0.0
    )


def _of_stock(relaxed: Program, limited: list[int]) -> dict[int, float]:
    reduced = reduced_costs(relaxed)
    if reduced is None:
        return {}
    return {
        relaxed.key[j][0]: float(-reduced[j])
        for j in relaxed.find("m")
        if relaxed.key[j][0] in limited and reduced[j] < -1e-9
    }


def _of_power(relaxed: Program) -> float:
    duals = row_duals(relaxed)
    return 0.0 if duals is None else max(0.0, -float(duals[relaxed.row_names.index("max_power")]))
