"""One replica under its load: the figures that plans and estimates show."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from one_replica import LLAMA_70B, deployment, replicas, requests, shape

from model.admission import admissible, limits_of
from model.predict import predict

OF = shape("h100_sxm", tp=4)
CHAT = requests(ttft_ms=500.0, tpot_ms=30.0, e2e_ms=9000.0)


def test_the_predicted_figures_at_the_admissible_rate_are_the_targets():
    """What limits the rate sits exactly on its target; the others below."""
    found = admissible(replicas(LLAMA_70B, OF), [CHAT], limits_of([CHAT], 0.9), "aggregated")
    seen = predict(deployment(LLAMA_70B, OF), [CHAT], [found.rate_rps.item()])
    chat = seen.classes["chat"]
    used = (chat.ttft_ms / 500, chat.tpot_ms / 30, chat.e2e_ms / 9000, seen.utilization / 0.9)
    assert max(used) == pytest.approx(1, abs=1e-6)
    assert seen.rate_rps == found.rate_rps.item()
    assert seen.concurrency == pytest.approx(found.concurrency.item())
    assert seen.ttft_ms["p99"] == pytest.approx(found.ttft_tail_s.item() * 1e3)


@pytest.mark.parametrize("role", ["aggregated", "prefill", "decode"])
@pytest.mark.parametrize("rate", [0.001, 2.0, 6.0])
def test_percentiles_are_in_order(role, rate):
    unit = deployment(LLAMA_70B, OF, role=role, network_bytes_per_s=50e9)
    seen = predict(unit, [requests(isl_sigma=0.5, osl_sigma=0.5)], [rate])
    for figures in (seen.ttft_ms, seen.tpot_ms):
        values = list(figures.values())
        assert values == sorted(values)
    assert list(seen.ttft_ms) == ["p50", "p90", "p95", "p99"]
    assert bool(seen.tpot_ms) == (role != "prefill")


def test_own_percentile_of_each_class():
    loose, strict = replace(CHAT, percentile=50.0), replace(CHAT, name="strict", percentile=99.0)
    seen = predict(deployment(LLAMA_70B, OF), [loose, strict], [2.0, 2.0])
    assert seen.classes["chat"].ttft_ms == pytest.approx(seen.ttft_ms["p50"], rel=0.02)
    assert seen.classes["strict"].ttft_ms == pytest.approx(seen.ttft_ms["p99"], rel=0.02)


def test_the_terms_of_the_step_add_up():
    """At b = λ·255·tpot a step carries b + 1 sequences."""
    seen = predict(deployment(LLAMA_70B, OF), [CHAT], [3.0])
    step = seen.step.total.item()
    assert seen.concurrency == pytest.approx(3 * 255 * step / (1 - 3 * 1e-3 * work_ms(seen)))


def work_ms(seen):
    """Time one prompt adds to a step, from the figures shown: tpot = step/(1 − λ·work)."""
    tpot = seen.concurrency / (3 * 255)
    return (1 - seen.step.total.item() / tpot) / 3 * 1e3


def test_overload_says_so():
    """Four times what the replica can do: waits without end, utilisation of four."""
    unit = deployment(LLAMA_70B, OF)
    most = admissible(
        replicas(LLAMA_70B, OF), [requests()], limits_of([requests()], 1.0), "aggregated"
    )
    seen = predict(unit, [requests()], [4 * most.rate_rps.item()])
    assert seen.utilization == pytest.approx(4, rel=1e-3)
    assert math.isinf(seen.ttft_ms["p99"])
    assert seen.concurrency == seen.slots == 64


def test_tokens_out():
    """5 requests/s of 256 tokens: 1,280 tokens/s; a prefill pool makes the first of each, a
    decode pool the other 255."""
    made = {
        role: predict(
            deployment(LLAMA_70B, OF, role=role, network_bytes_per_s=50e9), [CHAT], [5.0]
        ).output_tokens_per_s
        for role in ("aggregated", "prefill", "decode")
    }
    assert made == {"aggregated": 1280, "prefill": 5, "decode": 1275}


def test_hand_over_is_part_of_the_ttft():
    """335.5 MB over 0.7 · 50 GB/s take 9.587 ms."""
    slow, fast = (
        predict(deployment(LLAMA_70B, OF, role="decode", network_bytes_per_s=b), [CHAT], [5.0])
        for b in (50e9, 1e18)
    )
    assert slow.classes["chat"].handover_ms == pytest.approx(9.587, rel=1e-3)
    travel = slow.classes["chat"].ttft_ms - fast.classes["chat"].ttft_ms
    assert travel == pytest.approx(9.587, rel=1e-3)


def test_order_of_classes_does_not_matter():
    other = requests(300, 20, name="other")
    unit = deployment(LLAMA_70B, OF)
    one, two = predict(unit, [CHAT, other], [2.0, 3.0]), predict(unit, [other, CHAT], [3.0, 2.0])
    assert one.utilization == pytest.approx(two.utilization)
    assert one.classes["other"].ttft_ms == pytest.approx(two.classes["other"].ttft_ms)


def test_a_class_in_two_halves_is_the_same_load():
    twin = replace(CHAT, name="twin")
    unit = deployment(LLAMA_70B, OF)
    whole, halves = predict(unit, [CHAT], [4.0]), predict(unit, [CHAT, twin], [1.0, 3.0])
    assert halves.tpot_ms["p99"] == pytest.approx(whole.tpot_ms["p99"])
    assert halves.ttft_ms["p99"] == pytest.approx(whole.ttft_ms["p99"])
