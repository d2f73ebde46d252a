"""The program with a running fleet agrees with plain enumeration: change, commitments, rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from running_fleets import cheapest_change, few_enough, running_fleets

from solver.change import WorthRules
from solver.engines.cpsat import bound_cpsat
from solver.engines.result import Termination
from solver.fleet import cheapest_fleet
from solver.objective import COST
from solver.program import compile_program


def cases(number: int) -> settings:
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.filter_too_much,
        ],
    )


def check(case) -> None:
    least = cheapest_change(case)
    for screen in (True, False):
        solved = cheapest_fleet(case, gap=0.0, time_limit_s=60.0, screen=screen)
        if least is None:
            assert solved.fleet is None
            assert solved.result.termination is Termination.INFEASIBLE
            continue
        assert solved.fleet is not None
        assert solved.result.objective == pytest.approx(least, abs=1e-6)
        assert solved.result.bound == pytest.approx(least, abs=1e-6)
        # A pool that is kept idle is not in the fleet that is read: it may only be charged more.
        assert solved.fleet.value(COST) >= least - 1e-6
    if least is None:
        return
    for known in (1.2 * least + 0.1, least):
        solved = cheapest_fleet(case, gap=0.0, time_limit_s=60.0, known_usd=known)
        assert solved.result.bound <= least + 1e-6
        if solved.fleet is not None:
            assert solved.result.objective == pytest.approx(least, abs=1e-6)
    program = compile_program(case)
    for known in (float("inf"), least):
        second = bound_cpsat(program, at_most_usd=known, gap=0.0, work_limit=0.3, time_limit_s=10.0)
        assert second.termination is not Termination.INFEASIBLE
        assert second.bound <= least + 1e-4


@cases(40)
@given(case=running_fleets())
def test_same_cost_with_a_running_fleet(case):
    assume(few_enough(case))
    check(case)


@cases(15)
@given(case=running_fleets(split=True))
def test_same_cost_with_running_prefill_and_decode_pools(case):
    assume(few_enough(case))
    check(case)


@cases(25)
@given(
    case=running_fleets(),
    saving=st.sampled_from((None, 0.0, 0.1, 0.4)),
    score=st.sampled_from((None, 0.1, 0.5)),
)
def test_same_cost_within_the_rules(case, saving, score):
    assume(few_enough(case) and case.change.pools)
    change = case.change
    names = {*change.nodes, *change.sunk}
    total = sum(
        change.price_usd[n] * max(change.nodes.get(n, 0), change.sunk.get(n, 0)) for n in names
    )
    paid = total - change.sunk_usd
    replicas = sum(change.pools.values())
    rules = WorthRules(
        None if saving is None else total - saving * paid,
        total,
        None if score is None else score * paid / replicas,
    )
    check(replace(case, change=replace(change, rules=rules)))
