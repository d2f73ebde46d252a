"""One engine simulated, against hand-computed timelines and the formulas."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_replica import LLAMA_70B, replicas, shape

from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests
from model.step_time import decode_step, prefill_fixed_s, prefill_gemm_s


def clock_of(model=LLAMA_70B, chunk_tokens=8192, **changes):
    return Clock.of(replicas(model, shape(**{"tp": 4, **changes}), chunk_tokens=chunk_tokens))


def simulate(clock, arrivals, isl, osl, cached=None, **role):
    size = len(arrivals)

    def column(value):
        return [value] * size if isinstance(value, int) else list(value)

    requests = Requests(list(arrivals), column(isl), column(osl), column(cached or 0))
    engine = Engine(clock, requests, **role)
    for n in range(size):
        engine.submit(n)
    engine.run()
    return requests, engine


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (LLAMA_70B, {}),
        (LLAMA_70B, {"tp": 2, "pp": 2}),
        ("gemma-3-27b-it", {"tp": 2}),
        ("qwen3-30b-a3b", {"tp": 1}),
        ("deepseek-v3", {"tp": 8, "accelerator": "h200_sxm"}),
    ],
)
@pytest.mark.parametrize("context", [10.0, 900.0, 7000.0])
@pytest.mark.parametrize("sequences", [1.0, 16.0, 200.0])
def test_steps_are_those_of_the_formulas(model, changes, context, sequences):
    given = {"tp": 4, **changes}
    r = replicas(model, shape(**given))
    clock = Clock.of(r)
    step = decode_step(r, context).seconds(sequences).item()
    assert clock.step_s(sequences, context) == pytest.approx(step, rel=1e-9)


@pytest.mark.parametrize("model", [LLAMA_70B, "gemma-3-27b-it", "qwen3-30b-a3b"])
def test_a_prompt_adds_what_the_formulas_say(model):
    """2,000 tokens, 300 of them cached, beside 20 sequences."""
    r = replicas(model, shape(tp=2))
    clock = Clock.of(r)
    added = clock.step_s(20, 1000, 1700, 1) - clock.step_s(20, 1000)
    added += clock.attention_s(300, 2000)
    expected = prefill_gemm_s(r, 1700.0, 20.0) + prefill_fixed_s(r, 2000.0, 300.0)
    assert added == pytest.approx(expected.item(), rel=1e-6)


def test_a_lone_request():
    """First token after its prefill step; then one step a token at growing contexts."""
    clock = clock_of()
    requests, engine = simulate(clock, [1.5], isl=1000, osl=4)
    first = clock.step_s(0, 0, 1000, 1) + clock.attention_s(0, 1000)
    rest = sum(clock.step_s(1, 1001 + k) for k in range(3))
    assert requests.first_s[0] == pytest.approx(1.5 + first)
    assert requests.done_s[0] == pytest.approx(1.5 + first + rest)
    assert engine.finished == [0]


def test_a_long_prompt_goes_in_chunks():
    clock = clock_of(chunk_tokens=512)
    requests, _ = simulate(clock, [0.0], isl=1200, osl=1)
    sizes = (512, 512, 176)
    starts = (0, 512, 1024)
    seconds = sum(
        clock.step_s(0, 0, n, float(begin + n == 1200)) + clock.attention_s(begin, begin + n)
        for begin, n in zip(starts, sizes, strict=True)
    )
    assert requests.first_s[0] == requests.done_s[0] == pytest.approx(seconds)


def test_the_batch_cap_makes_others_wait():
    clock = clock_of(batch_cap=2)
    requests, _ = simulate(clock, [0.0] * 5, isl=100, osl=10)
    assert requests.first_s[0] == requests.first_s[1]
    assert requests.first_s[2] >= requests.done_s[0]
    assert requests.first_s[4] >= requests.done_s[2]


def test_cached_prompts_cost_less():
    clock = clock_of()
    cold, _ = simulate(clock, [0.0], isl=4000, osl=2)
    warm, _ = simulate(clock, [0.0], isl=4000, osl=2, cached=[3900])
    assert warm.first_s[0] < cold.first_s[0] / 3


def test_a_full_cache_sends_the_last_one_back():
    """Sequences that outgrow the cache together: the latest is computed again, none is lost."""
    clock = clock_of(batch_cap=64)
    room = clock.kv_budget_bytes / clock.kv_token_bytes
    isl = int(room / 8.5)
    requests, engine = simulate(clock, [0.0] * 8, isl=isl, osl=int(room / 20))
    assert sum(requests.preempted) > 0
    assert requests.preempted[0] == 0
    assert sorted(engine.finished) == list(range(8))
    assert not any(map(math.isnan, requests.done_s))


def test_what_can_never_fit_is_left_undone():
    clock = clock_of()
    tokens = int(clock.kv_budget_bytes / clock.kv_token_bytes)
    requests, engine = simulate(clock, [0.0, 0.0], isl=[tokens + 1000, 10], osl=[4, 4])
    assert math.isnan(requests.first_s[0])
    assert requests.done_s[1] > 0
    assert sorted(engine.finished) == [0, 1]


def test_roles():
    clock = clock_of()
    handed_on, _ = simulate(clock, [0.0], isl=1000, osl=50, prefill_only=True)
    assert handed_on.first_s[0] == handed_on.done_s[0] > 0
    taken_over, _ = simulate(clock, [0.0], isl=1000, osl=50, decode_only=True)
    steps = [clock.step_s(1, 1000 + k) for k in range(50)]
    assert taken_over.first_s[0] == pytest.approx(steps[0])
    assert taken_over.done_s[0] == pytest.approx(sum(steps))


@pytest.mark.parametrize("role", [{}, {"decode_only": True}])
@pytest.mark.parametrize("model", [LLAMA_70B, "gemma-3-27b-it"])
def test_the_cache_is_counted_exactly(model, role):
    """Under load that never lets up, preemptions and all, nothing is left over at the end."""
    r = replicas(model, shape(tp=2), chunk_tokens=2048)
    clock = dataclasses.replace(Clock.of(r), kv_budget_bytes=Clock.of(r).kv_bytes(9000))
    rng = np.random.default_rng(5)
    isl, osl = rng.integers(1, 900, 400).tolist(), rng.integers(1, 700, 400).tolist()
    requests, engine = simulate(clock, [0.0] * 400, isl, osl, **role)
    assert sorted(engine.finished) == list(range(400))
    assert not any(map(math.isnan, requests.done_s))
    assert sum(requests.preempted) > 0
    assert engine._context == pytest.approx(0, abs=1e-6)
    assert engine._used == pytest.approx(0, abs=1e-6 * clock.kv_budget_bytes)
    assert not engine._late


def test_the_cache_of_the_first_prompts_counts():
    """Prompts that fill an idle engine's cache keep the next one waiting."""
    clock = clock_of(batch_cap=64)
    room = clock.kv_budget_bytes / clock.kv_token_bytes
    isl = int(min(room / 3.5, 4000))
    clock = dataclasses.replace(clock, kv_budget_bytes=clock.kv_bytes(3.5 * isl))
    requests, _ = simulate(clock, [0.0] * 4, isl=isl, osl=20)
    assert requests.first_s[3] > min(requests.done_s[:3])


def test_long_leaps_end_at_the_arrival():
    """A long run of ever longer steps stops at the first that ends after the next arrival."""
    clock = clock_of(batch_cap=400)
    many, arrival = 300, 20.0
    requests, _ = simulate(
        clock, [0.0] * many + [arrival], isl=[10] * many + [500], osl=[3000] * many + [1]
    )
    one_step = clock.step_s(many, 3000)
    own = clock.step_s(many, 3000, 500, 1) + clock.attention_s(0, 500)
    assert requests.first_s[many] < arrival + one_step + own


@pytest.mark.parametrize("isl", [500, 8192])
def test_a_lone_prompt_passes_every_stage(isl):
    """A pipeline speeds up no single prompt of one chunk."""
    clock = clock_of(tp=1, pp=4)
    requests, _ = simulate(clock, [0.0], isl=isl, osl=3)
    rest = clock.step_s(0, 0)
    work = clock.step_s(0, 0, isl, 1) - rest + clock.attention_s(0, isl)
    assert requests.first_s[0] == pytest.approx(rest + 4 * work)
    steps = clock.step_s(1, isl + 1) + clock.step_s(1, isl + 2)
    assert requests.done_s[0] - requests.first_s[0] == pytest.approx(steps)


def test_one_prompt_at_a_time_is_an_m_d_1_queue():
    """Prompts of one chunk each, no decoding: the mean wait of Pollaczek and Khinchine."""
    clock = clock_of(chunk_tokens=512)
    service = clock.step_s(0, 0, 512, 1) + clock.attention_s(0, 512)
    busy, size = 0.7, 60_000
    gaps = np.random.default_rng(11).exponential(service / busy, size)
    requests, engine = simulate(clock, np.cumsum(gaps).tolist(), isl=512, osl=1)
    wait = np.array(requests.first_s) - np.array(requests.arrival_s) - service
    assert wait.min() >= -1e-9
    assert wait.mean() == pytest.approx(busy * service / (2 * (1 - busy)), rel=0.05)
    assert engine.busy_s / engine.now == pytest.approx(busy, rel=0.02)


@st.composite
def traffic(draw):
    size = draw(st.integers(1, 30))
    gaps = draw(st.lists(st.floats(0, 0.5), min_size=size, max_size=size))
    lengths = st.lists(st.integers(1, 1500), min_size=size, max_size=size)
    return np.cumsum(gaps).tolist(), draw(lengths), draw(lengths)


@settings(max_examples=60, deadline=None)
@given(traffic(), st.sampled_from((1, 4, 64)), st.sampled_from((256, 8192)))
def test_order_and_conservation(given_traffic, cap, chunk):
    arrivals, isl, osl = given_traffic
    clock = clock_of(batch_cap=cap, chunk_tokens=chunk)
    requests, engine = simulate(clock, arrivals, isl, osl)
    assert sorted(engine.finished) == list(range(len(arrivals)))
    fastest = clock.step_s(1, 0)
    for arrival, first, done, tokens in zip(
        arrivals, requests.first_s, requests.done_s, osl, strict=True
    ):
        assert first > arrival
        assert done - first >= (tokens - 1) * fastest * (1 - 1e-9)
    assert engine.busy_s <= engine.now + 1e-9
    # First come, first served: prompts start in order of arrival.
    assert requests.first_s == sorted(requests.first_s)


def test_leaps_change_nothing():
    """Running in small slices of time gives the steps one by one."""
    clock = clock_of()
    rng = np.random.default_rng(3)
    arrivals = np.cumsum(rng.exponential(0.2, 40)).tolist()
    osl = rng.integers(2, 300, 40).tolist()
    whole, _ = simulate(clock, arrivals, 700, osl)
    requests = Requests(arrivals, [700] * 40, osl, [0] * 40)
    engine = Engine(clock, requests)
    for n in range(40):
        engine.submit(n)
    while len(engine.finished) < 40:
        engine.run(engine.now + 1e-6)
    assert requests.first_s == pytest.approx(whole.first_s, rel=1e-3)
    assert requests.done_s == pytest.approx(whole.done_s, rel=1e-3)
