"""The simulation document, ``minfleet/simulation/v1``: predicted beside simulated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document, Omittable
from api.schemas.plan_simulation import BesideTarget
from api.schemas.units import (
    Accelerators,
    Count,
    Fraction,
    MeanSequences,
    Milliseconds,
    Percentile,
    Replicas,
    Requests,
    RequestsPerSecond,
    Seconds,
    Share,
    UsdPerHour,
)
from api.schemas.words import Arrivals, ClassName, Role, Router


class SimulatedPlan(Document):
    """The plan whose fleet was simulated, in short."""

    status: Literal["optimal", "feasible"]
    """`optimal` or `feasible`."""
    cost_per_hour_usd: UsdPerHour
    """Its cost."""
    gpus: Accelerators
    """Accelerators bought."""


class ReplayedTrace(Document):
    """The trace whose requests were replayed."""

    file: str | None
    """File of the trace; null where its requests were given as they are."""
    model: str
    """Model that its requests went to: the plan's first."""
    rate_rps: RequestsPerSecond
    """Mean rate of its requests."""
    prefix_blocks: bool
    """Whether its requests have hashes of their prompt blocks; prefix hits are then simulated."""
    cut: Requests
    """Requests cut to what the model accepts."""
    classes: dict[ClassName, Requests]
    """Requests taken for each class."""


class LatencyPercentiles(Document):
    """Observed latencies by percentile; null where nothing counts, or it never ended."""

    p50: Milliseconds | None
    """At the 50th percentile of requests."""
    p90: Milliseconds | None
    """At the 90th percentile."""
    p95: Milliseconds | None
    """At the 95th percentile."""
    p99: Milliseconds | None
    """At the 99th percentile."""


class ClassPercentiles(Document):
    """Observed percentiles of each latency."""

    ttft_ms: LatencyPercentiles
    """Time to first token."""
    tpot_ms: LatencyPercentiles
    """Time per further output token."""
    e2e_ms: LatencyPercentiles
    """Time to the last token."""


class SimulatedClass(Document):
    """What a class got from the fleet as a whole."""

    name: str
    """Name of the class."""
    model: str
    """Its model."""
    percentile: Percentile
    """Percentile of its targets and figures."""
    requests: Requests
    """Its requests that count."""
    unfinished: Requests
    """Those of them that never finished."""
    rate_rps: RequestsPerSecond
    """Their rate."""
    attainment: Share | None
    """Share of them that met all its targets; null where none counts."""
    goodput_rps: RequestsPerSecond
    """How many of these there were a second."""
    meets: bool
    """Whether it met its targets at its percentile."""
    ttft_ms: BesideTarget
    """Time to first token at its percentile: `predicted`, `simulated`, `ratio`, `target`,
    `meets`."""
    tpot_ms: BesideTarget
    """The same of the time per further output token."""
    e2e_ms: BesideTarget
    """The same of the time to the last token."""
    percentiles: ClassPercentiles
    """What was observed at the percentiles 50, 90, 95 and 99."""


class MillisecondsBeside(Document):
    """A predicted latency beside the simulated one."""

    predicted: Milliseconds | None
    """What the formulas say."""
    simulated: Milliseconds | None
    """What was simulated; null where nothing was, or it never ended."""
    ratio: Fraction | None
    """simulated/predicted; null where either is, or the prediction is 0."""


class SpreadBeside(Document):
    """A latency by percentile, predicted beside simulated."""

    p50: MillisecondsBeside
    """At the 50th percentile of requests."""
    p90: MillisecondsBeside
    """At the 90th percentile."""
    p95: MillisecondsBeside
    """At the 95th percentile."""
    p99: MillisecondsBeside
    """At the 99th percentile."""


class ClassInPool(Document):
    """What a class got from one pool; both pools of a hand-over hold it."""

    name: str
    """Name of the class."""
    requests: Requests
    """Its requests that the pool served and that count."""
    ttft_ms: SpreadBeside
    """Time to first token; of a prefill pool, to the hand-over of the cache; of a decode pool, from
    the end of the prefill."""
    tpot_ms: Omittable[SpreadBeside] = None
    """Time per further output token; left out of prefill pools."""
    e2e_ms: Omittable[SpreadBeside] = None
    """Time in the pool to the last token; left out of prefill pools."""


class SequencesBeside(Document):
    """Sequences decoding on a replica: predicted beside simulated."""

    predicted: MeanSequences | None
    """What the formulas say."""
    simulated: MeanSequences | None
    """What was simulated."""
    ratio: Fraction | None
    """simulated/predicted; null where the prediction is 0."""


class SimulatedPool(Document):
    """What a pool did."""

    name: str
    """Name of the pool."""
    role: Role
    """`aggregated`, `prefill` or `decode`."""
    model: str
    """Model it serves."""
    accelerator: str
    """Catalogue name of the accelerator."""
    replicas: Annotated[Replicas, Field(ge=1)]
    """Replicas of the pool."""
    requests: Requests
    """Requests that it was sent."""
    busy_share: Fraction
    """Share of the time that steps ran."""
    utilization_predicted: Fraction
    """The plan's: rate over the rate at which the pool saturates."""
    concurrency: SequencesBeside | None
    """Sequences decoding on a replica; null for prefill pools."""
    preempted: Count
    """How often a sequence was sent back to the queue, since the KV cache was full."""
    prefix_hit_rate: Share | None
    """Share of the prompt blocks that replicas still held; null without hashes of blocks."""
    classes: list[ClassInPool]
    """What each class got from the pool."""


class SimulationDocument(Document):
    """A stored plan under load, request by request: what was predicted beside what was simulated.

    A percentile is a value that was observed. Figures have six significant digits. `null` means not
    known or does not apply, never 0. Fields may be added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/simulation/v1"]
    """`minfleet/simulation/v1`."""
    plan: SimulatedPlan
    """The plan whose fleet was simulated."""
    seed: Count
    """Of all that was drawn; the same seed gives the same figures."""
    requests: Requests
    """Requests that were simulated."""
    arrivals: Arrivals
    """Arrival process: `poisson`, `gamma:CV`, or `trace`."""
    router: Router
    """How a pool picked a replica: `random`, `round_robin` or `least_loaded`."""
    trace: ReplayedTrace | None
    """The trace whose requests were replayed; null without."""
    duration_s: Seconds
    """Time from the first arrival to the last."""
    warm_up_share: Share
    """Share of that time, from its start, whose requests are left out."""
    requests_counted: Requests
    """Requests after that."""
    meets: bool
    """Whether every class meets its targets."""
    classes: list[SimulatedClass]
    """What each class got from the fleet."""
    pools: list[SimulatedPool]
    """What each pool did."""
    unfinished: Requests
    """Requests that never finished, since no cache holds them."""
    wall_s: Seconds
    """How long the simulation took."""
    requests_per_wall_s: RequestsPerSecond
    """Its speed."""
    warnings: list[str]
    """Percentiles that rest on few requests; times too short for a steady state; a trace at another
    rate than the plan's."""
