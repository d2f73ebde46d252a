"""Engines that run prompts in steps of their own, before decoding goes on (SGLang's default)."""

from __future__ import annotations

import numpy as np
import one_replica
import pytest
from one_replica import LLAMA_8B, LLAMA_70B, requests, shape, station

from model.benchmark import Load, closed_loop
from model.service import operate
from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests
from model.step_time import decode_step, gemm_s, prefill_gemm_s


def replicas(*shapes, model=LLAMA_70B, **changes):
    return one_replica.replicas(model, *shapes, **{"mixed_steps": 0.0, **changes})


def test_prompts_pay_for_steps_of_their_own():
    """(engine 2.0 + layers 1.04 + two all-reduces a layer 0.96 ms + gemm(2,048 tokens))/2 a prompt
    of 1,024, however many sequences wait meanwhile."""
    r = replicas(shape(tp=2))
    assert r.bare_step_s.item() == pytest.approx(4.0e-3)
    expected = (4.0e-3 + gemm_s(r, 2048.0, 2.0).item()) / 2
    for waiting in (0.0, 64.0):
        assert prefill_gemm_s(r, 1024.0, waiting, 2.0).item() == pytest.approx(expected)


def test_idle_ttft_is_one_step_of_the_prompt():
    r = replicas(shape(tp=2))
    o = operate(station(r, requests()), np.array([1e-9]))
    clock = Clock.of(r)
    alone = clock.step_s(0, 0, 1024, 1) + clock.attention_s(0, 1024)
    assert o.ttft_tail_s.item() == pytest.approx(alone, rel=1e-6)


def test_a_prefill_pool_does_not_care():
    """It has nothing to decode beside its prompts, so both ways are one."""
    at = np.array([3.0])
    first, beside = (
        operate(station(replicas(shape(tp=4), mixed_steps=m), requests(), role="prefill"), 0.0, at)
        for m in (0.0, 1.0)
    )
    assert first.ttft_tail_s == pytest.approx(beside.ttft_tail_s)
    assert first.utilization == pytest.approx(beside.utilization)


def test_a_decode_pool_does_not_care():
    first, beside = (
        operate(
            station(replicas(shape(tp=4), mixed_steps=m), requests(), role="decode"),
            np.array([9.0]),
        )
        for m in (0.0, 1.0)
    )
    assert first.tpot_tail_s == pytest.approx(beside.tpot_tail_s)
    assert first.ttft_tail_s == pytest.approx(beside.ttft_tail_s)


def test_decoding_waits_for_a_prompt():
    """One sequence decodes from 1,000 tokens on; a second prompt comes when it has three: the
    fourth is late by a whole step of that prompt, and by nothing else."""
    clock = Clock.of(replicas(shape(tp=4)))
    first = clock.step_s(0, 0, 1000, 1) + clock.attention_s(0, 1000)
    steps = [clock.step_s(1, 1001 + k) for k in range(3)]
    comes = first + sum(steps[:2]) + 0.5 * steps[2]
    both = Requests([0.0, comes], [1000, 1000], [4 + 1, 1], [0, 0])
    engine = Engine(clock, both)
    for n in range(2):
        engine.submit(n)
    engine.run()
    prompt = clock.step_s(0, 0, 1000, 1) + clock.attention_s(0, 1000)
    assert both.first_s[1] == pytest.approx(first + sum(steps) + prompt)
    last = clock.step_s(1, 1004)
    assert both.done_s[0] == pytest.approx(first + sum(steps) + prompt + last)


def test_clients_in_step_decode_undisturbed():
    """16 equal requests: two steps of eight prompts, then all decode together, and end together:
    each wave is like the first, and no prompt ever stalls a sequence."""
    r = replicas(shape(tp=4))
    clock = Clock.of(r)
    figures = closed_loop(r, Load(1024, 129, clients=16, in_step=True))
    wave = clock.step_s(0, 0, 8192, 8) + 8 * clock.attention_s(0, 1024)
    decoding = np.mean([clock.step_s(16, 1025 + k) for k in range(128)])
    assert figures.tpot_ms == pytest.approx(decoding * 1e3 + wave / 2 / 128 * 1e3, rel=1e-6)
    assert figures.ttft_ms == pytest.approx(1.5 * wave * 1e3, rel=1e-6)
    apart = closed_loop(r, Load(1024, 129, clients=16))
    assert apart.tpot_ms > figures.tpot_ms
    assert apart.ttft_ms < figures.ttft_ms


@pytest.mark.parametrize("rate", [2.0, 8.0])
def test_the_formulas_agree_with_simulation(rate):
    """8B on one card, 4,000 requests: mean TPOT within 3 % and mean TTFT within 10 %."""
    r = replicas(shape(weights="bf16", batch_cap=256), model=LLAMA_8B)
    s = station(r, requests())
    low, high = 0.0, 256.0
    for _ in range(60):
        b = (low + high) / 2
        low, high = (b, high) if operate(s, np.array([b])).rate_rps.item() < rate else (low, b)
    o = operate(s, np.array([b]))
    gaps = np.random.default_rng(7).exponential(1 / rate, 4000)
    count = len(gaps)
    run = Requests(np.cumsum(gaps).tolist(), [1024] * count, [256] * count, [0] * count)
    engine = Engine(Clock.of(r), run)
    for n in range(count):
        engine.submit(n)
    engine.run()
    arrival, first, done = (np.array(v)[200:] for v in (run.arrival_s, run.first_s, run.done_s))
    assert o.tpot_s.item() == pytest.approx(((done - first) / 255).mean(), rel=0.03)
    assert o.ttft_s.item() == pytest.approx((first - arrival).mean(), rel=0.1)


def test_launching_bounds_short_prompts():
    """80 layers · 200 µs = 16 ms: a step with 16 prompt tokens takes as long as one with 64."""
    slow = replicas(shape(tp=8), mixed_steps=1.0, launch_layer_us=200.0)
    few, more = (prefill_gemm_s(slow, n, 1.0).item() for n in (16.0, 64.0))
    streamed = gemm_s(slow, 1.0, 1.0).item()
    assert few == more == pytest.approx(80 * 200e-6 - slow.layer_s.item() - streamed)
    long = prefill_gemm_s(slow, 8000.0, 1.0).item()
    quick = replicas(shape(tp=8), mixed_steps=1.0)
    assert long == pytest.approx(prefill_gemm_s(quick, 8000.0, 1.0).item())
    clock = Clock.of(slow)
    assert clock.step_s(1, 100, 16, 1) - clock.step_s(1, 100) == pytest.approx(
        few + 16 * slow.collective_token_s.item()
    )
    assert decode_step(slow, 100.0).seconds(1.0).item() == pytest.approx(clock.step_s(1, 100))


@pytest.mark.parametrize("changes", [{"launch_layer_us": 200.0}, {"mixed_steps": 0.0}])
def test_prompts_that_came_with_their_cache_launch_nothing(changes):
    """Neither beside a prompt that is computed, nor without one: as a decode pool among others."""
    r = replicas(shape(tp=8), shape(tp=8), **{"mixed_steps": 1.0, **changes})
    work = prefill_gemm_s(r, np.array([0.0, 64.0]), 8.0)
    assert work[0] == 0 < work[1]
