"""Speculative decoding against hand-worked figures and brute force."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import InputError
from model.speculative import (
    best_draft_length,
    break_even_acceptance,
    expected_accepted,
    speedup,
)

chances = st.floats(0, 1)
costs = st.integers(0, 2_000).map(lambda thousandths: thousandths / 1000)
lengths = st.integers(1, 40)


def test_worked_speedup():
    # 3.5 accepted and the target's own token: 4.5 tokens in 1 + 5 · 0.07 = 1.35 passes.
    assert speedup(3.5, 5, 0.07) == pytest.approx(4.5 / 1.35)
    assert round(speedup(3.5, 5, 0.07), 1) == 3.3


def test_no_draft_is_plain_decoding():
    assert speedup(0, 0, 0.07) == 1


@pytest.mark.parametrize(
    ("acceptance", "drafted", "accepted"),
    [
        (0.5, 3, 0.875),  # 1/2 + 1/4 + 1/8
        (0.8, 2, 1.44),  # 0.8 + 0.64
        (1, 7, 7),
        (0, 7, 0),
        (0.8, 0, 0),
    ],
)
def test_expected_accepted(acceptance, drafted, accepted):
    assert expected_accepted(acceptance, drafted) == pytest.approx(accepted)


@given(chances, lengths)
def test_expected_accepted_is_the_sum_of_powers_and_at_most_k(acceptance, drafted):
    accepted = expected_accepted(acceptance, drafted)
    assert 0 <= accepted <= drafted * acceptance <= drafted
    assert accepted == pytest.approx(math.fsum(acceptance**i for i in range(1, drafted + 1)))


@pytest.mark.parametrize("acceptance", [1 - 1e-16, 1 - 1e-12, 1 - 1e-8])
def test_expected_accepted_keeps_its_digits_next_to_one(acceptance):
    assert expected_accepted(acceptance, 8) == pytest.approx(8, rel=1e-6)


def test_worked_best_length_and_how_flat():
    # Accepted at k = 8: 4 · (1 − 0.8^8) = 4 · 0.83223 = 3.3289; 4.3289 / 1.4 = 3.092.
    # k = 7: 4.1611 / 1.35 = 3.082; k = 9: 4.4631 / 1.45 = 3.078; k = 6: 3.9514 / 1.3 = 3.040 and
    # k = 10: 4.5705 / 1.5 = 3.047 are both below 0.99 · 3.092 = 3.061.
    best = best_draft_length(0.8, 0.05)
    assert best.draft_tokens == 8
    assert round(best.speedup, 2) == 3.09
    assert best.accepted_tokens == pytest.approx(4 * (1 - 0.8**8))
    assert best.within_1_pct == (7, 8, 9)
    # 0.95 · 3.092 = 2.938: k = 5 gives 3.6893... = (1 + 2.6893) / 1.25 = 2.951; k = 4 gives
    # 3.3616 / 1.2 = 2.801; k = 12 gives 4.7251 / 1.6 = 2.953; k = 13 gives 4.7801 / 1.65 = 2.897.
    assert best.within_5_pct == tuple(range(5, 13))
    assert not best.at_limit


@given(chances, costs)
def test_best_length_is_the_argmax_by_brute_force(acceptance, cost):
    best = best_draft_length(acceptance, cost, 40)
    gains = [speedup(expected_accepted(acceptance, k), k, cost) for k in range(41)]
    assert best.speedup == pytest.approx(max(gains))
    assert gains[best.draft_tokens] == pytest.approx(max(gains))
    near = best.within_5_pct
    assert near == tuple(range(near[0], near[-1] + 1))
    assert set(best.within_1_pct) <= set(near)


def test_a_useless_draft_is_not_used():
    best = best_draft_length(0.3, 0.4)
    assert (best.draft_tokens, best.speedup) == (0, 1)


def test_a_best_length_at_the_limit_says_so():
    best = best_draft_length(1, 0.05, 16)
    assert (best.draft_tokens, best.at_limit) == (16, True)


def test_break_even():
    # k = 2, r = 0.4: a + a² = 0.8, a = (−1 + sqrt(1 + 3.2)) / 2 = 0.52469508.
    assert break_even_acceptance(2, 0.4) == pytest.approx((math.sqrt(4.2) - 1) / 2)
    assert break_even_acceptance(1, 0.05) == 0.05
    assert break_even_acceptance(5, 0) == 0
    assert break_even_acceptance(5, 1) == 1
    assert break_even_acceptance(5, 1.01) is None


@given(lengths, st.integers(1, 999).map(lambda thousandths: thousandths / 1000))
def test_speculation_slows_down_below_the_break_even_and_pays_above(drafted, cost):
    even = break_even_acceptance(drafted, cost)
    assert even is not None
    assert even >= cost
    below, above = even * 0.99, min(1.0, even + 0.01 * (1 - even))
    assert speedup(expected_accepted(below, drafted), drafted, cost) < 1
    assert speedup(expected_accepted(above, drafted), drafted, cost) > 1


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf, True, "0.8"])
def test_bad_acceptance_is_refused(bad):
    with pytest.raises(InputError):
        expected_accepted(bad, 5)
    with pytest.raises(InputError):
        best_draft_length(bad, 0.05)


@pytest.mark.parametrize("bad", [-1, 1.5, math.nan, math.inf])
def test_bad_draft_lengths_are_refused(bad):
    with pytest.raises(InputError):
        expected_accepted(0.8, bad)
    with pytest.raises(InputError):
        break_even_acceptance(bad, 0.05)


@pytest.mark.parametrize("cost", [-0.1, math.nan, math.inf])
def test_bad_cost_ratios_are_refused(cost):
    for call in (
        lambda: speedup(1, 5, cost),
        lambda: best_draft_length(0.8, cost),
        lambda: break_even_acceptance(5, cost),
    ):
        with pytest.raises(InputError):
            call()


def test_more_accepted_than_drafted_is_refused():
    with pytest.raises(InputError, match="more than the 5 drafted"):
        speedup(5.5, 5, 0.07)


@pytest.mark.parametrize("limit", [0, -3, 10_001])
def test_bad_search_limits_are_refused(limit):
    with pytest.raises(InputError):
        best_draft_length(0.8, 0.05, limit)
