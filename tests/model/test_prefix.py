"""The prefix cache: leading blocks hit, the least recent go first, memory bounds them."""

import pytest
from one_replica import LLAMA_70B, replicas, shape

from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests
from model.simulation.prefix import BLOCK_TOKENS, PrefixCache


def test_only_leading_blocks_count():
    cache = PrefixCache(1.0)
    assert cache.admit((1, 2, 3), 100.0) == 0
    assert cache.admit((1, 2, 9, 3), 100.0) == 2 * BLOCK_TOKENS
    assert cache.admit((7, 1, 2), 100.0) == 0
    assert (cache.asked, cache.found) == (10, 2)


def test_the_least_recent_go_first_and_tails_before_heads():
    cache = PrefixCache(10.0)
    cache.admit((1, 2), 40.0)
    cache.admit((3, 4), 40.0)
    cache.admit((1,), 40.0)
    assert cache.admit((5,), 40.0) == 0  # pushes block 2 out
    assert len(cache) == 4
    assert cache.admit((1, 2), 1000.0) == BLOCK_TOKENS
    assert cache.admit((3, 4), 1000.0) == 2 * BLOCK_TOKENS


def test_without_memory_nothing_stays():
    cache = PrefixCache(10.0)
    cache.admit((1, 2), -5.0)
    assert len(cache) == 0
    assert cache.admit((1, 2), 9.0) == 0


def test_an_engine_computes_only_what_is_not_cached():
    """1,300 tokens whose first two blocks were seen: 276 are left; a whole hit leaves one."""
    clock = Clock.of(replicas(LLAMA_70B, shape(tp=4)))
    blocks = [(1, 2, 3), (1, 2, 4), (1, 2)]
    requests = Requests([0.0, 100.0, 200.0], [1300, 1300, 1024], [1] * 3, [0] * 3, blocks)
    engine = Engine(clock, requests, prefix=PrefixCache(clock.kv_token_bytes * BLOCK_TOKENS))
    for n in range(3):
        engine.submit(n)
    engine.run()
    for n, done in enumerate((0, 1024, 1023)):
        new = requests.isl[n] - done
        seconds = clock.step_s(0, 0, new, 1) + clock.attention_s(done, requests.isl[n])
        assert requests.first_s[n] - requests.arrival_s[n] == pytest.approx(seconds)
