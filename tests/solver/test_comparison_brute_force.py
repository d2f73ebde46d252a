"""Break-even prices and the worth of stock, against enumeration just below and just above them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from brute_force import cheapest_cost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_instances import offer

from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from data.offers import Offer
from solver.comparison.comparison import compare
from solver.measured import MeasuredCapacity
from solver.problem import build_problem
from solver.workload import Workload

STEP = 1e-4
"""How far from a break-even price the other side of it is looked at (USD/h)."""

SLACK = 2e-6
"""Break-even prices are rounded to a millionth."""


@st.composite
def cases(draw: st.DrawFn) -> tuple[Workload, tuple[MeasuredCapacity, ...], list[Offer]]:
    """Up to two classes, three accelerators and four offers, some limited."""
    chips = "abc"[: draw(st.integers(1, 3))]
    classes = [f"c{i}" for i in range(draw(st.integers(1, 2)))]
    hardware = {
        "max_gpus": draw(st.one_of(st.none(), st.none(), st.integers(2, 16))),
        "max_cost_per_hour_usd": draw(st.one_of(st.none(), st.none(), st.integers(5, 60))),
        "spare_replicas": draw(st.sampled_from((0, 0, 0, 1))),
    }
    workload = Workload.parse(
        {
            "model": "llama-3.1-8b-instruct",
            "classes": [{"name": c, "rate_rps": draw(st.integers(1, 12))} for c in classes],
            "hardware": {k: v for k, v in hardware.items() if v is not None},
        }
    )
    measured = tuple(
        MeasuredCapacity(chip, name, float(draw(st.sampled_from((0, 4, 5, 7, 11)))), size)
        for chip in chips
        for size in [draw(st.sampled_from((1, 1, 2)))]
        for name in classes
    )
    offers = [
        offer(
            draw(st.sampled_from(chips)),
            gpus=draw(st.sampled_from((1, 2, 3, 4))),
            price=draw(st.integers(5, 120)) / 10,
            name=f"o{i}",
            stock=draw(st.one_of(st.none(), st.integers(1, 3))),
            min_nodes=draw(st.sampled_from((1, 1, 1, 2))),
        )
        for i in range(draw(st.integers(1, 4)))
    ]
    return workload, measured, offers


class Market:
    """Cheapest costs by enumeration, over variants of some offers."""

    def __init__(
        self, workload: Workload, measured: tuple[MeasuredCapacity, ...], offers: list[Offer]
    ) -> None:
        self.workload, self.measured, self.offers = workload, measured, offers

    def cost(self, offers: Iterable[Offer] | None = None) -> float | None:
        """Return the cost of the cheapest fleet within all limits; None without one."""
        sold = tuple(self.offers if offers is None else offers)
        if not sold:
            return None
        problem = build_problem(
            self.workload,
            Catalog({}, sold),
            shipped_coefficients(),
            measured=self.measured,
            prune=False,
        )
        return cheapest_cost(problem.instance)

    def with_price(self, offer_id: str, price: float) -> float | None:
        """Return the cost with one offer at another price."""
        changed = Decimal(repr(price))
        return self.cost(
            replace(o, price_per_node_hour_usd=changed) if o.offer_id == offer_id else o
            for o in self.offers
        )

    def without(self, offer_id: str) -> float | None:
        """Return the cost without an offer."""
        return self.cost(o for o in self.offers if o.offer_id != offer_id)

    def alone(self, offer_id: str, price: float) -> float | None:
        """Return the cost of an offer alone, at a price."""
        changed = Decimal(repr(price))
        return self.cost(
            replace(o, price_per_node_hour_usd=changed)
            for o in self.offers
            if o.offer_id == offer_id
        )


def less(one: float | None, other: float | None) -> bool:
    """Whether a cost is below another; no fleet costs more than any."""
    return one is not None and (other is None or one < other - SLACK)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases())
def test_every_figure_agrees_with_enumeration(case):
    workload, measured, offers = case
    market = Market(workload, measured, offers)
    found = compare(workload, Catalog({}, tuple(offers)), measured=measured).to_dict()
    joint = market.cost()
    assert found["complete"]
    assert found["joint"]["cost_per_hour_usd"] == (joint and pytest.approx(joint))
    for entry in found["offers"]:
        own = next(o for o in offers if o.offer_id == entry["offer_id"])
        alone = market.alone(own.offer_id, float(own.hourly_usd))
        assert entry["alone"]["cost_per_hour_usd"] == (alone and pytest.approx(alone))
        check_entry(market, entry)
        check_take_over(market, entry)
        check_stock(market, own, entry, joint)


def check_entry(market: Market, entry: dict[str, Any]) -> None:
    """Just below the price the offer makes fleets cheaper, just above it does not."""
    name, level = entry["offer_id"], entry["enters_at_usd_per_node_hour"]
    without = market.without(name)
    if level is not None:
        assert entry["enters_reason"] == "exact"
        assert not less(market.with_price(name, level + STEP), without)
        if level > 2 * STEP:
            assert less(market.with_price(name, level - STEP), without)
    elif entry["enters_reason"] == "no_price":
        assert not less(market.with_price(name, STEP), without)
    else:
        assert entry["enters_reason"] == "any_price"
        assert without is None
        assert market.with_price(name, 1e4) is not None


def check_take_over(market: Market, entry: dict[str, Any]) -> None:
    """Just below the price the fleet alone is optimal, just above something else is, or nothing."""
    name, level = entry["offer_id"], entry["takes_over_at_usd_per_node_hour"]
    if level is not None:
        assert entry["takes_over_reason"] == "exact"
        above, alone_above = (
            market.with_price(name, level + STEP),
            market.alone(name, level + STEP),
        )
        assert alone_above is None or less(above, alone_above)
        if level > 2 * STEP:
            below = market.with_price(name, level - STEP)
            assert below is not None
            assert below == pytest.approx(market.alone(name, level - STEP), abs=SLACK)
    elif entry["takes_over_reason"] == "alone_infeasible":
        assert market.alone(name, STEP) is None
    else:
        assert entry["takes_over_reason"] == "any_price"
        assert market.with_price(name, 1e3) == pytest.approx(market.alone(name, 1e3))


def check_stock(market: Market, own: Offer, entry: dict[str, Any], joint: float | None) -> None:
    """What a node is worth is what the fleet costs less with it."""
    worth = entry["next_node_worth_usd_per_hour"]
    if own.stock is None:
        assert (worth, entry["next_node_reason"]) == (0.0, "unlimited")
        return
    more = market.cost(
        replace(o, stock=own.stock + 1) if o.offer_id == own.offer_id else o for o in market.offers
    )
    if joint is not None:
        assert more is not None
        assert worth == pytest.approx(joint - more, abs=SLACK)
    else:
        assert worth is None
        assert entry["next_node_reason"] == ("no_fleet" if more is None else "makes_possible")
