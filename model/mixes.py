"""Mixes of classes on one replica: lowering rates that do not add up as fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from model.limits import Limits, mix_excess, take
from model.load_search import at_fraction, largest_load, load_at
from model.replicas import Replicas
from model.service import Operation, Station, prepare
from model.traffic import RequestClass, Traffic, traffic_of

Floats = NDArray[np.float64]

_TOLERANCE = 1e-3
"""Share by which a mix may miss a target before its rates are lowered."""

_MIXES = (0.1, 0.5, 0.9)
"""Shares of the first class in the load of the pairs that are tried."""


def hold_pairs(
    replicas: Replicas,
    classes: Sequence[RequestClass],
    limits: Limits,
    role: str,
    rates: Floats,
    alone: Operation,
) -> Floats:
    """Return `rates` lowered where a mix of two classes with Σ λ_w/μ_w = 1 misses a target.

    Parameters
    ----------
    limits
        Targets, arrays of the shape of `rates`, (replicas, classes).
    alone
        Each class by itself; its concurrencies are where the search for the mix's starts.
    """
    pairs = np.array(list(combinations(_extremes(classes), 2)))
    row, which = np.nonzero((rates[:, pairs] > 0).all(axis=2))
    if not row.size:
        return rates
    row, members = np.tile(row, len(_MIXES)), np.tile(pairs[which], (len(_MIXES), 1))
    cells = row[:, None], members
    first = np.repeat(_MIXES, len(which))
    weight = np.stack([first, 1 - first], axis=1)
    mix = rates[cells] * weight
    total = mix.sum(axis=1)
    t = traffic_of(classes, np.ones(len(classes)), role=role)
    t = replace(Traffic(**{k: v[members] for k, v in vars(t).items()}), share=mix / total[:, None])
    station = prepare(replicas.take(row), t, prefill_only=role == "prefill")
    start = (alone.concurrency[cells] * mix / alone.rate_rps[cells]).sum(axis=1)
    held = _share_held(station, take(limits, cells), total, start)
    factor = np.ones_like(rates)
    np.minimum.at(factor, cells, held[:, None])
    return np.asarray(rates * factor, dtype=float)


def _share_held(station: Station, limits: Limits, rates: Floats, start: Floats) -> Floats:
    """Return the share of `rates` that mixes may have and keep `limits` (at most 1)."""
    load = load_at(station, rates, start)
    holds = (mix_excess(load, limits) <= _TOLERANCE) & (load.rate_rps >= rates * (1 - _TOLERANCE))
    share = np.ones_like(rates)
    missed = np.nonzero(~holds)[0]
    if missed.size:
        some = station.take(missed)
        most = at_fraction(some, largest_load(some, take(limits, missed), mix_excess, _TOLERANCE))
        share[missed] = np.minimum(most.rate_rps / rates[missed], 1.0)
    return np.where(share < _TOLERANCE, 0.0, share)


def _extremes(classes: Sequence[RequestClass]) -> list[int]:
    """Positions of the classes whose mixes differ most: all of a few, else the extremes."""
    if len(classes) <= 4:
        return list(range(len(classes)))
    isl, osl = [c.isl.mean for c in classes], [c.osl.mean for c in classes]
    return sorted({f(range(len(v)), key=v.__getitem__) for v in (isl, osl) for f in (min, max)})
