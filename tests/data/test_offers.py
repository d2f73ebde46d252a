"""Offers: what a row means, and which rows are refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.accelerators import shipped_accelerators
from data.errors import CatalogError, UnknownNameError
from data.offers import (
    MAX_USD_PER_GPU_HOUR,
    load_offers,
    parse_offer,
    price_problem,
    shipped_offers,
)
from data.tables import Row

KNOWN = shipped_accelerators()
CELLS = {
    "offer_id": "a",
    "provider": "acme",
    "region": "eu",
    "accelerator": "h100_sxm",
    "gpus_per_node": "8",
    "price_per_node_hour_usd": "20.10",
    "pricing": "on_demand",
    "observed_at": "2026-07-01",
    "source": "quote",
}


def parse(**changes: str):
    return parse_offer(Row("f, line 2", {**CELLS, **changes}), KNOWN)


def test_the_least_a_row_needs():
    offer = parse()
    assert offer.price_per_node_hour_usd == Decimal("20.10")
    assert offer.price_per_gpu_hour_usd == pytest.approx(2.5125)
    assert (offer.stock, offer.network_gbps, offer.term_months) == (None, None, None)
    assert (offer.min_nodes, offer.currency, offer.interruptible) == (1, "USD", False)
    assert offer.observed_at == dt.date(2026, 7, 1)


def test_what_the_other_columns_mean():
    offer = parse(
        stock="0",
        pricing="committed",
        term_months="12",
        upfront_usd="1000.5",
        min_nodes="2",
        interruptible="TRUE",
        available_from="2026-01-01",
        available_until="2026-12-31",
        currency="usd",
        network_gbps="400",
    )
    assert (offer.stock, offer.term_months, offer.min_nodes) == (0, 12, 2)
    assert offer.upfront_usd == Decimal("1000.5")
    assert offer.interruptible is True
    assert offer.available_until == dt.date(2026, 12, 31)
    assert (offer.currency, offer.network_gbps) == ("USD", 400)
    assert parse(pricing="spot").interruptible is True
    assert parse(pricing="spot", interruptible="false").interruptible is False


def test_a_payment_upfront_is_spread_over_the_term():
    """17,520 over 12 months of 730 hours is 2.00 an hour; a third of a dollar ends at 1e-9."""
    committed = parse(pricing="committed", term_months="12", upfront_usd="17520")
    assert committed.price_per_node_hour_usd == Decimal("20.10")
    assert committed.hourly_usd == Decimal("22.10")
    assert committed.price_per_gpu_hour_usd == pytest.approx(2.7625)
    thirds = parse(pricing="committed", term_months="3", upfront_usd="730")
    assert thirds.hourly_usd == Decimal("20.433333333")


@pytest.mark.parametrize("cells", [{}, {"term_months": "12"}, {"upfront_usd": "0"}])
def test_without_a_payment_upfront_an_hour_costs_its_price(cells):
    assert parse(**cells).hourly_usd == Decimal("20.10")


def test_all_may_be_paid_upfront():
    offer = parse(price_per_node_hour_usd="0", term_months="12", upfront_usd="175200")
    assert (offer.price_per_node_hour_usd, offer.hourly_usd) == (0, 20)


def test_a_payment_upfront_needs_a_term():
    with pytest.raises(CatalogError) as caught:
        parse(pricing="committed", upfront_usd="17520")
    assert str(caught.value) == (
        "f, line 2, column term_months: is empty, but $17520 is paid upfront; give the months "
        "that it pays for."
    )


@pytest.mark.parametrize(
    ("price", "upfront", "column", "part"),
    [
        ("20.10", "100000000", "upfront_usd", "above any price ever listed"),
        ("72000", "1000", "price_per_node_hour_usd", "above any price ever listed"),
        ("0", "100", "upfront_usd", "less than their electricity"),
        ("0.02", "100", "price_per_node_hour_usd", "less than their electricity"),
        ("20.10", "1e13", "upfront_usd", "out of bounds"),
        ("-1", "100", "price_per_node_hour_usd", "out of bounds"),
    ],
)
def test_bounds_hold_for_what_an_hour_costs_in_all(price, upfront, column, part):
    with pytest.raises(CatalogError, match=part) as caught:
        parse(price_per_node_hour_usd=price, upfront_usd=upfront, term_months="12")
    assert str(caught.value).startswith(f"f, line 2, column {column}: ")


@pytest.mark.parametrize(
    ("first", "last", "on_sale"),
    [
        ("", "", True),
        ("2026-07-15", "2026-07-15", True),
        ("2026-07-16", "", False),
        ("", "2026-07-14", False),
        ("2026-01-01", "2026-12-31", True),
    ],
)
def test_an_offer_is_on_sale_from_its_first_day_to_its_last(first, last, on_sale):
    offer = parse(available_from=first, available_until=last)
    assert offer.on_sale(dt.date(2026, 7, 15)) is on_sale


def test_aliases_become_catalogue_names():
    assert parse(accelerator="NVIDIA-H100-80GB-HBM3").accelerator == "h100_sxm"
    with pytest.raises(UnknownNameError, match="did you mean 'h100_sxm'"):
        parse(accelerator="h100_sxn")
    row = Row("f, line 2", {**CELLS, "accelerator": "my_chip"})
    assert parse_offer(row, KNOWN, strict=False).accelerator == "my_chip"


@pytest.mark.parametrize(
    ("column", "cell", "part"),
    [
        ("price_per_node_hour_usd", "", "is empty; a number is required"),
        ("price_per_node_hour_usd", "0", "out of bounds"),
        ("price_per_node_hour_usd", "-3", "out of bounds"),
        ("price_per_node_hour_usd", "nan", "not a finite number"),
        ("price_per_node_hour_usd", "inf", "not a finite number"),
        ("price_per_node_hour_usd", "3.10 EUR", "is not a number"),
        ("price_per_node_hour_usd", "0.01", "less than their electricity"),
        ("price_per_node_hour_usd", "72000", "above any price ever listed"),
        ("currency", "EUR", "'EUR' is not USD, but price_per_node_hour_usd is in US dollars"),
        ("currency", "EUE", "is not an ISO 4217 code; did you mean 'EUR'"),
        ("currency", "???", "write it as EUR, JPY or INR"),
        ("usd_per_unit", "1.08", "the currency is USD; name the currency of that rate"),
        ("price_per_node_hour", "20", "is given besides price_per_node_hour_usd"),
        ("price_per_gpu_hour_usd", "2.5", "is given besides price_per_node_hour_usd"),
        ("confirmed", "yes", "not true or false"),
        ("gpus_per_node", "0", "out of bounds"),
        ("gpus_per_node", "2.5", "not a whole number"),
        ("gpus_per_node", "", "is empty"),
        ("pricing", "reserved", "not one of on_demand, spot, committed"),
        ("stock", "-1", "out of bounds"),
        ("stock", "many", "is not a number"),
        ("min_nodes", "0", "out of bounds"),
        ("network_gbps", "0", "out of bounds"),
        ("upfront_usd", "-1", "out of bounds"),
        ("interruptible", "maybe", "not true or false"),
        ("observed_at", "", "is empty"),
        ("observed_at", "03/08/2026", "write it as YYYY-MM-DD"),
        ("available_until", "soon", "is not a date"),
        ("source", "", "is empty"),
        ("provider", "", "is empty"),
        ("offer_id", "", "is empty"),
    ],
)
def test_a_wrong_cell_is_named(column, cell, part):
    with pytest.raises(CatalogError, match=part) as caught:
        parse(**{column: cell})
    assert str(caught.value).startswith(f"f, line 2, column {column}: ")


def test_a_cent_for_a_b200_is_refused():
    with pytest.raises(CatalogError, match="less than their electricity"):
        parse(accelerator="b200_sxm", gpus_per_node="1", price_per_node_hour_usd="0.01")


def test_a_price_is_bounded_even_where_the_power_is_unknown():
    unpowered = next(a for a in KNOWN.values() if a.tdp_w is None)
    assert "electricity" in price_problem(0.001, 1, unpowered)
    assert "electricity" in price_problem(0.001, 1, None)
    assert price_problem(0.5, 1, None) == ""


@given(st.floats(1e-4, 200), st.floats(1, 1000), st.integers(1, 72), st.sampled_from(sorted(KNOWN)))
def test_sane_prices_are_an_interval(per_gpu, factor, gpus, name):
    """Dearer than too dear is too dear, cheaper than too cheap is too cheap, never both."""
    problem = price_problem(per_gpu * gpus, gpus, KNOWN[name])
    dearer = price_problem(per_gpu * gpus * factor, gpus, KNOWN[name])
    cheaper = price_problem(per_gpu * gpus / factor, gpus, KNOWN[name])
    if "above any price" in problem:
        assert "above any price" in dearer
    if "electricity" in problem:
        assert "electricity" in cheaper
    if not problem:
        assert per_gpu <= MAX_USD_PER_GPU_HOUR * (1 + 1e-9)


def test_an_id_given_twice_names_both_rows(offers_file):
    path = offers_file({}, {"region": "us"})
    with pytest.raises(CatalogError) as caught:
        load_offers(path, KNOWN)
    assert f"{path}, line 3, column offer_id" in str(caught.value)
    assert f"already used at {path}, line 2" in str(caught.value)


def test_yaml_and_csv_give_the_same_offers(offers_file, tmp_path):
    import yaml

    from_csv = load_offers(offers_file({}), KNOWN)
    path = tmp_path / "offers.yaml"
    cells = {**CELLS, "offer_id": from_csv[0].offer_id, "source": "quote 17"}
    cells["price_per_node_hour_usd"] = "20.00"
    path.write_text(yaml.safe_dump({"offers": [cells]}))
    assert load_offers(path, KNOWN) == from_csv


def test_shipped_ids_are_the_four_names():
    from data.importers import offer_id

    for offer in shipped_offers():
        own = offer_id(offer.provider, offer.region, offer.instance_type, offer.pricing)
        assert offer.offer_id == own
