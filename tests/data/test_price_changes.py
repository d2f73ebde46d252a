"""Histories of prices: three layouts, what they leave out, and what is refused."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from data.accelerators import shipped_accelerators
from data.errors import CatalogError
from data.instances import shipped_instances
from data.offers import shipped_offers
from data.price_changes import load_price_changes

FIRST, SECOND = dt.date(2026, 5, 19), dt.date(2026, 6, 1)
REGIONS = """\
date,region,instance_type,kind,old_usd_h,new_usd_h,rel_change,commit
2026-06-01,us-east4,g2-standard-24,spot,0.80,0.84,0.05,b2
2026-05-19,us-east4,g2-standard-24,spot,0.76,0.80,0.0526,a1
2026-05-19,us-west1,a3-highgpu-8g,on_demand,,88.0,,a1
2026-06-01,us-west1,a3-highgpu-8g,on_demand,88.0,,,b2
2026-05-19,us-west1,g4-standard-12,spot,0.3,0.31,0.033,a1
2026-05-19,us-west1,z9-quantum-1,spot,0.3,0.31,0.033,a1
"""
ONE_REGION = """\
date,instance_type,old_usd_h,new_usd_h,karpenter_commit
2023-08-08,p5.48xlarge,,98.32,4caa48d9b
2025-06-23,p5.48xlarge,98.32,55.04,1b59328e5
"""
OWN = """\
date,offer_id,price_per_node_hour_usd
2026-05-19,mine,2.10
2026-06-01,mine,
"""


def read(tmp_path, text, **options):
    path = tmp_path / "changes.csv"
    path.write_text(text)
    return load_price_changes(path, shipped_accelerators(), **options)


def test_a_file_of_several_regions(tmp_path):
    found = read(tmp_path, REGIONS)
    told = [(c.date, c.offer_id, c.before, c.after) for c in found.changes]
    l4, h100 = "gcp/us-east4/g2-standard-24/spot", "gcp/us-west1/a3-highgpu-8g/on_demand"
    assert told == [
        (FIRST, l4, Decimal("0.76"), Decimal("0.80")),
        (FIRST, h100, None, Decimal("88.0")),
        (SECOND, l4, Decimal("0.80"), Decimal("0.84")),
        (SECOND, h100, Decimal("88.0"), None),
    ]
    by_id = {o.offer_id: o for o in found.offers}
    assert (by_id[l4].accelerator, by_id[l4].gpus_per_node) == ("l4", 2)
    assert by_id[l4].price_per_node_hour_usd == Decimal("0.76")
    assert by_id[l4].interruptible
    assert not by_id[h100].interruptible
    assert found.rows == 6
    assert found.warnings == ()


def test_what_cannot_be_planned_on_is_named(tmp_path):
    left_out = {s.instance_type: s.reason for s in read(tmp_path, REGIONS).skipped}
    assert left_out == {
        "g4-standard-12": "a quarter of an RTX PRO 6000, not a whole accelerator",
        "z9-quantum-1": "the table of instance types does not list it",
    }


def test_a_file_of_one_region(tmp_path):
    found = read(tmp_path, ONE_REGION, region="us-east-1")
    assert [c.offer_id for c in found.changes] == ["aws/us-east-1/p5.48xlarge/on_demand"] * 2
    assert found.offers[0].region == "us-east-1"
    assert found.changes[0].before is None


def test_our_own_layout(tmp_path):
    found = read(tmp_path, OWN)
    assert not found.described
    assert [(c.date, c.after) for c in found.changes] == [(FIRST, Decimal("2.10")), (SECOND, None)]


def test_providers_and_regions(tmp_path):
    found = read(tmp_path, REGIONS)
    assert {o.region for o in found.only((), ("us-east4",)).offers} == {"us-east4"}
    with pytest.raises(CatalogError, match=r"no offer of aws; they are of gcp"):
        found.only(("aws",), ())


def test_a_change_that_is_missing_is_told(tmp_path):
    found = read(tmp_path, REGIONS.replace("spot,0.80,0.84", "spot,0.90,0.84"))
    (told,) = found.warnings
    assert "line 2: the old price is not the new one of the change before" in told


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<html><body>\n<p>Sign in</p>\n", "the header is of no known layout"),
        ("date,offer_id\n2026-05-19,mine\n", "the header is of no known layout"),
        (OWN.replace("2.10", "cheap"), "line 2, column price_per_node_hour_usd: 'cheap' is not a"),
        (OWN.replace("2.10", "-1"), "line 2, column price_per_node_hour_usd: -1 is out of bounds"),
        (OWN.replace("2026-06-01", "June"), "line 3, column date: 'June' is not a date"),
        (OWN.replace("2026-06-01", "2026-05-19"), "line 3: mine changes twice on 2026-05-19"),
        (REGIONS.replace("on_demand,,88.0", "on_demand,,"), "line 4, column new_usd_h: is empty"),
        (REGIONS.replace("spot,0.80", "tidal,0.80"), "line 2, column kind: 'tidal' is not one of"),
        (REGIONS.replace("0.76,0.80", "0.76,800"), "line 3, column new_usd_h: \\$400 per accel"),
        (REGIONS.replace(",b2\n", "\n", 1), "line 2: has 7 cells where the header has 8"),
        ("date,offer_id,price_per_node_hour_usd\n", "holds no price changes"),
    ],
)
def test_what_is_refused_names_row_and_column(tmp_path, text, fault):
    with pytest.raises(CatalogError, match=fault):
        read(tmp_path, text)


def test_instance_types_agree_with_the_shipped_offers():
    known, compared = shipped_instances(), 0
    for offer in shipped_offers():
        instance = known.get(offer.instance_type)
        if instance is not None and instance.provider == offer.provider:
            compared += 1
            assert (offer.accelerator, offer.gpus_per_node, offer.network_gbps) == (
                instance.accelerator,
                instance.gpus_per_node,
                instance.network_gbps,
            ), offer.offer_id
    assert compared > 100


def test_instance_types_are_of_known_accelerators():
    for instance in shipped_instances().values():
        usable = instance.accelerator in shipped_accelerators()
        assert usable is (instance.unusable == ""), instance
