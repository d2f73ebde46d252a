"""Dropping candidates that cannot be part of any fleet cheaper than one already found.

Every replica of candidate c costs at least κ_c, its accelerators at the lowest price per usable
accelerator of any offer that can hold it (usable: what the smallest group placed there fills,
as small groups fill what large ones leave); every feasible plan has Σ_o p_o·m_o ≥ Σ_c κ_c·n_c.
With s_wc = κ_c·λ_w/μ_wc, the cost of serving all of class w on c in fractional replicas, put
π_w = min_c s_wc (for split classes, the cheapest pair of prefill and decode at one location
and KV format). The capacity rows give κ_c·n_c ≥ Σ_w s_wc·x_wc, hence

    cost ≥ Σ_w π_w + Σ_c (κ_c·n_c − Σ_w π_w·x_wc),   each bracket ≥ 0,

and a bracket with n_c ≥ 1 is at least κ_c·(1 − γ_c), γ_c = max_w π_w/s_wc. A candidate with
Σ_w π_w + κ_c·(1 − γ_c) ≥ U, U the cost of a known fleet, is in no fleet cheaper than U.
For prefill and decode candidates π_w is split in proportion to the two cheapest halves; a fleet
that uses one of them uses a partner at the same location as well, whose bracket adds.

Offers of limited stock A_o may be priced up by any σ_o ≥ 0 (Lagrange multipliers of m_o ≤ A_o):
Σ_o p_o·m_o ≥ Σ_o (p_o + σ_o)·m_o − Σ_o σ_o·A_o, so the bound holds with κ_c at the raised prices,
less Σ_o σ_o·A_o. Good multipliers are the duals of a small linear relaxation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solver.instance import Ceilings, Instance

Floats = NDArray[np.float64]

NEAR = 0.05
"""Candidates within this share of the cheapest for some class make up the first fleet."""


NEGLIGIBLE_SHARE = 1e-9
"""Shares are settled on a grid of this width; smaller ones cannot be planned."""


@dataclass(frozen=True)
class Prices:
    """Fractional prices of an instance.

    Attributes
    ----------
    replica_usd
        κ_c: least cost of one replica (inf if no offer holds it), shape (candidates,).
    share_usd
        s_wc: least cost of all of class w on candidate c, shape (classes, candidates).
    class_usd
        π_w: least cost of class w (inf if nothing serves it), shape (classes,).
    allowance_usd
        The part of π_w that candidate c is measured against, shape (classes, candidates).
    stock_usd
        Σ_o σ_o·A_o.
    """

    replica_usd: Floats
    share_usd: Floats
    class_usd: Floats
    allowance_usd: Floats
    stock_usd: float

    @property
    def bound_usd(self) -> float:
        """Lower bound on the cost of any fleet (USD/h)."""
        return float(self.class_usd.sum()) - self.stock_usd


def fractional_prices(instance: Instance, multipliers: Mapping[int, float] | None = None) -> Prices:
    """Return the fractional prices of an instance.

    Parameters
    ----------
    multipliers
        σ_o ≥ 0 of offers (by position) with limited stock.
    """
    candidates = instance.candidates
    raised = multipliers or {}
    price = [
        float(o.price_per_node_hour_usd) + raised.get(i, 0.0) for i, o in enumerate(instance.offers)
    ]
    keys = [c.host for c in candidates]
    fitting = {key: instance.fitting(key) for key in dict.fromkeys(keys)}
    smallest: dict[int, int] = {}
    for key, places in fitting.items():
        smallest.update({o: min(key.group_size, smallest.get(o, key.group_size)) for o in places})
    each = {o: price[o] / (instance.offers[o].gpus_per_node // t * t) for o, t in smallest.items()}
    per_key = {
        key: key.group_size * key.groups * min((each[o] for o in places), default=np.inf)
        for key, places in fitting.items()
    }
    replica = np.array([per_key[key] for key in keys])
    with np.errstate(invalid="ignore"):
        share = replica * _replicas_per_class(instance)
    share = np.where(np.isnan(share), np.inf, share)
    classes, allowance = _class_prices(instance, share)
    stock = sum(s * (instance.offers[i].stock or 0) for i, s in raised.items())
    return Prices(replica, share, classes, allowance, stock)


def _replicas_per_class(instance: Instance) -> Floats:
    """Return the replicas that all of class w takes of candidate c (inf if it cannot serve it).

    Either the capacity row holds for every class, or the network row; for each candidate the
    row that asks for more is taken. Their maximum class by class would not bound their mix.
    """
    rates = np.array(instance.rates_rps)[:, None]
    capacity, link = instance.capacity_rps, instance.link_rps
    able = capacity > 0
    with np.errstate(divide="ignore"):
        load = np.where(able, rates / capacity, 0.0)
        traffic = np.where(able, rates / link, 0.0)
    larger = np.where(traffic.sum(axis=0) > load.sum(axis=0), traffic, load)
    return np.where(able, larger, np.inf)


def _class_prices(instance: Instance, share: Floats) -> tuple[Floats, Floats]:
    """Return π_w and the part of it that each candidate answers for."""
    roles = np.array([c.role for c in instance.candidates])
    whole = roles == "aggregated"
    best = share[:, whole].min(axis=1, initial=np.inf)
    pairs: dict[object, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, c in enumerate(instance.candidates):
        if c.role != "aggregated":
            pairs[c.location, c.shape.kv, c.model][c.role].append(i)
    halves = {
        key: {
            role: share[:, sides[role]].min(axis=1, initial=np.inf)
            for role in ("prefill", "decode")
        }
        for key, sides in pairs.items()
    }
    for sides in halves.values():
        best = np.minimum(best, sides["prefill"] + sides["decode"])
    allowance = np.repeat(best[:, None], share.shape[1], axis=1)
    for key, roles_at in pairs.items():
        total = halves[key]["prefill"] + halves[key]["decode"]
        for role, members in roles_at.items():
            with np.errstate(invalid="ignore"):
                part = np.where(np.isfinite(total), halves[key][role] / total, 0.0)
                split = np.where(part > 0, best * part, 0.0)
            allowance[:, members] = np.nan_to_num(split)[:, None]
    return best, allowance


def promising(instance: Instance, prices: Prices, within: float = NEAR) -> Instance:
    """Return the instance with only candidates that are nearly the cheapest for some class.

    A quick first fleet comes from these.
    """
    near = _uses(prices) >= 1 - within
    kept = np.asarray(near.any(axis=0))
    return _subset(instance, kept).rated(near[:, kept].T)


def _uses(prices: Prices) -> Floats:
    """Return π_w/s_wc, 0 where a candidate cannot serve a class; shape (classes, candidates)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(
            np.isfinite(prices.share_usd), prices.allowance_usd / prices.share_usd, 0.0
        )
    return np.asarray(np.minimum(np.nan_to_num(ratio), 1.0), dtype=float)


def within_reach(
    instance: Instance,
    known_usd: float,
    multipliers: Mapping[int, float] | None = None,
) -> tuple[Instance, Prices]:
    """Return what of an instance a fleet of at most `known_usd` can use, and its prices.

    Prospects are screened at the rates alone, which can only make them look cheaper; those that
    remain are rated, and screened again at what they admit.
    """
    prices = fractional_prices(instance, multipliers)
    if any(c.prospect is not None for c in instance.candidates):
        uses = _uses(prices)
        spare = prices.replica_usd * (1 - uses)
        partner = _partner_usd(instance, spare.min(axis=0, initial=np.inf))
        useful = (uses > 0) & (spare + partner <= _room(prices, known_usd))
        kept = np.asarray(useful.any(axis=0))
        instance = _subset(instance, kept).rated(useful[:, kept].T)
        prices = fractional_prices(instance, multipliers)
    else:
        instance = instance.rated()
    return screened(instance, prices, known_usd), prices


def _room(prices: Prices, known_usd: float) -> float:
    return (known_usd - prices.bound_usd) * (1 + 1e-9) + 1e-9


def screened(instance: Instance, prices: Prices, known_usd: float) -> Instance:
    """Return what of an instance a fleet of at most `known_usd` can use.

    Candidates that none can use are dropped; for the others the same brackets bound replicas
    and shares: n_c·κ_c·(1 − γ_c) ≤ U − Σπ, and x_wc·(s_wc − π_w) ≤ U − Σπ.
    """
    spare = prices.replica_usd * (1 - _uses(prices).max(axis=0, initial=0.0))
    room = _room(prices, known_usd)
    keep = np.asarray(spare + _partner_usd(instance, spare) <= room)
    with np.errstate(divide="ignore", invalid="ignore"):
        replicas = np.floor(room / np.maximum(spare[keep], 1e-12) + 1e-9)
        extra = prices.share_usd[:, keep] - prices.allowance_usd[:, keep]
        shares = np.where(
            np.isfinite(prices.share_usd[:, keep]),
            np.minimum(room / np.maximum(extra, 1e-12), 1.0),
            0.0,
        )
    shares = np.where(shares < NEGLIGIBLE_SHARE, 0.0, shares)
    ceilings = Ceilings(
        cost_usd=known_usd,
        replicas=tuple(replicas.tolist()),
        shares=tuple(tuple(row) for row in shares.T.tolist()),
    )
    return replace(_subset(instance, keep), ceilings=ceilings)


def _partner_usd(instance: Instance, spare: Floats) -> Floats:
    """Return what the cheapest partner adds: a prefill replica needs a decode replica, and back.

    Both sit at one location with one KV format; a candidate without partner is of no use.
    """
    sides: dict[object, dict[str, float]] = defaultdict(dict)
    keys = [(c.location, c.shape.kv, c.model) for c in instance.candidates]
    for key, c, usd in zip(keys, instance.candidates, spare, strict=True):
        if c.role != "aggregated":
            sides[key][c.role] = min(sides[key].get(c.role, np.inf), float(usd))
    other = {"prefill": "decode", "decode": "prefill"}
    return np.array(
        [
            0.0 if c.role == "aggregated" else sides[key].get(other[c.role], np.inf)
            for key, c in zip(keys, instance.candidates, strict=True)
        ]
    )


def _subset(instance: Instance, keep: NDArray[np.bool_]) -> Instance:
    kept = tuple(c for c, k in zip(instance.candidates, keep, strict=True) if k)
    return replace(instance, candidates=kept)
