"""The file that a supplier fills in: every column, explained, and read without a fault."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest

from data.catalog import Catalog
from data.checks import check_catalog
from data.tables import columns
from data.template import offers_template

TODAY = dt.date(2026, 7, 1)


def written(tmp_path, kind: str):
    path = tmp_path / f"offers.{kind}"
    path.write_text(offers_template(kind, TODAY))
    return path


@pytest.mark.parametrize("kind", ["csv", "yaml"])
def test_it_reads_without_a_fault(tmp_path, kind):
    catalog = Catalog.load(written(tmp_path, kind))
    assert [f for f in check_catalog(catalog, TODAY) if f.level == "error"] == []
    dollars, euros = catalog.offers
    assert {o.provider for o in catalog.offers} == {"example"}
    assert all(o.notes.startswith("EXAMPLE: ") for o in catalog.offers)
    assert (dollars.currency, dollars.hourly_usd) == ("USD", Decimal(24))
    # 18.00 and 8,760 / (12 · 730) = 1.00 of it upfront, at 1.10 dollars.
    assert (euros.currency, euros.hourly_usd) == ("EUR", Decimal("20.9"))
    assert euros.hourly_usd_at(32) == Decimal("18.15")


def test_both_say_the_same(tmp_path):
    first, second = (Catalog.load(written(tmp_path, kind)) for kind in ("csv", "yaml"))
    assert first.offers == second.offers


def test_every_column_is_there_those_needed_first():
    header, *_ = csv.reader(io.StringIO(offers_template("csv", TODAY)))
    assert sorted(header) == sorted(c.column for c in columns("offers"))
    least = [c.column for c in columns("offers") if c.required or c.column == "stock"]
    assert header[: len(least)] == least


def test_the_yaml_explains_every_column():
    text = offers_template("yaml", TODAY)
    comments = " ".join(line.strip("# ") for line in text.splitlines() if "#" in line)
    for column in columns("offers"):
        assert column.description in comments
    assert "Default: USD." in comments
    assert max(map(len, text.splitlines())) <= 100
