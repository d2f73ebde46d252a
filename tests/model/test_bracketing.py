"""Roots of many functions at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.bracketing import FEW, last_not_positive

PRECISION = 1e-10


def root_of(targets, power=3.0, precision=PRECISION):
    """Find where x**power reaches each target, between 0 and 10; count the evaluations."""
    targets = np.asarray(targets, dtype=float)
    evaluated = []

    def beyond(x, which):
        evaluated.append(len(x))
        return x**power - targets[which]

    low, high = np.zeros_like(targets), np.full_like(targets, 10.0)
    everyone = np.arange(len(targets))
    found = last_not_positive(
        beyond, low, beyond(low, everyone), high, beyond(high, everyone), precision
    )
    return found, evaluated


def test_cube_roots():
    found, _ = root_of([8.0, 27.0, 0.001])
    assert found == pytest.approx([2.0, 3.0, 0.1], rel=PRECISION)


@given(st.lists(st.floats(1e-6, 999.0), min_size=1, max_size=20), st.sampled_from((0.5, 1, 2, 7)))
def test_the_end_kept_is_not_beyond_and_a_little_more_is(targets, power):
    targets = np.minimum(targets, 10.0**power * 0.999)
    found, _ = root_of(targets, power)
    assert (found**power <= targets).all()
    assert ((found * (1 + 4 * PRECISION)) ** power >= targets).all()


@given(st.lists(st.floats(1e-6, 999.0), min_size=2, max_size=20))
def test_a_root_does_not_depend_on_its_company(targets):
    together, _ = root_of(targets, precision=1e-3)
    apart = [root_of([t], precision=1e-3)[0][0] for t in targets]
    assert together.tolist() == apart


def test_finished_functions_are_set_aside():
    """Easy roots are found at once; they must not be paid for in every step of the others."""
    _, evaluated = root_of([1.0] * 2 * FEW + [1e-6 * k for k in range(1, 10)])
    assert evaluated[-1] == 9


def test_few_finished_functions_are_not():
    _, evaluated = root_of([1.0] * 10 + [1e-6 * k for k in range(1, 10)])
    assert set(evaluated) == {19}


def test_a_jump_is_bracketed():
    found = last_not_positive(
        lambda x, _: np.where(x < 0.3, -1.0, 4.0),
        np.zeros(1), np.full(1, -1.0), np.ones(1), np.full(1, 4.0), 1e-9,
    )  # fmt: skip
    assert found[0] == pytest.approx(0.3, abs=1e-8)
    assert found[0] < 0.3
