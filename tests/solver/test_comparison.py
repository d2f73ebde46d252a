"""``compare``: a case worked out by hand, what is left out, what was not proven, ranking."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from small_instances import offer

from data.accelerators import shipped_accelerators
from data.catalog import Catalog
from data.errors import UnknownNameError, WorkloadError
from data.price_steps import PriceStep
from solver.comparison import bench as bench_module
from solver.comparison.comparison import compare
from solver.engines.result import Termination
from solver.measured import MeasuredCapacity
from solver.workload import Workload


def workload(rate_rps=30.0, **hardware):
    return Workload.parse(
        {
            "model": "llama-3.1-8b-instruct",
            "classes": [{"name": "chat", "rate_rps": rate_rps}],
            "hardware": hardware,
        }
    )


MEASURED = (
    MeasuredCapacity("big", "chat", 20.0, 1),
    MeasuredCapacity("small", "chat", 6.0, 1),
    MeasuredCapacity("idle", "chat", 0.0, 1),
)
BIG = offer("big", price="10", name="big")
SMALL = offer("small", price="4", name="small", stock=3)


def compared(*offers, rate_rps=30.0, hardware=None, **options):
    catalog = Catalog(shipped_accelerators(), offers)
    found = compare(
        workload(rate_rps, **(hardware or {})), catalog, measured=MEASURED, **options
    ).to_dict()
    return found, {o["offer_id"]: o for o in found["offers"]}


def test_an_offer_whose_price_falls_with_the_number_of_nodes():
    """2 big at 8 from 2 on ($16) beat 1 big at 10 and 2 small ($18); (16 − 10)/2 = 3."""
    stepped = replace(BIG, price_steps=(PriceStep(2, Decimal(8)),))
    found, by_id = compared(stepped, SMALL)
    assert found["joint"]["cost_per_hour_usd"] == 16.0
    assert found["joint"]["purchases"][0]["nodes"] == 2
    big, small = by_id["big"], by_id["small"]
    assert (big["alone"]["cost_per_hour_usd"], big["joint_share_pct"]) == (16.0, 100.0)
    # One price for every node: 2 of it at p beat 1 of it and 2 small up to 2p = p + 8.
    assert big["takes_over_at_usd_per_node_hour"] == 8.0
    assert "for every node" in big["sentence"]
    assert small["enters_at_usd_per_node_hour"] == 3.0


def test_a_subset_with_a_price_that_falls_is_moved_by_one_factor():
    """Both at a factor f: 16·f. Without them nothing serves; big alone is the subset's fleet."""
    stepped = replace(BIG, price_steps=(PriceStep(2, Decimal(8)),))
    dear = offer("small", price="100", name="dear")
    found, _ = compared(stepped, dear, subsets={"acme": ("big",)})
    (subset,) = found["subsets"]
    # 1 big and 2 dear cost 10·f + 200, and 5 dear 500: at 16·f it is left out above 500/16.
    assert subset["enters_at_price_factor"] == pytest.approx(500 / 16)


def test_a_case_by_hand():
    """30 requests/s: 2 big ($20), or 1 big and 2 small ($18); small alone takes 5, and has 3."""
    found, by_id = compared(BIG, SMALL)
    assert (found["status"], found["complete"]) == ("optimal", True)
    assert found["joint"]["cost_per_hour_usd"] == 18.0
    assert (found["joint"]["gpus"], found["joint"]["nodes"]) == (3, 3)
    assert {p["offer_id"]: p["nodes"] for p in found["joint"]["purchases"]} == {
        "big": 1,
        "small": 2,
    }
    big, small = by_id["big"], by_id["small"]
    assert big["alone"]["status"] == "optimal"
    assert (big["alone"]["cost_per_hour_usd"], big["alone"]["nodes"]) == (20.0, 2)
    assert big["alone"]["cost_per_month_usd"] == 14_600.0
    assert big["joint_share_pct"] == pytest.approx(100 * 10 / 18, abs=1e-3)
    # Without big nothing serves: it enters at any price. 2 nodes of it at p beat 1 of it and 2
    # small up to 2p = p + 8.
    assert (big["enters_at_usd_per_node_hour"], big["enters_reason"]) == (None, "any_price")
    assert big["takes_over_at_usd_per_node_hour"] == 8.0
    assert (big["next_node_worth_usd_per_hour"], big["next_node_reason"]) == (0.0, "unlimited")
    # One big is spared by 2 small: worth $5 each.
    assert small["alone"]["status"] == "infeasible"
    assert small["alone"]["cost_per_hour_usd"] is None
    assert small["enters_at_usd_per_node_hour"] == 5.0
    assert (small["takes_over_at_usd_per_node_hour"], small["takes_over_reason"]) == (
        None,
        "alone_infeasible",
    )
    # A fourth small does not spare the second big: 24 + 20 requests/s either way.
    assert (small["next_node_worth_usd_per_hour"], small["next_node_reason"]) == (0.0, "exact")
    assert "5 nodes, and 3 are in stock" in small["sentence"]
    assert "left out above $5.00 a node-hour (+25.0%)" in small["sentence"]


def test_one_more_node_is_worth_what_it_saves():
    """1 big and 2 small cost $15; a fifth small would serve without big, for $12.50."""
    found, by_id = compared(BIG, replace(SMALL, price_per_node_hour_usd=Decimal("2.5"), stock=4))
    assert found["joint"]["cost_per_hour_usd"] == 15.0
    assert by_id["small"]["next_node_worth_usd_per_hour"] == 2.5
    assert by_id["small"]["sentence"].endswith("one more node in stock would save $2.50/h.")


def test_upfront_payments_are_in_break_even_prices():
    """$876 over a month of 730 hours is $1.20 an hour."""
    paid = replace(
        SMALL,
        price_per_node_hour_usd=Decimal("2.8"),
        upfront_usd=Decimal(876),
        term_months=1,
        pricing="committed",
    )
    found, by_id = compared(BIG, paid, hardware={"pricing": ["on_demand", "committed"]})
    small = by_id["small"]
    assert found["joint"]["cost_per_hour_usd"] == 18.0
    assert small["price_per_node_hour_usd"] == 2.8
    assert small["full_price_per_node_hour_usd"] == 4.0
    assert small["enters_at_usd_per_node_hour"] == 5.0
    assert "$5.00 a node-hour all in (+25.0%)" in small["sentence"]


def test_a_minimum_purchase_holds_at_every_price():
    """From 4 nodes small costs 4p beside a big, or 5p alone: against $20, $2.50 and $4."""
    bulk = replace(SMALL, stock=None, min_nodes=4, price_per_node_hour_usd=Decimal(6))
    found, by_id = compared(BIG, bulk)
    assert found["joint"]["cost_per_hour_usd"] == 20.0
    assert by_id["small"]["joint_share_pct"] == 0.0
    assert by_id["small"]["enters_at_usd_per_node_hour"] == 4.0
    assert by_id["small"]["takes_over_at_usd_per_node_hour"] == 4.0
    assert (
        "at $4.00 a node-hour (-33.3%) it would take over all of it" in (by_id["small"]["sentence"])
    )


def test_what_serves_nothing_enters_at_no_price():
    found, by_id = compared(BIG, offer("idle", name="idle"))
    idle = by_id["idle"]
    assert found["complete"]
    assert (idle["enters_at_usd_per_node_hour"], idle["enters_reason"]) == (None, "no_price")
    assert idle["alone"]["status"] == "infeasible"
    assert "no measured capacity serves class chat on it" in idle["sentence"]
    assert "at no price" in idle["sentence"]


def test_where_nothing_else_could_serve():
    found, by_id = compared(BIG)
    big = by_id["big"]
    assert found["joint"]["cost_per_hour_usd"] == 20.0
    assert (big["enters_reason"], big["takes_over_reason"]) == ("any_price", "any_price")
    assert big["joint_share_pct"] == 100.0
    assert "nothing else could serve the workload, whatever it cost" in big["sentence"]


def test_a_budget_bounds_every_price():
    """Without big nothing serves, and 2 of it may cost $24 together."""
    _, by_id = compared(BIG, hardware={"max_cost_per_hour_usd": 24})
    assert by_id["big"]["enters_at_usd_per_node_hour"] == 12.0
    assert by_id["big"]["takes_over_at_usd_per_node_hour"] == 12.0


def test_above_the_budget_there_is_no_fleet_but_a_price_for_one():
    found, by_id = compared(BIG, hardware={"max_cost_per_hour_usd": 15})
    big = by_id["big"]
    assert (found["status"], found["joint"]["cost_per_hour_usd"]) == ("infeasible", None)
    assert big["alone"]["status"] == "infeasible"
    assert big["joint_share_pct"] is None
    assert big["enters_at_usd_per_node_hour"] == 7.5
    assert "2 nodes would cost $20.00/h, more than the $15.00/h of" in big["sentence"]


def test_a_node_that_makes_a_fleet_possible():
    found, by_id = compared(replace(SMALL, stock=4))
    assert found["status"] == "infeasible"
    assert by_id["small"]["next_node_worth_usd_per_hour"] is None
    assert by_id["small"]["next_node_reason"] == "makes_possible"
    _, by_id = compared(SMALL)
    assert by_id["small"]["next_node_reason"] == "no_fleet"


def test_the_limit_on_the_size_is_named():
    _, by_id = compared(BIG, replace(SMALL, stock=None), hardware={"max_gpus": 3})
    assert "5 nodes of 5 GPUs, more than the 3 of hardware.max_gpus" in by_id["small"]["sentence"]


def test_filtered_offers_are_listed_with_the_reason():
    spot = replace(SMALL, offer_id="spot", pricing="spot")
    gone = replace(SMALL, offer_id="gone", stock=0)
    only = {"regions": ["eu"], "pricing": ["on_demand"]}
    found, by_id = compared(BIG, spot, gone, hardware=only)
    assert [o["offer_id"] for o in found["offers"]] == ["big", "gone", "spot"]
    assert by_id["spot"]["alone"]["status"] == "filtered"
    assert by_id["spot"]["sentence"] == "Left out: its pricing spot is not in hardware.pricing."
    assert by_id["gone"]["sentence"] == "Left out: it has none in stock."
    assert by_id["gone"]["enters_at_usd_per_node_hour"] is None
    assert found["complete"]


def test_nothing_that_passes_is_an_error():
    with pytest.raises(WorkloadError, match="pricing"):
        compared(replace(BIG, pricing="spot"), hardware={"pricing": ["on_demand"]})


def test_offers_are_compared_however_they_are_sold():
    """Unless the workload says how: two committed nodes at 4 replace two small ones at 4."""
    paid = replace(SMALL, offer_id="paid", pricing="committed", term_months=12)
    found, by_id = compared(BIG, paid)
    assert found["joint"]["cost_per_hour_usd"] == 18.0
    assert by_id["paid"]["enters_at_usd_per_node_hour"] == 5.0
    assert found["workload"]["hardware"]["pricing"] == ["on_demand", "committed"]


def test_equal_offers_are_ranked_by_name_whatever_their_order():
    twins = [replace(BIG, offer_id=name) for name in ("c", "a", "b")]
    found, _ = compared(*twins)
    assert [(o["rank"], o["offer_id"]) for o in found["offers"]] == [(1, "a"), (2, "b"), (3, "c")]
    again, _ = compared(*reversed(twins))
    assert [o["offer_id"] for o in again["offers"]] == ["a", "b", "c"]
    assert {o["enters_at_usd_per_node_hour"] for o in found["offers"]} == {10.0}
    left_out = [o for o in found["offers"] if o["joint_share_pct"] == 0]
    assert any("any cheaper, it would enter it" in o["sentence"] for o in left_out)
    assert found == compared(*twins)[0]


def test_a_subset_is_moved_by_one_factor():
    """Big and small at $18 together; a rival serves everything for $27."""
    rival = offer("big", gpus=2, price="27", name="rival")
    found, _ = compared(BIG, SMALL, rival, subsets={"ours": ["big", "small"], "other": ["rival"]})
    ours, other = found["subsets"]
    assert (ours["name"], other["name"]) == ("ours", "other")
    assert ours["alone"]["cost_per_hour_usd"] == 18.0
    assert ours["joint_share_pct"] == 100.0
    assert ours["enters_at_price_factor"] == ours["takes_over_at_price_factor"] == 1.5
    assert other["enters_at_price_factor"] == pytest.approx(18 / 27, abs=1e-6)
    assert "1.5 times its prices" in ours["sentence"]


def test_a_subset_of_filtered_offers():
    spot = replace(SMALL, offer_id="spot", pricing="spot")
    found, _ = compared(
        BIG,
        spot,
        hardware={"pricing": ["on_demand"]},
        subsets={"spots": ["spot"], "all": ["big", "spot"]},
    )
    everything, spots = found["subsets"]
    assert everything["compared_offer_ids"] == ["big"]
    assert spots["alone"]["status"] == "filtered"
    assert spots["sentence"].startswith("Left out")


def test_other_offers_of_the_catalogue_compete():
    found, by_id = compared(BIG, SMALL, offers=["small"])
    assert list(by_id) == ["small"]
    assert found["joint"]["cost_per_hour_usd"] == 18.0
    assert by_id["small"]["enters_at_usd_per_node_hour"] == 5.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"offers": ["bigg"]}, ("offers[0]", "'big'")),
        ({"subsets": {"s": ["smal"]}}, ("subset 's'", "'small'")),
        ({"offers": ["big"], "subsets": {"s": ["small"]}}, ("subset 's'", "compared")),
    ],
)
def test_unknown_names_are_errors(options, words):
    with pytest.raises(UnknownNameError) as caught:
        compared(BIG, SMALL, **options)
    for word in words:
        assert word in str(caught.value)


def test_what_is_not_proven_in_time_is_not_given(monkeypatch):
    real = bench_module.solve_problem

    def cut_short(*arguments, **options):
        problem, solved, predicted = real(*arguments, **options)
        if options.get("known_usd") is not None:
            cut = replace(solved.result, termination=Termination.LIMIT, bound=0.0)
            solved = replace(solved, result=cut)
        return problem, solved, predicted

    monkeypatch.setattr(bench_module, "solve_problem", cut_short)
    found, by_id = compared(BIG, SMALL)
    assert found["status"] == "optimal"
    assert not found["complete"]
    assert by_id["small"]["enters_at_usd_per_node_hour"] is None
    assert by_id["small"]["enters_reason"] == "not_proven"
    assert by_id["small"]["next_node_reason"] == "not_proven"
    assert by_id["big"]["takes_over_at_usd_per_node_hour"] is None
    assert "not proven in time" in by_id["big"]["sentence"]


def test_power_is_the_rated_power_of_what_is_bought():
    known = offer("h100_sxm", gpus=8, price="30", name="known")
    measured = (MeasuredCapacity("h100_sxm", "chat", 20.0, 1),)
    catalog = Catalog(shipped_accelerators(), (known,))
    found = compare(workload(), catalog, measured=measured).to_dict()
    assert found["joint"]["gpu_power_kw"] == pytest.approx(8 * 0.7)
    assert compared(BIG)[0]["joint"]["gpu_power_kw"] is None
