"""What must hold for any replica and workload: more work never fits better, units cancel."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from one_replica import LLAMA_8B, LLAMA_70B, chip, replicas, requests, shape

from model.admission import Job, admissible, admissible_each, limits_of
from model.lengths import Lengths
from model.shape import Shape

cases = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
# Where experts are read for some prompts only, the spread of TPOT shrinks as the batch grows;
# these properties are exact for dense models, windows included.
models = st.sampled_from([LLAMA_8B, LLAMA_70B, "gemma-3-12b-it"])
roles = st.sampled_from(["aggregated", "prefill", "decode"])
layouts = st.builds(
    lambda name, weights, tp, pp, cap: shape(name, weights, tp=tp, pp=pp, batch_cap=cap),
    st.sampled_from(["h100_sxm", "h200_sxm", "b200_sxm", "mi300x", "a100_sxm_80gb"]),
    st.sampled_from(["bf16", "fp8", "int4"]),
    st.sampled_from([2, 4, 8]),
    st.sampled_from([1, 2]),
    st.sampled_from([16, 64, 256]),
)
workloads = st.builds(
    lambda isl, osl, sigma, ttft, tpot, e2e, percentile, cached: requests(
        isl,
        osl,
        isl_sigma=sigma,
        osl_sigma=sigma,
        ttft_ms=ttft,
        tpot_ms=tpot,
        e2e_ms=e2e,
        percentile=percentile,
        cached_share=cached,
    ),
    st.integers(1, 20_000),
    st.integers(2, 2000),
    st.sampled_from([0.0, 0.5]),
    st.sampled_from([200.0, 500.0, 2000.0, math.inf]),
    st.sampled_from([15.0, 30.0, 60.0, math.inf]),
    st.sampled_from([5000.0, 60_000.0, math.inf]),
    st.sampled_from([50.0, 90.0, 99.0, 99.9]),
    st.sampled_from([0.0, 0.5]),
)


def rate(r, cls, role):
    limits = limits_of([cls], 0.9)
    if role == "prefill":
        limits = replace(limits, tpot_s=np.array([math.inf]), e2e_s=np.array([math.inf]))
    return admissible(r, [cls], limits, role).rate_rps.item()


def never_more(before, after):
    assert after <= before * (1 + 1e-7)


@cases
@given(models, layouts, workloads, roles, st.floats(1.0, 3.0))
def test_longer_prompts_never_raise_the_rate(model, of, cls, role, factor):
    r = replicas(model, of)
    longer = replace(cls, isl=Lengths(cls.isl.mean * factor, cls.isl.sigma))
    never_more(rate(r, cls, role), rate(r, longer, role))


@cases
@given(models, layouts, workloads, roles, st.floats(1.0, 3.0))
def test_longer_outputs_never_raise_the_rate(model, of, cls, role, factor):
    """Without a TPOT target: the mean over many tokens varies less than that over a few."""
    r = replicas(model, of)
    cls = replace(cls, tpot_ms=math.inf)
    longer = replace(cls, osl=Lengths(cls.osl.mean * factor, cls.osl.sigma))
    never_more(rate(r, cls, role), rate(r, longer, role))


@cases
@given(
    models,
    layouts,
    workloads,
    roles,
    st.sampled_from(["ttft_ms", "tpot_ms", "e2e_ms"]),
    st.floats(0.3, 1.0),
)
def test_tighter_targets_never_raise_the_rate(model, of, cls, role, target, factor):
    r = replicas(model, of)
    tighter = replace(cls, **{target: getattr(cls, target) * factor})
    never_more(rate(r, cls, role), rate(r, tighter, role))


@cases
@given(models, layouts, workloads, roles)
def test_stricter_percentiles_never_raise_the_rate(model, of, cls, role):
    r = replicas(model, of)
    never_more(rate(r, cls, role), rate(r, replace(cls, percentile=99.99), role))


@cases
@given(models, layouts, workloads, roles)
def test_burstier_arrivals_never_raise_the_rate(model, of, cls, role):
    r = replicas(model, of)
    never_more(rate(r, cls, role), rate(r, replace(cls, arrival_scv=4.0), role))


@cases
@given(
    models,
    layouts,
    workloads,
    roles,
    st.sampled_from(["bandwidth_gb_per_s", "bf16_tflops", "link_gb_per_s"]),
    st.floats(0.3, 1.0),
)
def test_slower_chips_never_raise_the_rate(model, of, cls, role, figure, factor):
    """Less bandwidth, fewer flops, a slower link."""
    slower = replace(of.accelerator, **{figure: getattr(of.accelerator, figure) * factor})
    never_more(
        rate(replicas(model, of), cls, role),
        rate(replicas(model, replace(of, accelerator=slower)), cls, role),
    )


TIMES = (
    "layer_s",
    "step_s",
    "collective_latency_s",
    "collective_token_s",
    "hop_s",
    "hop_token_s",
    "pointwise_token_s",
    "expert_move_s",
    "launch_s",
    "request_s",
)
RATES = (
    "bandwidth",
    "expert_bandwidth",
    "kv_bandwidth",
    "gemm_flops_per_s",
    "expert_flops_per_s",
    "attention_flops_per_s",
)


@cases
@given(models, layouts, workloads, roles, st.sampled_from([0.25, 2.0, 8.0]))
def test_the_unit_of_time_cancels(model, of, cls, role, factor):
    """A chip s times as fast in all, held to targets s times as tight, admits s times the rate."""
    r = replicas(model, of)
    fast = replace(
        r,
        **{name: getattr(r, name) / factor for name in TIMES},
        **{name: getattr(r, name) * factor for name in RATES},
    )
    tight = replace(
        cls,
        ttft_ms=cls.ttft_ms / factor,
        tpot_ms=cls.tpot_ms / factor,
        e2e_ms=cls.e2e_ms / factor,
    )
    assert rate(fast, tight, role) == pytest.approx(factor * rate(r, cls, role), rel=1e-6)


@cases
@given(models, layouts, workloads, roles, st.integers(0, 4))
def test_a_replicas_rate_does_not_depend_on_its_neighbours(model, of, cls, role, where):
    """Evaluating many configurations at once gives what each gives alone."""
    others = [shape("h200_sxm", tp=tp) for tp in (1, 2, 4, 8)]
    many = replicas(model, *others[:where], of, *others[where:])
    limits = limits_of([cls], 0.9)
    together = admissible(many, [cls], limits, "aggregated").rate_rps[where, 0]
    assert together == pytest.approx(rate(replicas(model, of), cls, "aggregated"), rel=1e-8)


@cases
@given(st.sampled_from(["gpt-oss-120b", "deepseek-v3", "qwen3-30b-a3b"]), layouts, workloads, roles)
def test_mixtures_of_experts_admit_what_holds(model, of, cls, role):
    r = replicas(model, of)
    found = rate(r, cls, role)
    assert found >= 0
    assert math.isfinite(found)


def test_more_memory_never_lowers_the_rate():
    small = chip("h100_sxm")
    big = replace(small, memory_mib=2 * small.memory_mib)
    cls = requests(15_000, 500, tpot_ms=500.0)
    rates = [
        rate(replicas(LLAMA_70B, Shape(a, "fp8", "bf16", 2, 1, 1, 256)), cls, "aggregated")
        for a in (small, big)
    ]
    assert rates[0] < rates[1]


@cases
@given(models, layouts, workloads)
def test_a_pools_rate_does_not_depend_on_those_of_other_roles(model, of, cls):
    """Aggregated and decode pools are searched together; each gets what it gets alone."""
    limits = limits_of([cls], 0.9)
    launching = replace(replicas(model, of), launch_s=np.array([5e-3]))
    jobs = [Job(launching, [cls], limits, role) for role in ("aggregated", "decode")]
    for job, together in zip(jobs, admissible_each(jobs), strict=True):
        alone = admissible(job.replicas, job.classes, job.limits, job.role)
        assert together.rate_rps.item() == pytest.approx(alone.rate_rps.item(), rel=1e-8)
