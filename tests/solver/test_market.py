"""Which offers count: filters by name, and offers that another one makes pointless."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from small_catalog import catalog
from small_instances import offer

from data.errors import UnknownNameError
from solver.market import allowed_offers, filtered_offers, open_market
from solver.workload import Hardware


@pytest.fixture
def quotes(tmp_path):
    return catalog(tmp_path, {"l40s-4": {"pricing": "spot"}, "a100-1": {"stock": "0"}})


def ids(offers):
    return [o.offer_id for o in offers]


def allowed(quotes, **filters):
    return ids(allowed_offers(quotes, Hardware(**filters)))


def test_by_default_on_demand_and_in_stock(quotes):
    assert allowed(quotes) == ["l40s-1", "a100-8", "h100-1", "h100-2", "h100-8"]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"pricing": ["spot"]}, ["l40s-4"]),
        ({"pricing": ["spot", "on_demand"], "accelerators": ["l40s"]}, ["l40s-1", "l40s-4"]),
        ({"accelerators": ["H100 SXM"]}, ["h100-1", "h100-2", "h100-8"]),
        ({"providers": ["bolt"]}, ["h100-2"]),
        ({"regions": ["us"]}, ["a100-8", "h100-8"]),
        ({"regions": ["us"], "accelerators": ["a100_sxm_80gb"]}, ["a100-8"]),
        ({"providers": ["bolt"], "regions": ["us"]}, []),
        ({"accelerators": []}, []),
    ],
)
def test_filters(quotes, filters, expected):
    assert allowed(quotes, **filters) == expected


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"accelerators": ["l40s", "h100_smx"]}, ("hardware.accelerators[1]", "'h100_sxm'")),
        ({"providers": ["acmee"]}, ("hardware.providers[0]", "'acme'")),
        ({"regions": ["eu", "usa"]}, ("hardware.regions[1]", "'us'")),
    ],
)
def test_unknown_names_are_errors_that_name_the_nearest(quotes, filters, words):
    with pytest.raises(UnknownNameError) as caught:
        allowed_offers(quotes, Hardware(**filters))
    for word in words:
        assert word in str(caught.value)


DAY = dt.date(2026, 7, 15)


@pytest.mark.parametrize(
    ("column", "shift", "stays"),
    [
        ("available_from", 0, True),
        ("available_from", 1, False),
        ("available_until", 0, True),
        ("available_until", -1, False),
    ],
)
def test_only_what_is_on_sale(tmp_path, column, shift, stays):
    """On the day of the plan, both ends included; filters alone do not look at dates."""
    day = (DAY + dt.timedelta(days=shift)).isoformat()
    dated = catalog(tmp_path, {"h100-1": {column: day}}, only=["h100-1", "h100-2"])
    found = ids(allowed_offers(dated, Hardware(), as_of=DAY))
    assert found == (["h100-1", "h100-2"] if stays else ["h100-2"])
    assert ids(filtered_offers(dated, Hardware())) == ["h100-1", "h100-2"]


def test_without_a_day_it_is_today(tmp_path):
    today = dt.date.today()
    past, future = today - dt.timedelta(days=2), today + dt.timedelta(days=2)
    changes = {
        "h100-1": {"available_until": past.isoformat()},
        "h100-2": {"available_until": future.isoformat()},
    }
    dated = catalog(tmp_path, changes, only=["h100-1", "h100-2"])
    assert ids(allowed_offers(dated, Hardware())) == ["h100-2"]


BASE = offer("a", 8, "20", name="base", network=400.0)


COMMITTED = {"term_months": 12, "upfront_usd": Decimal(17_520)}
"""Adds 17,520/(12 · 730) = 2.00 an hour."""


@pytest.mark.parametrize(
    ("change", "stays"),
    [
        ({}, False),
        ({"price_per_node_hour_usd": Decimal("20.01")}, False),
        ({"price_per_node_hour_usd": Decimal("19.99")}, True),
        ({"accelerator": "b"}, True),
        ({"gpus_per_node": 4}, True),
        ({"stock": 2}, False),
        ({"min_nodes": 3}, False),
        ({"network_gbps": None}, False),
        ({"network_gbps": 99.0}, False),
        ({"provider": "other", "region": "far"}, False),
        ({"term_months": 12}, False),
        (COMMITTED | {"price_per_node_hour_usd": Decimal("17.99")}, True),
        (COMMITTED | {"price_per_node_hour_usd": Decimal("18.01")}, False),
    ],
)
def test_what_a_cheap_unlimited_offer_makes_pointless(change, stays):
    other = replace(BASE, offer_id="other", **change)
    market = open_market([other, BASE], pair_locations=False)
    assert ("other" in ids(market.offers)) == stays
    assert market.considered == 2
    assert not market.locations


@pytest.mark.parametrize("change", [{"stock": 5}, {"min_nodes": 2}, {"network_gbps": None}])
def test_what_a_limited_offer_does_not(change):
    """A dearer offer stays beside one that is limited, sold in bulk, or on a slow network."""
    cheap = replace(BASE, offer_id="cheap", price_per_node_hour_usd=Decimal(1), **change)
    assert ids(open_market([BASE, cheap], pair_locations=False).offers) == ["cheap", "base"]


def test_nothing_is_dropped_on_request():
    twins = [replace(BASE, offer_id=f"o{i}") for i in range(3)]
    market = open_market(twins, pair_locations=True, prune=False)
    assert ids(market.offers) == ["o0", "o1", "o2"]
    assert market.locations == (("acme", "eu"),)


HERE, THERE = ("acme", "eu"), ("acme", "us")


def located(place, price, network=400.0, **more):
    return offer("a", 8, price, name=f"{place[1]}-{price}", place=place, network=network, **more)


def test_a_location_stays_only_if_no_other_replaces_all_of_it():
    market = open_market([located(HERE, 20), located(THERE, 21)], pair_locations=True)
    assert (market.locations, ids(market.offers)) == ((HERE,), ["eu-20"])


def test_a_location_with_a_faster_network_stays():
    market = open_market([located(HERE, 20), located(THERE, 21, 800.0)], pair_locations=True)
    assert (market.locations, ids(market.offers)) == ((HERE, THERE), ["eu-20", "us-21"])


def test_a_location_with_another_accelerator_stays():
    more = replace(located(THERE, 30), offer_id="b", accelerator="b")
    market = open_market([located(HERE, 20), located(THERE, 21), more], pair_locations=True)
    assert market.locations == (HERE, THERE)
    assert set(ids(market.offers)) == {"eu-20", "us-21", "b"}


def test_equal_locations_do_not_replace_each_other_both():
    market = open_market([located(HERE, 20), located(THERE, 20)], pair_locations=True)
    assert len(market.locations) == 1


def test_kv_caches_travel_only_over_a_known_network():
    market = open_market([located(HERE, 20, None), located(THERE, 21)], pair_locations=True)
    assert market.locations == (THERE,)
    assert set(ids(market.offers)) == {"eu-20", "us-21"}


def test_offers_of_a_location(quotes):
    market = open_market(quotes.offers, pair_locations=True)
    assert set(ids(market.at(("bolt", "eu")))) == {"h100-2"}
    assert market.at(None) == market.offers


def test_movable_offers_stay_and_make_no_other_pointless():
    """A price that is to change neither loses nor wins by what it is now."""
    cheap, dear = (
        replace(BASE, offer_id=n, price_per_node_hour_usd=Decimal(p))
        for n, p in (("cheap", "1"), ("dear", "90"))
    )
    for pair in (False, True):
        market = open_market([BASE, cheap, dear], pair_locations=pair, movable=("cheap", "dear"))
        assert ids(market.offers) == ["cheap", "base", "dear"]
        assert ids(open_market([BASE, cheap, dear], pair_locations=pair).offers) == ["cheap"]
