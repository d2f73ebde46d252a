"""Limits on the power and the providers of a fleet: solved, checked, explained, pruned safely."""

from __future__ import annotations

import copy

import pytest
from measured_market import DAY, TWO_CHIPS, capacities, chat, market
from small_instances import candidate, instance, offer

from data.coefficients import shipped_coefficients
from data.errors import WorkloadError
from solver.checker import PlanChecker
from solver.fleet import cheapest_fleet
from solver.market import open_market
from solver.planner import plan


def made(wanted, catalog, **options):
    return plan(wanted, catalog, measured=capacities(), as_of=DAY, second_engine=False, **options)


@pytest.fixture
def chips(tmp_path):
    return market(tmp_path, *TWO_CHIPS)


@pytest.fixture
def sellers(tmp_path):
    """Three H100 at acme for 2.00, one at cargo for 2.20, any number at bolt for 2.50."""
    return market(
        tmp_path,
        ("a", "acme", "h100_sxm", "2.00", "3"),
        ("b", "bolt", "h100_sxm", "2.50", ""),
        ("c", "cargo", "h100_sxm", "2.20", "1"),
    )


@pytest.mark.parametrize(
    ("most_kw", "cost", "fleet"),
    [
        (None, 7.70, {"slow": 11}),
        (3.85, 7.70, {"slow": 11}),  # 11 · 350 W, to the watt
        (3.849, 8.20, {"fast": 2, "slow": 6}),  # 1.4 + 2.1 kW for 20 + 24 requests/s
        (3.2, 8.70, {"fast": 4, "slow": 1}),  # 2.8 + 0.35 kW for 40 + 4 requests/s
    ],
)
def test_44_requests_a_second_within_so_much_power(chips, most_kw, cost, fleet):
    found = made(chat(44, hardware={"max_power_kw": most_kw}), chips, explain=False)
    assert found.status == "optimal"
    assert found.cost_per_hour_usd == pytest.approx(cost)
    assert {p.offer_id: p.nodes for p in found.purchases} == fleet


def test_what_power_is_worth_and_what_less_of_it_would_take(chips):
    found = made(chat(44, hardware={"max_power_kw": 3.5}), chips)
    (power,) = [b for b in found.binding if b["limit"] == "hardware.max_power_kw"]
    assert (power["from"], power["cost_per_hour_usd"]) == (3.5, pytest.approx(7.70))
    none = made(chat(44, hardware={"max_power_kw": 3.0}), chips)
    assert none.status == "infeasible"
    (relaxed,) = none.infeasibility["relaxations"]
    assert relaxed == {
        "field": "hardware.max_power_kw",
        "from": 3.0,
        "to": 3.15,
        "cost_per_hour_usd": pytest.approx(8.70),
    }


def test_idle_accelerators_draw_power_too():
    """A node of 8 at 300 W counts 2.4 kW, for one replica as for eight."""
    offers = [offer("a", gpus=8, price=4), offer("b", price=5)]
    choices = [candidate(1), candidate(1, accelerator="b")]
    for most_kw, cost in ((2.4, 4.0), (2.39, 5.0)):
        solved = cheapest_fleet(
            instance((1,), choices, offers, max_power_kw=most_kw), gap=0.0, time_limit_s=10.0
        )
        assert float(solved.fleet.cost_usd) == cost


def test_what_draws_unknown_power_is_left_out(tmp_path):
    """The power of TPUs is not published: not bought where power is limited, and said so."""
    rows = (*TWO_CHIPS, ("tpu", "acme", "tpu_v6e", "0.01", ""))
    catalog = market(tmp_path, *rows)
    measured = capacities(h100_sxm=10.0, l40s=4.0, tpu_v6e=4.0)
    free, held = (
        plan(chat(44, hardware=h), catalog, measured=measured, as_of=DAY, second_engine=False)
        for h in ({}, {"max_power_kw": 100})
    )
    assert {p.offer_id for p in free.purchases} == {"tpu"}
    assert {p.offer_id for p in held.purchases} == {"slow"}
    (left,) = [w for w in held.why_not if w["accelerator"] == "tpu_v6e"]
    assert left["reason"] == "power_unknown"
    (worth,) = [b for b in held.binding if b["limit"] == "hardware.max_power_kw"]
    assert worth["cost_per_hour_usd"] == pytest.approx(11 * 0.01)
    alone = {"max_power_kw": 100, "accelerators": ["tpu_v6e"]}
    none = plan(chat(44, hardware=alone), catalog, measured=measured, as_of=DAY)
    assert none.status == "infeasible"
    assert none.infeasibility["conflicts"][0]["limit"] == "hardware.max_power_kw"


@pytest.mark.parametrize(("most", "cost"), [(None, 10.7), (3, 10.7), (2, 11.0), (1, 12.5)])
def test_50_requests_a_second_from_so_many_providers(sellers, most, cost):
    """3·2 + 2.2 + 2.5; 3·2 + 2·2.5 without cargo; 5·2.5 at bolt, who alone has enough."""
    found = made(chat(50, hardware={"max_providers": most}), sellers, explain=False)
    assert found.status == "optimal"
    assert found.cost_per_hour_usd == pytest.approx(cost)


def test_more_providers_where_one_has_too_little(tmp_path):
    few = market(
        tmp_path, ("a", "acme", "h100_sxm", "2.00", "3"), ("c", "cargo", "h100_sxm", "2.20", "2")
    )
    none = made(chat(50, hardware={"max_providers": 1}), few)
    assert none.status == "infeasible"
    relaxed = {r["field"]: r for r in none.infeasibility["relaxations"]}
    entry = relaxed["hardware.max_providers"]
    assert (entry["from"], entry["to"]) == (1, 2)
    assert entry["cost_per_hour_usd"] == pytest.approx(3 * 2.00 + 2 * 2.20)


def test_a_dear_offer_beside_what_else_is_bought_there(tmp_path):
    """Nobody needs acme's H100 at 2.10, but where all comes from one place it is worth its price.

    40 requests/s: 2·2.00 + 5·0.70 from both, 2·2.10 + 5·0.70 from acme, 4·2.00 from bolt.
    """
    rows = (
        ("cheap", "bolt", "h100_sxm", "2.00", ""),
        ("dear", "acme", "h100_sxm", "2.10", ""),
        ("slow", "acme", "l40s", "0.70", "5"),
    )
    catalog = market(tmp_path, *rows)
    for most, cost in ((None, 7.50), (2, 7.50), (1, 7.70)):
        found = made(chat(40, hardware={"max_providers": most}), catalog, explain=False)
        assert found.cost_per_hour_usd == pytest.approx(cost)


def test_no_offer_replaces_one_of_another_provider_where_these_count():
    offers = [
        offer("a", 1, "1.00", name="cheap", place=("acme", "eu")),
        offer("a", 1, "2.00", name="dear", place=("acme", "us")),
        offer("a", 1, "3.00", name="other", place=("bolt", "eu")),
    ]
    for apart, left in ((False, ["cheap"]), (True, ["cheap", "other"])):
        kept = open_market(offers, pair_locations=False, providers_apart=apart).offers
        assert [o.offer_id for o in kept] == left


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_power_kw": 3.8}, "3.85 kW are more than max_power_kw 3.8"),
        ({"max_providers": 1}, "2 providers are more than max_providers 1"),
    ],
)
def test_the_checker_finds_what_is_over_a_limit(tmp_path, limits, said):
    catalog = market(
        tmp_path, ("slow", "acme", "l40s", "0.70", "6"), ("more", "bolt", "l40s", "0.80", "")
    )
    document = made(chat(44), catalog, explain=False).to_dict()
    check = PlanChecker(
        copy.deepcopy(document),
        chat(44, hardware=limits),
        catalog,
        shipped_coefficients(),
        measured=capacities(),
    ).check()
    assert said in check.failures


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"max_power_kw": 0}, "hardware.max_power_kw"),
        ({"max_power_kw": "much"}, "hardware.max_power_kw"),
        ({"max_providers": 0}, "hardware.max_providers"),
        ({"max_providers": 1.5}, "hardware.max_providers"),
    ],
)
def test_a_limit_that_is_none_is_refused(limits, field):
    with pytest.raises(WorkloadError, match=field):
        chat(1, hardware=limits)
