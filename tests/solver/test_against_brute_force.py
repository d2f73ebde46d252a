"""Every way to solve an instance agrees with plain enumeration."""

from __future__ import annotations

import math

import pytest
from brute_force import cheapest_cost
from hypothesis import HealthCheck, given, settings
from small_instances import instances

from solver.engines.cpsat import bound_cpsat
from solver.engines.highs import solve_highs
from solver.engines.result import Termination
from solver.fleet import cheapest_fleet
from solver.program import compile_program
from solver.screening import fractional_prices


def cases(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@cases(70)
@given(case=instances())
def test_same_cost_and_same_verdict(case):
    _check(case)


@cases(50)
@given(case=instances(split=True))
def test_same_cost_and_same_verdict_of_split_pools(case):
    _check(case)


def _check(case):
    cheapest = cheapest_cost(case)
    for screen in (True, False):
        solved = cheapest_fleet(case, gap=0.0, time_limit_s=60.0, screen=screen)
        if cheapest is None:
            assert solved.fleet is None
            assert solved.result.termination is Termination.INFEASIBLE
            continue
        assert solved.fleet is not None
        assert float(solved.fleet.cost_usd) == pytest.approx(cheapest, abs=1e-6)
        assert solved.result.termination is Termination.GAP_CLOSED
        assert solved.result.bound == pytest.approx(cheapest, abs=1e-6)
    if cheapest is not None:
        assert fractional_prices(case).bound_usd <= cheapest + 1e-6
        _check_with_a_known_cost(case, cheapest)
    _check_engines(case, cheapest)


def _check_with_a_known_cost(case, cheapest):
    """A fleet known to cost more does not hide the cheapest; one that costs as little does."""
    solved = cheapest_fleet(case, gap=0.0, time_limit_s=60.0, known_usd=1.3 * cheapest)
    assert solved.fleet is not None
    assert float(solved.fleet.cost_usd) == pytest.approx(cheapest, abs=1e-6)
    solved = cheapest_fleet(case, gap=0.0, time_limit_s=60.0, known_usd=cheapest)
    assert solved.result.bound <= cheapest + 1e-6
    if solved.fleet is not None:
        assert float(solved.fleet.cost_usd) == pytest.approx(cheapest, abs=1e-6)


def _check_engines(case, cheapest):
    """Both engines on the whole program; CP-SAT's program is a relaxation of it."""
    program = compile_program(case)
    first = solve_highs(program, gap=0.0, time_limit_s=60.0)
    if cheapest is None:
        assert first.termination is Termination.INFEASIBLE
        return
    assert first.termination is Termination.GAP_CLOSED
    assert first.objective == pytest.approx(cheapest, abs=1e-6)
    for known_usd in (math.inf, 1.3 * cheapest, cheapest):
        second = _second(program, known_usd)
        assert second.termination is not Termination.INFEASIBLE
        assert second.bound <= cheapest + 1e-6
        if second.termination is Termination.GAP_CLOSED:
            assert math.isclose(second.bound, cheapest, rel_tol=1e-3)
    # A fleet that were half as expensive as the cheapest would be a contradiction.
    assert _second(program, cheapest / 2).termination is Termination.INFEASIBLE


def _second(program, known_usd):
    return bound_cpsat(program, at_most_usd=known_usd, gap=1e-6, work_limit=1.0, time_limit_s=60.0)
