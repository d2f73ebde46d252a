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

_PAIRS = ((0.1, 0.9), (0.5, 0.5), (0.9, 0.1))
"""Fractions Σ λ_w/μ_w = 1 of the mixes of two classes that are tried."""


def hold_mixes(
    replicas: Replicas,
    classes: Sequence[RequestClass],
    limits: Limits,
    role: str,
    rates: Floats,
    alone: Operation,
) -> Floats:
    """Return `rates` lowered where a mix of classes with Σ λ_w/μ_w = 1 misses a target.

    Tried are mixes of two classes, and from three classes on the even mix of all.

    Parameters
    ----------
    limits
        Targets, arrays of the shape of `rates`, (replicas, classes).
    alone
        Each class by itself; its concurrencies are where the search for the mix's starts.
    """
    served = rates > 0
    pairs = np.array(list(combinations(_extremes(classes), 2)))
    row, which = np.nonzero(served[:, pairs].all(axis=2))
    tried = [(row, pairs[which], np.broadcast_to(f, (len(row), 2))) for f in _PAIRS]
    if len(classes) > 2:
        row = np.nonzero(served.sum(axis=1) > 2)[0]
        everyone = np.broadcast_to(np.arange(len(classes)), (len(row), len(classes)))
        fractions = served[row] / served[row].sum(axis=1, keepdims=True)
        tried.append((row, everyone, fractions))
    factor = np.ones_like(rates)
    for width in {members.shape[1] for _, members, _ in tried}:
        same = [part for part in tried if part[1].shape[1] == width]
        row, members, fractions = (np.concatenate(a) for a in zip(*same, strict=True))
        if not row.size:
            continue
        cells = row[:, None], members
        mix = rates[cells] * fractions
        with np.errstate(divide="ignore", invalid="ignore"):
            busy = np.where(mix > 0, alone.concurrency[cells] * mix / alone.rate_rps[cells], 0.0)
        t = traffic_of(classes, np.ones(len(classes)), role=role)
        t = Traffic(**{k: v[members] for k, v in vars(t).items()})
        t = replace(t, share=mix / mix.sum(axis=1, keepdims=True))
        station = prepare(replicas.take(row), t, prefill_only=role == "prefill")
        wanted = _without(take(limits, cells), mix == 0)
        held = _share_held(station, wanted, mix.sum(axis=1), busy.sum(axis=1))
        np.minimum.at(factor, cells, np.where(mix > 0, held[:, None], 1.0))
    return np.asarray(rates * factor, dtype=float)


def _without(limits: Limits, absent: NDArray[np.bool_]) -> Limits:
    """Return `limits` without the targets of absent classes."""
    return replace(
        limits,
        ttft_s=np.where(absent, np.inf, limits.ttft_s),
        tpot_s=np.where(absent, np.inf, limits.tpot_s),
        e2e_s=np.where(absent, np.inf, limits.e2e_s),
    )


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
