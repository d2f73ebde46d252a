"""Refreshes on both kinds of store: accepted, held, refused; decided on; snapshots for ever."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from sqlalchemy import select

from api.feeds import refresh as module
from api.feeds.prices import price_history
from api.feeds.refresh import approve, refresh, reject
from api.store.catalogs import as_stored
from api.store.refresh_records import NoRefreshError, NotHeldError, Refresh
from api.store.store import Store
from api.store.tables import events
from data.catalog import Catalog
from data.errors import CatalogError, InputError, StoreError
from data.feeds.gate import Limits
from data.feeds.read import Wanted
from data.feeds.reading import Listing

TODAY = dt.date(2026, 11, 22)

HEADER = (
    "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,"
    "observed_at,source\n"
)


def listing(prices: dict[str, float], day: str = "2026-11-20") -> Wanted:
    """Return a list of offers ``PROVIDER/NAME`` at prices of a node of four L4."""
    rows = [
        f"{name},{name.split('/')[0]},eu,l4,4,{price},on_demand,{day},quote"
        for name, price in prices.items()
    ]
    return Wanted("csv", (Listing("quotes.csv", HEADER + "\n".join(rows) + "\n"),))


FIVE = {f"acme/{n}": 2.0 for n in range(4)} | {"bolt/0": 2.4}


@pytest.fixture(autouse=True)
def small(store: Store) -> None:
    """Bring a few of the shipped offers in force, so that comparing takes no time."""
    shipped = Catalog.load()
    few = [o for o in shipped.offers if o.accelerator == "l4"][:5]
    store.catalogs.bring_in_force(as_stored(shipped.with_offers(few)), "a few", None)


def put(store: Store, wanted: Wanted, **more: object) -> Refresh:
    return refresh(store, wanted, today=TODAY, **more)  # type: ignore[arg-type]


def in_force(store: Store) -> dict[str, float]:
    catalog = store.catalogs.load(store.catalogs.in_force().catalog_id)
    return {
        o.offer_id: float(o.price_per_node_hour_usd)
        for o in catalog.offers
        if o.provider in ("acme", "bolt", "own")
    }


def told(store: Store) -> list[tuple[str, str, dict[str, object]]]:
    """Return every event: kind, subject, document."""
    query = select(events).order_by(events.c.number)
    rows = store.database.read(lambda c: c.execute(query).all())
    return [(r.kind, r.subject, json.loads(r.document)) for r in rows]


def test_prices_come_in_force_and_snapshots_stay(store):
    base = store.catalogs.in_force()
    first = put(store, listing(FIVE), key_id=None)
    assert (first.state, first.feed, first.name, first.place) == (
        *("accepted", "csv", "csv"),
        "quotes.csv",
    )
    assert first.base_id == base.catalog_id
    entry = store.catalogs.in_force()
    assert (entry.catalog_id, entry.kind) == (first.catalog_id, "refreshed")
    assert in_force(store) == FIVE
    second = put(store, listing(FIVE | {"acme/0": 2.2}))
    assert in_force(store)["acme/0"] == 2.2
    history = [e.catalog_id for e in store.catalogs.history(3)]
    assert history == [second.catalog_id, first.catalog_id, base.catalog_id]
    old = store.catalogs.load(first.catalog_id).offer("acme/0")
    assert float(old.price_per_node_hour_usd) == 2.0
    acme, bolt = second.report["providers"]
    assert (acme["provider"], acme["offers"], acme["rows"]) == ("acme", 4, 4)
    assert bolt["observed_at"] == {"oldest": "2026-11-20", "newest": "2026-11-20"}
    kinds = [(kind, subject, d["state"]) for kind, subject, d in told(store)]
    assert kinds == [("catalog.refreshed", "csv", "accepted")] * 2


def test_the_same_again_is_no_new_snapshot_and_no_event(store):
    first = put(store, listing(FIVE))
    again = put(store, listing(FIVE))
    assert (again.state, again.catalog_id) == ("unchanged", first.catalog_id)
    assert store.catalogs.history(1)[0].catalog_id == first.catalog_id
    assert len(told(store)) == 1
    assert put(store, listing(FIVE, "2026-11-21")).state == "accepted"


def test_what_is_held_waits_for_a_person(store):
    put(store, listing(FIVE))
    before = store.catalogs.in_force()
    held = put(store, listing(FIVE | {"acme/0": 3.3}))
    assert (held.state, held.report["reasons"]) == (
        "held",
        ["1 price moves more than 60 %, acme/0 from $2 to $3.3 (+65 %)."],
    )
    [row] = held.report["beyond"]
    assert (row["old_usd"], row["new_usd"], row["change_pct"]) == (2.0, 3.3, 65.0)
    assert store.catalogs.in_force() == before
    kind, _, document = told(store)[-1]
    assert (kind, document["id"], document["beyond"]) == ("catalog.held", held.id, [row])
    done = approve(store, held.id, "the buyer")
    assert (done.state, done.decided_by) == ("accepted", "the buyer")
    assert done.decided_at is not None
    assert in_force(store)["acme/0"] == 3.3
    assert told(store)[-1][0] == "catalog.refreshed"
    for decide in (approve, reject):
        with pytest.raises(NotHeldError, match="accepted"):
            decide(store, held.id, "another")
        with pytest.raises(NoRefreshError):
            decide(store, "refresh-0", "another")


def test_what_is_rejected_never_comes_in_force(store):
    put(store, listing(FIVE))
    held = put(store, listing({"acme/0": 2.0, "bolt/0": 2.4}))
    assert "3 of 5 offers would go (60 %)" in held.report["reasons"][0]
    assert held.report["removed"] == ["acme/1", "acme/2", "acme/3"]
    assert reject(store, held.id, "the buyer").state == "rejected"
    assert in_force(store) == FIVE
    with pytest.raises(NotHeldError):
        approve(store, held.id, "the buyer")


def test_a_provider_that_is_gone_is_held_until_it_is_let_go(store):
    put(store, listing(FIVE))
    rest = {name: price for name, price in FIVE.items() if name != "bolt/0"}
    held = put(store, listing(rest))
    assert held.report["reasons"] == ["bolt is gone: its offer would go."]
    again = put(store, listing(rest))
    assert (again.state, store.refreshes.get(held.id).state) == ("held", "rejected")
    assert store.refreshes.get(held.id).report["superseded_by"] == again.id
    approve(store, again.id, "the buyer")
    assert in_force(store) == rest
    assert put(store, listing(rest)).state == "unchanged"
    other = put(store, listing({"own/0": 1.9}), name="quotes/own")
    assert other.state == "accepted"
    assert in_force(store) == rest | {"own/0": 1.9}


BAD = {
    "a web page": "<!DOCTYPE html><html></html>",
    "half a cell": listing(FIVE).listings[0].content[:-3],
    "half a row": listing(FIVE).listings[0].content[:-30],
    "prices x1000": listing({n: p * 1000 for n, p in FIVE.items()}).listings[0].content,
    "the future": listing(FIVE, "2027-11-20").listings[0].content,
}


@pytest.mark.parametrize("name", BAD)
def test_bad_feeds_are_refused_and_the_last_good_prices_hold(store, name):
    put(store, listing(FIVE))
    before = store.catalogs.in_force()
    refused = put(store, Wanted("csv", (Listing("quotes.csv", BAD[name]),)))
    assert (refused.state, refused.catalog_id) == ("refused", None)
    assert refused.report["reasons"]
    assert store.catalogs.in_force() == before
    kind, subject, document = told(store)[-1]
    assert (kind, subject, document["reasons"]) == (
        *("catalog.refused", "csv"),
        refused.report["reasons"],
    )
    counts = store.refreshes.counts()
    assert counts.ended == {("csv", "accepted"): 1, ("csv", "refused"): 1}
    good = store.refreshes.last_good("csv", "csv")
    assert counts.last_good == {("csv", "csv"): good.created_at}


def test_lists_that_never_end_with_a_line_end_are_no_fault(store):
    text = listing(FIVE).listings[0].content
    for _ in range(2):
        made = put(store, Wanted("csv", (Listing("quotes.csv", text.rstrip()),)))
        assert made.report["line_end"] is False
    assert made.state == "unchanged"


def test_a_refusal_leaves_what_is_held(store):
    put(store, listing(FIVE))
    held = put(store, listing(FIVE | {"acme/0": 4.0}))
    put(store, Wanted("csv", (Listing("quotes.csv", BAD["a web page"]),)))
    assert store.refreshes.get(held.id).state == "held"
    approve(store, held.id, "the buyer")
    counts = store.refreshes.counts()
    assert counts.ended == {
        ("csv", "accepted"): 2,
        ("csv", "held"): 1,
        ("csv", "refused"): 1,
    }
    assert max(counts.last_good.values()) == store.refreshes.get(held.id).decided_at


def test_an_approval_is_compared_again_where_other_prices_came(store):
    put(store, listing(FIVE))
    held = put(store, listing(FIVE | {"acme/0": 4.0}))
    put(store, listing({"own/0": 1.9}), name="own")
    done = approve(store, held.id, "the buyer")
    assert (done.state, done.report["compared_again"]) == ("accepted", True)
    assert in_force(store) == FIVE | {"acme/0": 4.0, "own/0": 1.9}


def test_an_approval_shows_what_was_not_seen_before(store):
    put(store, listing(FIVE))
    held = put(store, listing(FIVE | {"acme/0": 4.0}))
    own = listing({"acme/1": 1.0, "acme/9": 1.0})
    put(store, own, name="own", partial=True)
    again = approve(store, held.id, "the buyer")
    assert (again.state, again.decided_by) == ("held", None)
    assert [m["offer_id"] for m in again.report["beyond"]] == ["acme/0", "acme/1"]
    assert again.report["removed"] == ["acme/9"]
    assert again.base_id == store.catalogs.in_force().catalog_id
    assert approve(store, held.id, "the buyer").state == "accepted"
    assert in_force(store) == FIVE | {"acme/0": 4.0}


def test_limits_are_those_asked_for(store):
    put(store, listing(FIVE))
    moved = listing(FIVE | {"acme/0": 2.2})
    assert put(store, moved, limits=Limits(max_move_pct=9)).state == "held"
    assert put(store, moved, limits=Limits(max_move_pct=10)).state == "accepted"


def test_another_import_meanwhile_is_kept(store, monkeypatch):
    """What comes in force between comparing and storing is compared with anew."""
    examine, tries = module.examine, []

    def meanwhile(*args, **more):
        tries.append(1)
        found = examine(*args, **more)
        monkeypatch.setattr(module, "examine", examine)
        put(store, listing({"own/0": 1.9}), name="own")
        return found

    monkeypatch.setattr(module, "examine", meanwhile)
    put(store, listing(FIVE))
    assert in_force(store) == FIVE | {"own/0": 1.9}
    assert tries == [1]
    monkeypatch.setattr(module, "TRIES", 0)
    with pytest.raises(StoreError, match="try it once more"):
        put(store, listing(FIVE))


def test_what_is_asked_wrongly_is_not_recorded(store):
    with pytest.raises(CatalogError):
        put(store, Wanted("csv"))
    with pytest.raises(InputError, match="at most 100 printable characters"):
        put(store, listing(FIVE), name="x" * 101)
    assert store.refreshes.list(10) == []


def test_the_list_in_pages(store):
    for n in range(3):
        put(store, listing(FIVE | {"acme/0": 2 + n / 10}), name=f"feed-{n % 2}")
    found = store.refreshes.list(2)
    assert [r.number for r in found] == [3, 2]
    assert [r.number for r in store.refreshes.list(9, found[-1].number)] == [1]
    assert [r.number for r in store.refreshes.list(9, name="feed-1")] == [2]
    assert store.refreshes.list(9, state="held") == []


def test_prices_over_time(store):
    put(store, listing(FIVE))
    put(store, listing(FIVE | {"acme/0": 2.2}, "2026-11-21"))
    held = put(store, listing({n: p for n, p in FIVE.items() if n != "bolt/0"}))
    approve(store, held.id, "the buyer")
    found = price_history(
        store.catalogs, snapshots=10, limit=10, provider=["ACME", "bolt"], accelerator=["NVIDIA-L4"]
    )
    assert (found["snapshots"], found["total"]) == (5, 5)
    points = {
        o["offer_id"]: [p["price_per_node_hour_usd"] for p in o["points"]] for o in found["offers"]
    }
    assert points["acme/0"] == [2.0, 2.2, 2.0]
    assert points["acme/1"] == [2.0]
    assert points["bolt/0"] == [2.4, None]
    [one] = price_history(store.catalogs, snapshots=2, limit=9, offer_id=["acme/0"])["offers"]
    assert [p["price_per_gpu_hour_usd"] for p in one["points"]] == [0.55, 0.5]
    assert [p["number"] for p in one["points"]] == [4, 5]
