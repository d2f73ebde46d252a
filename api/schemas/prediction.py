"""What one replica does under its load; plans and estimates show the same figures."""

from __future__ import annotations

from api.schemas.base import Document, Omittable
from api.schemas.units import (
    Fraction,
    MeanSequences,
    Milliseconds,
    Percent,
    RequestsPerSecond,
    Sequences,
    Share,
    TokensPerSecond,
)
from api.schemas.words import ClassName


class TtftPercentiles(Document):
    """A time to first token by percentile of requests; null where the queue never empties."""

    p50: Milliseconds | None
    """At the 50th percentile of requests."""
    p90: Milliseconds | None
    """At the 90th percentile."""
    p95: Milliseconds | None
    """At the 95th percentile."""
    p99: Milliseconds | None
    """At the 99th percentile."""


class TpotPercentiles(Document):
    """A time per output token by percentile of requests; a prefill pool has none."""

    p50: Omittable[Milliseconds] = None
    """At the 50th percentile of requests."""
    p90: Omittable[Milliseconds] = None
    """At the 90th percentile."""
    p95: Omittable[Milliseconds] = None
    """At the 95th percentile."""
    p99: Omittable[Milliseconds] = None
    """At the 99th percentile."""


class ClassInReplica(Document):
    """What one class gets from a replica, at its own percentile; null where waits never end."""

    ttft_ms: Milliseconds | None
    """TTFT of the class at its own percentile."""
    tpot_ms: Milliseconds | None
    """TPOT of the class at its own percentile; 0 for prefill pools."""
    e2e_ms: Milliseconds | None
    """Time in this pool from arrival to the last token, at the class's own percentile."""


class ReplicaPrediction(Document):
    """What one replica does under its share of the load."""

    ttft_ms: TtftPercentiles
    """Time to first token; of several classes, the slowest. In a prefill pool, up to the first
    token; in a decode pool, the hand-over: from the arrival of the KV cache to the end of the first
    step."""
    tpot_ms: TpotPercentiles
    """Time per output token after the first; empty for prefill pools."""
    utilization: Fraction
    """Rate over the rate at which the replica saturates; beyond 1 the queue grows without end."""
    kv_occupancy: Share
    """Share of the KV cache in use on average."""
    concurrency: MeanSequences
    """Sequences decoding on average."""
    slots: Sequences
    """Most sequences at once: the batch cap, or what the KV cache holds."""
    rate_rps: RequestsPerSecond
    """Requests that reach the replica."""
    output_tokens_per_s: TokensPerSecond
    """Tokens it puts out."""
    error_band_pct: Percent
    """Half-width of the band around the latencies, for this engine and accelerator family; wider
    outside of what was measured."""
    outside_fit: list[str]
    """What lies outside of the range that the coefficients were fitted on."""
    classes: dict[ClassName, ClassInReplica]
    """What each class gets from the replica."""
