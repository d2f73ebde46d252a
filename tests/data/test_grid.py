"""What a kilowatt-hour emits: shipped figures, those a workload states, and the default."""

from __future__ import annotations

import pytest

from data.catalog import Catalog
from data.grid import GridFactors, grid_zones
from data.tables import columns, shipped_rows


@pytest.mark.parametrize("table", ["grid_zones", "grid_regions"])
def test_columns_are_documented_in_order(table):
    assert list(shipped_rows(table)[0].cells) == [c.column for c in columns(table)]


def test_zones_are_real_figures_with_source_and_date():
    for row in shipped_rows("grid_zones"):
        assert row.text("source")
        assert row.date("observed_at").year >= 2026
    zones = grid_zones()
    assert zones["sweden"].gco2e_per_kwh < zones["germany"].gco2e_per_kwh
    assert 300 < zones["world"].gco2e_per_kwh < 600


def test_every_region_with_a_place_has_a_grid():
    """Only offers of no stated region count at the world's average."""
    places = {(o.provider, o.region) for o in Catalog.load().offers}
    without = {p for p in places if GridFactors().is_default(*p)}
    assert {region for _, region in without} == {"global"}


def test_the_most_particular_figure_counts():
    given = GridFactors(default=700, by_region={"us-east-1": 50, "aws/us-east-1": 40})
    assert given.at("aws", "us-east-1").gco2e_per_kwh == 40
    assert given.at("lambda", "us-east-1").gco2e_per_kwh == 50
    assert given.at("gcp", "europe-north1").gco2e_per_kwh == pytest.approx(29.84)
    assert given.at("acme", "moon").gco2e_per_kwh == 700
    assert GridFactors().at("acme", "moon") == grid_zones()["world"]
