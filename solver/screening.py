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

Prices and costs here are those of the instance's objective, in its unit; p_o is the charge of a
node. Where that charges load too, b_c for a replica of c at full load, s_wc = κ_c·λ_w/μ_wc +
b_c·λ_w/μ_wc; the bracket is κ_c·n_c + Σ_w (b_c·λ_w/μ_wc − π_w)·x_wc, and with π_w ≤ γ_c·s_wc and
the capacity row it is at least (1 − γ_c)·(κ_c·n_c + Σ_w b_c·(λ_w/μ_wc)·x_wc) ≥ κ_c·n_c·(1 − γ_c):
the same rule drops c.

Limits on the fleet (accelerators, power, providers, …) only take fleets away, and U is the cost of
one that keeps them, so the bound holds under any of them.

Offers of limited stock A_o may be priced up by any σ_o ≥ 0 (Lagrange multipliers of m_o ≤ A_o):
Σ_o p_o·m_o ≥ Σ_o (p_o + σ_o)·m_o − Σ_o σ_o·A_o, so the bound holds with κ_c at the raised prices,
less Σ_o σ_o·A_o. Good multipliers are the duals of a small linear relaxation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from solver.instance import Ceilings, Instance

Floats = NDArray[np.float64]

NEAR = 0.1
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
    raised = multipliers or {}
    price = [
        (instance.node_weight(i) + raised.get(i, 0.0)) * instance.room_factor(i)
        for i in range(len(instance.offers))
    ]
    codes, firsts = np.unique(instance.host_codes, return_index=True)
    keys = [instance.host_of(instance.candidates[i]) for i in firsts]
    fitting = [instance.fitting(key) for key in keys]
    smallest: dict[int, int] = {}
    for key, places in zip(keys, fitting, strict=True):
        smallest.update({o: min(key.group_size, smallest.get(o, key.group_size)) for o in places})
    each = {o: price[o] / (instance.offers[o].gpus_per_node // t * t) for o, t in smallest.items()}
    per_key = np.array(
        [
            key.group_size * key.groups * min((each[o] for o in places), default=np.inf)
            for key, places in zip(keys, fitting, strict=True)
        ]
    )
    replica = per_key[np.searchsorted(codes, instance.host_codes)]
    with np.errstate(invalid="ignore"):
        share = replica * _replicas_per_class(instance)
        share = share + instance.busy_weights(instance.objective) * _loads(instance)
    share = np.where(np.isnan(share), np.inf, share)
    classes, allowance = _class_prices(instance, share)
    stock = sum(s * (instance.offers[i].stock or 0) for i, s in raised.items())
    return Prices(replica, share, classes, allowance, stock)


def _loads(instance: Instance) -> Floats:
    """Return λ_w/μ_wc, 0 where a candidate cannot serve a class; shape (classes, candidates)."""
    rates, capacity = np.array(instance.rates_rps)[:, None], instance.capacity_rps
    with np.errstate(divide="ignore"):
        return np.where(capacity > 0, rates / capacity, 0.0)


def _replicas_per_class(instance: Instance) -> Floats:
    """Return the replicas that all of class w takes of candidate c (inf if it cannot serve it).

    Either the capacity row holds for every class, or the network row; for each candidate the
    row that asks for more is taken. Their maximum class by class would not bound their mix.
    """
    rates = np.array(instance.rates_rps)[:, None]
    link, able = instance.link_rps, instance.capacity_rps > 0
    load = _loads(instance)
    with np.errstate(divide="ignore"):
        traffic = np.where(able, rates / link, 0.0)
    larger = np.where(traffic.sum(axis=0) > load.sum(axis=0), traffic, load)
    return np.where(able, larger, np.inf)


def _class_prices(instance: Instance, share: Floats) -> tuple[Floats, Floats]:
    """Return π_w and the part of it that each candidate answers for."""
    pairs = instance.pair_codes
    best = share[:, pairs < 0].min(axis=1, initial=np.inf)
    split = np.nonzero(pairs >= 0)[0]
    if not split.size:
        return best, np.repeat(best[:, None], share.shape[1], axis=1)
    size = (2, int(pairs.max()) + 1, share.shape[0])
    halves = np.full(size, np.inf)
    side = np.where(instance.prefills, 0, 1)[split]
    np.minimum.at(halves, (side, pairs[split]), share[:, split].T)
    totals = halves.sum(axis=0)
    best = np.minimum(best, totals.min(axis=0))
    with np.errstate(invalid="ignore"):
        parts = np.where(np.isfinite(totals), best * (halves / totals), 0.0)
    allowance = np.repeat(best[:, None], share.shape[1], axis=1)
    allowance[:, split] = np.nan_to_num(parts)[side, pairs[split]].T
    return best, allowance


def promising(instance: Instance, prices: Prices, within: float = NEAR) -> Instance:
    """Return the instance with only candidates that are nearly the cheapest for some class.

    A quick first fleet comes from these.
    """
    near = nearly_cheapest(prices, within)
    kept = np.asarray(near.any(axis=0))
    return instance.keep(kept).rated(near[:, kept].T)


def nearly_cheapest(prices: Prices, within: float = NEAR) -> NDArray[np.bool_]:
    """Return which candidates are nearly the cheapest for a class, shape (classes, candidates)."""
    return np.asarray(_uses(prices) >= 1 - within)


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
        instance = instance.keep(kept).rated(useful[:, kept].T)
        prices = fractional_prices(instance, multipliers)
    else:
        rated = instance.rated()
        if len(rated.candidates) != len(instance.candidates):
            prices = fractional_prices(rated, multipliers)
        instance = rated
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
        most=known_usd,
        replicas=tuple(replicas.tolist()),
        shares=tuple(tuple(row) for row in shares.T.tolist()),
    )
    return replace(instance.keep(keep), ceilings=ceilings)


def _partner_usd(instance: Instance, spare: Floats) -> Floats:
    """Return what the cheapest partner adds: a prefill replica needs a decode replica, and back.

    Both sit at one location with one KV format; a candidate without partner is of no use.
    """
    pairs = instance.pair_codes
    partner = np.zeros(len(pairs))
    split = np.nonzero(pairs >= 0)[0]
    if split.size:
        least = np.full((2, int(pairs.max()) + 1), np.inf)
        side = np.where(instance.prefills, 0, 1)[split]
        np.minimum.at(least, (side, pairs[split]), spare[split])
        partner[split] = least[1 - side, pairs[split]]
    return partner
