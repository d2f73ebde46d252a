"""Offers as they are sold: currencies, prices of one accelerator, steps; and all that is wrong."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data.accelerators import shipped_accelerators
from data.catalog import Catalog
from data.currencies import Rate
from data.errors import CatalogError, InputError, RowsError
from data.offer_cells import offer_cells
from data.offers import load_offers, parse_offer
from data.price_steps import PriceStep
from data.tables import Row

KNOWN = shipped_accelerators()
CELLS = {
    "offer_id": "a",
    "provider": "acme",
    "region": "eu",
    "accelerator": "h100_sxm",
    "gpus_per_node": "8",
    "pricing": "on_demand",
    "observed_at": "2026-07-01",
    "source": "quote",
}
EUR = {"currency": "EUR", "usd_per_unit": "1.0837", "rate_date": "2026-07-01"}


def parse(**cells: str):
    return parse_offer(Row("f, line 2", {**CELLS, **cells}), KNOWN)


def refusal(**cells: str) -> str:
    with pytest.raises(InputError) as caught:
        parse(**cells)
    return str(caught.value).removeprefix("f, line 2, column ")


def test_a_price_in_euros():
    """22.50 · 1.0837 = 24.38325 an hour; 8,760 · 1.0837 / (12 · 730) = 1.0837 of it upfront."""
    offer = parse(price_per_node_hour="22.50", upfront="8760", term_months="12", **EUR)
    assert offer.price_per_node_hour_usd == Decimal("24.38325")
    assert offer.upfront_usd == Decimal("9493.212")
    assert offer.hourly_usd == Decimal("25.46695")
    assert (offer.currency, offer.usd_per_unit) == ("EUR", Decimal("1.0837"))
    assert offer.rate_date == dt.date(2026, 7, 1)


def test_amounts_end_at_the_billionth_of_a_dollar():
    """3,333 · 0.0066123457 = 22.0389482181 exactly."""
    yen = {"currency": "jpy", "usd_per_unit": "0.0066123457", "rate_date": "2026-07-01"}
    offer = parse(price_per_node_hour="3333", **yen)
    assert offer.price_per_node_hour_usd == Decimal("22.038948218")
    assert offer_cells(offer)["price_per_node_hour"] == "3333"


def test_a_price_of_one_accelerator():
    assert parse(price_per_gpu_hour_usd="2.51").price_per_node_hour_usd == Decimal("20.08")
    euros = parse(price_per_gpu_hour="2.5", **EUR)
    assert euros.price_per_node_hour_usd == Decimal("21.674")
    assert offer_cells(euros)["price_per_node_hour"] == "20"


def test_dollars_may_be_named():
    offer = parse(price_per_node_hour="20", currency="usd", usd_per_unit="1")
    assert (offer.currency, offer.usd_per_unit, offer.rate_date) == ("USD", None, None)
    assert offer == parse(price_per_node_hour_usd="20")


def test_steps_hold_from_their_first_node_on():
    offer = parse(price_per_node_hour_usd="24", price_steps="8: 22.5; 32: 20")
    assert offer.price_steps == (PriceStep(8, Decimal("22.5")), PriceStep(32, Decimal(20)))
    listed = {1: 24, 7: 24, 8: Decimal("22.5"), 31: Decimal("22.5"), 32: 20, 1000: 20}
    assert {n: offer.price_at(n) for n in listed} == listed
    assert offer.hourly_usd_at(8) == Decimal("22.5")


def test_steps_and_what_is_paid_upfront():
    """17,520 over 12 months of 730 hours is 2.00 an hour, at any number of nodes."""
    cells = {"term_months": "12", "upfront_usd": "17520", "price_steps": "4: 15"}
    offer = parse(price_per_node_hour_usd="18", **cells)
    assert (offer.price_at(4), offer.hourly_usd_at(4)) == (15, 17)
    assert offer.hourly_usd_at(3) == offer.hourly_usd == 20


def test_steps_are_in_the_unit_and_currency_of_the_price():
    """2.3 · 8 · 1.0837 = 19.94008."""
    offer = parse(price_per_gpu_hour="2.5", price_steps="8: 2.3", **EUR)
    assert offer.price_steps == (PriceStep(8, Decimal("19.94008")),)
    assert offer_cells(offer)["price_steps"] == "8: 18.4"


@pytest.mark.parametrize(
    "steps",
    [
        "8: 22.5; 32: 20",
        {8: 22.5, 32: 20},
        {"8": "22.5", "32": "20"},
        [{"from_nodes": 8, "price": 22.5}, {"price": 20, "from_nodes": 32}],
    ],
)
@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_steps_in_yaml_and_json(tmp_path, steps, kind):
    path = tmp_path / f"offers.{kind}"
    row = {**CELLS, "price_per_node_hour_usd": "24", "price_steps": steps}
    path.write_text(json.dumps([row]) if kind == "json" else yaml.safe_dump([row]))
    [offer] = load_offers(path, KNOWN)
    assert offer.price_steps == (PriceStep(8, Decimal("22.5")), PriceStep(32, Decimal(20)))
    assert Catalog.load().with_rows(offers=[row]).offers == (offer,)


@pytest.mark.parametrize(
    ("steps", "part"),
    [
        ("8", "'8' is not a step; write '8: 22.5'"),
        ("8 22.5", "'8 22.5' is not a step"),
        (": 20", "is not a step"),
        ("8: cheap", "'cheap' is not a number"),
        ("8: 22,5", "'22,5' is not a number"),
        ("8.5: 20", "8.5 is not a whole number"),
        ("8: -1", "out of bounds"),
        ("8: nan", "not a finite number"),
        ("8: 1e13", "out of bounds"),
        ("2: 22", "begins at no more nodes than min_nodes (2)"),
        ("8: 22; 8: 21", "begins at no more nodes than the 8 of the step before"),
        ("32: 20; 8: 19", "begins at no more nodes than the 32 of the step before"),
        ("8: 24", "costs no less than a node below the first step"),
        ("8: 22; 32: 23", "costs no less than a node of the step before"),
        ("8: 0.01", "from 8 nodes on, $0.01 for 8 × h100_sxm is less than their electricity"),
    ],
)
def test_a_wrong_step_is_named(steps, part):
    said = refusal(price_per_node_hour_usd="24", min_nodes="2", price_steps=steps)
    assert said.startswith("price_steps: ")
    assert part in said


@pytest.mark.parametrize(
    "steps", [[{"from_nodes": 8}], [{"from_nodes": 8, "price": 2, "x": 1}], [8, 22.5], [[8, 22]]]
)
def test_steps_of_another_form(steps):
    row = {**CELLS, "price_per_node_hour_usd": "24", "price_steps": steps}
    with pytest.raises(CatalogError, match="row 1, column price_steps: each step is a mapping of"):
        Catalog.load().with_rows(offers=[row])


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({}, "price_per_node_hour_usd: is empty; a number is required"),
        ({"price_per_node_hour": "20"}, "currency: is empty, but price_per_node_hour is given"),
        ({"price_per_node_hour_usd": "20", "upfront": "5"}, "currency: is empty, but upfront is"),
        (
            {"price_per_node_hour": "20", "upfront_usd": "5", **EUR},
            "currency: 'EUR' is not USD, but upfront_usd is in US dollars; write the figure as "
            "upfront, with usd_per_unit and rate_date.",
        ),
        (
            {"price_per_node_hour": "20", "currency": "EUR"},
            "usd_per_unit: is empty, but the price is in EUR; give the US dollars for one EUR",
        ),
        (
            {"price_per_node_hour": "20", **EUR, "rate_date": ""},
            "rate_date: is empty; give the day of the EUR rate, written YYYY-MM-DD.",
        ),
        ({"price_per_node_hour": "20", **EUR, "rate_date": "1 July"}, "rate_date: '1 July' is not"),
        ({"price_per_node_hour": "20", **EUR, "usd_per_unit": "0"}, "usd_per_unit: 0 US dollars"),
        ({"price_per_node_hour": "20", **EUR, "usd_per_unit": "-1"}, "usd_per_unit: -1 US doll"),
        (
            {"price_per_node_hour": "3000", **EUR, "currency": "JPY", "usd_per_unit": "151"},
            "usd_per_unit: 151 US dollars for one JPY cannot be; give USD per JPY, not JPY per USD",
        ),
        ({"price_per_node_hour": "0.02", **EUR}, "price_per_node_hour: $0.021674 for 8 × h100_s"),
        ({"price_per_gpu_hour": "101", **EUR}, "price_per_gpu_hour: $109.454 per accelerator-hour"),
        ({"price_per_node_hour": "-5", **EUR}, "price_per_node_hour: -5 is out of bounds"),
        ({"price_per_node_hour": "20", "term_months": "0", **EUR}, "term_months: 0 is out of"),
        ({"price_per_node_hour": "20", "term_months": "-12", **EUR}, "term_months: -12 is out"),
        ({"price_per_node_hour": "20", "stock": "-3", **EUR}, "stock: -3 is out of bounds"),
    ],
)
def test_a_wrong_quote_is_one_sentence(cells, said):
    assert refusal(**cells).startswith(said)


@given(
    st.decimals("0.01", "1e6", places=4),
    st.decimals("0.00004", "9", places=8),
    st.integers(1, 72),
)
def test_the_way_from_dollars_back_is_exact(amount, usd_per_unit, gpus):
    rate = Rate("EUR", usd_per_unit, dt.date(2026, 7, 1))
    usd = rate.to_usd(amount * gpus)
    assert rate.to_usd(rate.from_usd(usd)) == usd
    assert abs(usd - amount * gpus * usd_per_unit) <= Decimal("5e-10")
    assert rate.from_usd(usd) == amount * gpus or usd_per_unit < Decimal("1e-4")


def test_a_catalogue_of_quotes_survives_its_document():
    rows = [
        {**CELLS, "price_per_node_hour": "22.5", "price_steps": "8: 21; 9: 20.05", **EUR},
        {**CELLS, "offer_id": "b", "price_per_gpu_hour_usd": "2.5", "confirmed": "true"},
    ]
    catalog = Catalog.load().with_rows(offers=rows)
    again = Catalog.from_dict(json.loads(json.dumps(catalog.to_dict())))
    assert (again.offers, again.id) == (catalog.offers, catalog.id)
    cells = catalog.to_dict()["offers"][0]
    assert (cells["price_per_node_hour"], cells["price_steps"]) == ("22.5", "8: 21; 9: 20.05")
    assert cells["price_per_node_hour_usd"] == ""


@pytest.mark.parametrize(
    "change", [{"confirmed": "true"}, {"price_steps": "8: 22"}, {**EUR, "usd_per_unit": "1.08"}]
)
def test_the_id_of_a_catalogue_moves_with_what_is_quoted(change):
    euros = {"price_per_node_hour": "24", **EUR}
    first = Catalog.load().with_rows(offers=[{**CELLS, **euros}])
    assert Catalog.load().with_rows(offers=[{**CELLS, **euros, **change}]).id != first.id


def test_every_wrong_row_is_named(offers_file):
    """Each once, in the order of the file; the good row between them is not taken."""
    path = offers_file(
        {"price_per_node_hour_usd": ""},
        {"offer_id": "b"},
        {"offer_id": "c", "accelerator": "h100_sxn"},
        {"offer_id": "b", "stock": "-1"},
        {"offer_id": "e", "gpus_per_node": "8", "price_per_node_hour_usd": "2.1"},
    )
    with pytest.raises(RowsError) as caught:
        load_offers(path, KNOWN)
    places = [f.removeprefix(f"{path}, ").split(":")[0] for f in caught.value.faults]
    assert places == [
        "line 2, column price_per_node_hour_usd",
        "line 4, column accelerator",
        "line 5, column offer_id",
        "line 5, column stock",
        "line 6, column price_per_node_hour_usd",
    ]
    assert f"already used at {path}, line 3" in caught.value.faults[2]
    assert "did you mean 'h100_sxm'" in caught.value.faults[1]
    assert str(caught.value) == (
        f"{caught.value.faults[0]} 4 more faults are there, too; 'minfleet catalog check' names "
        "every one."
    )


def test_rows_of_the_wrong_length_are_among_them(offers_file):
    path = offers_file({}, {"offer_id": "b"}, {"offer_id": "c", "stock": "many"})
    lines = path.read_text().splitlines()
    lines[2] += ",an unquoted comma"
    path.write_text("\n".join(lines))
    with pytest.raises(RowsError) as caught:
        load_offers(path, KNOWN)
    assert "line 3: has 11 cells where the header has 10" in caught.value.faults[0]
    assert "line 4, column stock: 'many' is not a number" in caught.value.faults[1]


def test_rows_that_are_no_mappings_are_among_them(tmp_path):
    path = tmp_path / "offers.yaml"
    good = {**CELLS, "price_per_node_hour_usd": "24"}
    path.write_text(yaml.safe_dump([good, 3, {**good, "offer_id": "b", "region": {"a": 1}}]))
    with pytest.raises(RowsError) as caught:
        load_offers(path, KNOWN)
    assert "row 2: must be a mapping" in caught.value.faults[0]
    assert "row 3, column region: is a mapping" in caught.value.faults[1]
