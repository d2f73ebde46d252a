"""Every step of a cost that falls is found, and no limit is asked for in vain."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.frontier.staircase import (
    Level,
    Staircase,
    halfway,
    in_the_middle,
    in_whole_steps,
)

GAP = 1e-4


def climbed(cost, limits, between, *, since=lambda at: at):
    """Return the stairs of a cost, and how often it was asked for."""
    stairs, asked = Staircase(between, GAP), 0
    wanted = list(limits)
    while wanted:
        stairs.add([Level(at, since(at), cost(at)) for at in wanted])
        asked += len(wanted)
        wanted = [at for at, _ in stairs.open()]
    return stairs, asked


def falling(steps):
    """Return a cost that falls to the second of each pair from its first on; infinite before."""

    def cost(at):
        return min((usd for where, usd in steps if where <= at), default=math.inf)

    return cost


def least_costs(steps, low, high):
    """Return every cost that is the least somewhere in a range, highest first."""
    places = [low, *(where for where, _ in steps if low < where <= high)]
    costs = {falling(steps)(where) for where in places} - {math.inf}
    return sorted(costs, reverse=True)


steps = st.lists(
    st.tuples(st.floats(5, 400), st.integers(1, 60).map(float)), min_size=1, max_size=12
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(steps=steps, count=st.integers(2, 9))
def test_each_step_is_found_to_the_resolution(steps, count):
    grid = [10 * 20 ** (i / (count - 1)) for i in range(count)]
    stairs, asked = climbed(falling(steps), grid, halfway(0.02))
    found = stairs.corners()
    assert [c.cost for c in found] == sorted({c.cost for c in found}, reverse=True)
    for level in found:
        assert level.cost == falling(steps)(level.at) == falling(steps)(stairs.until(level))
        dearer = stairs.dearer(level)
        assert dearer is None or level.at / dearer <= 1.02 * (1 + 1e-5)
    for tight, loose in pairwise(stairs.levels):
        assert tight.cost == loose.cost or loose.at / tight.at <= 1.02 * (1 + 1e-5)
    drops = len(least_costs(steps, 10, 200)) + 1
    assert asked <= count + drops * math.ceil(math.log2(math.log(20) / math.log(1.02)) + 1)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(steps=steps)
def test_where_fleets_tell_how_far_they_reach_each_corner_is_exact(steps):
    """A fleet of power P keeps every limit from P on: no halving can stop short of it."""
    cost = falling(steps)

    def since(at):
        reached = [where for where, usd in steps if where <= at and usd == cost(at)]
        return min(reached, default=at)

    stairs, _ = climbed(cost, [4.0, 500.0], in_the_middle(1e-6), since=since)
    found = [(c.since, c.cost) for c in stairs.corners()]
    assert [usd for _, usd in found] == least_costs(steps, 4.0, 500.0)
    assert all(cost(where) == usd for where, usd in found)


def test_counts_are_halved_to_the_next():
    assert in_whole_steps(1, 2) is None
    assert in_whole_steps(1, 4) == 2
    stairs, asked = climbed(falling([(3, 5.0), (7, 2.0)]), [1.0, 10.0], in_whole_steps)
    assert [(c.at, c.cost) for c in stairs.corners()] == [(3, 5.0), (7, 2.0)]
    assert asked == 7


def test_costs_within_the_gap_are_one():
    stairs, asked = climbed(falling([(1, 100.0), (50, 99.995)]), [10.0, 100.0], halfway(0.02))
    assert asked == 2
    assert [c.at for c in stairs.corners()] == [10.0]
    (only,) = stairs.corners()
    assert stairs.until(only) == 100.0


@pytest.mark.parametrize("nowhere", [[], [10.0], [10.0, 20.0]])
def test_without_a_fleet_there_is_no_corner(nowhere):
    stairs, _ = climbed(lambda at: math.inf, nowhere, halfway(0.02))
    assert stairs.corners() == []
