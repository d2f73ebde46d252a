"""Markets that are remembered are those that would be opened anew."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from small_catalog import catalog, workload

from data.coefficients import shipped_coefficients
from solver.market import allowed_offers
from solver.objective import COST, Objective
from solver.opened import market_of
from solver.problem import build_problem
from solver.sweep.changes import changed_catalog

DAY = dt.date(2026, 7, 15)
BLOCKS = (
    {},
    {"hardware": {"providers": ["acme"]}},
    {"hardware": {"accelerators": ["l40s", "h100_sxm"]}},
    {"hardware": {"regions": ["eu"]}},
    {"hardware": {"max_providers": 1}},
    {"hardware": {"spot_headroom": 0.5}},
    {"serving": {"disaggregation": "off"}},
)


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


def opened(wanted, prices, *, prune=True, movable=(), order=(COST,)):
    known = allowed_offers(prices, wanted.hardware, as_of=DAY)
    options = {"day": DAY, "strict": True, "prune": prune, "movable": movable, "order": order}
    return market_of(wanted, prices, known, **options)


def test_rates_share_a_market_and_nothing_else_does(quotes):
    one = opened(workload(), quotes)
    faster = workload(classes=[{"name": "b", "rate_rps": 99, "isl": 10, "osl": 9}])
    assert opened(faster, quotes) is one
    dearer = changed_catalog(quotes, (("price:h100_sxm", 1.5),))
    others = [opened(workload(**blocks), quotes) for blocks in BLOCKS[1:]]
    others += [
        opened(workload(), dearer),
        opened(workload(), quotes, prune=False),
        opened(workload(), quotes, movable=("h100-2",)),
        opened(workload(), quotes, order=(Objective("gpus"),)),
    ]
    assert len({id(market) for market in (one, *others)}) == len(others) + 1


@pytest.mark.parametrize("blocks", BLOCKS, ids=str)
def test_a_problem_is_the_same_whatever_was_asked_before(quotes, blocks):
    """Prices half as high in between, and the memory of markets emptied before the second."""
    from solver.opened import _MARKETS

    def asked(prices):
        made = build_problem(workload(**blocks), prices, shipped_coefficients(), as_of=DAY)
        return made.instance.offers, made.considered_offers, made.instance.candidates

    first = asked(quotes)
    halves = asked(changed_catalog(quotes, (("price:all", 0.5),)))
    again = asked(quotes)
    _MARKETS.clear()
    assert first == again == asked(quotes)
    half = Decimal("0.5")
    assert [o.price_per_node_hour_usd for o in halves[0]] == [
        o.price_per_node_hour_usd * half for o in first[0]
    ]
