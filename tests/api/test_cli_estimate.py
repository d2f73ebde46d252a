"""``minfleet estimate``: the terms add up, and the figures are those of the plan."""

from __future__ import annotations

import json
import math

import pytest

H100 = ("estimate", "llama-3.1-70b-instruct", "--accelerator", "h100_sxm")


def document(invoke, *arguments: object) -> dict:
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(name))


def test_memory_adds_up(invoke):
    m = document(invoke, *H100, "--tp", 2, "--weights", "fp8")["memory_gb"]
    rest = m["usable"] - m["weights"] - m["workspace"] - m["reserve"]
    assert m["kv"] == pytest.approx(rest, rel=1e-4)
    assert m["usable"] < m["reported"]


def test_steps_add_up_and_pay_the_root_of_squares_of_weights_and_products(invoke):
    found = document(invoke, *H100, "--tp", 2, "--weights", "fp8")
    for step in (found["idle_step_ms"], found["step_ms"]):
        rest = sum(step[k] for k in ("engine", "layers", "experts", "kv", "collectives", "hops"))
        dense = math.hypot(step["weights"], step["compute"])
        assert step["total"] == pytest.approx(rest + dense, rel=1e-4)


def test_it_is_shown_for_people(invoke):
    shown = invoke(*H100, "--tp", 2, "--weights", "fp8").stdout
    for words in ("Memory of each accelerator", "One decode step", "Admits ", "TTFT", "TPOT"):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_replica_at_its_admissible_rate_keeps_its_targets(invoke):
    found = document(invoke, *H100, "--tp", 4, "--ttft", 400, "--tpot", 30)
    figures = found["predicted"]["classes"]["requests"]
    assert figures["ttft_ms"] <= 400 * (1 + 1e-6)
    assert figures["tpot_ms"] <= 30 * (1 + 1e-6)
    assert found["predicted"]["rate_rps"] == pytest.approx(found["admissible_rps"], rel=1e-4)


def test_what_does_not_fit_says_so(invoke):
    assert document(invoke, *H100)["fits"] is False
    result = invoke(*H100)
    assert result.exit_code == 0
    assert "Does not fit" in result.stdout


def test_more_than_it_can_serve_has_no_finite_wait(invoke):
    arguments = (*H100, "--tp", 2, "--weights", "fp8", "--rate", 500)
    assert document(invoke, *arguments)["predicted"]["ttft_ms"]["p99"] is None
    assert "the queue grows without end" in invoke(*arguments).stdout


def test_a_target_that_even_an_idle_replica_misses(invoke):
    arguments = (*H100, "--tp", 2, "--weights", "fp8", "--tpot", 1)
    found = document(invoke, *arguments)
    assert found["admissible_rps"] == 0
    (missed,) = found["missed"]
    assert (missed["limit"], missed["target_ms"]) == ("tpot_ms", 1)
    idle = found["idle_step_ms"]["total"]
    assert missed["value_ms"] == pytest.approx(idle, rel=0.2)
    shown = " ".join(invoke(*arguments).stdout.split())
    over = f"{missed['value_ms'] - 1:+,.0%}"
    assert "Admits nothing: at p99 even idle it misses TPOT:" in shown
    assert f"ms against 1 ms ({over})" in shown


def test_a_target_that_is_kept_is_not_missed(invoke):
    found = document(invoke, *H100, "--tp", 2, "--weights", "fp8")
    assert (found["missed"], found["remarks"]) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--role", "prefill", "--network-gbps", 400, "--ttft", 50), "the prefill pool's part"),
        (("--role", "decode", "--network-gbps", 1), "which moving the KV cache alone uses up"),
    ],
)
def test_a_split_replica_misses_its_part_of_the_target(invoke, arguments, words):
    here = (*H100, "--tp", 2, "--weights", "fp8", *arguments)
    assert document(invoke, *here)["missed"][0]["limit"] == "ttft_ms"
    assert words in " ".join(invoke(*here).stdout.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tp", 16), ("TP 16 is more than the 8 h100_sxm", "largest node on offer has 8")),
        (("--tp", 4, "--pp", 4), ("TP 4 × PP 4 needs 16 h100_sxm in one node", "--cross-node")),
        (("--tp", 2, "--pp", 3), ("PP 3 does not divide the 80 layers", "largest stage holds 27")),
        (("--tp", 4, "--pp", 4, "--cross-node", "--network-gbps", 400), ()),
        (("--tp", 8), ()),
    ],
)
def test_what_no_plan_would_run_is_remarked_on(invoke, arguments, words):
    here = (*H100, "--weights", "fp8", *arguments)
    remarks = document(invoke, *here)["remarks"]
    shown = " ".join(invoke(*here).stdout.split())
    assert len(remarks) == (len(words) if "--pp" not in arguments else bool(words))
    for word in words:
        assert word in " ".join(remarks)
        assert word in shown


def test_a_group_beyond_its_link_is_remarked_on(invoke):
    """PCIe cards have no link to exceed."""
    found = document(
        invoke, "estimate", "llama-3.1-8b-instruct", "--accelerator", "l40s", "--tp", 4
    )
    assert not [r for r in found["remarks"] if "domain" in r]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["estimate", "no-such-model", "--accelerator", "h100_sxm"], "no-such-model"),
        (["estimate", "llama-3.1-70b-instruct", "--accelerator", "h100_sx"], "h100_sxm"),
        ([*H100, "--tp", "3"], "does not divide the 64"),
        ([*H100, "--ep", "2"], "ep: must be 1"),
        ([*H100, "--tp", "128"], "does not divide the 64"),
        ([*H100, "--pp", "0"], "--pp"),
        ([*H100, "--rate", "nan"], "finite"),
        ([*H100, "--ttft", "inf"], "finite"),
        ([*H100, "--rate", "-1"], "--rate"),
        ([*H100, "--isl", "0"], "--isl"),
        ([*H100, "--role", "prefill"], "network_gbps"),
        ([*H100, "--weights", "fp2"], "--weights"),
        (["estimate", "llama-3.1-8b-instruct", "--accelerator", "t4", "--kv", "fp8"], "kv: fp8"),
        (["estimate", "absent/config.json", "--accelerator", "h100_sxm"], "config.json"),
        (["estimate", "llama-3.1-8b-instruct"], "--accelerator"),
    ],
)
def test_bad_input_is_named(refusal, arguments, part):
    assert part in refusal(*arguments)


def test_every_figure_of_a_plan_is_that_of_the_estimate(invoke, planned):
    """The replica of each pool, at the rate the plan sends it."""
    plan, _ = planned
    rates = {c["name"]: c["rate_rps"] for c in plan["workload"]["classes"]}
    for pool in plan["pools"]:
        assert pool["role"] == "aggregated"
        kind = {k: pool[k] for k in ("weight_precision", "kv_precision", "tp", "pp", "batch_cap")}
        same = [
            p
            for p in plan["pools"]
            if {k: p[k] for k in kind} == kind and p["accelerator"] == pool["accelerator"]
        ]
        share = sum(p["serves"]["chat"] for p in same)
        found = document(
            invoke,
            "estimate",
            pool["model"],
            *("--accelerator", pool["accelerator"], "--tp", pool["tp"], "--pp", pool["pp"]),
            *("--weights", pool["weight_precision"], "--kv", pool["kv_precision"]),
            *("--batch-cap", pool["batch_cap"], "--ttft", 500, "--tpot", 40),
            *("--rate", share * rates["chat"] / sum(p["replicas"] for p in same)),
        )
        mine, theirs = pool["predicted"], found["predicted"]
        for key in ("ttft_ms", "tpot_ms"):
            assert theirs[key] == pytest.approx(mine[key], rel=1e-5)
        for key in ("utilization", "kv_occupancy", "concurrency", "slots", "error_band_pct"):
            assert theirs[key] == pytest.approx(mine[key], rel=1e-5)
