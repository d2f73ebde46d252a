"""Admissible rates: they hold, they are the largest, and classes that share a replica keep them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from one_replica import (
    LLAMA_8B,
    LLAMA_70B,
    deployment,
    replicas,
    requests,
    shape,
    station,
)

from model.admission import (
    Job,
    TierJob,
    admissible,
    admissible_each,
    admissible_in_tiers,
    at_fraction,
    excess,
    limits_of,
)
from model.limits import broadcast
from model.load_search import load_at
from model.predict import predict

SHAPES = [shape("h100_sxm", tp=tp, batch_cap=cap) for tp in (2, 4, 8) for cap in (16, 64, 256)]
CHAT = requests(ttft_ms=500.0, tpot_ms=40.0)
RAG = requests(8000, 400, name="rag", ttft_ms=2000.0, tpot_ms=50.0, isl_sigma=0.4)
LABELS = requests(300, 3, name="labels", ttft_ms=400.0, percentile=90.0)


def role_limits(classes, role):
    limits = limits_of(classes, 0.9)
    never = np.full(len(classes), np.inf)
    return replace(limits, tpot_s=never, e2e_s=never) if role == "prefill" else limits


@pytest.mark.parametrize("role", ["aggregated", "prefill", "decode"])
@pytest.mark.parametrize("model", [LLAMA_70B, "gpt-oss-120b", "gemma-3-27b-it"])
@pytest.mark.parametrize("cls", [CHAT, RAG, LABELS], ids=lambda c: c.name)
def test_limits_hold_at_the_rate_and_break_just_beyond(role, model, cls):
    r = replicas(model, *SHAPES)
    limits = role_limits([cls], role)
    found = admissible(r, [cls], limits, role)
    rates = found.rate_rps[:, 0]
    assert (rates > 0).any()
    for i in np.nonzero(rates > 0)[0]:
        s = station(r.take([i]), cls, role=role)
        start = np.maximum(found.load[i], 1e-12)
        at = load_at(s, rates[[i]], start)
        assert at.rate_rps.item() == pytest.approx(rates[i], rel=1e-6)
        assert excess(at, limits).item() <= 1e-4
        beyond = load_at(s, rates[[i]] * 1.001, start)
        reached = beyond.rate_rps.item() > rates[i] * 1.0005
        assert not reached or excess(beyond, limits).item() > 0


def test_the_figures_are_those_at_the_rate():
    r = replicas(LLAMA_70B, *SHAPES)
    found = admissible(r, [CHAT], limits_of([CHAT], 0.9), "aggregated")
    assert (excess(found, broadcast(limits_of([CHAT], 0.9), found.rate_rps.shape)) <= 0).all()
    assert found.utilization.max() <= 0.9
    assert found.rate_rps * 255 * found.tpot_s == pytest.approx(found.concurrency)


def test_a_target_nobody_meets():
    """70B cannot stream 35 GB in 4 ms: rate 0, and the figures of the idle replica to say why."""
    fast = replace(CHAT, tpot_ms=4.0)
    found = admissible(replicas(LLAMA_70B, *SHAPES), [fast], limits_of([fast], 0.9), "aggregated")
    assert (found.rate_rps == 0).all()
    assert (found.tpot_tail_s[..., 0] > 4e-3).all()


def test_a_model_that_does_not_fit():
    r = replicas(LLAMA_70B, shape("h100_sxm", "bf16"))
    found = admissible(r, [CHAT], limits_of([CHAT], 0.9), "aggregated")
    assert found.rate_rps.item() == 0
    assert found.slots.item() == 0


def test_without_targets_utilisation_is_the_limit():
    free = requests()
    found = admissible(replicas(LLAMA_70B, *SHAPES), [free], limits_of([free], 0.8), "aggregated")
    assert found.utilization == pytest.approx(0.8)


def test_each_is_the_same_as_alone():
    r = replicas(LLAMA_70B, *SHAPES)
    classes = [CHAT, RAG]
    jobs = [Job(r, classes, role_limits(classes, role), role) for role in ("prefill", "decode")]
    for job, found in zip(jobs, admissible_each(jobs), strict=True):
        alone = admissible(r, classes, job.limits, job.role)
        assert np.array_equal(found.rate_rps, alone.rate_rps)


def tier_rates(r, classes, role="aggregated"):
    limits = role_limits(classes, role)
    alone = admissible(r, classes, limits, role)
    return admissible_in_tiers([TierJob(r, classes, limits, role, alone)])[0], alone.rate_rps


def test_a_tier_of_one_is_the_class_alone():
    rates, alone = tier_rates(replicas(LLAMA_70B, *SHAPES), [CHAT])
    assert np.array_equal(rates, alone)


def test_a_tier_never_admits_more_than_alone():
    rates, alone = tier_rates(replicas(LLAMA_70B, *SHAPES), [CHAT, RAG, LABELS])
    assert (rates <= alone * (1 + 1e-12)).all()
    assert (rates[:, 0] > 0.15 * alone[:, 0]).all()


def test_equal_classes_lose_almost_nothing_by_sharing():
    twin = replace(CHAT, name="twin")
    rates, alone = tier_rates(replicas(LLAMA_70B, *SHAPES), [CHAT, twin])
    assert rates == pytest.approx(alone, rel=2e-3)


def test_a_class_with_room_to_wait_does_not_narrow_the_others():
    """Batch jobs wait little while their TPOT binds; their TTFT target of a minute would let
    them wait longer, so chat keeps nearly all of its rate beside them."""
    batch = requests(600, 600, name="batch", ttft_ms=60_000.0, tpot_ms=40.0)
    rates, alone = tier_rates(replicas(LLAMA_70B, *SHAPES), [CHAT, batch])
    assert (rates[:, 0] > 0.9 * alone[:, 0]).all()


@pytest.mark.parametrize("classes", [(CHAT, RAG), (CHAT, LABELS), (CHAT, RAG, LABELS)])
@pytest.mark.parametrize("role", ["aggregated", "prefill", "decode"])
def test_any_mix_with_sum_of_fractions_one_keeps_its_targets(classes, role):
    """λ_w = f_w·µ_w with Σ f_w = 1: predicted TTFT, TPOT and utilisation within 1 % of limits,
    also between a class at the 90th percentile and others at the 99th."""
    model, of = LLAMA_70B, shape("h100_sxm", tp=4, batch_cap=64)
    rates, _ = tier_rates(replicas(model, of), list(classes), role)
    served = [(c, rate) for c, rate in zip(classes, rates[0], strict=True) if rate > 0]
    assert len(served) >= 2
    unit = deployment(model, of, role=role, network_bytes_per_s=1e15)
    rng = np.random.default_rng(7)
    for fractions in rng.dirichlet(np.full(len(served), 0.7), size=12):
        loads = [max(f, 1e-6) * rate for f, (_, rate) in zip(fractions, served, strict=True)]
        seen = predict(unit, [c for c, _ in served], loads)
        assert seen.utilization <= 0.9 * 1.01
        for c, _ in served:
            assert seen.classes[c.name].ttft_ms <= c.ttft_ms * 1.01
            if role != "prefill":
                assert seen.classes[c.name].tpot_ms <= c.tpot_ms * 1.01


def test_a_shared_wait_is_kept_at_the_strictest_percentile():
    """Half of the jobs may wait; 99.9 % of the queries must not. Were each held to its own
    percentile only, jobs at their admissible rate would make one query in two wait."""
    query = requests(200, 50, name="query", ttft_ms=150.0, percentile=99.9)
    job = requests(6000, 50, name="job", ttft_ms=3000.0, percentile=50.0)
    of = shape("h100_sxm", tp=4)
    rates, alone = tier_rates(replicas(LLAMA_70B, of), [query, job])
    assert rates[0, 1] < 0.5 * alone[0, 1]
    seen = predict(deployment(LLAMA_70B, of), [query, job], (rates[0] / 2).tolist())
    assert seen.classes["query"].ttft_ms <= 150 * 1.01


def test_unequal_sequences_share_the_cache():
    """Short and long sequences together fill a cache less evenly than each kind alone; the rates
    of both are lowered until a mix of them keeps its wait."""
    short = requests(300, 220, name="short", ttft_ms=1000.0)
    long = requests(6300, 120, name="long", ttft_ms=300.0)
    of = shape("h100_sxm", kv="fp8", batch_cap=256)
    rates, _ = tier_rates(replicas("gemma-3-12b-it", of), [short, long], "decode")
    unit = deployment("gemma-3-12b-it", of, role="decode", network_bytes_per_s=1e15)
    for f in (0.1, 0.5, 0.9):
        seen = predict(unit, [short, long], [f * rates[0, 0], (1 - f) * rates[0, 1]])
        assert seen.classes["long"].ttft_ms <= 300 * 1.01


def test_a_range_of_load_ends_at_saturation():
    s = station(replicas(LLAMA_8B, shape()), CHAT)
    assert at_fraction(s, np.ones(1)).rate_rps.item() == pytest.approx(s.saturation_rps.item())
    assert math.isinf(at_fraction(s, np.ones(1)).ttft_s.item())
