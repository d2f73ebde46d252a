"""Waiting times against exact results of queueing theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma, norm

from model.queueing import (
    Wait,
    averaging_factor,
    deviations_above,
    gamma_quantile,
    single_server_wait,
    slot_wait,
)


def erlang_c(servers, rho):
    """P(wait) of M/M/c, summed term by term."""
    load = servers * rho
    terms = [load**k / math.factorial(k) for k in range(servers)]
    last = load**servers / math.factorial(servers) / (1 - rho)
    return last / (sum(terms) + last)


def test_mm1():
    """λ = 0.8, E[S] = 1, E[S²] = 2: mean wait ρ/(1 − ρ) = 4; P(W > t) = 0.8·e^(−0.2t), so the
    99th percentile is ln(80)/0.2 = 21.91."""
    wait = single_server_wait(0.8, 1.0, 2.0, 1.0)
    assert wait.mean_s == pytest.approx(4)
    assert wait.mean_s + wait.excess_s(np.array([0.01])).item() == pytest.approx(math.log(80) / 0.2)


def test_md1():
    """λ = 0.8, S = 1 fixed: Pollaczek–Khinchine gives half of M/M/1, 2."""
    assert single_server_wait(0.8, 1.0, 1.0, 1.0).mean_s == pytest.approx(2)


def test_mg1():
    """λ = 0.05; S = 2 or 18 with equal chance: E[S] = 10, E[S²] = 164; 0.05·164/(2·0.5) = 8.2."""
    assert single_server_wait(0.05, 10.0, 164.0, 1.0).mean_s == pytest.approx(8.2)


def test_kingman():
    """G/G/1 with ca² = 4, cs² = 0.5, ρ = 0.5, E[S] = 1: 0.5/0.5 · (4 + 0.5)/2 = 2.25."""
    assert single_server_wait(0.5, 1.0, 1.5, 4.0).mean_s == pytest.approx(2.25)


def test_clockwork_never_waits():
    assert single_server_wait(0.9, 1.0, 1.0, 0.0).mean_s == 0
    assert slot_wait(0.9, 1.0, 0.9, np.array(1.0), 0.0).mean_s == 0


def test_no_work_no_wait():
    wait = single_server_wait(5.0, 0.0, 0.0, 1.0)
    assert wait.mean_s == 0
    assert wait.excess_s(np.array([0.01])).item() == 0


@pytest.mark.parametrize("rate", [1.0, 1.5])
def test_overload_waits_for_ever(rate):
    for wait in (
        single_server_wait(rate, 1.0, 2.0, 1.0),
        slot_wait(rate, 1.0, 1.0, np.array(8.0), 1.0),
    ):
        assert wait.mean_s == math.inf
        assert wait.excess_s(np.array([0.01])).item() == math.inf


@pytest.mark.parametrize("servers", [1, 2, 4, 8, 16, 32, 64])
@pytest.mark.parametrize("rho", [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
def test_erlang_c(servers, rho):
    """With servers of constant speed the number in system is Poisson, variance = mean = c·ρ:
    P(wait) lies within 0.05 of Erlang C everywhere, and within 4 % from ρ = 0.9 on."""
    exact = erlang_c(servers, rho)
    busy = np.array(servers * rho)
    spare = deviations_above(busy, busy, servers)
    wait = slot_wait(busy, servers, rho, spare, 1.0)
    assert abs(wait.probability - exact) <= 0.05
    if rho >= 0.9:
        assert wait.probability == pytest.approx(exact, rel=0.04)
    assert wait.scale_s == pytest.approx(1 / (servers * (1 - rho)))


def test_all_slots_taken_by_hand():
    """β = 1: φ(1) = 0.24197, Φ(1) = 0.84134: 0.24197/(0.24197 + 0.84134) = 0.22336."""
    assert slot_wait(1.0, 2.0, 0.5, np.array(1.0), 1.0).probability == pytest.approx(
        0.22336, abs=1e-5
    )


def test_one_slot_is_taken_as_often_as_it_is_busy():
    """ρ = 0.01: M/M/1 waits with probability ρ, though the batch is far from normal."""
    mean = np.array(0.01)
    wait = slot_wait(0.01, 1.0, 0.01, deviations_above(mean, mean, 1.0), 1.0)
    assert wait.probability == pytest.approx(0.01)


@pytest.mark.parametrize("shape", [0.3, 1.0, 4.0, 50.0])
@pytest.mark.parametrize("probability", [0.9, 0.99])
def test_gamma_quantile(shape, probability):
    """Wilson and Hilferty against the exact inverse."""
    exact = gamma.ppf(probability, shape) / shape
    z = norm.ppf(probability)
    found = gamma_quantile(np.array(1.0), np.array(1 / shape), np.array(z))
    assert found == pytest.approx(exact, rel=0.06)


def test_gamma_quantile_never_falls_with_the_variance():
    """z = 2: it grows to (1 + 2²/4)³ = 8 means at a scv of 9, and stays."""
    variance = np.array([0.0, 0.5, 2.0, 9.0, 50.0, 1e9])
    values = gamma_quantile(np.ones(6), variance, np.full(6, 2.0))
    assert (np.diff(values) >= 0).all()
    assert values[3:] == pytest.approx(8.0)


def test_deviations_above_undo_the_quantile():
    """The quantile's z is the deviation plus what the cube root's mean lies below 1."""
    mean, variance = np.array(20.0), np.array(30.0)
    ninth = 30 / 400 / 9
    value = gamma_quantile(mean, variance, np.array(2.0))
    assert deviations_above(mean, variance, value) == pytest.approx(2 - math.sqrt(ninth))


def test_percentile_of_a_wait_that_is_mostly_zero():
    """P(W > 0) = 0.3 < 0.5: the median waits not at all, so the excess is minus the mean."""
    wait = Wait(np.array(0.3), np.array(2.0))
    tails = np.array([0.5, 0.3, 0.01])
    quantiles = wait.mean_s + wait.excess_s(tails)
    assert quantiles.tolist() == pytest.approx([0, 0, 2 * math.log(30)])


@pytest.mark.parametrize(
    ("x", "factor"),
    [(1e-9, 1.0), (1.0, 2 * math.exp(-1)), (1000.0, 0.002 * 0.999)],
)
def test_averaging(x, factor):
    """2/x·(1 − (1 − e^−x)/x): 1 for short lives; 2/e at x = 1; 2/x·(1 − 1/x) for long ones."""
    assert averaging_factor(x, 1.0) == pytest.approx(factor, rel=1e-6)


rates = st.floats(0.0, 0.999)


@given(rates, rates, st.floats(0, 170), st.floats(0, 5))
def test_waits_grow_with_load(low, high, arrival_scv, service_scv):
    low, high = sorted((low, high))
    second = 1 + service_scv
    tails = np.array([0.5, 0.1, 0.01, 0.0001])
    before, after = (single_server_wait(r, 1.0, second, arrival_scv) for r in (low, high))
    assert before.mean_s <= after.mean_s * (1 + 1e-12)
    quantiles = [w.mean_s + w.excess_s(tails) for w in (before, after)]
    assert (quantiles[0] <= quantiles[1] * (1 + 1e-9) + 1e-12).all()
    assert (np.diff(quantiles[1]) >= -1e-12).all()
