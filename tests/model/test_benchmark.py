"""Benchmarks simulated as they are run, against timelines worked out by hand."""

import math
from itertools import pairwise

import pytest
from one_replica import LLAMA_70B, replicas, shape

from model.benchmark import (
    CannotServe,
    Load,
    closed_loop,
    offline,
    open_loop,
    static_batch,
    with_cap,
)
from model.simulation.clock import Clock


@pytest.fixture
def replica():
    return replicas(LLAMA_70B, shape(tp=4, batch_cap=64))


def test_one_client_waits_for_no_one(replica):
    clock = Clock.of(replica)
    figures = closed_loop(replica, Load(1000, 5, clients=1))
    first = clock.step_s(0, 0, 1000, 1) + clock.attention_s(0, 1000)
    steps = [clock.step_s(1, 1001 + k) for k in range(4)]
    assert figures.ttft_ms == pytest.approx(first * 1e3)
    assert figures.tpot_ms == pytest.approx(sum(steps) / 4 * 1e3)
    assert figures.output_tok_per_s == pytest.approx(5 / (first + sum(steps)))


def test_the_first_wave_counts_once_in_its_rounds(replica):
    """8 prompts of 2,000 tokens: four go in a step, so the last four wait for two steps."""
    clock = Clock.of(replica)
    alone = Load(2000, 400, clients=8, rounds=10)
    step = clock.step_s(0, 0, 8192, 4) + 4 * clock.attention_s(0, 2000)
    figures = closed_loop(replica, alone)
    wave_mean = 1.5 * step
    assert figures.ttft_ms > wave_mean / 10 * 1e3
    assert figures.ttft_ms < (wave_mean + 0.3) * 1e3


def test_more_clients_are_slower_each_and_faster_together(replica):
    figures = [
        closed_loop(replica, Load(1024, 256, 0.8, clients=n, rounds=10)) for n in (1, 4, 16, 64)
    ]
    for fewer, more in pairwise(figures):
        assert more.tpot_ms > fewer.tpot_ms
        assert more.ttft_ms > fewer.ttft_ms
        assert more.output_tok_per_s > fewer.output_tok_per_s


def test_a_static_batch(replica):
    """16 prompts of 512 tokens fill one step; then 63 steps of 16 sequences."""
    clock = Clock.of(replica)
    figures = static_batch(replica, Load(512, 64, clients=16))
    first = clock.step_s(0, 0, 16 * 512, 16) + 16 * clock.attention_s(0, 512)
    rest = sum(clock.step_s(16, 513 + k) for k in range(63))
    assert figures.ttft_ms == pytest.approx(first * 1e3)
    assert figures.tpot_ms == pytest.approx(rest / 63 * 1e3)
    assert figures.output_tok_per_s == pytest.approx(16 * 64 / (first + rest))


def test_a_closed_loop_of_many_nears_the_offline_rate(replica):
    many = with_cap(replica, 256)
    loop = closed_loop(many, Load(512, 256, clients=256))
    assert loop.output_tok_per_s == pytest.approx(
        offline(many, Load(512, 256)).output_tok_per_s, rel=0.1
    )


def test_an_idle_open_loop_is_a_lone_request(replica):
    alone = closed_loop(replica, Load(1000, 50, clients=1))
    idle = open_loop(replica, Load(1000, 50, rate_rps=1e-5))
    assert idle.tpot_ms == pytest.approx(alone.tpot_ms, rel=1e-6)
    assert idle.ttft_ms == pytest.approx(alone.ttft_ms, rel=1e-6)


def test_an_overloaded_open_loop_delivers_what_it_can(replica):
    offered = open_loop(with_cap(replica, 256), Load(512, 256, rate_rps=1000))
    most = offline(with_cap(replica, 256), Load(512, 256)).output_tok_per_s
    assert most * 0.7 < offered.output_tok_per_s <= most * 1.1


def test_the_same_seed_gives_the_same_figures(replica):
    load = Load(1024, 128, 0.8, clients=8)
    assert closed_loop(replica, load) == closed_loop(replica, load)


@pytest.mark.parametrize("run", [closed_loop, static_batch, offline])
def test_what_does_not_fit_is_refused(run):
    with pytest.raises(CannotServe, match="the weights do not fit"):
        run(replicas(LLAMA_70B, shape("l4", tp=1)), Load(100, 10, clients=1))
    with pytest.raises(CannotServe, match="does not hold one request"):
        run(replicas(LLAMA_70B, shape(tp=1)), Load(60_000, 10, clients=1))


def test_without_output_there_is_no_tpot(replica):
    figures = static_batch(replica, Load(1000, 1, clients=2))
    assert figures.tpot_ms is None
    assert figures.ttft_ms > 0
    assert not math.isnan(closed_loop(replica, Load(1000, 1, clients=2)).ttft_ms)


def test_a_static_batch_has_no_server_in_between():
    """100 ms of HTTP and tokenisation delay the clients of a server, not a library's callers."""
    slow, quick = (replicas(LLAMA_70B, shape(tp=4), request_ms=ms) for ms in (100.0, 0.0))
    load = Load(512, 64, clients=1)
    assert static_batch(slow, load) == static_batch(quick, load)
    delay = closed_loop(slow, load).ttft_ms - closed_loop(quick, load).ttft_ms
    assert delay == pytest.approx(100)
