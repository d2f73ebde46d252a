"""What makes a task harder never makes the cheapest fleet cheaper."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_catalog import catalog, workload
from small_instances import instances

from data.catalog import Catalog
from solver.fleet import cheapest_fleet
from solver.instance import Instance
from solver.planner import plan

GAP = 1e-6

quietly = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="session")
def quotes(tmp_path_factory) -> Catalog:
    changes = {"h100-1": {"stock": "4"}, "l40s-1": {"stock": "6"}}
    return catalog(tmp_path_factory.mktemp("quotes"), changes)


def planned(wanted: dict[str, Any], market: Catalog) -> float:
    """Return the cost of the cheapest fleet; infinite if there is none."""
    answer = plan(workload(**wanted), market, gap=GAP, explain=False, second_engine=False)
    assert answer.status in ("optimal", "infeasible")
    return math.inf if answer.cost_per_hour_usd is None else answer.cost_per_hour_usd


def solved(case: Instance) -> float:
    fleet = cheapest_fleet(case, gap=0.0, time_limit_s=30.0).fleet
    return math.inf if fleet is None else float(fleet.cost_usd)


def not_cheaper(harder: float, easier: float) -> None:
    assert harder >= easier * (1 - 2 * GAP) - 1e-9


models = st.sampled_from(("llama-3.1-8b-instruct", "qwen3-8b", "qwen3-30b-a3b"))
requests = st.fixed_dictionaries(
    {
        "rate_rps": st.floats(0.5, 40).map(lambda v: round(v, 2)),
        "isl": st.integers(50, 8000),
        "osl": st.integers(1, 400),
    }
)
targets = {
    "ttft_ms": st.one_of(st.none(), st.integers(60, 3000)),
    "tpot_ms": st.one_of(st.none(), st.integers(6, 80)),
    "e2e_ms": st.one_of(st.none(), st.integers(500, 20000)),
    "percentile": st.sampled_from((50, 90, 99)),
}


@st.composite
def wanted(draw: st.DrawFn, most: int = 2) -> dict[str, Any]:
    """Draw a workload of one or two classes, some with targets of their own."""
    classes = []
    for number in range(draw(st.integers(1, most))):
        own = draw(st.sampled_from(({}, {"ttft_ms": 200}, {"tpot_ms": 15})))
        classes.append({"name": f"c{number}", **draw(requests), "sla": own})
    return {
        "model": draw(models),
        "classes": classes,
        "sla": draw(st.fixed_dictionaries(targets)),
        "serving": {"disaggregation": draw(st.sampled_from(("auto", "off", "only")))},
        "hardware": {"spare_replicas": draw(st.sampled_from((0, 0, 1)))},
    }


factors = st.floats(1.01, 3)


@quietly
@given(wanted=wanted(), name=st.sampled_from(("ttft_ms", "tpot_ms", "e2e_ms")), factor=factors)
def test_a_tighter_target(quotes, wanted, name, factor):
    target = wanted["sla"][name]
    start = 2000.0 if target is None else float(target)
    tighter = {**wanted, "sla": {**wanted["sla"], name: start / factor}}
    easier = {**wanted, "sla": {**wanted["sla"], name: target and start}}
    not_cheaper(planned(tighter, quotes), planned(easier, quotes))


@quietly
@given(wanted=wanted(), percentile=st.sampled_from((90, 95, 99, 99.9)))
def test_a_higher_percentile(quotes, wanted, percentile):
    low = {**wanted, "sla": {**wanted["sla"], "percentile": 50}}
    high = {**wanted, "sla": {**wanted["sla"], "percentile": percentile}}
    not_cheaper(planned(high, quotes), planned(low, quotes))


@quietly
@given(wanted=wanted(), which=st.integers(0, 1), factor=factors)
def test_a_higher_rate(quotes, wanted, which, factor):
    classes = [dict(c) for c in wanted["classes"]]
    classes[which % len(classes)]["rate_rps"] *= factor
    not_cheaper(planned({**wanted, "classes": classes}, quotes), planned(wanted, quotes))


@quietly
@given(wanted=wanted(), key=st.sampled_from(("isl", "osl")), factor=factors)
def test_longer_requests(quotes, wanted, key, factor):
    if any(wanted["sla"][k] for k in ("tpot_ms",)) or key == "osl":
        wanted = {**wanted, "sla": {**wanted["sla"], "tpot_ms": None}}
    classes = [dict(c) for c in wanted["classes"]]
    classes[0][key] = math.ceil(classes[0][key] * factor)
    not_cheaper(planned({**wanted, "classes": classes}, quotes), planned(wanted, quotes))


@quietly
@given(
    wanted=wanted(), limit=st.sampled_from(("max_gpus", "max_cost_per_hour_usd")), data=st.data()
)
def test_a_limit_on_the_fleet(quotes, wanted, limit, data):
    value = data.draw(st.integers(1, 30))
    limited = {**wanted, "hardware": {**wanted["hardware"], limit: value}}
    not_cheaper(planned(limited, quotes), planned(wanted, quotes))


@quietly
@given(wanted=wanted(), left_out=st.sets(st.integers(0, 6), min_size=1, max_size=6))
def test_a_smaller_catalogue(quotes, wanted, left_out):
    few = [o for i, o in enumerate(quotes.offers) if i not in left_out]
    not_cheaper(planned(wanted, quotes.with_offers(few)), planned(wanted, quotes))


@quietly
@given(wanted=wanted(), which=st.integers(0, 6), factor=factors)
def test_a_higher_price(quotes, wanted, which, factor):
    dearer = list(quotes.offers)
    price = (dearer[which].price_per_node_hour_usd * Decimal(factor)).quantize(Decimal("0.01"))
    dearer[which] = replace(dearer[which], price_per_node_hour_usd=price)
    not_cheaper(planned(wanted, quotes.with_offers(dearer)), planned(wanted, quotes))


@quietly
@given(wanted=wanted(), which=st.integers(0, 6), stock=st.integers(0, 3))
def test_a_smaller_stock(quotes, wanted, which, stock):
    scarce = list(quotes.offers)
    scarce[which] = replace(scarce[which], stock=min(stock, scarce[which].stock or stock))
    not_cheaper(planned(wanted, quotes.with_offers(scarce)), planned(wanted, quotes))


@st.composite
def harder(draw: st.DrawFn) -> tuple[Instance, Instance]:
    """Draw an instance of the program, and one that is harder in one respect."""
    case = draw(instances())
    offers, candidates, caps = list(case.offers), list(case.candidates), case.caps
    which = draw(st.integers(0, len(offers) - 1))
    match draw(st.sampled_from(("price", "stock", "bulk", "rate", "spares", "offer", "candidate"))):
        case "price":
            price = offers[which].price_per_node_hour_usd * draw(st.integers(1, 5))
            offers[which] = replace(offers[which], price_per_node_hour_usd=price)
        case "stock":
            stock = draw(st.integers(0, 3))
            before = offers[which].stock
            less = stock if before is None else min(stock, before)
            offers[which] = replace(offers[which], stock=less)
        case "bulk":
            more = offers[which].min_nodes + draw(st.integers(1, 3))
            offers[which] = replace(offers[which], min_nodes=more)
        case "rate":
            rates = tuple(r * draw(st.sampled_from((1.0, 1.5))) for r in case.rates_rps)
            return case, replace(case, rates_rps=rates)
        case "spares":
            caps = replace(caps, spare_replicas=caps.spare_replicas + 1)
        case "offer":
            del offers[which]
        case "candidate":
            del candidates[draw(st.integers(0, len(candidates) - 1))]
    changed = replace(case, offers=tuple(offers), candidates=tuple(candidates), caps=caps)
    return case, changed


@settings(quietly, max_examples=40)
@given(pair=harder())
def test_harder_instances_of_the_program(pair):
    easier, harder = pair
    not_cheaper(solved(harder), solved(easier))
