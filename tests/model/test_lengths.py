"""Log-normal lengths: quantiles in, quantiles out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from model.lengths import Lengths, normal_quantile


def test_fixed_length():
    fixed = Lengths(512.0)
    assert (fixed.scv, fixed.quantile(0.99), fixed.quantile(0.5)) == (0, 512, 512)


def test_rag_prompts():
    """Mean 8,000, p95 16,000: z = 1.6449, σ = z − √(z² − 2 ln 2) = 0.4963; median
    8000·e^(−σ²/2) = 7,073; squared coefficient of variation e^(σ²) − 1 = 0.2793."""
    prompts = Lengths.from_quantile(8000, 0.95, 16_000, "isl")
    assert prompts.sigma == pytest.approx(0.4963, abs=1e-4)
    assert prompts.quantile(0.5) == pytest.approx(7073, abs=1)
    assert prompts.scv == pytest.approx(0.2793, abs=1e-4)


@given(st.floats(1, 1e6), st.sampled_from([0.9, 0.95, 0.99]), st.floats(0, 1, exclude_max=True))
def test_round_trip(mean, quantile, how_far):
    z = normal_quantile(quantile)
    value = mean * math.exp(how_far * z * z / 2)
    lengths = Lengths.from_quantile(mean, quantile, value, "isl")
    assert lengths.mean == mean
    assert lengths.quantile(quantile) == pytest.approx(value, rel=1e-6)
    assert 0 <= lengths.sigma <= z


@pytest.mark.parametrize("value", [999, 1, 1000 * math.exp(1.6449**2 / 2) * 1.01])
def test_impossible_quantiles_name_the_range(value):
    with pytest.raises(InputError, match=r"classes.chat.isl: p95 = .* mean 1000.*between"):
        Lengths.from_quantile(1000, 0.95, value, "classes.chat.isl")


def test_normal_quantiles():
    assert normal_quantile(0.5) == 0
    assert normal_quantile(0.99) == pytest.approx(2.3263, abs=1e-4)
