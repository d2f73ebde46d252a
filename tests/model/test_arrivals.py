"""Arrivals and lengths: their means and spreads, and the seed that repeats them."""

import numpy as np
import pytest
from one_replica import requests

from model.lengths import Lengths
from model.simulation.arrivals import (
    arrival_times,
    cut_to,
    draw_lengths,
    drawn_arrivals,
    nearest_class,
)


@pytest.mark.parametrize("cv", [0.5, 1.0, 2.5])
def test_gaps_have_the_rate_and_the_coefficient_of_variation(cv):
    times = arrival_times(4.0, 200_000, cv, np.random.default_rng(1))
    gaps = np.diff(times, prepend=0.0)
    assert gaps.mean() == pytest.approx(0.25, rel=0.02)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.02)


def test_a_gamma_of_cv_one_is_poisson():
    gaps = np.diff(arrival_times(1.0, 100_000, 1.0, np.random.default_rng(2)))
    assert (gaps > 1.0).mean() == pytest.approx(np.exp(-1), rel=0.02)


def test_without_variation_gaps_are_equal():
    assert arrival_times(2.0, 3, 0.0, np.random.default_rng(0)).tolist() == [0.5, 1.0, 1.5]


def test_fixed_lengths_are_rounded_to_at_least_one():
    rng = np.random.default_rng(0)
    assert draw_lengths(Lengths(255.7), 3, rng).tolist() == [256] * 3
    assert draw_lengths(Lengths(1.0, 3.0), 10_000, rng).min() == 1


def test_log_normal_lengths_have_their_mean_and_quantile():
    lengths = Lengths.from_quantile(8000, 0.95, 16_000, "isl")
    drawn = draw_lengths(lengths, 200_000, np.random.default_rng(4))
    assert drawn.mean() == pytest.approx(8000, rel=0.01)
    assert np.quantile(drawn, 0.95) == pytest.approx(16_000, rel=0.02)


CHAT = requests(1000, 200, name="chat", rate_rps=3.0, cached_share=0.25)
RAG = requests(9000, 400, name="rag", rate_rps=1.0, osl_sigma=0.5)


def test_classes_share_one_stream_by_their_rates():
    drawn = drawn_arrivals([CHAT, RAG], 40_000, cv=2.0, seed=9)
    gaps = np.diff(drawn.time_s)
    assert 1 / gaps.mean() == pytest.approx(4.0, rel=0.03)
    assert gaps.std() / gaps.mean() == pytest.approx(2.0, rel=0.03)
    assert (drawn.kind == 0).mean() == pytest.approx(0.75, abs=0.01)
    assert set(drawn.isl[drawn.kind == 0].tolist()) == {1000}
    assert set(drawn.cached[drawn.kind == 0].tolist()) == {250}
    assert set(drawn.cached[drawn.kind == 1].tolist()) == {0}


def test_the_seed_repeats_everything():
    one, same, other = (drawn_arrivals([CHAT, RAG], 500, seed=s) for s in (3, 3, 4))
    for name in ("time_s", "kind", "isl", "osl"):
        assert np.array_equal(getattr(one, name), getattr(same, name))
    assert not np.array_equal(one.time_s, other.time_s)


def test_what_is_longer_than_the_model_accepts_is_cut():
    isl, osl = cut_to(np.array([900, 100, 2000]), np.array([200, 50, 10]), 1000)
    assert isl.tolist() == [900, 100, 999]
    assert osl.tolist() == [100, 50, 1]
    assert drawn_arrivals([RAG], 100, longest=[8192]).isl.max() == 8191


def test_requests_are_taken_for_the_class_of_the_nearest_lengths():
    """2,900 prompt tokens are nearer 1,000 in tokens than 9,000 in orders of magnitude: √9e6."""
    isl, osl = np.array([10, 2900, 3100, 50_000]), np.full(4, 283)
    assert nearest_class([CHAT, RAG], isl, osl).tolist() == [0, 0, 1, 1]
