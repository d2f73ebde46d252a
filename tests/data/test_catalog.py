"""The catalogue: what ships, how user files join it, and an id that moves with every price."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.catalog import Catalog
from data.errors import CatalogError, UnknownNameError

SHIPPED = Catalog.load()


def test_what_ships():
    offered = Counter(o.accelerator for o in SHIPPED.offers)
    assert len(SHIPPED.accelerators) >= 30
    assert len(SHIPPED.offers) >= 150
    assert len(SHIPPED.providers) >= 12
    assert len(offered) >= 25
    assert {"aws", "azure", "gcp", "oci", "lambda", "nebius", "coreweave"} <= set(SHIPPED.providers)
    assert {o.pricing for o in SHIPPED.offers} >= {"on_demand", "spot"}
    for offer in SHIPPED.offers:
        assert offer.source
        assert offer.observed_at
        assert offer.accelerator in SHIPPED.accelerators
        assert offer.region


def test_every_vendor_and_whole_nodes_are_there():
    vendors = {SHIPPED.accelerators[o.accelerator].vendor for o in SHIPPED.offers}
    assert {"NVIDIA", "AMD", "Google", "AWS"} <= vendors
    assert sum(o.gpus_per_node == 8 for o in SHIPPED.offers) >= 20


def test_both_kinds_of_pricing_for_what_clouds_rent_most():
    for name in ("h100_sxm", "a100_sxm_80gb", "l4", "h200_sxm"):
        kinds = {o.pricing for o in SHIPPED.offers if o.accelerator == name}
        assert kinds >= {"on_demand", "spot"}, name


def test_dates_and_lookups():
    assert SHIPPED.observed_at["oldest"] <= SHIPPED.observed_at["newest"]
    first = SHIPPED.offers[0]
    assert SHIPPED.offer(first.offer_id) is first
    assert SHIPPED.offer("absent") is None
    assert list(SHIPPED.regions) == sorted(set(SHIPPED.regions))


def test_the_id_is_of_the_content():
    assert Catalog.load().id == SHIPPED.id
    assert SHIPPED.with_offers(reversed(SHIPPED.offers)).id == SHIPPED.id
    assert SHIPPED.with_offers(SHIPPED.offers[1:]).id != SHIPPED.id


@given(st.integers(0, len(SHIPPED.offers) - 1), st.decimals("0.01", "99", places=6))
@settings(deadline=None)
def test_the_id_moves_with_any_price(index, amount):
    changed = list(SHIPPED.offers)
    before = changed[index]
    changed[index] = replace(before, price_per_node_hour_usd=amount)
    same = changed[index] == before
    assert (SHIPPED.with_offers(changed).id == SHIPPED.id) == (
        same and str(amount) == str(before.price_per_node_hour_usd)
    )


def test_the_id_moves_with_any_figure():
    h100 = SHIPPED.accelerators["h100_sxm"]
    changed = {**SHIPPED.accelerators, "h100_sxm": replace(h100, memory_mib=81_558.0)}
    assert Catalog(changed, SHIPPED.offers).id != SHIPPED.id


def test_users_offers_replace_or_join(offers_file):
    path = offers_file({})
    only = Catalog.load(path)
    assert [o.offer_id for o in only.offers] == ["acme/eu/h100x8/on_demand"]
    assert only.offers[0].price_per_node_hour_usd == Decimal("20.00")
    joined = Catalog.load(add_offers=str(path))
    assert len(joined.offers) == len(SHIPPED.offers) + 1
    with pytest.raises(CatalogError, match="already in the catalogue"):
        Catalog.load(path, add_offers=path)


def test_users_accelerators_override(tmp_path, offers_file):
    from data.tables import shipped_rows

    cells = dict(shipped_rows("accelerators")[0].cells)
    cells |= {"name": "my_chip", "notes": "", "source": "mine"}
    path = tmp_path / "accelerators.yaml"
    path.write_text(
        "- " + "\n  ".join(f"{k}: {v!r}" if v else f"{k}:" for k, v in cells.items()) + "\n"
    )
    offers = offers_file({"accelerator": "my_chip", "price_per_node_hour_usd": "3"})
    with pytest.raises(UnknownNameError):
        Catalog.load(offers)
    assert Catalog.load(offers, accelerators=path).offers[0].accelerator == "my_chip"
    assert Catalog.load(offers, strict=False).offers[0].accelerator == "my_chip"


def test_an_empty_catalogue_is_refused():
    with pytest.raises(CatalogError, match="holds no offer"):
        SHIPPED.with_offers([])


def test_a_catalogue_written_and_read_is_the_same():
    shipped = Catalog.load()
    assert Catalog.from_dict(json.loads(json.dumps(shipped.to_dict()))).id == shipped.id


def quote(**changes):
    row = {
        "offer_id": "ours/1",
        "provider": "ours",
        "region": "here",
        "accelerator": "h100_sxm",
        "gpus_per_node": 8,
        "price_per_node_hour_usd": 16.5,
        "pricing": "on_demand",
        "observed_at": "2026-01-01",
        "source": "quote",
    }
    return {**row, **changes}


def test_rows_are_as_good_as_a_file():
    shipped = Catalog.load()
    alone = shipped.with_rows(offers=[quote()])
    assert [o.price_per_node_hour_usd for o in alone.offers] == [Decimal("16.5")]
    assert len(shipped.with_rows(add_offers=[quote()]).offers) == len(shipped.offers) + 1


@pytest.mark.parametrize(
    ("rows", "place"),
    [
        ([quote(price_per_node_hour_usd="cheap")], "offers, row 1, column price_per_node_hour_usd"),
        ([quote(), quote()], "offers, row 2, column offer_id"),
        ([quote(colour="red")], "offers, row 1: unknown column 'colour'"),
        ([3], "offers, row 1: must be a mapping"),
        ("offers.csv", "offers: must be a list"),
        ([], "offers: holds no rows"),
    ],
)
def test_a_wrong_row_is_named(rows, place):
    with pytest.raises(CatalogError, match=re.escape(place)):
        Catalog.load().with_rows(offers=rows)
