"""A fleet simulated: hand-computed ways through it, routers, conservation, what came of it."""

import math

import numpy as np
import pytest
from one_replica import LLAMA_70B, replicas, requests, shape

from data.errors import InputError
from model.simulation.arrivals import Arrivals, drawn_arrivals
from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests
from model.simulation.fleet import SimulatedPool, simulate_fleet
from model.simulation.outcome import (
    Times,
    after_warm_up,
    class_outcome,
    fleet_times,
    mean_decoding,
    percentile,
    pool_times,
)
from model.simulation.routing import ROUTERS

CLOCK = Clock.of(replicas(LLAMA_70B, shape(tp=4)))
NETWORK = 50e9


def pool(role="aggregated", count=1, shares=(1.0,), **changes):
    return SimulatedPool(role, role, CLOCK, count, shares, "here", NETWORK, **changes)


def arrivals(times, isl=1000, osl=50, kind=0):
    size = len(times)
    columns = (np.full(size, v, dtype=np.int64) for v in (kind, isl, osl, 0))
    return Arrivals(np.array(times, dtype=float), *columns)


def prefill_s(isl):
    return CLOCK.step_s(0, 0, isl, 1) + CLOCK.attention_s(0, isl)


def transfer_s(isl):
    return CLOCK.kv_bytes(isl) * 4 / (NETWORK * 0.7)


def test_one_request_through_prefill_transfer_and_decode():
    run = simulate_fleet([pool("prefill"), pool("decode")], arrivals([2.0]))
    sent = 2.0 + prefill_s(1000)
    ready = sent + transfer_s(1000)
    steps = [CLOCK.step_s(1, 1000 + k) for k in range(50)]
    assert run.first_s[0] == pytest.approx(ready + steps[0])
    assert run.done_s[0] == pytest.approx(ready + sum(steps))
    everyone = np.array([True])
    prefill = pool_times(run, run.pools[0], everyone)
    decode = pool_times(run, run.pools[1], everyone)
    assert prefill.ttft_s[0] == pytest.approx(ready - 2.0)
    assert decode.ttft_s[0] == pytest.approx(ready - sent + steps[0])
    assert decode.tpot_s[0] == pytest.approx(sum(steps[1:]) / 49)
    assert fleet_times(run, everyone).e2e_s[0] == pytest.approx(run.done_s[0] - 2.0)


def test_caches_leave_a_replica_one_after_another():
    """Two prompts prefilled in one step: the second cache waits for the first."""
    run = simulate_fleet([pool("prefill"), pool("decode")], arrivals([0.0, 0.0]))
    together = CLOCK.step_s(0, 0, 2000, 2) + 2 * CLOCK.attention_s(0, 1000)
    ready = run.pools[0].done_s
    assert ready.tolist() == pytest.approx(
        [together + transfer_s(1000), together + 2 * transfer_s(1000)]
    )


def test_a_slower_receiver_slows_the_hand_over():
    slow = SimulatedPool("decode", "decode", CLOCK, 1, (1.0,), "here", NETWORK / 4)
    run = simulate_fleet([pool("prefill"), slow], arrivals([0.0]))
    assert run.pools[0].done_s[0] == pytest.approx(prefill_s(1000) + 4 * transfer_s(1000))


def test_two_replicas_in_turn_are_two_engines():
    times = np.cumsum(np.random.default_rng(2).exponential(0.02, 60))
    run = simulate_fleet([pool(count=2)], arrivals(times), router="round_robin")
    for k in (0, 1):
        own = times[k::2].tolist()
        alone = Requests(own, [1000] * 30, [50] * 30, [0] * 30)
        engine = Engine(CLOCK, alone)
        for n in range(30):
            engine.submit(n)
        engine.run()
        assert run.first_s[k::2].tolist() == alone.first_s
        assert run.done_s[k::2].tolist() == alone.done_s


def test_the_least_loaded_replica_is_the_idle_one():
    """A long request keeps one replica busy; short ones, one at a time, go to the other."""
    a = arrivals([0.0, 1.0, 2.0, 3.0])
    a.osl[:] = [2000, 5, 5, 5]
    run = simulate_fleet([pool(count=2)], a, router="least_loaded")
    alone = prefill_s(1000) + sum(CLOCK.step_s(1, 1001 + k) for k in range(4))
    assert (run.done_s - a.time_s)[1:].tolist() == pytest.approx([alone] * 3)


CHAT = requests(800, 60, name="chat", rate_rps=30.0, osl_sigma=0.6)
RAG = requests(5000, 90, name="rag", rate_rps=4.0, isl_sigma=0.5)
MIXED = (
    pool(count=2, shares=(0.5, 0.0)),
    SimulatedPool("a", "prefill", CLOCK, 2, (0.2, 0.7), "east", NETWORK),
    SimulatedPool("b", "decode", CLOCK, 2, (0.2, 0.7), "east", NETWORK),
    SimulatedPool("c", "prefill", CLOCK, 1, (0.3, 0.3), "west", NETWORK),
    SimulatedPool("d", "decode", CLOCK, 1, (0.1, 0.3), "west", NETWORK),
    SimulatedPool("e", "decode", CLOCK, 1, (0.2, 0.0), "west", NETWORK),
)


@pytest.mark.parametrize("router", ROUTERS)
def test_every_request_finishes_once(router):
    told = []
    a = drawn_arrivals([CHAT, RAG], 3000, seed=6)
    run = simulate_fleet(MIXED, a, router=router, seed=6, progress=told.append)
    assert np.isfinite(run.done_s).all()
    assert (run.first_s > a.time_s).all()
    assert (run.done_s >= run.first_s).all()
    starts = np.concatenate([run.pools[i].numbers for i in (0, 1, 3)])
    ends = np.concatenate([run.pools[i].numbers for i in (0, 2, 4, 5)])
    assert sorted(starts.tolist()) == sorted(ends.tolist()) == list(range(3000))
    assert set(run.pools[1].numbers.tolist()) == set(run.pools[2].numbers.tolist())
    assert sum(told) == pytest.approx(3000, abs=len(MIXED))
    chat = a.kind[run.pools[0].numbers]
    assert not chat.any()
    assert chat.size / (a.kind == 0).sum() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("router", ROUTERS)
def test_the_seed_repeats_the_run(router):
    a = drawn_arrivals([CHAT, RAG], 800, seed=1)
    one, same, other = (simulate_fleet(MIXED, a, router=router, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.done_s, same.done_s)
    assert not np.array_equal(one.done_s, other.done_s)


def test_looking_at_the_load_shortens_the_wait():
    a = drawn_arrivals([requests(3000, 30, rate_rps=40.0)], 4000, seed=3)
    waits = [
        (simulate_fleet([pool(count=6)], a, router=r, seed=3).first_s - a.time_s).mean()
        for r in ("random", "least_loaded")
    ]
    assert waits[1] < 0.9 * waits[0]


def test_what_can_never_fit_is_never_finished():
    room = int(CLOCK.kv_budget_bytes / CLOCK.kv_token_bytes)
    a = arrivals([0.0, 1.0], isl=room + 100)
    a.isl[1] = 100
    for pools in ([pool()], [pool("prefill"), pool("decode")]):
        run = simulate_fleet(pools, a)
        assert np.isnan(run.done_s).tolist() == [True, False]
        assert fleet_times(run, np.ones(2, bool)).e2e_s[0] == math.inf


def test_a_class_that_nobody_takes_is_told():
    with pytest.raises(InputError, match="no pool that starts requests of class 2"):
        simulate_fleet([pool(shares=(1.0, 0.0))], arrivals([0.0], kind=1))
    with pytest.raises(InputError, match="takes over"):
        simulate_fleet([pool("prefill")], arrivals([0.0]))


def test_percentiles_are_values_that_were_seen():
    values = np.arange(1.0, 101.0)
    assert percentile(values, 99) == 99
    assert percentile(values, 50) == 50
    assert percentile(np.array([1.0, math.nan, 2.0]), 50) == 1.0
    assert percentile(np.array([math.nan]), 50) is None
    assert percentile(np.array([1.0, math.inf]), 99) == math.inf


def test_attainment_and_goodput_count_all_targets_together():
    """Of five: good, slow to start, slow after, never finished, a single token (no TPOT)."""
    times = Times(
        kind=np.zeros(5, dtype=np.int64),
        ttft_s=np.array([0.1, 0.9, 0.1, math.inf, 0.1]),
        tpot_s=np.array([0.01, 0.01, 0.09, math.inf, math.nan]),
        e2e_s=np.array([1.0, 2.0, 9.0, math.inf, 0.1]),
    )
    c = requests(name="chat", ttft_ms=500, tpot_ms=50, percentile=75)
    found = class_outcome(times, c, span_s=2.0)
    assert found.attainment == pytest.approx(2 / 5)
    assert found.goodput_rps == pytest.approx(1.0)
    assert found.unfinished == 1
    assert found.at_percentile["ttft_ms"] == pytest.approx(900)
    assert found.at_percentile["tpot_ms"] == pytest.approx(90)
    assert found.meets == {"ttft_ms": False, "tpot_ms": False, "e2e_ms": True}


def test_the_warm_up_is_left_out():
    run = simulate_fleet([pool()], arrivals([0.0, 0.9, 1.0, 5.0, 10.0]))
    assert after_warm_up(run).tolist() == [False, False, True, True, True]
    assert after_warm_up(run, 0.0).all()


def test_sequences_at_once_obey_littles_law():
    run = simulate_fleet([pool()], arrivals([0.0, 50.0, 100.0]))
    lasting = (run.done_s - run.first_s).sum()
    assert mean_decoding(run.pools[0], np.ones(3, bool), 100.0) == pytest.approx(lasting / 100)
