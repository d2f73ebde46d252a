"""Replays: what policies and baselines cost, and that nothing beats the optimum."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replay_paths import MEASURED, START, catalog_of, path_of, workload

from data.errors import InputError, UnknownNameError
from data.price_changes import PriceChange, PriceChanges
from solver.planner import plan
from solver.replan.policy import Policy
from solver.replay import follow
from solver.replay.path import price_path
from solver.replay.replay import replay

EAGER = Policy(min_saving_pct=0, min_disruption_score=0, min_plan_age_h=0, spot_confirmations=1)


def run(prices, days, policy=None, **options):
    return replay(workload(), path_of(prices, days), policy, measured=MEASURED, **options)


def history(*changes):
    found = [PriceChange(day, name, None, usd, f"line {n}") for n, (day, name, usd) in changes]
    return PriceChanges(tuple(found), (), False, (), len(found), ())


def day(number):
    return START + dt.timedelta(days=number)


def test_never_switching_is_the_first_fleet_at_every_price():
    # Four L4s at $1.00 for ten days, then at $1.50 for five; the H100 costs $4.10 throughout.
    found = run([{"small": 1.0, "big": 4.1}, {"small": 1.5, "big": 4.1}], [10, 5]).to_dict()
    assert found["cost_usd"]["never"] == 24 * (10 * 4.0 + 5 * 6.0)
    # The move: one hour of four L4s at $1.50, and two pools at $5; the price has risen by half.
    moved = 24 * (10 * 4.0 + 5 * 4.1) + 4 * 1.5 + 2 * 5
    assert found["cost_usd"]["always"] == pytest.approx(moved)
    assert found["cost_usd"]["policy"] == pytest.approx(moved)
    # $1,468: to run the H100 from the start would cost 24 · 15 · $4.10 = $1,476.
    assert found["cost_usd"]["clairvoyant"] == pytest.approx(moved)
    assert found["switches"] == 1
    assert [d["outcome"] for d in found["decisions"]][-2:] == ["must_switch", "keep"]


def test_small_moves_are_kept_through():
    # 5 % up and down around the H100: the default policy asks for 10 %.
    low, high = {"small": 1.0, "big": 4.1}, {"small": 1.05, "big": 4.1}
    found = run([low, high, low, high], [7, 7, 7, 7])
    assert found.courses["policy"].switches == 0
    assert found.courses["always"].switches == 3
    cost = found.to_dict()["cost_usd"]
    assert cost["clairvoyant"] <= cost["policy"] < cost["always"]


def test_a_withdrawn_offer_forces_everybody():
    found = run([{"small": 1.0, "big": 9.0}, {"big": 9.0}], [10, 5])
    for name in ("policy", "never", "always"):
        course = found.courses[name]
        assert (course.switches, course.forced) == (1, 1), name
        assert course.fleet.nodes == {"big": 1}
    assert found.courses["policy"].steps[1].moment.date() == day(10)
    assert "small" in found.courses["policy"].steps[1].why


def test_spot_asks_for_a_second_look():
    # Half the price on spot: the default policy wants two decisions in agreement, a day apart.
    path = path_of([{"small": 1.0, "big": 4.1}, {"small": 1.0, "big": 1.0}], [10, 5])
    path = replace(path, catalog=catalog_of("spot"))
    found = replay(workload(pricing=["spot"]), path, measured=MEASURED)
    assert [s.moment.date() for s in found.courses["policy"].steps] == [day(0), day(11)]


usd = st.integers(50, 200).map(lambda cents: cents / 100)
two_prices = st.fixed_dictionaries(
    {"big": st.integers(200, 800).map(lambda cents: cents / 100)}, optional={"small": usd}
)
stretches = st.lists(st.tuples(two_prices, st.integers(1, 3)), min_size=2, max_size=4)
policies = st.sampled_from([Policy(), EAGER, Policy(min_disruption_score=0)])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(stretches, policies)
def test_nothing_beats_the_clairvoyant(some, policy):
    found = run([p for p, _ in some], [n for _, n in some], policy, gap=1e-6)
    cost = found.to_dict()["cost_usd"]
    assert found.best.proven
    for name in ("policy", "never", "always"):
        assert cost["clairvoyant"] <= cost[name] * (1 + 1e-5), name
    assert found.best.bound_usd <= found.best.usd


def test_looks_that_are_not_solved_would_have_kept_the_fleet(monkeypatch):
    prices = [
        {"small": 1.0, "big": 4.1},
        {"small": 1.2, "big": 4.1},
        {"small": 1.6, "big": 4.1},
        {"small": 0.6, "big": 4.1},
    ]
    quick = run(prices, [4, 4, 4, 4], EAGER).to_dict()
    monkeypatch.setattr(follow, "_settled", lambda *_: False)
    every = run(prices, [4, 4, 4, 4], EAGER).to_dict()
    assert quick["search"]["looks"] == len(every["decisions"]) == 16
    assert len(quick["decisions"]) < 16
    assert quick["cost_usd"] == every["cost_usd"]
    told = [d["outcome"] for d in quick["decisions"] for _ in range(d["looks"])]
    assert told == [d["outcome"] for d in every["decisions"]]


def test_a_path_of_our_own_history():
    changes = history((2, (day(5), "small", Decimal("1.5"))), (3, (day(8), "big", None)))
    chips, offers = catalog_of().accelerators, catalog_of().offers
    path = price_path(changes, chips, offers)
    assert path.dates == (day(4), day(5), day(8))
    assert path.end == day(38)
    assert [float(p["small"]) for p in path.prices] == [1.0, 1.5, 1.5]
    assert ["big" in p for p in path.prices] == [True, True, False]
    assert path.hours(1) == 3 * 24
    assert path.last_prices[2]["big"] == 1
    later = price_path(changes, chips, offers, start=day(6), end=day(7))
    assert (later.dates, later.total_hours) == ((day(6),), 24)
    assert later.prices[0]["small"] == Decimal("1.5")


@pytest.mark.parametrize(
    ("changes", "options", "fault"),
    [
        ([(2, (day(5), "smal", Decimal(1)))], {}, "line 2, column offer_id: unknown offer 'smal'"),
        ([(2, (day(5), "small", Decimal(900)))], {}, "line 2, column price_per_node_hour_usd"),
        ([(2, (day(5), "small", Decimal(1)))], {"providers": ["no"]}, "no price changes among"),
        ([(2, (day(5), "small", Decimal(1)))], {"end": day(1)}, "give a later end"),
    ],
)
def test_histories_that_cannot_be_replayed(changes, options, fault):
    chips, offers = catalog_of().accelerators, catalog_of().offers
    with pytest.raises((InputError, UnknownNameError), match=fault):
        price_path(history(*changes), chips, offers, **options)


def test_no_fleet_is_said_with_its_day():
    with pytest.raises(InputError, match=r"no fleet of the 1 offers on sale on 2026-01-06"):
        replay(
            workload(max_gpus=1),
            path_of([{"small": 1.0, "big": 4.0}, {"small": 1.0}], [5, 5]),
            measured=MEASURED,
        )


def test_a_beginning_without_a_fleet_is_left_out_if_it_may():
    path = path_of([{"small": 1.0}, {"small": 1.0, "big": 4.0}], [5, 5])
    only_big = MEASURED[1:]
    with pytest.raises(InputError, match="begin later"):
        replay(workload(), path, measured=only_big)
    found = replay(workload(), path, measured=only_big, may_begin_later=True)
    assert found.path.dates == (day(5),)
    assert found.to_dict()["cost_usd"]["policy"] == 24 * 5 * 4.0


def test_a_running_plan_starts_where_it_is():
    # Four L4s run although the H100 is cheaper: the first decision, a day old, moves.
    prices = [{"small": 1.0, "big": 2.0}, {"small": 1.01, "big": 2.0}]
    dear = replay(workload(), path_of([{"small": 1.0, "big": 9.0}], [5]), measured=MEASURED)
    running = plan_of_four(dear.path)
    found = run(prices, [5, 5], EAGER, current=running)
    fleets = [s.fleet.nodes for s in found.courses["policy"].steps]
    assert fleets == [{"small": 4}, {"big": 1}]
    assert found.courses["never"].fleet.nodes == {"small": 4}
    with pytest.raises(InputError, match="buys small, which is not on sale on 2026-01-01"):
        run([{"big": 2.0}, {"big": 2.1}], [5, 5], current=running)


def plan_of_four(path):
    catalog = path.catalog_at(0)
    return plan(workload(), catalog, measured=MEASURED, explain=False, as_of=START).to_dict()
