"""Feeds from files: SkyPilot lists, FOCUS rows, own columns; what is no list, or not believed."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pytest

from data.accelerators import shipped_accelerators
from data.errors import CatalogError, InputError, RowsError
from data.feeds.read import Wanted, machines_of, read_feed
from data.feeds.reading import Listing, Reading
from data.offers import shipped_offers

TODAY = dt.date(2026, 11, 22)

VMS = """\
InstanceType,AcceleratorName,AcceleratorCount,GpuInfo,Price,SpotPrice,Region,AvailabilityZone
m5.large,,,,0.096,0.03,us-east-1,a
p5.48xlarge,H100,8,,55.04,20,us-east-1,a
g6.xlarge,L4,1,,0.80,0.31,us-east-1,a
"""

OWN = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,observed_at,source
a,acme,eu,h100_sxm,8,18.40,on_demand,2026-11-20,quote 4711
b,acme,eu,l4,1,0.50,spot,2026-11-19,quote 4711
"""


def read(feed: str, *texts: str, **more: object) -> Reading:
    provider = "aws" if feed == "skypilot-csv" else ""
    listings = tuple(Listing(f"list-{n}", t, provider=provider) for n, t in enumerate(texts, 1))
    wanted = Wanted(feed, listings, **more)  # type: ignore[arg-type]
    return read_feed(wanted, shipped_accelerators(), shipped_offers(), TODAY)


def focus(**changes: object) -> dict[str, object]:
    return {
        "ProviderName": "Amazon Web Services",
        "RegionId": "us-east-1",
        "SkuId": "X7B",
        "SkuPriceDetails": {"InstanceType": "p5.48xlarge", "GpuCount": 8},
        "PricingCategory": "Standard",
        "ListUnitPrice": 55.04,
        "ContractedUnitPrice": 46.784,
        "PricingUnit": "Hours",
        "BillingCurrency": "USD",
        "ChargeCategory": "Usage",
        "ChargePeriodStart": "2026-11-20T00:00:00Z",
        "ChargePeriodEnd": "2026-11-21T00:00:00Z",
        **changes,
    }


def test_a_skypilot_list():
    found = read("skypilot-csv", VMS)
    prices = {o.offer_id: float(o.price_per_node_hour_usd) for o in found.offers}
    assert prices == {
        "aws/us-east-1/p5.48xlarge/on_demand": 55.04,
        "aws/us-east-1/p5.48xlarge/spot": 20.0,
        "aws/us-east-1/g6.xlarge/on_demand": 0.8,
        "aws/us-east-1/g6.xlarge/spot": 0.31,
    }
    assert {o.observed_at for o in found.offers} == {TODAY}
    assert (found.rows, found.without_accelerator, found.pricing) == (3, 1, ("on_demand", "spot"))
    [aws] = found.provenance
    assert (aws.rows, aws.offers, aws.sources) == (3, 4, ("SkyPilot catalogue, list-1",))
    day = dt.date(2026, 11, 3)
    assert read("skypilot-csv", VMS, observed_at=day).offers[0].observed_at == day
    with pytest.raises(CatalogError, match="is in two of the files"):
        read("skypilot-csv", VMS, VMS)


def test_own_columns():
    found = read("csv", OWN)
    assert [o.offer_id for o in found.offers] == ["a", "b"]
    [acme] = found.provenance
    assert (acme.oldest, acme.newest) == (dt.date(2026, 11, 19), dt.date(2026, 11, 20))
    assert (acme.rows, acme.sources, acme.feed) == (2, ("quote 4711",), "csv")


def test_focus_rows():
    """The contracted price goes before the listed one; 8 × 2.25 EUR × 1.1 is 19.80 dollars."""
    rows = [
        focus(),
        focus(PricingCategory="Dynamic", ContractedUnitPrice=None, ListUnitPrice="20.10"),
        focus(
            ProviderName="Acme",
            SkuId="quote-17",
            SkuPriceDetails='{"F_GpuCount": 8}',
            PricingCategory="Committed",
            ContractedUnitPrice=2.25,
            PricingUnit="GPU-Hours",
            BillingCurrency="EUR",
            x_Accelerator="H100-SXM",
            x_UsdPerUnit=1.1,
            x_RateDate="2026-11-19",
            x_TermMonths=12,
        ),
    ]
    found = read("focus-json", json.dumps(rows))
    assert found.skipped == ()
    on_demand, spot, committed = found.offers
    assert on_demand.offer_id == "aws/us-east-1/p5.48xlarge/on_demand"
    assert on_demand.price_per_node_hour_usd == Decimal("46.784")
    assert (on_demand.accelerator, on_demand.gpus_per_node) == ("h100_sxm", 8)
    assert on_demand.observed_at == dt.date(2026, 11, 20)
    assert on_demand.source == "FOCUS rows, list-1"
    assert (spot.pricing, spot.price_per_node_hour_usd) == ("spot", Decimal("20.10"))
    assert committed.offer_id == "acme/us-east-1/quote-17/committed"
    assert committed.price_per_node_hour_usd == Decimal("19.8")
    assert (committed.currency, committed.rate_date) == ("EUR", dt.date(2026, 11, 19))
    assert (committed.term_months, committed.accelerator) == (12, "h100_sxm")
    same = ["\n".join(map(json.dumps, rows)), json.dumps({"rows": rows}, indent=1)]
    for text in same:
        assert read("focus-json", text).offers == found.offers


def test_focus_rows_that_are_no_offers():
    rows = [
        focus(),
        focus(ChargeCategory="Tax"),
        focus(SkuPriceDetails=None),
        focus(ContractedUnitPrice=49, ChargePeriodStart="2026-11-19T00:00:00Z"),
        focus(SkuPriceDetails={"InstanceType": "x1.big", "GpuCount": 4}),
        focus(PricingUnit="GB-Months", RegionId="eu"),
        focus(PricingCategory="Other", RegionId="eu"),
        focus(BillingCurrency="EUR", RegionId="eu"),
        focus(RegionId="us-2", ChargePeriodStart=""),
    ]
    found = read("focus-json", json.dumps(rows))
    assert [str(o.price_per_node_hour_usd) for o in found.offers] == ["46.784"]
    assert (found.rows, found.without_accelerator) == (9, 2)
    reasons = [s.reason for s in found.skipped]
    assert "knows no machine 'x1.big' of aws; give its accelerator in x_Accelerator" in reasons[0]
    assert "PricingUnit 'GB-Months'" in reasons[1]
    assert "PricingCategory 'Other'" in reasons[2]
    assert reasons[3] == "ChargePeriodStart is no date"
    assert "usd_per_unit: is empty, but the price is in EUR" in reasons[4]


def test_of_several_prices_in_a_period_the_lowest_counts():
    rows = [focus(), focus(ContractedUnitPrice=40), focus(ContractedUnitPrice=41), focus()]
    found = read("focus-json", json.dumps([*rows, focus(PricingUnit="GPU-Hours")]))
    assert [str(o.price_per_node_hour_usd) for o in found.offers] == ["40"]
    assert [(s.place[-5:], s.reason) for s in found.skipped] == [
        ("row 1", "dearer than list-1, row 2, of the same period"),
        ("row 3", "dearer than list-1, row 2, of the same period"),
        ("row 4", "dearer than list-1, row 2, of the same period"),
        ("row 5", "in another unit or currency than list-1, row 2"),
    ]
    assert read("focus-json", json.dumps([focus(), focus()])).skipped == ()
    odd = read(
        "focus-json",
        json.dumps([focus(), focus(RegionId="eu", ListUnitPrice="n/a", ContractedUnitPrice=None)]),
    )
    assert "is not a number" in odd.skipped[0].reason


def test_machines_of_the_catalogue():
    found = machines_of(shipped_offers())
    assert found["aws", "p5.48xlarge"] == ("h100_sxm", 8)


HTML = "\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


@pytest.mark.parametrize("feed", ["skypilot-csv", "csv", "focus-json"])
def test_a_web_page_is_no_list(feed):
    with pytest.raises(InputError, match=r"list-1: is a web page \(HTML\)"):
        read(feed, HTML)


@pytest.mark.parametrize(
    ("feed", "text", "named"),
    [
        ("skypilot-csv", VMS[:-20], "line 4: has 5 cells where the header has 8"),
        ("csv", OWN[:-40], "line 3: has 3 cells where the header has 9"),
        ("focus-json", json.dumps([focus(), focus()])[:-60], "the file may be cut short"),
        ("focus-json", f"{json.dumps(focus())}\n{json.dumps(focus())[:99]}", "line 2: not valid"),
        ("csv", "", "is empty"),
        ("focus-json", "[]", "holds no rows"),
        ("focus-json", "[3]", "row 1: must be a mapping"),
        ("focus-json", '[{"price": 3}]', "are these FOCUS rows"),
        ("focus-json", "3", "must be a list"),
    ],
)
def test_half_a_list_or_none(feed, text, named):
    with pytest.raises(InputError, match=named):
        read(feed, text)


def times_1000(text: str, *prices: str) -> str:
    for price in prices:
        text = text.replace(f",{price},", f",{float(price) * 1000:g},")
    return text


def test_prices_times_1000_are_refused_with_their_rows():
    with pytest.raises(RowsError) as error:
        read("csv", times_1000(OWN, "18.40", "0.50"))
    assert len(error.value.faults) == 2
    assert "line 2, column price_per_node_hour_usd: $2300" in error.value.faults[0]
    with pytest.raises(RowsError) as error:
        read("skypilot-csv", times_1000(VMS, "55.04", "20", "0.80", "0.31"))
    head, *rows = error.value.faults
    assert "4 of 4 prices cannot be real, more than 5 %" in head
    assert len(rows) == 4
    assert "line 3, p5.48xlarge: $6880 per accelerator-hour is above" in rows[0]
    with pytest.raises(RowsError, match="1 of 1 prices cannot be real"):
        read("focus-json", json.dumps([focus(ContractedUnitPrice=46784)]))


def test_a_few_impossible_prices_are_left_out():
    """One of four is 25 %."""
    text = VMS.replace("0.31", "310")
    with pytest.raises(RowsError, match="1 of 4 prices"):
        read("skypilot-csv", text)
    found = read("skypilot-csv", text, max_impossible_pct=25)
    assert (len(found.offers), len(found.skipped)) == (3, 1)


def test_days_in_the_future_are_refused():
    """Tomorrow is somewhere already; the day after is a fault."""
    assert read("csv", OWN.replace("2026-11-20", "2026-11-23")).offers
    with pytest.raises(CatalogError, match="a: observed_at 2026-11-24 is in the future"):
        read("csv", OWN.replace("2026-11-20", "2026-11-24"))
    late = focus(BillingCurrency="EUR", x_UsdPerUnit="1.1", x_RateDate="2027-01-01")
    with pytest.raises(CatalogError, match="rate_date 2027-01-01 is in the future"):
        read("focus-json", json.dumps([late]))


def test_lists_that_give_no_offer():
    with pytest.raises(CatalogError, match=r"none of 1 rows gave an offer; is it the right list"):
        read("skypilot-csv", "\n".join(VMS.splitlines()[:2]) + "\n")


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (Wanted("prices"), "'prices' is not one of gpuhunt"),
        (Wanted("csv"), "give at least one"),
        (Wanted("gpuhunt", (Listing("a", ""),)), "GPUHUNT_CATALOG_URL=file:///FOLDER"),
        (Wanted("skypilot-csv", (Listing("a", VMS),)), "give a provider for each file"),
        (Wanted("csv", (Listing("a", OWN, provider="aws"),)), "belongs to skypilot-csv"),
        (Wanted("csv", (Listing("a", OWN),), source="x"), "source belongs to skypilot-csv"),
        (Wanted("csv", (Listing("a", OWN),), observed_at=TODAY), "lists without a day"),
    ],
)
def test_what_is_asked_wrongly(wanted, named):
    with pytest.raises(InputError, match=named):
        wanted.check()
