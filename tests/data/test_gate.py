"""The gate: exactly at its limits and beyond, and what a feed does not tell of is left alone."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.feeds.gate import Limits, compare
from data.feeds.reading import Reading
from data.offers import Offer, shipped_offers
from data.price_steps import PriceStep

TEMPLATE = next(o for o in shipped_offers() if o.pricing == "on_demand" and not o.price_steps)


def offer(name: str, price: str = "10", provider: str = "acme", **changes: object) -> Offer:
    changes = {"network_gbps": None, "stock": None, "min_nodes": 1, **changes}
    changes = {"accelerator": "h100_sxm", "gpus_per_node": 4, "pricing": "on_demand", **changes}
    return replace(
        TEMPLATE,
        offer_id=f"{provider}/{name}",
        provider=provider,
        price_per_node_hour_usd=Decimal(price),
        **changes,  # type: ignore[arg-type]
    )


def ten(provider: str = "acme") -> list[Offer]:
    return [offer(str(n), provider=provider) for n in range(10)]


def reading(*offers: Offer, **more: object) -> Reading:
    return Reading("csv", "list", offers, (), len(offers), **more)  # type: ignore[arg-type]


def test_thirty_percent_may_go_and_no_more():
    before = ten()
    at = compare(before, reading(*before[3:]))
    assert (at.held, at.removed) == ((), ("acme/0", "acme/1", "acme/2"))
    assert (at.compared, at.kept, len(at.offers)) == (10, 7, 7)
    beyond = compare(before, reading(*before[4:]))
    assert beyond.held == ("4 of 10 offers would go (40 %), more than 30 %.",)
    assert compare(before, reading(*before[4:]), limits=Limits(max_dropped_pct=40)).held == ()


@pytest.mark.parametrize(
    ("new", "held"),
    [("16", False), ("16.000001", True), ("4", False), ("3.999999", True), ("10", False)],
)
def test_sixty_percent_up_or_down_and_no_more(new, held):
    change = compare([offer("a"), offer("b")], reading(offer("a", new), offer("b")))
    assert bool(change.held) == held
    assert [m.offer_id for m in change.moved] == ([] if new == "10" else ["acme/a"])
    if held:
        assert change.beyond == change.moved
        assert f"acme/a from $10 to ${new}" in change.held[0]


def test_limits_are_options():
    before, after = [offer("a")], reading(offer("a", "11"))
    assert compare(before, after, limits=Limits(max_move_pct=10)).held == ()
    [said] = compare(before, after, limits=Limits(max_move_pct=9.99)).held
    assert said == "1 price moves more than 9.99 %, acme/a from $10 to $11 (+10 %)."


def test_a_payment_upfront_and_steps_are_part_of_a_price():
    """8,760 hours a year: $87,600 upfront are $10 an hour, as much as the price itself."""
    paid = {"term_months": 12, "upfront_usd": Decimal(87_600), "pricing": "committed"}
    before = [offer("a", term_months=12, pricing="committed")]
    [move] = compare(before, reading(offer("a", **paid))).moved
    assert (float(move.new_usd), move.change_pct) == (20.0, 100.0)
    stepped = offer("a", price_steps=(PriceStep(8, Decimal(3)),))
    change = compare([offer("a")], reading(stepped))
    assert (float(change.moved[0].new_usd), change.moved[0].change_pct) == (3.0, -70.0)
    assert change.held


def test_another_machine_of_the_same_name_is_looked_at():
    change = compare([offer("a")], reading(offer("a", gpus_per_node=8)))
    assert change.beyond[0].note == "was 4 × h100_sxm, is 8 × h100_sxm"
    assert change.held


def test_offers_of_other_providers_and_kinds_stay():
    own = offer("year", pricing="committed", term_months=12)
    before = [*ten(), *ten("bolt"), own]
    change = compare(before, reading(*ten(), pricing=("on_demand", "spot")))
    assert (change.held, change.removed, change.compared) == ((), (), 10)
    assert set(change.offers) == set(before)


def test_a_provider_that_is_gone():
    before = [*ten(), offer("x", provider="bolt")]
    assert compare(before, reading(*ten())).held == ()
    change = compare(before, reading(*ten()), had=["acme", "bolt"])
    assert change.held == ("bolt is gone: its offer would go.",)
    assert change.removed == ("bolt/x",)
    away = reading(*ten(), missing={"bolt": "cannot be fetched (timed out)"})
    [said] = compare(before, away, had=["bolt"]).held
    assert said == "bolt is gone: its offer would go; it cannot be fetched (timed out)."
    assert compare(ten(), reading(*ten()), had=["bolt"]).held == ()


def test_a_large_provider_does_not_hide_among_others():
    """4 of 30 are 13 %, and 4 of 10 are 40 %."""
    before = [*ten(), *ten("bolt"), *ten("cirrus")]
    change = compare(before, reading(*before[4:]))
    assert change.held == ("4 of 10 offers of acme would go (40 %), more than 30 %.",)
    few = [*ten("bolt"), *ten("cirrus"), offer("a"), offer("b")]
    assert compare(few, reading(*few[:-1])).held == ()


def test_a_partial_list_takes_nothing_away():
    change = compare(ten(), reading(offer("3", "11")), partial=True, had=["bolt"])
    assert (change.removed, change.held, len(change.offers)) == ((), (), 10)
    assert [m.change_pct for m in change.moved] == [10.0]


def test_what_a_price_list_does_not_say_is_kept():
    """The network of a machine counts in every region; stock only in its own offer."""
    machine = {"instance_type": "big"}
    before = [offer("a", network_gbps=3200.0, stock=4, min_nodes=2, **machine)]
    given = offer("a", "11", **machine), offer("new", **machine), offer("x", instance_type="y")
    change = compare(before, reading(*given, prices_only=True))
    facts = {o.offer_id: (o.network_gbps, o.stock, o.min_nodes) for o in change.offers}
    assert facts == {
        "acme/a": (3200.0, 4, 2),
        "acme/new": (3200.0, None, 1),
        "acme/x": (None, None, 1),
    }
    told = compare(before, reading(*given))
    assert {o.offer_id: o.stock for o in told.offers}["acme/a"] is None
    doubtful = [*before, offer("b", network_gbps=400.0, **machine)]
    change = compare(doubtful, reading(*given, prices_only=True))
    assert {o.offer_id: o.network_gbps for o in change.offers}["acme/new"] is None
    other = compare(before, reading(offer("a", gpus_per_node=8, **machine), prices_only=True))
    assert other.offers[0].network_gbps is None


def test_an_older_list_is_counted():
    new = replace(offer("a"), observed_at=TEMPLATE.observed_at.replace(year=2027))
    assert compare([new], reading(offer("a"))).older == 1
    assert compare([offer("a")], reading(new)).older == 0


prices = st.decimals("0.5", "300", places=2)


@given(
    st.dictionaries(st.integers(0, 30), prices, max_size=25),
    st.dictionaries(st.integers(0, 30), prices, min_size=1, max_size=25),
)
def test_every_offer_is_counted_once_and_the_gate_is_its_limits(old, new):
    before = [offer(str(n), str(p)) for n, p in old.items()]
    change = compare(before, reading(*(offer(str(n), str(p)) for n, p in new.items())))
    assert {o.offer_id for o in change.offers} == {f"acme/{n}" for n in new}
    both = old.keys() & new.keys()
    assert len(change.added) + change.compared == len(new) + len(change.removed)
    assert change.kept + len(change.moved) == len(both)
    far = [n for n in both if abs(new[n] - old[n]) * 10 > old[n] * 6]
    assert {m.offer_id for m in change.beyond} == {f"acme/{n}" for n in far}
    dropped = len(change.removed) * 10 > len(old) * 3
    assert bool(change.held) == (dropped or bool(far))
