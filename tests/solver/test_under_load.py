"""Plans that must hold in simulation: both costs shown, and what is done when nothing holds."""

from __future__ import annotations

import json

import pytest
from small_catalog import catalog, workload

from data.catalog import Catalog
from data.errors import InputError
from solver.planner import plan
from solver.simulate import LoadOptions

CHAT = {"name": "chat", "rate_rps": 60, "isl": 1024, "osl": 128}
RAG = {"name": "rag", "rate_rps": 3, "isl": 6000, "osl": 200, "sla": {"ttft_ms": 2500}}
TARGETS = {"ttft_ms": 400, "tpot_ms": 30, "percentile": 99}
BURSTS = LoadOptions(requests=8000, arrivals="gamma:5")
"""Arrivals far burstier than the Poisson ones that the formulas were asked about."""


@pytest.fixture(scope="module")
def quotes(tmp_path_factory) -> Catalog:
    return catalog(tmp_path_factory.mktemp("quotes"))


def planned(quotes, simulate, **changes):
    wanted = workload(**{"classes": [CHAT, RAG], "sla": TARGETS, **changes})
    return plan(wanted, quotes, simulate=simulate, explain=False, second_engine=False)


@pytest.fixture(scope="module")
def bursty(quotes):
    return planned(quotes, BURSTS)


def test_bursts_cost_more_and_then_hold(quotes, bursty):
    alone = planned(quotes, False)
    s = bursty.simulation
    assert alone.simulation is None
    assert s["meets"]
    assert s["fleets_tried"] > 1
    assert s["cost_by_formulas_usd"] == alone.cost_per_hour_usd
    assert s["cost_per_hour_usd"] == bursty.cost_per_hour_usd > alone.cost_per_hour_usd
    assert s["bound_by_formulas_usd"] <= alone.cost_per_hour_usd + 1e-6
    for c in s["classes"]:
        for figure in ("ttft_ms", "tpot_ms"):
            assert c[figure]["simulated"] <= c[figure]["target"]
        assert c["attainment"] >= 0.99


def test_the_plan_passes_its_own_check(bursty):
    """Tightened rates are part of the document, so the checker recomputes them."""
    proven = bursty.simulation["all_lowered_to"] == 1
    assert bursty.status == ("optimal" if proven else "feasible")
    assert proven or any("a cheaper one may" in w for w in bursty.warnings)
    assert bursty.certificate["check"]["passed"]
    assert any(p.tightened < 1 for p in bursty.pools)


def test_a_fleet_that_holds_at_once_is_left_alone(quotes):
    easy = planned(
        quotes,
        LoadOptions(requests=4000),
        classes=[{**CHAT, "rate_rps": 5}],
        sla={"ttft_ms": 3000, "tpot_ms": 80, "percentile": 90},
    )
    s = easy.simulation
    assert (s["fleets_tried"], s["meets"]) == (1, True)
    assert s["cost_per_hour_usd"] == s["cost_by_formulas_usd"]


def test_the_same_seed_gives_the_same_plan(quotes, bursty):
    again = planned(quotes, BURSTS)
    assert again.simulation == bursty.simulation


def test_nothing_holds(tmp_path):
    """Two cards in all: what misses under bursts cannot be given more."""
    sold_out = {"stock": "0"}
    scarce = catalog(
        tmp_path,
        {
            "l40s-1": sold_out, "l40s-4": sold_out, "a100-1": sold_out, "a100-8": sold_out,
            "h100-1": {"stock": "2"}, "h100-2": sold_out, "h100-8": sold_out,
        },
    )  # fmt: skip
    answer = planned(
        scarce, LoadOptions(requests=4000, arrivals="gamma:8"), classes=[{**CHAT, "rate_rps": 30}]
    )
    assert answer.simulation["meets"] is False
    assert answer.status == "feasible"
    assert any("miss a target" in w and "not proven" in w for w in answer.warnings)


def test_measured_capacities_cannot_be_simulated(quotes, tmp_path):
    path = tmp_path / "measured.csv"
    path.write_text("accelerator,class,capacity_rps\nh100_sxm,chat,10\nh100_sxm,rag,1\n")
    with pytest.raises(InputError, match="measured capacities"):
        plan(workload(classes=[CHAT, RAG]), quotes, measured=path, simulate=True)


def test_prefill_and_decode_apart(quotes):
    """Bursts fill the prefill pools; the plan holds after they are allowed less."""
    apart = planned(
        quotes, LoadOptions(requests=4000, arrivals="gamma:3"), classes=[CHAT],
        serving={"disaggregation": "only"},
    )  # fmt: skip
    assert {p.role for p in apart.pools} == {"prefill", "decode"}
    assert apart.simulation["meets"]
    json.dumps(apart.to_dict(), allow_nan=False)
