"""Dropping offers, layouts and candidates before the program is solved changes no answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalog import catalog, workload, write_table

from data.catalog import Catalog
from solver.planner import plan

FEW = ("l40s-1", "a100-8", "h100-1", "h100-2", "h100-8")


@pytest.fixture(scope="session")
def markets(tmp_path_factory) -> list[Catalog]:
    """Three accelerators: as they are, with little stock, and with rivals for every offer."""
    changes: list[dict[str, dict[str, str]]] = [
        {},
        {
            "l40s-1": {"stock": "2"},
            "h100-1": {"stock": "1"},
            "h100-2": {"stock": "1", "min_nodes": "1"},
            "a100-8": {"min_nodes": "2"},
        },
        {
            "l40s-1": {"network_gbps": "100"},
            "h100-1": {"network_gbps": "100", "region": "us", "stock": "3"},
            "h100-2": {"price": "4.80", "network_gbps": "100", "region": "us", "provider": "acme"},
        },
    ]
    folders = [tmp_path_factory.mktemp("market") for _ in changes]
    return [catalog(f, c, only=FEW) for f, c in zip(folders, changes, strict=True)]


def both(wanted: dict[str, Any], market: Catalog) -> None:
    """Plan with and without pruning, and compare."""
    answers = [
        plan(workload(**wanted), market, prune=prune, explain=False, second_engine=False)
        for prune in (True, False)
    ]
    first, second = answers
    assert first.status == second.status
    assert first.status in ("optimal", "infeasible")
    assert first.search["candidates_undominated"] <= second.search["candidates_undominated"]
    if first.status == "optimal":
        assert first.cost_per_hour_usd == pytest.approx(second.cost_per_hour_usd, rel=2e-4)


models = st.sampled_from(("llama-3.1-8b-instruct", "qwen3-30b-a3b"))
splits = st.sampled_from(("auto", "auto", "off", "only"))
slas = st.fixed_dictionaries(
    {
        "ttft_ms": st.sampled_from((120, 400, 2000)),
        "tpot_ms": st.sampled_from((8, 20, 60)),
        "e2e_ms": st.sampled_from((None, None, 4000)),
    }
)


def classes(number: int, models: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    one = st.fixed_dictionaries(
        {
            "rate_rps": st.sampled_from((0.5, 4, 15, 40)),
            "isl": st.sampled_from((200, 1000, 6000)),
            "osl": st.sampled_from((20, 200)),
            "model": models,
        }
    )
    return st.lists(one, min_size=number, max_size=number).map(
        lambda found: [{"name": f"c{i}", **c} for i, c in enumerate(found)]
    )


hardware = st.fixed_dictionaries(
    {
        "spare_replicas": st.sampled_from((0, 0, 1)),
        "max_gpus": st.sampled_from((None, None, 8)),
        "max_power_kw": st.sampled_from((None, None, 1.4, 6.0)),
        "max_providers": st.sampled_from((None, 1)),
    }
)
precision = st.sampled_from(
    (
        {},
        {"max_quality_loss_pct": 0.25},
        {"weights": ["bf16", "int4"], "max_quality_loss_pct": 0.5},
        {"weights": ["fp8", "int8", "int4"], "kv": ["bf16", "fp8"], "max_quality_loss_pct": 2.0},
    )
)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    wanted=st.fixed_dictionaries(
        {
            "classes": classes(1, models),
            "sla": slas,
            "hardware": hardware,
            "precision": precision,
            "serving": st.fixed_dictionaries({"disaggregation": splits}),
        }
    ),
    number=st.integers(0, 2),
)
def test_one_class(markets, wanted, number):
    both(wanted, markets[number])


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    wanted=st.fixed_dictionaries(
        {
            "classes": classes(2, models),
            "sla": slas,
            "hardware": hardware,
            "precision": precision,
            "serving": st.fixed_dictionaries({"disaggregation": st.sampled_from(("off", "only"))}),
        }
    ),
    number=st.integers(0, 2),
)
def test_two_classes(markets, wanted, number):
    both(wanted, markets[number])


@pytest.fixture
def racks(tmp_path) -> Any:
    """Return a maker of catalogues of H100 nodes: (accelerators, price, network, stock) each."""

    def make(*nodes: tuple[int, str, str, str]) -> Catalog:
        table = [
            {
                "offer_id": f"o{i}",
                "provider": "acme",
                "region": "eu",
                "accelerator": "h100_sxm",
                "gpus_per_node": str(gpus),
                "price_per_node_hour_usd": price,
                "pricing": "on_demand",
                "stock": stock,
                "network_gbps": network,
                "observed_at": "2026-07-01",
                "source": "quote",
            }
            for i, (gpus, price, network, stock) in enumerate(nodes)
        ]
        return Catalog.load(offers=write_table(tmp_path / "offers.csv", table))

    return make


LARGE: dict[str, Any] = {
    "model": "llama-3.1-405b-instruct",
    "classes": [{"name": "a", "rate_rps": 2, "isl": 4000, "osl": 200}],
    "sla": {"ttft_ms": 3000, "tpot_ms": 70},
    "precision": {"weights": ["bf16"]},
    "serving": {"disaggregation": "off"},
}
"""811 GB of weights: more than a node of 8 H100 holds."""


@pytest.mark.parametrize(
    "nodes",
    [
        [(8, "20", "3200", ""), (8, "21", "100", "")],
        [(8, "20", "3200", ""), (8, "19", "100", "")],
        [(8, "20", "3200", ""), (8, "19", "100", "7"), (8, "22", "6400", "")],
        [(8, "20", "3200", ""), (16, "90", "", "")],
        [(8, "20", "3200", ""), (4, "9", "400", "")],
    ],
)
def test_pipelines_across_nodes(racks, nodes):
    both(LARGE, racks(*nodes))


def test_another_offer_does_not_slow_pipelines_down(racks):
    """A slow network beside a fast one, or a larger node, leaves the fast pipelines as they are."""
    alone = plan(workload(**LARGE), racks((8, "20", "3200", "")), explain=False)
    assert {p.cross_node for p in alone.pools} == {True}
    for other in ((8, "30", "100", "5"), (8, "19", "100", "1"), (16, "90", "", "")):
        more = plan(workload(**LARGE), racks((8, "20", "3200", ""), other), explain=False)
        assert more.cost_per_hour_usd <= alone.cost_per_hour_usd * (1 + 1e-4)


SPLIT: dict[str, Any] = {
    "classes": [{"name": "a", "rate_rps": 30, "isl": 6000, "osl": 100}],
    "sla": {"ttft_ms": 700, "tpot_ms": 40},
    "serving": {"disaggregation": "only"},
}


@pytest.mark.parametrize(
    "nodes",
    [
        [(8, "20", "800", ""), (8, "21", "80", "")],
        [(8, "20", "80", ""), (8, "21", "800", "")],
        [(8, "20", "800", ""), (1, "2.40", "10", "3")],
    ],
)
def test_pools_on_nodes_of_different_networks(racks, nodes):
    both(SPLIT, racks(*nodes))


def test_another_offer_does_not_slow_hand_overs_down(racks):
    alone = plan(workload(**SPLIT), racks((8, "20", "800", "")), explain=False)
    assert alone.status == "optimal"
    for other in ((8, "30", "8", "5"), (1, "2.40", "1", "1"), (2, "9", "4", "")):
        more = plan(workload(**SPLIT), racks((8, "20", "800", ""), other), explain=False)
        assert more.certificate["check"]["passed"]
        assert more.cost_per_hour_usd <= alone.cost_per_hour_usd * (1 + 1e-4)
