"""Throughput against batch under a latency objective: the rate that a node may honestly claim.

A node's throughput rises with its batch and so does its tail latency. The rate to size a fleet by
is the one at the largest batch whose P99 still meets the objective, not the one at the batch where
a benchmark stopped. Two curves: a formula, and measured points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from data.curves import CurvePoint
from data.errors import InputError
from model.sizing import FleetSize, Number, fleet_size, not_negative, positive, whole

Limit = Literal["p99", "max_batch", "measured_range", "no_batch"]


@dataclass(frozen=True)
class Demand:
    """What the fleet must carry and pay; the fields are `model.sizing.fleet_size`'s arguments."""

    load_rps: float
    utilization: float
    price_per_node_hour_usd: float
    hours_per_month: float = 730

    def __post_init__(self) -> None:
        # Any rate will do: it is the other terms that must be right even where no batch is.
        self.fleet(1)

    def fleet(self, node_rps: Number) -> FleetSize:
        """Return the fleet of nodes that sustain `node_rps` each."""
        return fleet_size(
            self.load_rps,
            node_rps,
            self.utilization,
            self.price_per_node_hour_usd,
            hours_per_month=self.hours_per_month,
        )


@dataclass(frozen=True)
class BatchFleet:
    """The largest batch within the objective, the rate there and the fleet that it gives.

    Attributes
    ----------
    p99_limit_ms
        The objective.
    point
        Batch, throughput and P99 there; None if no batch meets the objective.
    fleet
        Nodes and cost at `point`; None without one.
    limited_by
        ``p99`` (a larger batch misses the objective), ``max_batch`` (the cap given),
        ``measured_range`` (the largest batch measured meets it; nothing is claimed beyond it) or
        ``no_batch``.
    interpolated
        Whether `point` lies between two measured points.
    better
        A smaller batch within the objective whose throughput is higher, for curves that bend
        down; capping the batch there needs fewer nodes. None where throughput does not fall.
    better_fleet
        The fleet at `better`.
    disregarded
        Measured batches beyond the first miss that meet the objective again.
    """

    p99_limit_ms: float
    point: CurvePoint | None
    fleet: FleetSize | None
    limited_by: Limit
    interpolated: bool = False
    better: CurvePoint | None = None
    better_fleet: FleetSize | None = None
    disregarded: tuple[int, ...] = ()


@dataclass(frozen=True)
class SaturatingCurve:
    """q(b) = q0·b / (1 + s·b) requests/s with P99(b) = base + slope·b ms.

    Attributes
    ----------
    slot_rps
        q0, requests/s of a slot while the batch is small.
    saturation
        s, 0 or more: how soon slots slow each other down; throughput tends to q0/s.
    p99_base_ms, p99_slope_ms
        The P99 line; both 0 or more.
    """

    slot_rps: float
    saturation: float = 0.05
    p99_base_ms: float = 0.0
    p99_slope_ms: float = 1.0

    def __post_init__(self) -> None:
        positive("slot_rps", self.slot_rps)
        not_negative("saturation", self.saturation)
        not_negative("p99_base_ms", self.p99_base_ms)
        not_negative("p99_slope_ms", self.p99_slope_ms)

    def rate(self, batch: int) -> Fraction:
        """Return q(batch) in requests/s, exactly."""
        b = whole("batch", batch)
        q0, s = positive("slot_rps", self.slot_rps), not_negative("saturation", self.saturation)
        return q0 * b / (1 + s * b)

    def point(self, batch: int) -> CurvePoint:
        """Return throughput and P99 at `batch`."""
        base = not_negative("p99_base_ms", self.p99_base_ms)
        slope = not_negative("p99_slope_ms", self.p99_slope_ms)
        return CurvePoint(batch, float(self.rate(batch)), float(base + slope * batch))


def formula_fleet(
    curve: SaturatingCurve, p99_limit_ms: float, demand: Demand, max_batch: int | None = None
) -> BatchFleet:
    """Size the fleet at the largest b with base + slope·b ≤ limit, at most `max_batch`.

    q rises with b throughout, so the largest batch is also the one with the highest rate.

    Raises
    ------
    InputError
        If the limit is not above 0, the cap not a whole number above 0, or neither the P99 line
        nor a cap bounds the batch.
    """
    limit = positive("p99_limit_ms", p99_limit_ms)
    cap = None if max_batch is None else whole("max_batch", max_batch)
    room = limit - not_negative("p99_base_ms", curve.p99_base_ms)
    slope = not_negative("p99_slope_ms", curve.p99_slope_ms)
    # None: a flat P99 within the limit bounds no batch.
    within = math.floor(room / slope) if slope else 0 if room < 0 else None
    bounds = [batch for batch in (within, cap) if batch is not None]
    if not bounds:
        raise InputError("p99_slope_ms is 0, so P99 bounds no batch; give max_batch as well.")
    batch = min(bounds)
    if batch < 1:
        return BatchFleet(float(limit), None, None, "no_batch")
    return BatchFleet(
        p99_limit_ms=float(limit),
        point=curve.point(batch),
        fleet=demand.fleet(curve.rate(batch)),
        limited_by="p99" if batch == within else "max_batch",
    )


def measured_fleet(points: Sequence[CurvePoint], p99_limit_ms: float, demand: Demand) -> BatchFleet:
    """Size the fleet at the largest batch that a measured curve shows to meet the objective.

    P99 need not rise with the batch in a measurement. A node whose batch is capped at b runs at
    every batch up to b as its load moves, so b counts only if every measured batch up to b meets
    the objective; a batch that meets it again beyond the first miss is a lucky measurement and is
    listed as disregarded. Between the last point that meets it and the first that misses, P99 and
    throughput are interpolated linearly and the crossing is rounded down to a whole batch. Nothing
    is extrapolated: neither beyond the largest measured batch nor below the smallest, so a curve
    whose first point misses has no answer.

    Raises
    ------
    InputError
        If there are no points, a batch is there twice, a figure is not above 0, or the limit is
        not above 0.
    """
    limit = positive("p99_limit_ms", p99_limit_ms)
    curve = sorted(_checked(points))
    batches = [batch for batch, _, _ in curve]
    if not curve:
        raise InputError("the curve has no points; give at least one measured batch.")
    if len(set(batches)) < len(batches):
        twice = next(b for b, c in pairwise(batches) if b == c)
        raise InputError(f"the curve has batch {twice} twice; keep one point for each batch.")
    good = next((i for i, (_, _, p99) in enumerate(curve) if p99 > limit), len(curve))
    disregarded = tuple(batch for batch, _, p99 in curve[good:] if p99 <= limit)
    if good == 0:
        return BatchFleet(float(limit), None, None, "no_batch", disregarded=disregarded)
    met, last, interpolated = curve[:good], curve[good - 1], False
    if good < len(curve):
        crossing = _at_crossing(last, curve[good], limit)
        interpolated, last = crossing[0] > last[0], crossing
    # A measured answer is the point as given, digits and all.
    measured = {point.batch: point for point in points}
    best = max(met, key=lambda point: (point[1], -point[0]))
    better = best if best[1] > last[1] else None
    return BatchFleet(
        p99_limit_ms=float(limit),
        point=_point(last, measured),
        fleet=demand.fleet(last[1]),
        limited_by="p99" if good < len(curve) else "measured_range",
        interpolated=interpolated,
        better=_point(better, measured) if better else None,
        better_fleet=demand.fleet(better[1]) if better else None,
        disregarded=disregarded,
    )


_Exact = tuple[int, Fraction, Fraction]


def _checked(points: Sequence[CurvePoint]) -> list[_Exact]:
    """Return the points as exact (batch, requests/s, ms)."""
    return [
        (
            whole(f"point {number}: batch", p.batch),
            positive(f"point {number}: throughput_rps", p.throughput_rps),
            positive(f"point {number}: p99_ms", p.p99_ms),
        )
        for number, p in enumerate(points, start=1)
    ]


def _at_crossing(met: _Exact, missed: _Exact, limit: Fraction) -> _Exact:
    """Return the point at the whole batch just below where the P99 line crosses `limit`."""
    span = missed[0] - met[0]
    batch = met[0] + math.floor((limit - met[2]) / (missed[2] - met[2]) * span)
    part = Fraction(batch - met[0], span)
    return (
        batch,
        met[1] + part * (missed[1] - met[1]),
        met[2] + part * (missed[2] - met[2]),
    )


def _point(point: _Exact, measured: Mapping[int, CurvePoint]) -> CurvePoint:
    """Return the measured point at an exact point's batch, or the exact point rounded."""
    rounded = CurvePoint(point[0], float(point[1]), float(point[2]))
    return measured.get(point[0], rounded)
