"""Throughput against batch: the formula, measured curves and their CSV reader."""

from __future__ import annotations

import gzip
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.curves import CurvePoint, load_curve
from data.errors import InputError
from model.batch_curve import Demand, SaturatingCurve, formula_fleet, measured_fleet

DEMAND = Demand(12_000, 0.70, 3.10, hours_per_month=720)
CURVE = SaturatingCurve(5, 0.05, 40, 2.5)
MEASURED = (
    CurvePoint(1, 5, 42),
    CurvePoint(8, 28, 60),
    CurvePoint(16, 44, 80),
    CurvePoint(32, 60, 120),
)


def test_worked_formula():
    # 40 + 2.5·b ≤ 100 allows b ≤ 24; q = 5 · 24 / (1 + 1.2) = 54.545;
    # 12,000 / (0.7 · 54.545) = 314.3; 315 · 3.10 = 976.50.
    answer = formula_fleet(CURVE, 100, DEMAND)
    assert answer.point == CurvePoint(24, float(Fraction(600, 11)), 100)
    assert answer.fleet is not None
    assert answer.fleet.nodes == 315
    assert answer.fleet.cost_per_hour_usd == 976.50
    assert answer.fleet.cost_per_month_usd == 703_080
    assert answer.limited_by == "p99"


def test_the_rate_stays_exact_up_to_the_ceiling():
    # q(24) = 600 / 11, which no float holds; 33 nodes at 70 % carry 33 · 0.7 · 600 / 11 = 1,260.
    answer = formula_fleet(CURVE, 100, Demand(1_260, 0.7, 1))
    assert answer.fleet is not None
    assert answer.fleet.nodes == 33


@pytest.mark.parametrize(
    ("cap", "batch", "by"), [(16, 16, "max_batch"), (24, 24, "p99"), (64, 24, "p99")]
)
def test_a_cap_on_the_batch(cap, batch, by):
    answer = formula_fleet(CURVE, 100, DEMAND, max_batch=cap)
    assert answer.point is not None
    assert (answer.point.batch, answer.limited_by) == (batch, by)


def test_a_flat_p99_needs_a_cap():
    flat = SaturatingCurve(5, 0.05, 40, 0)
    with pytest.raises(InputError, match="give max_batch"):
        formula_fleet(flat, 100, DEMAND)
    assert formula_fleet(flat, 100, DEMAND, max_batch=8).limited_by == "max_batch"
    assert formula_fleet(flat, 30, DEMAND, max_batch=8).point is None


def test_an_objective_that_one_request_misses_has_no_fleet():
    answer = formula_fleet(CURVE, 42, DEMAND)
    assert (answer.point, answer.fleet, answer.limited_by) == (None, None, "no_batch")


@given(st.integers(1, 500), st.integers(1, 400), st.integers(0, 400))
def test_the_formula_gives_the_largest_batch_that_meets(limit, slope_tenths, base):
    curve = SaturatingCurve(5, 0.05, base, slope_tenths / 10)
    answer = formula_fleet(curve, limit, DEMAND)
    batch = answer.point.batch if answer.point else 0
    assert base * 10 + slope_tenths * (batch + 1) > limit * 10
    if batch:
        assert base * 10 + slope_tenths * batch <= limit * 10


def test_a_measured_curve_is_interpolated_at_the_crossing():
    # P99 from 80 at 16 to 120 at 32 crosses 100 at 24; q = 44 + 8/16 · 16 = 52;
    # 12,000 / (0.7 · 52) = 329.7; 330 · 3.10 = 1,023.
    answer = measured_fleet(MEASURED, 100, DEMAND)
    assert answer.point == CurvePoint(24, 52, 100)
    assert answer.fleet is not None
    assert (answer.fleet.nodes, answer.fleet.cost_per_hour_usd) == (330, 1_023)
    assert (answer.limited_by, answer.interpolated) == ("p99", True)
    assert answer.better is None


def test_the_order_of_the_points_does_not_matter():
    assert measured_fleet(MEASURED[::-1], 100, DEMAND) == measured_fleet(MEASURED, 100, DEMAND)


def test_nothing_is_claimed_beyond_the_largest_measured_batch():
    answer = measured_fleet(MEASURED, 500, DEMAND)
    assert answer.point == MEASURED[-1]
    assert (answer.limited_by, answer.interpolated) == ("measured_range", False)


def test_nothing_is_claimed_below_the_smallest_measured_batch():
    answer = measured_fleet(MEASURED[1:], 50, DEMAND)
    assert (answer.point, answer.fleet, answer.limited_by) == (None, None, "no_batch")


def test_a_point_that_meets_the_objective_exactly_counts():
    answer = measured_fleet(MEASURED, 80, DEMAND)
    assert answer.point == MEASURED[2]
    assert (answer.limited_by, answer.interpolated) == ("p99", False)


def test_a_batch_beyond_the_first_miss_is_disregarded():
    # P99 crosses 100 at 8 + (100 − 60) / (110 − 60) · 8 = 14.4; q = 30 + 6/8 · 10 = 37.5.
    points = [CurvePoint(8, 30, 60), CurvePoint(16, 40, 110), CurvePoint(32, 50, 90)]
    answer = measured_fleet(points, 100, DEMAND)
    assert answer.point == CurvePoint(14, 37.5, 97.5)
    assert answer.disregarded == (32,)


def test_a_smaller_batch_with_more_throughput_is_pointed_out():
    points = [CurvePoint(8, 30, 60), CurvePoint(16, 40, 70), CurvePoint(32, 35, 90)]
    answer = measured_fleet(points, 100, DEMAND)
    assert answer.point == points[2]
    assert answer.better == points[1]
    assert answer.fleet is not None
    assert answer.better_fleet is not None
    assert answer.better_fleet.nodes < answer.fleet.nodes


curves = st.lists(
    st.tuples(st.integers(1, 256), st.integers(1, 1000), st.integers(1, 300)),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[0],
).map(lambda rows: [CurvePoint(b, q / 10, p) for b, q, p in rows])


@given(curves, st.integers(1, 300))
def test_every_measured_batch_up_to_the_answer_meets_the_objective(points, limit):
    answer = measured_fleet(points, limit, DEMAND)
    if answer.point is None:
        assert min(points, key=lambda p: p.batch).p99_ms > limit
        return
    within = [p for p in points if p.batch <= answer.point.batch]
    assert all(p.p99_ms <= limit for p in within)
    assert answer.point.p99_ms <= limit
    assert answer.point.batch <= max(p.batch for p in points)
    qs = [p.throughput_rps for p in points]
    assert min(qs) <= answer.point.throughput_rps <= max(qs)


@given(curves, st.integers(1, 299))
def test_a_looser_objective_never_allows_a_smaller_batch(points, limit):
    tight, loose = (measured_fleet(points, ms, DEMAND).point for ms in (limit, limit + 1))
    assert (tight.batch if tight else 0) <= (loose.batch if loose else 0)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [CurvePoint(8, 30, 60), CurvePoint(8, 31, 60)],
        [CurvePoint(0, 30, 60)],
        [CurvePoint(8, 0, 60)],
        [CurvePoint(8, 30, math.nan)],
        [CurvePoint(8, math.inf, 60)],
    ],
)
def test_bad_curves_are_refused(points):
    with pytest.raises(InputError):
        measured_fleet(points, 100, DEMAND)


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf])
def test_bad_objectives_are_refused(limit):
    with pytest.raises(InputError):
        measured_fleet(MEASURED, limit, DEMAND)
    with pytest.raises(InputError):
        formula_fleet(CURVE, limit, DEMAND)


@pytest.mark.parametrize(
    "figures", [(0,), (-5,), (math.nan,), (5, -0.05), (5, 0.05, -1), (5, 0.05, 40, math.inf)]
)
def test_bad_formulas_are_refused(figures):
    with pytest.raises(InputError):
        SaturatingCurve(*figures)


@pytest.mark.parametrize("figures", [(0, 0.7, 3.1), (12_000, 1.7, 3.1), (12_000, 0.7, math.nan)])
def test_bad_demands_are_refused(figures):
    with pytest.raises(InputError):
        Demand(*figures)


CSV = "batch,throughput_rps,p99_ms,note\n16,44,80,\n1,5,42,first\n8,28,60,\n32,60,120,\n"


def test_a_csv_is_read_in_order_of_batch(tmp_path):
    file = tmp_path / "curve.csv"
    file.write_text("\ufeff" + CSV, encoding="utf-8")
    assert load_curve(file) == MEASURED
    packed = tmp_path / "curve.csv.gz"
    packed.write_bytes(gzip.compress(CSV.encode()))
    assert load_curve(str(packed)) == MEASURED


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["curve.csv", "empty"]),
        ("batch,throughput_rps,p99_ms\n", ["curve.csv", "no rows"]),
        ("batch,throughput,p99_ms\n1,2,3\n", ["throughput_rps is missing", "'throughput'"]),
        ("batch,throughput_rps,p99_ms\n1,2,3\n8,x,60\n", ["line 3", "throughput_rps", "'x'"]),
        ("batch,throughput_rps,p99_ms\n1,2,\n", ["line 2", "p99_ms", "empty"]),
        ("batch,throughput_rps,p99_ms\n1,2,nan\n", ["line 2", "p99_ms", "finite"]),
        ("batch,throughput_rps,p99_ms\n1,inf,3\n", ["line 2", "throughput_rps", "finite"]),
        ("batch,throughput_rps,p99_ms\n1,-2,3\n", ["line 2", "throughput_rps"]),
        ("batch,throughput_rps,p99_ms\n0,2,3\n", ["line 2", "batch"]),
        ("batch,throughput_rps,p99_ms\n1.5,2,3\n", ["line 2", "batch", "whole"]),
        ("batch,throughput_rps,p99_ms\n4,2,3\n4,5,6\n", ["line 3", "batch", "line 2"]),
        ("batch,throughput_rps,p99_ms\n4,2\n", ["line 2", "cells"]),
    ],
)
def test_a_bad_csv_is_refused_with_its_place(tmp_path, text, parts):
    file = tmp_path / "curve.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_curve(file)
    for part in ["curve.csv", *parts]:
        assert part in str(caught.value)


def test_a_file_that_is_no_curve_is_refused(tmp_path):
    binary = tmp_path / "curve.csv"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    for path in (tmp_path, tmp_path / "absent.csv", binary):
        with pytest.raises(InputError, match=path.name):
            load_curve(path)
