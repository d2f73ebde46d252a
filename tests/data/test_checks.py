"""Questions put to a catalogue: one catalogue for each, and none for a clean one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.catalog import Catalog
from data.checks import OUTLIER_FACTOR, STALE_DAYS, STALE_RATE_DAYS, check_catalog
from data.price_steps import PriceStep

TODAY = dt.date(2026, 8, 10)
SHIPPED = Catalog.load()
GOOD = replace(
    next(o for o in SHIPPED.offers if o.accelerator == "h100_sxm" and o.gpus_per_node == 8),
    offer_id="good",
    provider="acme",
    pricing="on_demand",
    price_per_node_hour_usd=Decimal(24),
    stock=None,
    observed_at=TODAY,
)


def findings(*changes: dict, level: str = "") -> list[str]:
    """Return what is found in a catalogue of good offers that differ by `changes`."""
    offers = [replace(GOOD, offer_id=f"o{i}", **change) for i, change in enumerate(changes)]
    accelerators = {"h100_sxm": SHIPPED.accelerators["h100_sxm"]}
    found = check_catalog(Catalog(accelerators, tuple(offers)), TODAY)
    return [f"{f.place}: {f.message}" for f in found if level in ("", f.level)]


def test_a_good_catalogue_raises_no_question():
    assert findings({}) == []


def test_the_shipped_catalogue_has_no_errors():
    newest = SHIPPED.observed_at["newest"]
    assert [f for f in check_catalog(SHIPPED, newest) if f.level == "error"] == []


def test_stale_prices_are_one_line_a_provider():
    old = TODAY - dt.timedelta(days=STALE_DAYS + 1)
    found = findings({"observed_at": old}, {"observed_at": old}, {}, level="warning")
    assert found == [
        f"acme: 2 of 3 prices are more than 90 days old (from {old}); look them up again."
    ]
    assert findings({"observed_at": old + dt.timedelta(days=1)}) == []


def test_prices_far_from_their_peers():
    found = findings(*[{}] * 3, {"price_per_node_hour_usd": Decimal(200)}, level="warning")
    assert any(line.startswith("o3: $25.00 per accelerator-hour is 8.3 times") for line in found)
    found = findings(*[{}] * 3, {"price_per_node_hour_usd": Decimal(4)}, level="warning")
    assert any("o3: $0.50 per accelerator-hour is 1/6.0 of" in line for line in found)


def test_two_offers_have_no_median_worth_comparing_with():
    found = findings({"region": "a"}, {"region": "b", "price_per_node_hour_usd": Decimal(400)})
    assert found == []


@given(st.lists(st.decimals("1", "700", places=2), min_size=1, max_size=8))
def test_outliers_are_those_beyond_the_factor(prices):
    from statistics import median

    changes = [{"price_per_node_hour_usd": p, "region": f"r{i}"} for i, p in enumerate(prices)]
    flagged = {line.split(":")[0] for line in findings(*changes)}
    each = [float(p) / 8 for p in prices]
    middle = median(each)
    far = {
        f"o{i}"
        for i, p in enumerate(each)
        if len(each) >= 3 and not 1 / OUTLIER_FACTOR <= p / middle <= OUTLIER_FACTOR
    }
    assert flagged == far


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"available_until": dt.date(2026, 8, 9)}, "ended on 2026-08-09"),
        (
            {"available_from": dt.date(2027, 1, 2), "available_until": dt.date(2027, 1, 1)},
            "is before available_from",
        ),
        ({"observed_at": dt.date(2026, 8, 12)}, "is in the future"),
        ({"min_nodes": 4, "stock": 3}, "more than the stock"),
    ],
)
def test_what_makes_a_plan_wrong_is_an_error(change, part):
    [found] = findings(change, level="error")
    assert found.startswith("o0: ")
    assert part in found


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"gpus_per_node": 73, "price_per_node_hour_usd": Decimal(219)}, "larger than any sold"),
        ({"pricing": "committed"}, "gives no term_months"),
    ],
)
def test_what_is_odd_is_a_warning(change, part):
    [found] = findings(change, level="warning")
    assert part in found


EUROS = {"currency": "EUR", "usd_per_unit": Decimal("1.1"), "rate_date": TODAY}


def test_rates_long_ago_in_the_future_or_of_two_kinds():
    old = TODAY - dt.timedelta(days=STALE_RATE_DAYS + 1)
    [found] = findings({**EUROS, "rate_date": old}, EUROS, {})
    assert found == (
        "EUR: 1 of 2 offers are converted at a rate more than 30 days old (o0); look it up again."
    )
    assert findings({**EUROS, "rate_date": old + dt.timedelta(days=1)}) == []
    late = {**EUROS, "rate_date": TODAY + dt.timedelta(days=2)}
    assert findings(late, level="error") == ["o0: rate_date 2026-08-12 is in the future."]
    [found] = findings(EUROS, {**EUROS, "usd_per_unit": Decimal("1.08"), "region": "b"})
    assert found.startswith("EUR: is converted at 2 rates, 1.08 to 1.1 dollars")


def test_a_step_beyond_the_stock():
    steps = {"price_steps": (PriceStep(8, Decimal(22)),)}
    [found] = findings({**steps, "stock": 7}, level="warning")
    assert found.startswith("o0: the price from 8 nodes on is beyond the stock of 7")
    assert findings({**steps, "stock": 8}) == findings(steps) == []


def test_limits_that_are_met():
    assert findings({"available_until": TODAY, "available_from": TODAY}) == []
    assert findings({"observed_at": TODAY + dt.timedelta(days=1)}) == []  # tomorrow, somewhere
    assert findings({"min_nodes": 3, "stock": 3, "gpus_per_node": 72}) == []


def test_spot_dearer_than_on_demand():
    spot = {"pricing": "spot", "price_per_node_hour_usd": Decimal(25)}
    assert findings({}, spot) == ["o1: $25 an hour on spot is more than the $24 of o0."]
    assert findings({}, {**spot, "price_per_node_hour_usd": Decimal(24)}) == []
    assert findings({}, {**spot, "region": "elsewhere"}) == []


def test_one_machine_at_two_prices():
    [found] = findings({}, {"price_per_node_hour_usd": Decimal(26)})
    assert "the same machine costs $24 to $26 in o0, o1" in found
    hosts = [{"stock": 1}, {"stock": 2, "price_per_node_hour_usd": Decimal(26)}]
    assert findings(*hosts) == []


def test_one_provider_in_two_spellings():
    found = findings({}, {"provider": "ACME"})
    assert found == ["ACME: is also spelled acme; use one spelling."]


def test_accelerators_without_offers_or_figures():
    found = check_catalog(Catalog(SHIPPED.accelerators, (GOOD,)), TODAY)
    assert [f.place for f in found] == ["accelerators"]
    assert "35 of 36 have no offer" in found[0].message
    found = check_catalog(Catalog({}, (GOOD,)), TODAY)
    assert "no figures of h100_sxm" in found[0].message


def test_unverified_figures_count_only_where_they_are_used():
    nvl = replace(GOOD, accelerator="h100_nvl")
    some = {n: SHIPPED.accelerators[n] for n in ("h100_nvl", "h100_sxm")}
    doubts = [f.place for f in check_catalog(Catalog(some, (nvl,)), TODAY)]
    assert "h100_nvl" in doubts
    assert "h100_nvl" not in [f.place for f in check_catalog(Catalog(some, (GOOD,)), TODAY)]


def test_errors_come_first_and_nothing_depends_on_a_clock():
    found = check_catalog(SHIPPED, dt.date(2030, 1, 1))
    assert found == check_catalog(SHIPPED, dt.date(2030, 1, 1))
    levels = [f.level for f in found]
    assert levels == sorted(levels, key=lambda level: level != "error")
