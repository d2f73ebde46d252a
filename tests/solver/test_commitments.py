"""Commitments and dates of sale in whole plans: what is paid upfront, and on which day."""

from __future__ import annotations

import copy
import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from small_catalog import catalog, workload, write_table

from data.coefficients import shipped_coefficients
from data.errors import WorkloadError
from solver.checker import PlanChecker
from solver.explain.binding import relaxations
from solver.explain.infeasible import explain_infeasible
from solver.fleet import cheapest_fleet
from solver.measured import load_measured
from solver.planner import plan
from solver.problem import build_problem

DAY = dt.date(2026, 7, 15)
PRICING = {"pricing": ["on_demand", "committed"]}
COMMITTED = {
    "pricing": "committed",
    "price": "2.00",
    "term_months": "12",
    "upfront_usd": "4380",
}
"""2.00 an hour and 4,380/(12 · 730) = 0.50 of what is paid upfront: 2.50 in all."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Capacities: 10 requests/s on an H100."""
    path = tmp_path_factory.mktemp("measured") / "measured.csv"
    rows = [{"accelerator": "h100_sxm", "class": "chat", "capacity_rps": "10"}]
    return write_table(path, rows)


def chat(**hardware):
    """Return a workload that takes two H100 at the measured capacity."""
    return workload(
        classes=[{"name": "chat", "rate_rps": 20}], sla={}, hardware={**PRICING, **hardware}
    )


def find(wanted, quotes, measured, **options):
    return plan(wanted, quotes, measured=measured, as_of=DAY, **options)


def check(document, wanted, quotes, measured):
    return PlanChecker(
        document, wanted, quotes, shipped_coefficients(), measured=load_measured(measured)
    ).check()


def test_what_is_paid_upfront_counts(tmp_path, measured):
    """Two nodes: 2 · 2.00 + 2 · 4,380/8,760 = 5.00 an hour, of which 8,760 is paid first."""
    quotes = catalog(tmp_path, {"h100-1": COMMITTED}, only=["h100-1"])
    answer = find(chat(), quotes, measured)
    (item,) = answer.purchases
    assert (item.nodes, item.price_per_node_hour_usd) == (2, 2.0)
    assert (item.upfront_usd, item.term_months) == (8_760.0, 12)
    assert (item.cost_per_hour_usd, item.observed_at) == (5.0, "2026-07-01")
    assert (answer.cost_per_hour_usd, answer.cost_per_month_usd) == (5.0, 3_650.0)
    assert sum(p.cost_per_hour_usd for p in answer.pools) == pytest.approx(5.0, abs=1e-9)
    assert answer.status == "optimal"
    assert answer.certificate["objective"] == pytest.approx(5.0, abs=1e-9)
    assert answer.certificate["check"]["passed"]
    assert (
        "h100-1 is committed for 12 months: $8,760.00 upfront is spread over the term"
        in answer.warnings
    )


def test_an_offer_without_commitment(tmp_path, measured):
    quotes = catalog(tmp_path, only=["h100-1"])
    (item,) = find(chat(), quotes, measured).purchases
    assert (item.upfront_usd, item.term_months) == (0.0, None)
    assert item.cost_per_hour_usd == 2 * 3.10


@pytest.mark.parametrize(
    ("upfront", "cheapest", "cost"),
    [("4380", "h100-1", 5.00), ("9200", "h100-1", 6.100456622), ("9300", "h100-2", 6.10)],
)
def test_the_cheaper_one_over_the_term_is_bought(tmp_path, measured, upfront, cheapest, cost):
    """Two nodes at 2.00 with U upfront beside one of both at 6.10: U = 9,198 is where they meet.

    2 · (2 + U/8,760) is 5.00 at 4,380, 6.100456622 at 9,200 and 6.123 at 9,300.
    """
    rows = {"h100-1": {**COMMITTED, "upfront_usd": upfront}, "h100-2": {"price": "6.11"}}
    if cheapest == "h100-2":
        rows["h100-2"] = {"price": "6.10"}
    quotes = catalog(tmp_path, rows, only=["h100-1", "h100-2"])
    answer = find(chat(), quotes, measured)
    assert [p.offer_id for p in answer.purchases] == [cheapest]
    assert answer.cost_per_hour_usd == pytest.approx(cost, abs=1e-9)
    assert answer.status == "optimal"
    assert answer.certificate["check"]["passed"], answer.certificate["check"]["failures"]


def test_a_commitment_under_the_model(tmp_path):
    """730 upfront over 3 months is a third of a dollar an hour: 2.333333333 a node."""
    thirds = {**COMMITTED, "term_months": "3", "upfront_usd": "730"}
    quotes = catalog(tmp_path, {"h100-1": thirds}, only=["h100-1", "l40s-1"])
    answer = plan(workload(hardware={"accelerators": ["h100_sxm"], **PRICING}), quotes, as_of=DAY)
    (item,) = answer.purchases
    assert answer.status == "optimal"
    assert answer.cost_per_hour_usd == float(Decimal("2.333333333") * item.nodes)
    assert item.upfront_usd == 730 * item.nodes
    assert answer.certificate["check"]["passed"], answer.certificate["check"]["failures"]
    assert answer.certificate["second_engine"]["agrees"] is not False


def test_the_budget_holds_for_what_is_paid_upfront(tmp_path, measured):
    """4.00 an hour is listed and 5.00 is paid: a budget of 4.50 does not do, one of 5 does."""
    quotes = catalog(tmp_path, {"h100-1": COMMITTED}, only=["h100-1"])
    tight = find(chat(max_cost_per_hour_usd=4.5), quotes, measured)
    assert tight.status == "infeasible"
    (relaxed,) = tight.infeasibility["relaxations"]
    assert (relaxed["field"], relaxed["to"]) == ("hardware.max_cost_per_hour_usd", 5.0)
    assert find(chat(max_cost_per_hour_usd=5), quotes, measured).status == "optimal"


def test_the_fewest_accelerators_are_found_whatever_is_paid_upfront(tmp_path, measured):
    """Two of h100-1 are the fewest; their payment upfront must not make four look like fewer."""
    rows = {"h100-1": {**COMMITTED, "upfront_usd": "800000"}, "h100-8": {"price": "20"}}
    quotes = catalog(tmp_path, rows, only=["h100-1", "h100-8"])
    wanted = chat(max_gpus=1)
    problem = build_problem(
        wanted, quotes, shipped_coefficients(), measured=load_measured(measured), as_of=DAY
    )
    found = explain_infeasible(problem, gap=1e-4, time_limit_s=10)
    (relaxed,) = found["relaxations"]
    assert (relaxed["field"], relaxed["to"]) == ("hardware.max_gpus", 2)
    each = 2 + Decimal(800_000) / 8_760
    assert relaxed["cost_per_hour_usd"] == pytest.approx(float(2 * each), abs=1e-6)


def test_a_term_without_payment_is_told_too(tmp_path, measured):
    quotes = catalog(tmp_path, {"h100-1": {**COMMITTED, "upfront_usd": ""}}, only=["h100-1"])
    answer = find(chat(), quotes, measured)
    assert answer.cost_per_hour_usd == 4.0
    assert (
        "h100-1 is committed for 12 months: it is paid for whether used or not" in answer.warnings
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"upfront_usd": 0.0}, "paid upfront"),
        ({"term_months": 36}, "term_months is 12, not 36"),
        ({"term_months": None}, "term_months is 12, not None"),
        ({"observed_at": "2026-07-14"}, "observed on 2026-07-01"),
        ({"cost_per_hour_usd": 4.0}, "the purchase of h100-1"),
    ],
)
def test_a_commitment_that_was_tampered_with_is_found(tmp_path, measured, change, words):
    quotes = catalog(tmp_path, {"h100-1": COMMITTED}, only=["h100-1"])
    document = find(chat(), quotes, measured, explain=False).to_dict()
    assert check(document, chat(), quotes, measured).passed
    document = copy.deepcopy(document)
    document["purchases"][0].update(change)
    failures = check(document, chat(), quotes, measured).failures
    assert any(words in f for f in failures), failures


def test_a_plan_buys_only_what_is_on_sale_that_day(tmp_path, measured):
    """The cheap one ends the day before; alternatives and reasons keep to the same day."""
    ended = (DAY - dt.timedelta(days=1)).isoformat()
    rows = {
        "h100-1": {"available_until": ended, "provider": "gone"},
        "l40s-1": {"available_until": ended},
    }
    quotes = catalog(tmp_path, rows, only=["h100-1", "h100-2", "h100-8", "l40s-1"])
    answer = find(chat(), quotes, measured)
    assert [p.offer_id for p in answer.purchases] == ["h100-2"]
    assert answer.catalog["as_of"] == "2026-07-15"
    assert answer.search["offers_considered"] == 2
    assert all("gone" not in a["sentence"] for a in answer.alternatives)
    (left_out,) = [w for w in answer.why_not if w["accelerator"] == "l40s"]
    assert left_out["reason"] == "not_on_sale"
    assert left_out["sentence"] == "its offers are not on sale on 2026-07-15"
    before = plan(chat(), quotes, measured=measured, as_of=DAY - dt.timedelta(days=1))
    assert [p.offer_id for p in before.purchases] == ["h100-2"]  # 6.10 is less than 2 · 3.10
    assert before.search["offers_considered"] == 4


def test_the_model_keeps_to_the_day_as_well(tmp_path):
    """Without measured capacities, and where the problem is built again to explain it."""
    later = (DAY + dt.timedelta(days=1)).isoformat()
    quotes = catalog(tmp_path, {"h100-1": {"available_from": later}}, only=["h100-1", "h100-2"])
    problem = build_problem(workload(), quotes, shipped_coefficients(), as_of=DAY)
    assert [o.offer_id for o in problem.instance.offers] == ["h100-2"]
    fleet = cheapest_fleet(problem.instance, gap=1e-3, time_limit_s=10).fleet
    assert fleet is not None
    (relaxed, *_) = relaxations(problem, fleet)
    assert relaxed.name == "sla.ttft_ms"
    assert [o.offer_id for o in relaxed.instance(problem).offers] == ["h100-2"]


@pytest.mark.parametrize(
    ("first", "second", "when"),
    [
        (("", "2026-07-01"), ("", "2026-07-14"), "the last ended on 2026-07-14"),
        (("2026-07-16", ""), ("2026-08-01", ""), "the next begins on 2026-07-16"),
        (
            ("", "2026-07-14"),
            ("2026-08-01", ""),
            "the last ended on 2026-07-14 and the next begins on 2026-08-01",
        ),
    ],
)
def test_no_offer_on_sale_is_said_so(tmp_path, first, second, when):
    cells = [{"available_from": a, "available_until": b} for a, b in (first, second)]
    rows = dict(zip(("h100-1", "h100-2"), cells, strict=True))
    quotes = catalog(tmp_path, rows, only=["h100-1", "h100-2", "l40s-1"])
    wanted = workload(hardware={"accelerators": ["h100_sxm"]})
    with pytest.raises(WorkloadError) as caught:
        plan(wanted, quotes, as_of=DAY)
    assert str(caught.value) == (
        f"no offer that passes the filters of hardware is on sale on 2026-07-15 ({when}); "
        "add an offer, or correct available_from and available_until."
    )


def test_filters_that_leave_nothing_say_so_as_before(tmp_path):
    quotes = catalog(tmp_path, only=["h100-1"])
    with pytest.raises(WorkloadError, match=r"passes hardware\.accelerators, hardware\.pricing"):
        plan(workload(hardware={"accelerators": ["l40s"]}), quotes, as_of=DAY)


def stale_warnings(quotes, wanted, measured):
    late = plan(
        wanted, quotes, measured=measured, explain=False, as_of=DAY + dt.timedelta(days=100)
    )
    return [w for w in late.warnings if "days ago" in w]


def test_stale_prices_are_one_sentence(tmp_path, measured):
    """Of seven offers with one node each, five are named and the rest counted."""
    one = catalog(tmp_path, only=["h100-1"])
    assert stale_warnings(one, chat(), measured) == [
        "the price of h100-1 was observed on 2026-07-01, more than 90 days ago: check it before "
        "you buy"
    ]
    (base,) = one.offers
    seen = dt.date(2026, 6, 30)
    two = replace(
        one,
        offers=(
            replace(base, offer_id="a", stock=1),
            replace(base, offer_id="b", stock=1, observed_at=seen),
        ),
    )
    assert stale_warnings(two, chat(), measured) == [
        "the prices of a and b were observed more than 90 days ago, the oldest on 2026-06-30: "
        "check them before you buy"
    ]
    seven = replace(one, offers=tuple(replace(base, offer_id=n, stock=1) for n in "abcdefg"))
    wanted = workload(classes=[{"name": "chat", "rate_rps": 70}], sla={}, hardware=PRICING)
    assert stale_warnings(seven, wanted, measured) == [
        "the prices of a, b, c, d, e and 2 more were observed more than 90 days ago, the oldest "
        "on 2026-07-01: check them before you buy"
    ]


def test_old_exchange_rates_are_one_sentence_a_currency(tmp_path, measured):
    """Thirty days are not old; what is not bought is not told of."""
    quotes = catalog(tmp_path, only=["h100-1"])
    (base,) = quotes.offers

    def warned(*days: int) -> list[str]:
        offers = [
            replace(
                base,
                offer_id=f"o{i}",
                stock=1,
                currency="EUR",
                usd_per_unit=Decimal("1.1"),
                rate_date=DAY - dt.timedelta(days=age),
            )
            for i, age in enumerate(days)
        ]
        found = find(chat(), quotes.with_offers(offers), measured, explain=False)
        return [w for w in found.warnings if "rate of" in w]

    assert warned(30, 0) == []
    assert warned(31, 30) == [
        "EUR was converted at a rate of 2026-06-14, more than 30 days ago, for o0: look the rate "
        "up before you buy"
    ]
    assert warned(31, 45) == [
        "EUR was converted at a rate of 2026-05-31, more than 30 days ago, for o0, o1: look the "
        "rate up before you buy"
    ]
