"""Prices per accelerator and per node, mixed up: what is asked about, and what never is."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from data.accelerators import shipped_accelerators
from data.catalog import Catalog
from data.errors import CatalogError
from data.offers import known_prices, parse_offers, shipped_offers
from data.price_units import PEERS, KnownPrices, taken_for_gpu, taken_for_node, unit_problem
from data.tables import Row, shipped_rows

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


def read(*, trusted: bool = False, **cells: str):
    return parse_offers([Row("f, line 3", {**CELLS, **cells})], KNOWN, trusted=trusted)


def test_no_shipped_offer_is_asked_about():
    assert parse_offers(shipped_rows("offers"), KNOWN) == shipped_offers()


def test_no_shipped_node_would_be_asked_about_if_its_provider_were_new():
    """Spot prices of every cloud included, each against the prices of all the others."""
    by_chip = defaultdict(list)
    for offer in shipped_offers():
        by_chip[offer.accelerator].append(offer)
    judged = 0
    for offer in shipped_offers():
        others = [o for o in by_chip[offer.accelerator] if o.provider != offer.provider]
        if len(others) < PEERS:
            continue
        known = KnownPrices.of([o.price_per_gpu_hour_usd for o in others])
        judged += offer.gpus_per_node > 1
        assert not taken_for_node(float(offer.hourly_usd), offer.gpus_per_node, known), offer
    assert judged > 150


@pytest.mark.parametrize(
    ("accelerator", "gpus", "each"),
    [
        *(("h100_sxm", 8, price) for price in (1.5, 2.1, 2.49, 2.99, 3.9, 6.0)),
        *(("h200_sxm", 8, price) for price in (2.5, 3.5, 4.5)),
        *(("b200_sxm", 8, price) for price in (3.0, 5.0, 7.0)),
        *(("a100_sxm_80gb", 8, price) for price in (1.2, 1.8, 2.5)),
        ("l40s", 8, 1.8),
        ("h100_sxm", 4, 2.1),
    ],
)
def test_usual_prices_of_one_accelerator_are_found(accelerator, gpus, each):
    known = known_prices()[accelerator]
    assert taken_for_node(each, gpus, known)
    assert not taken_for_gpu(each, gpus, known)
    assert not taken_for_node(each * gpus, gpus, known)


@pytest.mark.parametrize("node", [20.0, 24.0, 31.92, 40.0])
def test_usual_prices_of_a_node_are_found(node):
    known = known_prices()["h100_sxm"]
    assert taken_for_gpu(node, 8, known)
    assert not taken_for_gpu(node / 8, 8, known)


def test_the_limits_by_hand():
    """Median 6, so less than 1.00 is too cheap and more than 15 too dear; 0.5 to 24 is near."""
    known = KnownPrices.of([1.0, 6.0, 12.0])
    assert (known.cheapest, known.middle, known.dearest) == (1, 6, 12)
    assert taken_for_node(7.99, 8, known)
    assert not taken_for_node(8.0, 8, known)
    assert not taken_for_node(0.49, 8, known)
    assert not taken_for_node(0.99, 1, known)
    assert taken_for_gpu(15.01, 8, known)
    assert not taken_for_gpu(15.0, 8, known)
    assert not taken_for_gpu(15.01, 1, known)
    assert not taken_for_gpu(193.0, 8, known)
    assert str(known) == "$1.00 to $12.00, median $6.00"
    assert unit_problem("8", "price_per_node_hour_usd", 8.0, 8, "x", known) == ""


def test_the_question_is_one_sentence():
    with pytest.raises(CatalogError) as caught:
        read(price_per_node_hour_usd="2.1")
    said = re.sub(r"\(\$.+?\)", "(…)", str(caught.value))
    assert said == (
        "f, line 3, column price_per_node_hour_usd: 2.1 for a node of 8 is $0.263 an hour for one "
        "h100_sxm, below every known price (…); if it is the price of one accelerator, write it "
        "as price_per_gpu_hour_usd, and if it is the node's, set confirmed to true."
    )
    with pytest.raises(CatalogError) as caught:
        read(price_per_gpu_hour_usd="24")
    said = re.sub(r"\(\$.+?\)", "(…)", str(caught.value))
    assert said == (
        "f, line 3, column price_per_gpu_hour_usd: 24 for one h100_sxm is $192 a node-hour, above "
        "every known price (…); if it is the price of the node, write it as "
        "price_per_node_hour_usd, and if it is one accelerator's, set confirmed to true."
    )


@pytest.mark.parametrize(
    "cells", [{"price_per_node_hour_usd": "2.1"}, {"price_per_gpu_hour_usd": "24"}]
)
def test_what_is_confirmed_or_was_taken_in_before_is_not_asked_about(cells):
    [offer] = read(**cells, confirmed="true")
    assert offer.confirmed
    assert not read(**cells, trusted=True)[0].confirmed
    stored = Catalog.load().with_offers(read(**cells, trusted=True))
    assert Catalog.from_dict(stored.to_dict()).id == stored.id


def test_a_price_in_euros_is_asked_about_in_its_own_column():
    rate = {"currency": "EUR", "usd_per_unit": "1.1", "rate_date": "2026-07-01"}
    with pytest.raises(CatalogError, match=r"column price_per_node_hour: 2\.1 for a node of 8"):
        read(price_per_node_hour="2.1", **rate)


def test_steps_of_one_accelerator_are_found():
    with pytest.raises(CatalogError, match=r"price_steps: from 8 nodes on, \$2\.1 for a node of 8"):
        read(price_per_node_hour_usd="20", price_steps="8: 2.1")


def test_what_has_no_known_prices_is_not_asked_about():
    assert "gaudi3" not in known_prices()
    assert read(accelerator="gaudi3", price_per_node_hour_usd="2.1")
