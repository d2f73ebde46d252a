"""Prefill and decode workers in a closed loop, against timelines worked out by hand."""

from __future__ import annotations

import pytest
from one_replica import LLAMA_70B, replicas, shape

from model.benchmark import CannotServe, Load, closed_loop_apart
from model.simulation.clock import Clock
from model.simulation.handover import Workers

LINK = 50e9


def workers(count=1, link=LINK, **changes):
    of = {"tp": 4, "batch_cap": 256, **changes}
    return Workers(Clock.of(replicas(LLAMA_70B, shape(**of))), count, link)


def test_one_client_waits_for_no_one():
    """Prefill, 327 MB of cache (80 layers · 4 KB · 1,000) over 50 GB/s, then decode steps."""
    prefill = workers()
    figures = closed_loop_apart(prefill, workers(), Load(1000, 5, clients=1))
    clock = prefill.clock
    prompt = clock.step_s(0, 0, 1000, 1) + clock.attention_s(0, 1000)
    travel = 80 * 2 * 8 * 128 * 2 * 1000 / LINK
    steps = [clock.step_s(1, 1000 + k) for k in range(5)]
    assert figures.ttft_ms == pytest.approx((prompt + travel + steps[0]) * 1e3)
    assert figures.tpot_ms == pytest.approx(sum(steps[1:]) / 4 * 1e3)
    assert figures.output_tok_per_s == pytest.approx(5 / (prompt + travel + sum(steps)))


def test_prompts_do_not_hold_up_decoding():
    """Apart, a step carries decoding sequences alone: TPOT lies between the steps of one and of
    all clients."""
    load = Load(2000, 400, 0.8, clients=32, rounds=10)
    both = workers()
    figures = closed_loop_apart(both, both, load)
    alone, full = (both.clock.step_s(n, 2000 * 0.9) * 1e3 for n in (1, 32))
    assert alone < figures.tpot_ms < full * 1.05


def test_workers_share_the_load():
    """Four decode workers hold a quarter of the sequences each; four prefill workers pass the
    first wave in a quarter of the time."""
    load = Load(1000, 300, 0.8, clients=64, rounds=10)
    few, decode, prefill = (
        closed_loop_apart(workers(p), workers(d), load) for p, d in ((1, 1), (1, 4), (4, 1))
    )
    quarter = closed_loop_apart(workers(1), workers(1), Load(1000, 300, 0.8, clients=16, rounds=10))
    assert decode.tpot_ms < few.tpot_ms
    assert decode.tpot_ms == pytest.approx(quarter.tpot_ms, rel=0.1)
    assert prefill.ttft_ms < 0.6 * few.ttft_ms
    assert prefill.output_tok_per_s > few.output_tok_per_s


def test_a_slow_network_delays_the_first_token_only():
    load = Load(1000, 50, clients=1)
    fast, slow = (closed_loop_apart(workers(), workers(link=x), load) for x in (LINK, LINK / 10))
    travel = 80 * 2 * 8 * 128 * 2 * 1000 / LINK
    assert slow.ttft_ms - fast.ttft_ms == pytest.approx(9 * travel * 1e3)
    assert slow.tpot_ms == pytest.approx(fast.tpot_ms)


def test_what_does_not_fit_is_refused():
    with pytest.raises(CannotServe, match="weights do not fit"):
        closed_loop_apart(workers(weights="bf16", tp=1), workers(), Load(1000, 5, clients=1))
    with pytest.raises(CannotServe, match="does not hold one request"):
        closed_loop_apart(workers(), workers(tp=2), Load(1000, 4_000_000, clients=1))
