"""Where two plans differ: every figure by hand, and what must hold of any two plans."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.difference_words import difference_document, headline
from solver.difference import plan_difference

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SETTINGS = {
    "weight_precision": "fp8",
    "kv_precision": "fp8",
    "tp": 2,
    "pp": 1,
    "ep": 1,
    "engine": "vllm",
    "batch_cap": 128,
}


def pool(accelerator="h100_sxm", replicas=2, offer_id="acme/h100", **more):
    place = {"role": "aggregated", "model": "m", "accelerator": accelerator, "offer_id": offer_id}
    amounts = {"replicas": replicas, "gpus": 2 * replicas, "nodes": replicas}
    return {**place, **SETTINGS, **amounts, "cost_per_hour_usd": 4.0 * replicas, **more}


def purchase(offer_id="acme/h100", nodes=2, price=4.0):
    return {
        "offer_id": offer_id,
        "nodes": nodes,
        "price_per_node_hour_usd": price,
        "cost_per_hour_usd": nodes * price,
    }


def chat(**more):
    figures = {"rate_rps": 4.0, "ttft_ms": 300.0, "tpot_ms": 30.0, "e2e_ms": 9000.0}
    return {"name": "chat", **figures, "meets": True, **more}


def plan(cost=8.0, pools=None, purchases=None, classes=None, **more):
    return {
        "status": "optimal",
        "cost_per_hour_usd": cost,
        "cost_per_month_usd": cost * 730,
        "gpus": 4,
        "catalog": {"id": "c1"},
        "pools": [pool()] if pools is None else pools,
        "purchases": [purchase()] if purchases is None else purchases,
        "classes": [chat()] if classes is None else classes,
        **more,
    }


def test_more_replicas_and_a_lower_cost():
    """$12.40 − $9.80 = $2.60; −2.60 / 12.40 = −20.97 %."""
    first = plan(12.4, [pool(replicas=3)], [purchase(nodes=3)])
    second = plan(9.8, [pool(replicas=5)], [purchase(nodes=5)], [chat(ttft_ms=250.0)])
    found = plan_difference(first, second)
    assert found["cost"]["change_usd_per_hour"] == pytest.approx(-2.6)
    assert found["cost"]["change_fraction"] == pytest.approx(-2.6 / 12.4)
    (changed,) = found["pools"]
    assert (changed["change"], changed["replicas_change"]) == ("changed", 2)
    assert changed["settings_changed"] == []
    (bought,) = found["purchases"]
    assert (bought["change"], bought["nodes_change"]) == ("changed", 2)
    (slower,) = found["classes"]
    assert (slower["first"]["ttft_ms"], slower["second"]["ttft_ms"]) == (300.0, 250.0)
    assert headline(found) == (
        "2 more replicas on h100_sxm TP2 fp8; the cost falls from $12.40 to $9.80 an hour (−21 %)."
    )


def test_a_pool_that_changes_its_settings_is_one_change():
    first = plan(pools=[pool(replicas=2)])
    second = plan(pools=[pool(replicas=1, tp=4, weight_precision="bf16")])
    (changed,) = plan_difference(first, second)["pools"]
    assert changed["change"] == "changed"
    assert changed["settings_changed"] == ["weight_precision", "tp"]
    assert changed["replicas_change"] == -1
    told = headline(plan_difference(first, second))
    assert told.startswith(
        "1 fewer replica on h100_sxm TP4 bf16/fp8 (weights fp8 → bf16, TP 2 → 4)"
    )


def test_another_offer_is_a_pool_that_goes_and_one_that_comes():
    first, second = plan(), plan(pools=[pool("b200_sxm", 1, "acme/b200")])
    found = plan_difference(first, second)["pools"]
    assert [(p["change"], p["replicas_change"]) for p in found] == [("removed", -2), ("added", 1)]
    assert found[0]["second"] is None
    assert found[1]["first"] is None


def test_a_price_that_moved_is_told():
    first, second = plan(8.0), plan(10.0, [pool(cost_per_hour_usd=10.0)], [purchase(price=5.0)])
    words = difference_document(first, second)["words"]
    assert "Offer acme/h100: a node costs $5.00 an hour instead of $4.00." in words


def test_what_was_asked_otherwise():
    sla, classes = {"ttft_ms": 500}, [{"name": "chat", "rate_rps": 4}]
    first = plan(workload={"model": "m", "sla": sla, "classes": classes})
    second = copy.deepcopy(first)
    second["workload"] |= {"sla": {"ttft_ms": 900}, "classes": [{"name": "chat", "rate_rps": 9}]}
    asked = plan_difference(first, second)["asked"]
    fields = {e["field"]: (e["first"], e["second"]) for e in asked}
    assert fields == {"sla.ttft_ms": (500, 900), "chat: rate_rps": (4, 9)}


def test_plans_without_a_fleet():
    found = difference_document(plan() | {"cost_per_hour_usd": None, "pools": []}, plan())
    assert found["cost"] == {"change_usd_per_hour": None, "change_fraction": None}
    assert "the first has no fleet" in found["words"][0]


pools = st.lists(
    st.builds(
        pool,
        accelerator=st.sampled_from(["h100_sxm", "l40s"]),
        replicas=st.integers(1, 4),
        offer_id=st.sampled_from(["a", "b"]),
        tp=st.sampled_from([1, 2]),
        weight_precision=st.sampled_from(["fp8", "bf16"]),
    ),
    max_size=4,
)


@unhurried
@given(pools, pools)
def test_replicas_add_up_and_turning_round_turns_the_sign(one, other):
    """Σ change of the pools = replicas of the second − replicas of the first."""
    first, second = plan(pools=one), plan(pools=other)
    there, back = plan_difference(first, second), plan_difference(second, first)
    counts = [sum(p["replicas"] for p in side) for side in (one, other)]
    assert sum(p["replicas_change"] for p in there["pools"]) == counts[1] - counts[0]
    assert sum(p["replicas_change"] for p in back["pools"]) == counts[0] - counts[1]
    assert len(there["pools"]) == len(back["pools"])


def test_the_command_tells_it(invoke, tmp_path: Path):
    def written(name, content):
        whole = {"schema": "minfleet/plan/v1", "workload": None, **content}
        (tmp_path / name).write_text(json.dumps(whole))
        return str(tmp_path / name)

    a, b = written("a.json", plan(12.4)), written("b.json", plan(9.8, [pool(replicas=4)]))
    told = invoke("diff", a, b)
    assert told.exit_code == 0
    assert told.stdout.startswith("2 more replicas on h100_sxm TP2 fp8; the cost falls from")
    assert json.loads(invoke("diff", a, b, "--json").stdout)["schema"] == "minfleet/difference/v1"
    assert invoke("diff", "-", "-").exit_code == 2
