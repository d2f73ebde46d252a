"""Mixes of classes on one replica: lowering rates that do not add up as fractions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from model.limits import Limits, mix_excess, take
from model.limits import joined as join_limits
from model.load_search import at_fraction, largest_load, load_at
from model.replicas import Replicas
from model.service import Operation
from model.station import Station, prepare
from model.station import joined as join_stations
from model.traffic import RequestClass, traffic_of

Floats = NDArray[np.float64]

_TOLERANCE = 1e-3
"""Share by which a mix may miss a target before its rates are lowered."""

_PAIRS = ((0.1, 0.9), (0.5, 0.5), (0.9, 0.1))
"""Fractions Σ λ_w/μ_w = 1 of the mixes of two classes that are tried."""


@dataclass(frozen=True)
class MixTask:
    """Replicas of one model and role whose rates of several classes are to add up.

    Attributes
    ----------
    limits
        Targets, arrays of the shape of `rates`, (replicas, classes).
    rates
        Rates (requests/s) at which each class alone, under the promise of its tier, is admitted.
    alone
        Each class by itself; its concurrencies are where the search for the mix's starts.
    """

    replicas: Replicas
    classes: Sequence[RequestClass]
    limits: Limits
    role: str
    rates: Floats
    alone: Operation


@dataclass(frozen=True)
class _Mixes:
    """Mixes that are tried: `number` of the task, row of its replica, and its classes."""

    number: int
    row: NDArray[np.intp]
    members: NDArray[np.intp]
    station: Station
    limits: Limits
    rate: Floats
    start: Floats
    present: NDArray[np.bool_]


def hold_mixes(tasks: Sequence[MixTask]) -> list[Floats]:
    """Return the rates of each task lowered where a mix with Σ λ_w/μ_w = 1 misses a target.

    Tried are mixes of two classes, and from three classes on the even mix of all. Mixes of
    equally many classes of all tasks are searched together.
    """
    factors = [np.ones_like(task.rates) for task in tasks]
    alike: dict[tuple[int, bool], list[_Mixes]] = {}
    for number, task in enumerate(tasks):
        for mixes in _mixes_of(number, task):
            key = (mixes.members.shape[1], task.role == "prefill")
            alike.setdefault(key, []).append(mixes)
    for group in alike.values():
        held = _share_held(
            join_stations([m.station for m in group]),
            join_limits([m.limits for m in group]),
            np.concatenate([m.rate for m in group]),
            np.concatenate([m.start for m in group]),
        )
        begin = 0
        for m in group:
            share = held[begin : begin + len(m.row), None]
            begin += len(m.row)
            cells = m.row[:, None], m.members
            np.minimum.at(factors[m.number], cells, np.where(m.present, share, 1.0))
    return [task.rates * factor for task, factor in zip(tasks, factors, strict=True)]


def _mixes_of(number: int, task: MixTask) -> Iterator[_Mixes]:
    """Yield the mixes to try, by how many classes they have."""
    rates, classes = task.rates, task.classes
    served = rates > 0
    pairs = np.array(list(combinations(_extremes(classes), 2)))
    row, which = np.nonzero(served[:, pairs].all(axis=2))
    tried = [(row, pairs[which], np.broadcast_to(f, (len(row), 2))) for f in _PAIRS]
    if len(classes) > 2:
        row = np.nonzero(served.sum(axis=1) > 2)[0]
        everyone = np.broadcast_to(np.arange(len(classes)), (len(row), len(classes)))
        fractions = served[row] / served[row].sum(axis=1, keepdims=True)
        tried.append((row, everyone, fractions))
    t = traffic_of(classes, np.ones(len(classes)), role=task.role)
    for row, members, fractions in tried:
        if not row.size:
            continue
        cells = row[:, None], members
        mix = rates[cells] * fractions
        with np.errstate(divide="ignore", invalid="ignore"):
            own = task.alone.load[cells] * mix / task.alone.rate_rps[cells]
        busy = np.where(mix > 0, own, 0.0)
        traffic = replace(t.take(members), share=mix / mix.sum(axis=1, keepdims=True))
        station = prepare(task.replicas.take(row), traffic, prefill_only=task.role == "prefill")
        yield _Mixes(
            number=number,
            row=row,
            members=members,
            station=station,
            limits=_without(take(task.limits, cells), mix == 0),
            rate=mix.sum(axis=1),
            start=busy.sum(axis=1),
            present=mix > 0,
        )


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
