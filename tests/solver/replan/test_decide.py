"""Decisions against ones worked out by hand: keep, switch, must_switch, and each rule's part."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from scene import AT_ONCE, NOW, chat, decide, market, rules, running, sold

from solver.checker import PlanChecker
from solver.replan.memory import Commitment, Memory

FAST = sold("fast", 2.0)


def fast_and_slow(slow: float, fast: float = 2.0):
    """Return a market; 20 requests/s are 2 × fast or 5 × slow."""
    return market(sold("fast", fast), sold("slow", slow))


def test_what_does_not_pay_back_in_time_is_kept():
    # 2 × fast run for $4.00. 5 × slow at $0.70 cost $3.50, but 1 h of $4.00 for the nodes that
    # leave and $5 for each of 2 changed pools are $14, $0.58 an hour of 24: $4.08 together.
    found = decide(fast_and_slow(0.7), running(FAST))
    document = found.to_dict()
    assert found.outcome == "keep"
    assert (found.plan, document["proposed"], document["considered"]) == (None, None, None)
    assert document["current"]["cost_per_hour_usd"] == 4.0
    assert document["certificates"]["held"]["objective"] == 4.0
    free = document["certificates"]["free"]
    assert (free["status"], free["objective"]) == ("optimal", 4.0)
    assert free["bound"] == pytest.approx(4.0, rel=1e-4)
    assert "proven" in document["reasons"][0]
    # With 26 h to pay back it is $3.50 + $14/26 = $4.04; with 29 h, $3.98.
    assert decide(fast_and_slow(0.7), running(FAST), payback_h=26, **AT_ONCE).outcome == "keep"
    assert decide(fast_and_slow(0.7), running(FAST), payback_h=29, **AT_ONCE).outcome == "switch"


def test_what_saves_enough_is_switched_to_in_steps():
    # 5 × slow at $0.35: $1.75, $2.25 less (56.25 %); $14 are paid back in 14/2.25 = 6.22 h.
    found = decide(fast_and_slow(0.35), running(FAST))
    document = found.to_dict()
    assert found.outcome == "switch"
    assert document["saving"] == {"usd_per_hour": 2.25, "fraction": 0.5625}
    change = document["change"]
    assert (change["overlap_usd"], change["fixed_usd"], change["total_usd"]) == (4, 10, 14)
    assert change["payback_h"] == pytest.approx(14 / 2.25, abs=1e-6)
    assert change["pools_changed"] == 2
    assert (change["replicas_added"], change["replicas_removed"]) == (5, 2)
    assert change["changed_fraction"] == 1.0
    assert rules(found)["min_disruption_score"] == (0.5625, True)
    assert all(passed for _, passed in rules(found).values())
    free = document["certificates"]["free"]
    assert free["objective"] == pytest.approx(1.75 + 14 / 24)
    assert free["bound"] == pytest.approx(1.75 + 14 / 24, rel=1e-4)
    # A quarter of 5 replicas is one a step. One fast node and k slow carry 10 + 4·k of 20.
    steps = document["steps"]
    moves = [[(c["action"], c["offer_id"], c["replicas"]) for c in s["changes"]] for s in steps]
    add, drop = ("add", "slow", 1), ("remove", "fast", 1)
    assert moves == [[add], [add], [add, drop], [add], [add, drop]]
    assert [s["capacity"]["chat"] for s in steps] == [1.2, 1.4, 1.1, 1.3, 1.0]
    assert [s["cost_per_hour_usd"] for s in steps] == [4.35, 4.7, 3.05, 3.4, 1.75]
    assert steps[2]["peak_cost_per_hour_usd"] == 5.05
    assert [s["replicas_changed"] for s in steps] == [1] * 5


def test_the_proposed_plan_says_what_is_proven_and_holds():
    today = fast_and_slow(0.35)
    found = decide(today, running(FAST))
    plan = found.plan
    assert plan["status"] == "optimal"
    assert plan["cost_per_hour_usd"] == 1.75
    assert plan["objective"]["value"] == pytest.approx(1.75 + 14 / 24)
    assert plan["certificate"]["objective"] == pytest.approx(1.75 + 14 / 24)
    assert plan["certificate"]["check"]["passed"]
    assert plan["change"]["total_usd"] == 14
    assert "the cost with the change" in plan["warnings"][0]
    from scene import CAPACITIES

    from data.coefficients import shipped_coefficients

    def failures(document):
        checker = PlanChecker(document, chat(), today, shipped_coefficients(), measured=CAPACITIES)
        return checker.check().failures

    assert failures(plan) == ()
    cheaper = {**plan["change"], "overlap_usd": 3.0, "total_usd": 13.0}
    assert any("overlap" in f for f in failures({**plan, "change": cheaper}))
    # Called the optimum of its cost alone, it does not hold: that is not what was proven.
    assert failures({**plan, "change": None})


def test_what_disturbs_too_much_is_kept():
    # 5 × slow at $0.55 save 31 % and change everything: a score of 0.31. One fast node and 3 slow
    # save 8.75 % of half of the replicas: 0.175.
    found = decide(fast_and_slow(0.55), running(FAST))
    assert found.outcome == "keep"
    assert rules(found)["min_saving_pct"] == (31.25, True)
    assert rules(found)["min_disruption_score"] == (0.3125, False)
    document = found.to_dict()
    assert document["certificates"]["within_rules"]["status"] == "infeasible"
    assert document["considered"]["cost_per_hour_usd"] == 2.75
    assert document["program"] == "free"
    assert any("min_disruption_score" in r for r in document["reasons"])


def test_the_best_fleet_within_the_rules_is_found():
    # 1 node at $6 and 3 at $2 run for $12; others cost $1.60. All four moved save 47 % for a score
    # of 0.47. With r moved, the dear one first, the saving is 4.4 + 0.4·(r − 1) of 12: at r = 3 it
    # is 43 % for 75 %, a score of 0.58.
    current = running(sold("fast-dear", 6.0, stock=1), sold("fast-a", 2.0, stock=3), rate_rps=40)
    today = market(sold("fast-dear", 6.0), sold("fast-a", 2.0), sold("fast-b", 1.6))
    policy = {"overlap_h": 0, "cost_per_changed_pool_usd": 0}
    found = decide(today, current, rate_rps=40, **policy)
    document = found.to_dict()
    assert found.outcome == "switch"
    assert document["program"] == "within_rules"
    assert document["considered"]["cost_per_hour_usd"] == pytest.approx(3 * 1.6 + 2)
    assert document["certificates"]["free"]["objective"] == pytest.approx(4 * 1.6)
    assert document["certificates"]["within_rules"]["objective"] == pytest.approx(6.8)
    assert document["proposed"]["change"]["within_rules"] is True
    assert rules(found)["min_disruption_score"][0] == pytest.approx(5.2 / 12 / 0.75, abs=1e-6)
    whole = decide(today, current, rate_rps=40, **policy, min_disruption_score=0.4)
    assert whole.to_dict()["considered"]["cost_per_hour_usd"] == pytest.approx(6.4)


def test_a_young_fleet_is_kept():
    young = Memory(since=NOW - dt.timedelta(hours=23))
    found = decide(fast_and_slow(0.35), running(FAST), memory=young)
    assert found.outcome == "keep"
    assert rules(found)["min_plan_age_h"] == (23.0, False)
    old = Memory(since=NOW - dt.timedelta(hours=24))
    assert decide(fast_and_slow(0.35), running(FAST), memory=old).outcome == "switch"


def test_interruptible_offers_are_confirmed_first():
    today = market(FAST, sold("slow-spot", 0.35, pricing="spot"))
    first = decide(today, running(FAST))
    assert first.outcome == "keep"
    assert rules(first)["spot_confirmations"] == (1.0, False)
    assert first.to_dict()["confirmations"] == {"needed": 2, "had": 1}
    second = decide(today, running(FAST), memory=first.memory)
    assert second.outcome == "switch"
    # Another price of the same fleet confirms it, another offer does not.
    cheaper = market(FAST, sold("slow-spot", 0.30, pricing="spot"))
    assert decide(cheaper, running(FAST), memory=first.memory).outcome == "switch"
    other = market(FAST, sold("slow-other", 0.35, pricing="spot"))
    assert decide(other, running(FAST), memory=first.memory).outcome == "keep"
    # A decision that finds it not worth its change starts the count anew.
    dear = decide(
        market(FAST, sold("slow-spot", 0.6, pricing="spot")), running(FAST), memory=first.memory
    )
    assert (dear.memory.confirmations, dear.memory.proposal) == (0, "")


@pytest.mark.parametrize(
    ("today", "why"),
    [
        (market(sold("slow", 0.9)), "fast is not in the catalogue any more"),
        (
            market(sold("fast", 2.0, available_until=dt.date(2026, 7, 14)), sold("slow", 0.9)),
            "fast has not been for sale since 2026-07-14",
        ),
    ],
)
def test_a_withdrawn_offer_must_be_left_even_for_a_dearer_fleet(today, why):
    found = decide(today, running(FAST), memory=Memory(since=NOW))
    document = found.to_dict()
    assert found.outcome == "must_switch"
    assert why in document["reasons"][0]
    assert not document["current"]["holds"]
    assert document["current"]["purchases"][0]["withdrawn"]
    assert rules(found)["offers_withdrawn"] == (1.0, False)
    assert document["proposed"]["cost_per_hour_usd"] == pytest.approx(4.5)
    assert document["saving"]["usd_per_hour"] == pytest.approx(-0.5)
    assert document["change"]["payback_h"] is None
    assert document["certificates"]["held"]["status"] == "infeasible"
    assert document["steps"]
    assert not rules(found)["min_plan_age_h"][1]


def test_a_load_that_is_not_carried_any_more_must_be_served():
    # 2 × fast carry 20 of 30: two thirds. One more is the cheapest change.
    found = decide(fast_and_slow(1.0), running(FAST), rate_rps=30)
    assert found.outcome == "must_switch"
    assert rules(found)["load_carried"] == (pytest.approx(2 / 3, abs=1e-6), False)
    assert found.plan["pools"][0]["replicas"] == 3
    (step,) = found.to_dict()["steps"]
    assert [c["action"] for c in step["changes"]] == ["add"]
    assert found.to_dict()["change"]["replicas_removed"] == 0


def test_a_limit_that_is_not_kept_any_more_must_be_kept():
    few = chat(hardware={"max_gpus": 1})
    found = decide(fast_and_slow(1.0), running(FAST), workload=few)
    assert found.outcome == "must_switch"
    assert found.infeasible
    assert found.plan is None
    assert "max_gpus" in found.to_dict()["reasons"][0]
    assert any("infeasible" in r for r in found.to_dict()["reasons"])
    barred = decide(
        market(FAST, sold("slow", 0.9, provider="bolt")),
        running(FAST),
        workload=chat(hardware={"providers": ["bolt"]}),
    )
    assert barred.outcome == "must_switch"
    assert "hardware.providers does not allow fast" in barred.to_dict()["reasons"][0]
    assert barred.plan["purchases"][0]["offer_id"] == "slow"


def test_a_price_that_jumps_needs_somewhere_to_go():
    # $2.60 is 30 % more: $5.20. To 5 × slow at $0.90: $4.50 + ($5.20 + $10)/24 = $5.13.
    jumped = decide(fast_and_slow(0.9, fast=2.6), running(FAST), memory=Memory(since=NOW))
    assert jumped.outcome == "must_switch"
    assert rules(jumped)["price_rise"] == (pytest.approx(30.0), False)
    assert rules(jumped)["min_plan_age_h"] == (0.0, False)
    assert jumped.to_dict()["change"]["payback_h"] <= 24
    # At $0.95 there is nothing better: kept, and the jump is told.
    nowhere = decide(fast_and_slow(0.95, fast=2.6), running(FAST))
    assert nowhere.outcome == "keep"
    assert "rose by 30.0 %" in nowhere.to_dict()["reasons"][0]
    calm = decide(fast_and_slow(0.9, fast=2.5), running(FAST))
    assert rules(calm)["price_rise"][1]


def test_what_runs_is_not_lost_because_no_more_can_be_had():
    today = market(sold("fast", 2.0, stock=0), sold("slow", 0.9))
    found = decide(today, running(FAST))
    assert found.outcome == "keep"
    assert any("stock of 0 and 2 nodes run" in w for w in found.to_dict()["warnings"])


COMMITTED = sold("fast-year", 2.0, pricing="committed", term_months=12)


def test_commitments_are_paid_for_whatever_runs():
    # 2 committed nodes cost $4.00 until their term ends. 5 × slow at $0.35 would come on top.
    since = Memory(since=NOW - dt.timedelta(days=30))
    today = market(COMMITTED, sold("slow", 0.35))
    found = decide(today, running(COMMITTED), memory=since)
    document = found.to_dict()
    assert found.outcome == "keep"
    assert document["current"]["sunk_per_hour_usd"] == 4.0
    assert document["current"]["cost_per_hour_usd"] == 0.0
    assert document["certificates"]["free"]["objective"] == 0.0
    # 12 · 730 h later the term is over and the same fleet is switched.
    after = decide(today, running(COMMITTED), memory=Memory(since=NOW - dt.timedelta(hours=8760)))
    assert after.outcome == "switch"
    assert after.to_dict()["current"]["sunk_per_hour_usd"] == 0.0


def test_idle_commitments_are_used_first():
    # 3 × fast at $2 run beside 2 idle committed nodes: to use these saves $4 of $6.
    idle = Memory(commitments=(Commitment("fast-year", 2, NOW + dt.timedelta(days=99)),))
    current = running(FAST, rate_rps=30)
    found = decide(market(FAST, COMMITTED), current, rate_rps=30, memory=idle)
    document = found.to_dict()
    assert found.outcome == "switch"
    assert document["current"]["cost_per_hour_usd"] == 6.0
    assert document["saving"]["usd_per_hour"] == 4.0
    assert document["considered"]["cost_per_hour_usd"] == 2.0
    assert found.plan["cost_per_hour_usd"] == 6.0
    assert found.memory_if_accepted.commitments == idle.commitments


def test_a_committed_offer_that_is_sold_no_more_still_runs():
    ended = replace(COMMITTED, available_until=dt.date(2026, 1, 1))
    since = Memory(since=NOW - dt.timedelta(days=30))
    found = decide(market(ended, sold("slow", 0.35)), running(COMMITTED), memory=since)
    assert found.outcome == "keep"
    assert rules(found)["offers_withdrawn"] == (0.0, True)


def test_what_is_accepted_is_remembered():
    today = market(FAST, sold("slow", 0.35, pricing="committed", term_months=1))
    manual = decide(today, running(FAST))
    assert manual.outcome == "switch"
    assert manual.memory.since is None
    accepted = manual.memory_if_accepted
    assert accepted.since == NOW
    assert accepted.commitments == (Commitment("slow", 5, NOW + dt.timedelta(hours=730)),)
    automatic = decide(today, running(FAST), accept="automatic")
    assert automatic.memory == accepted
    assert Memory.from_dict(accepted.to_dict()) == accepted
    # The fleet that was switched to is then kept, whatever else there is: it is young and sunk.
    again = decide(today, manual.plan, memory=accepted)
    assert again.outcome == "keep"
    assert again.to_dict()["current"]["sunk_per_hour_usd"] == pytest.approx(1.75)
