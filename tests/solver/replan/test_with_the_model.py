"""Decisions with the performance model: dominated fleets that run, split pools, other loads."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from small_catalog import catalog, workload

from data.errors import InputError
from solver.checker import PlanChecker
from solver.planner import plan
from solver.replan.decide import replan
from solver.replan.memory import Memory
from solver.replan.policy import Policy

NOW = dt.datetime(2026, 7, 15, tzinfo=dt.UTC)
LAX = {
    "min_saving_pct": 0,
    "min_disruption_score": 0,
    "min_plan_age_h": 0,
    "spot_confirmations": 1,
}
OFF, ONLY = {"disaggregation": "off"}, {"disaggregation": "only"}
WIDE = {"weights": ["bf16"], "kv": ["bf16"]}


def chat(rate_rps: float, **blocks):
    """Return the chat workload at a rate."""
    return workload(
        classes=[{"name": "chat", "rate_rps": rate_rps, "isl": 1024, "osl": 256}], **blocks
    )


@pytest.fixture(scope="module")
def today(tmp_path_factory):
    """The market of three accelerators."""
    return catalog(tmp_path_factory.mktemp("market"))


def current(wanted, market):
    """Return the plan that runs."""
    return plan(wanted, market, explain=False, second_engine=False, as_of=NOW.date())


def both(wanted, market, runs, **policy):
    """Return the decision, made with and without pruning."""
    found, whole = (
        replan(wanted, market, runs, Policy(**LAX | policy), moment=NOW, prune=prune)
        for prune in (True, False)
    )
    first, second = (d.to_dict()["certificates"]["free"] for d in (found, whole))
    assert first["status"] == second["status"] == "optimal"
    assert first["objective"] == pytest.approx(second["objective"], rel=2e-4)
    assert found.outcome == whole.outcome
    return found


@pytest.mark.parametrize(("pool_usd", "outcome"), [(0, "switch"), (400, "keep")])
def test_a_running_configuration_is_kept_whatever_outpaces_it(today, pool_usd, outcome):
    # BF16 runs; FP8, which outpaces it on every node, is allowed since. A change worth nothing
    # would be to FP8 at once; with a dear change the BF16 pools must be there to be kept.
    runs = current(chat(60, precision=WIDE, serving=OFF), today)
    assert {p.weight_precision for p in runs.pools} == {"bf16"}
    found = both(chat(60, serving=OFF), today, runs, cost_per_changed_pool_usd=pool_usd)
    assert found.outcome == outcome
    if found.plan:
        assert {p["weight_precision"] for p in found.plan["pools"]} == {"fp8"}


def test_partners_of_a_running_pool_keep_its_kv_format(today):
    # FP8 caches would outpace every pair, but the prefill pool that stays writes BF16.
    wide = current(chat(30, serving=ONLY, precision={"kv": ["bf16"]}), today)
    assert [(p.role, p.replicas) for p in wide.pools] == [("prefill", 1), ("decode", 1)]
    found = both(chat(33, serving=ONLY), today, wide, cost_per_changed_pool_usd=60)
    assert found.outcome == "must_switch"
    pools = [(p["role"], p["replicas"], p["kv_precision"]) for p in found.plan["pools"]]
    assert pools == [("prefill", 1, "bf16"), ("decode", 2, "bf16")]
    assert found.to_dict()["change"]["pools_changed"] == 1


def test_pools_of_prefill_and_decode_come_in_pairs(today):
    runs = current(chat(100, serving=OFF), today)
    found = both(chat(100, serving=ONLY), today, runs)
    document = found.to_dict()
    assert found.outcome == "must_switch"
    assert "serving.disaggregation bars" in document["reasons"][0]
    added = [c for s in document["steps"] for c in s["changes"] if c["action"] == "add"]
    count = dict.fromkeys(("prefill", "decode"), 0)
    for change in added:
        count[change["pool"].split("-")[0]] += change["replicas"]
        assert abs(count["prefill"] - count["decode"]) <= 1
    assert document["steps"][-1]["capacity"]["chat"] >= 1 - 1e-6
    check = PlanChecker(found.plan, chat(100, serving=ONLY), today, _coefficients()).check()
    assert check.failures == ()


def _coefficients():
    from data.coefficients import shipped_coefficients

    return shipped_coefficients()


@pytest.mark.parametrize(("before", "after"), [(40, 100), (100, 30)])
def test_the_load_may_have_changed(today, before, after):
    runs = current(chat(before, serving=OFF), today)
    found = replan(chat(after, serving=OFF), today, runs, Policy(**LAX), moment=NOW)
    document = found.to_dict()
    assert found.outcome == ("must_switch" if after > before else "switch")
    assert document["current"]["holds"] is (after < before)
    assert found.plan["status"] == "optimal"
    assert found.plan["certificate"]["check"]["passed"]
    covered = [s["capacity"]["chat"] for s in document["steps"]]
    if after < before:
        assert min(covered) >= 1 - 1e-6
    else:  # more is added until the load is carried; from then on it stays so
        rest = list(itertools.dropwhile(lambda c: c < 1, covered))
        assert rest
        assert min(rest) >= 1 - 1e-6
        assert covered == sorted(covered[: len(covered) - len(rest)]) + rest


def test_classes_may_come_and_go(today):
    runs = current(chat(20, serving=OFF), today)
    more = workload(
        classes=[
            {"name": "chat", "rate_rps": 15, "isl": 1024, "osl": 256},
            {"name": "labels", "rate_rps": 1, "isl": 300, "osl": 20},
        ],
        serving=OFF,
    )
    # What is sent to a pool is routing: the running replicas take the new class as they are.
    found = replan(more, today, runs, moment=NOW)
    assert found.outcome == "keep"
    assert found.to_dict()["current"]["holds"]
    back = replan(chat(15, serving=OFF), today, current(more, today), moment=NOW)
    assert back.outcome == "keep"


def test_where_steps_cannot_keep_the_stock_they_say_so(tmp_path):
    # Eight BF16 replicas take all eight nodes, and no seven carry the load: none can be replaced
    # without a ninth.
    market = catalog(tmp_path, {"h100-1": {"stock": "8"}}, only=["h100-1"])
    runs = current(chat(110, precision=WIDE, serving=OFF), market)
    assert sum(p.replicas for p in runs.pools) == 8
    found = replan(chat(110, serving=OFF), market, runs, Policy(**LAX), moment=NOW)
    assert found.outcome == "switch"
    assert any("more nodes of h100-1 than its stock of 8" in w for w in found.to_dict()["warnings"])
    assert all(s["capacity"]["chat"] >= 1 - 1e-6 for s in found.to_dict()["steps"])


REFUSED = {
    "a schedule": ({"demand": {"hourly": [1.0] * 24}}, "demand: re-planning is for steady rates"),
    "the most load": (
        {"objective": {"maximize": "load"}, "hardware": {"max_gpus": 4}},
        "objective.maximize",
    ),
    "another objective": ({"objective": "energy"}, "cannot make energy and then cost smallest"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused(today, name):
    blocks, sentence = REFUSED[name]
    with pytest.raises(InputError, match=sentence):
        replan(workload(**blocks), today, {}, moment=NOW)


def test_a_batch_is_refused(today):
    batch = workload(
        batch={"deadline_h": 2}, classes=[{"name": "b", "requests": 1000, "isl": 9, "osl": 9}]
    )
    with pytest.raises(InputError, match="batch: re-planning is for requests that keep arriving"):
        replan(batch, today, {}, moment=NOW)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d.pop("schema"), "is not a plan document"),
        (lambda d: d.update(pools=[]), "has no pools"),
        (lambda d: d.update(schedule={"months": 1}), "is a plan for rates that change"),
        (lambda d: d["purchases"][0].pop("nodes"), "incomplete or damaged"),
        (lambda d: d["pools"][0].pop("tier"), "incomplete or damaged"),
        (lambda d: d["pools"][0].update(replicas="many"), "is 'many', not a whole number from 1"),
    ],
)
def test_a_bad_current_plan_is_refused(today, change, sentence):
    document = current(chat(10, serving=OFF), today).to_dict()
    change(document)
    with pytest.raises(InputError, match=sentence):
        replan(chat(10, serving=OFF), today, document, moment=NOW)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"min_savings_pct": 3}, "unknown key 'min_savings_pct'; did you mean 'min_saving_pct'"),
        ({"payback_h": 1, "overlap_h": 1}, "no change ever would; raise payback_h"),
        ({"max_step_pct": 0}, "max_step_pct should be greater than 0"),
        ({"accept": "later"}, "accept should be 'manual' or 'automatic'"),
        ([1], "must be a mapping of policy fields"),
    ],
)
def test_a_bad_policy_is_refused(content, sentence):
    with pytest.raises(InputError, match=sentence):
        Policy.parse(content)


def test_a_bad_memory_is_refused():
    with pytest.raises(InputError, match="is not a memory of decisions"):
        Memory.from_dict({})
    with pytest.raises(InputError, match="is damaged"):
        Memory.from_dict({**Memory().to_dict(), "since": "yesterday"})
