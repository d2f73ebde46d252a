"""Which configurations are worth evaluating when the cost of a fleet is known.

The bound of `solver.screening`, with rates that no replica can exceed in place of admissible
ones: what cannot be part of a cheaper fleet even at such rates is not evaluated at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.offers import Offer
from model.shape import Shape
from solver.hosting import HostKey
from solver.market import Location

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outlook:
    """Configurations of one model and role, before they are evaluated.

    Attributes
    ----------
    places
        Locations of each shape; empty for aggregated ones.
    ceiling_rps
        Rates that no replica exceeds, shape (shapes, classes of the model).
    rates_rps
        Rates of those classes.
    """

    model: str
    role: str
    shapes: Sequence[Shape]
    places: Sequence[tuple[Location, ...]]
    ceiling_rps: Floats
    rates_rps: Floats


def replica_floor_usd(
    shapes: Sequence[Shape],
    places: Sequence[tuple[Location, ...]],
    offers: Sequence[Offer],
) -> Floats:
    """Return the least cost of one replica of each shape (USD/h; inf where nothing holds it).

    Its accelerators at the lowest price per accelerator of any node that can hold it.
    """
    known: dict[object, float] = {}
    floors = []
    nearby: dict[str, list[Offer]] = {}
    for o in offers:
        nearby.setdefault(o.accelerator, []).append(o)
    for shape, where in zip(shapes, places, strict=True):
        size, groups = (shape.tp, shape.pp) if shape.cross_node else (shape.gpus, 1)
        network = shape.network_gbps if shape.cross_node else 0.0
        key = (shape.accelerator.name, size, groups, network, where)
        if key not in known:
            hosts = [
                HostKey(shape.accelerator.name, size, groups, location, network)
                for location in where or (None,)
            ]
            known[key] = min(
                (
                    float(o.price_per_node_hour_usd) / o.gpus_per_node * size * groups
                    for host in hosts
                    for o in nearby.get(shape.accelerator.name, ())
                    if host.accepts(o)
                ),
                default=np.inf,
            )
        floors.append(known[key])
    return np.array(floors)


def within_reach(
    outlooks: Sequence[Outlook], offers: Sequence[Offer], known_usd: float
) -> list[NDArray[np.bool_]]:
    """Return, for each outlook, which of its shapes a fleet of at most `known_usd` can use."""
    floors = [replica_floor_usd(o.shapes, o.places, offers) for o in outlooks]
    shares = []
    for outlook, floor in zip(outlooks, floors, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            share = floor[:, None] * outlook.rates_rps / outlook.ceiling_rps
        shares.append(np.where(outlook.ceiling_rps > 0, share, np.inf))
    allowances, bound = _allowances(outlooks, shares)
    room = (known_usd - bound) * (1 + 1e-9) + 1e-9
    kept = []
    for floor, share, allowance in zip(floors, shares, allowances, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(np.where(np.isfinite(share), allowance / share, 0.0))
        spare = floor * (1 - np.minimum(ratio.max(axis=1, initial=0.0), 1.0))
        kept.append(np.asarray(spare <= room) & np.isfinite(share).any(axis=1))
    return kept


def _allowances(
    outlooks: Sequence[Outlook], shares: Sequence[Floats]
) -> tuple[list[Floats], float]:
    """Return the part of each class's least cost that a shape answers for, and the sum of all."""
    best = {
        (o.model, o.role): s.min(axis=0, initial=np.inf)
        for o, s in zip(outlooks, shares, strict=True)
    }
    least: dict[str, Floats] = {}
    for model in {o.model for o in outlooks}:
        none = np.full(next(o for o in outlooks if o.model == model).rates_rps.shape, np.inf)
        whole = best.get((model, "aggregated"), none)
        halves = best.get((model, "prefill"), none) + best.get((model, "decode"), none)
        least[model] = np.minimum(whole, halves)
    parts = []
    for o in outlooks:
        allowance = least[o.model]
        if o.role != "aggregated":
            other = "decode" if o.role == "prefill" else "prefill"
            own, rest = best[o.model, o.role], best.get((o.model, other), np.inf)
            with np.errstate(invalid="ignore"):
                allowance = np.nan_to_num(allowance * own / (own + rest))
        parts.append(allowance)
    return parts, float(sum(v.sum() for v in least.values()))
