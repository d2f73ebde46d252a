"""Snapshots: shipped, imported, read back as they were, and never lost to one another."""

from __future__ import annotations

import zlib
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.store import catalogs as module
from api.store.catalogs import MovedOnError, as_stored
from api.store.store import Store
from api.store.tables import catalogs
from data.catalog import Catalog
from data.errors import CatalogError

SHIPPED = Catalog.load()


def cheaper(catalog: Catalog, factor: str = "0.9") -> Catalog:
    """Return a catalogue whose first offer costs another amount."""
    first = catalog.offers[0]
    price = first.price_per_node_hour_usd * Decimal(factor)
    offers = (replace(first, price_per_node_hour_usd=price), *catalog.offers[1:])
    return catalog.with_offers(offers)


def quote(**cells: object) -> dict[str, object]:
    return {
        "offer_id": "q/eu/h100",
        "provider": "q",
        "region": "eu",
        "accelerator": "h100_sxm",
        "gpus_per_node": 1,
        "price_per_node_hour_usd": 1.5,
        "pricing": "on_demand",
        "observed_at": "2026-11-01",
        "source": "a quote",
        **cells,
    }


def test_the_shipped_catalogue_is_adopted_once(store):
    again = store.catalogs.adopt_shipped()
    assert (again.number, again.catalog_id, again.kind) == (1, SHIPPED.id, "shipped")
    assert len(store.catalogs.history(10)) == 1


def ships(monkeypatch: pytest.MonkeyPatch, catalog: Catalog) -> None:
    """Let this minfleet ship another catalogue."""
    monkeypatch.setattr(module.Catalog, "load", lambda: catalog)


def test_a_newer_shipped_one_takes_its_place(store, monkeypatch):
    newer = as_stored(cheaper(SHIPPED))
    ships(monkeypatch, newer)
    assert store.catalogs.adopt_shipped().catalog_id == newer.id
    assert store.catalogs.in_force().number == 2


def test_an_older_minfleet_brings_nothing_back(store, monkeypatch):
    newer = as_stored(cheaper(SHIPPED))
    with monkeypatch.context() as newer_release:
        ships(newer_release, newer)
        store.catalogs.adopt_shipped()
    assert store.catalogs.adopt_shipped().catalog_id == newer.id
    assert len(store.catalogs.history(10)) == 2


def test_a_shipped_one_never_replaces_an_import(store, monkeypatch):
    imported = store.catalogs.bring_in_force(as_stored(cheaper(SHIPPED)), "ours", None)
    assert store.catalogs.adopt_shipped() == imported
    ships(monkeypatch, as_stored(cheaper(SHIPPED, "0.8")))
    assert store.catalogs.adopt_shipped() == imported


def test_nothing_in_force_before_anything_was_adopted(store_url):
    store = Store(store_url)
    store.migrate()
    with pytest.raises(LookupError):
        store.catalogs.in_force()
    store.close()


def test_a_snapshot_is_read_back_as_it_was(store):
    changed = as_stored(cheaper(SHIPPED))
    store.catalogs.bring_in_force(changed, "", None)
    fresh = Store(str(store.database.engine.url.render_as_string(hide_password=False)))
    found = fresh.catalogs.load(changed.id)
    fresh.close()
    assert found.id == changed.id
    assert (found.offers, dict(found.accelerators)) == (changed.offers, dict(changed.accelerators))


def test_the_shipped_one_is_stored_under_its_own_id(store):
    assert as_stored(SHIPPED).id == SHIPPED.id
    assert store.catalogs.load(SHIPPED.id).id == SHIPPED.id


ODD = [
    {"notes": "two\nlines"},
    {"notes": "a\u2028b\x85c\x0bd"},
    {"notes": "null"},
    {"region": "  eu  "},
    {"price_per_node_hour_usd": "1.5E0"},
    {"price_per_node_hour_usd": "15e-1"},
    {"price_per_node_hour_usd": 1.5000000000000002},
    {"upfront_usd": "1E+3", "term_months": 12},
    {"price_per_node_hour_usd": 0, "upfront_usd": "9E3", "term_months": 6},
    {"network_gbps": "4e2", "stock": "3.0"},
    {"observed_at": "20261101"},
]


@pytest.mark.parametrize("cells", ODD, ids=str)
def test_rows_however_written_keep_the_id_that_plans_name(store, cells):
    kept = store.catalogs.keep(SHIPPED.with_rows(offers=[quote(**cells)]))
    store.catalogs._read.cache_clear()
    assert store.catalogs.load(kept.id).id == kept.id


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(notes=words, region=words, source=words.map(lambda t: "x" + t))
def test_whatever_the_text_is(notes, region, source):
    rows = [quote(notes=notes, region=region, source=source)]
    once = as_stored(SHIPPED.with_rows(offers=rows))
    assert as_stored(once).id == once.id


def test_a_price_of_endless_digits_is_refused():
    with pytest.raises(CatalogError, match="digits after the point"):
        SHIPPED.with_rows(
            offers=[
                quote(price_per_node_hour_usd="1e-999999999", upfront_usd="9000", term_months="12")
            ]
        )


def test_a_snapshot_that_could_not_be_read_again_is_refused(store):
    """A changed accelerator may make an offer impossible; the offer is named, nothing stored."""
    rows = [{**SHIPPED.to_dict()["accelerators"][0], "tdp_w": "10000"}]
    name = rows[0]["name"]
    cheap = [quote(accelerator=name, price_per_node_hour_usd=0.2)]
    base = SHIPPED.with_rows(offers=cheap)
    with pytest.raises(CatalogError, match="less than their electricity"):
        store.catalogs.keep(
            replace(base, accelerators=base.with_rows(accelerators=rows).accelerators)
        )
    assert len(store.database.read(lambda c: c.execute(catalogs.select()).all())) == 1


def test_a_snapshot_is_stored_once(store):
    changed = cheaper(SHIPPED)
    assert store.catalogs.keep(changed).id == store.catalogs.keep(changed).id
    rows = store.database.read(lambda c: c.execute(catalogs.select()).all())
    assert len(rows) == 2
    assert all(zlib.decompress(r.document) for r in rows)


def test_an_unknown_snapshot(store):
    for _ in range(2):
        with pytest.raises(LookupError):
            store.catalogs.load("nope")


def test_the_history_goes_back_page_by_page(store):
    for n in range(1, 5):
        changed = as_stored(cheaper(SHIPPED, f"0.{n}1"))
        store.catalogs.bring_in_force(changed, f"import {n}", "key-1")
    notes = [e.note for e in store.catalogs.history(2)]
    assert notes == ["import 4", "import 3"]
    before = store.catalogs.history(2)[-1].number
    assert [e.note for e in store.catalogs.history(9, before)] == [
        "import 2",
        "import 1",
        "ships with minfleet",
    ]


def test_the_same_import_twice_is_one_entry(store):
    changed = as_stored(cheaper(SHIPPED))
    first = store.catalogs.bring_in_force(changed, "n", None)
    assert store.catalogs.bring_in_force(changed, "n", None) == first
    assert store.catalogs.bring_in_force(changed, "m", None).number == first.number + 1


def test_a_change_of_what_is_no_longer_in_force_is_refused(store):
    base = store.catalogs.in_force().number
    store.catalogs.bring_in_force(as_stored(cheaper(SHIPPED)), "a", None, after=base)
    with pytest.raises(MovedOnError):
        store.catalogs.bring_in_force(as_stored(cheaper(SHIPPED, "0.8")), "b", None, after=base)
    assert store.catalogs.in_force().note == "a"


def test_of_changes_at_once_one_wins(store, at_once):
    base = store.catalogs.in_force().number

    def attempt(n: int) -> bool:
        changed = as_stored(cheaper(SHIPPED, f"0.{n}5"))
        try:
            store.catalogs.bring_in_force(changed, str(n), None, after=base)
        except MovedOnError:
            return False
        return True

    assert sum(at_once([lambda n=n: attempt(n) for n in range(1, 7)])) == 1
    assert store.catalogs.in_force().number == base + 1


def test_the_row_of_an_offer(store):
    offer = SHIPPED.offers[3]
    cells = store.catalogs.offer_cells(SHIPPED.id, offer.offer_id)
    assert Decimal(cells["price_per_node_hour_usd"]) == offer.price_per_node_hour_usd
    assert store.catalogs.offer_cells(SHIPPED.id, "nope") is None
    with pytest.raises(LookupError):
        store.catalogs.offer_cells("nope", "nope")


def test_models_count_as_they_were_imported_last(store):
    add = store.catalogs.add_model
    first = add("ours", {"v": 1}, "", None)
    assert add("ours", {"v": 1}, "", None) == first
    second = add("ours", {"v": 2}, "", "key-1")
    add("another", {"v": 3}, "", None)
    assert store.catalogs.model("ours") == second
    assert [(m.name, m.config["v"]) for m in store.catalogs.models()] == [
        ("another", 3),
        ("ours", 2),
    ]
    assert [m.config["v"] for m in store.catalogs.model_history("ours")] == [2, 1]
    assert len(store.catalogs.model_history()) == 3
    assert store.catalogs.model("nobody's") is None
