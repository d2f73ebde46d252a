"""What each class gets from a fleet, beside its targets."""

from __future__ import annotations

from api.schemas.base import Document
from api.schemas.units import Milliseconds, Percentile, RequestsPerSecond


class ClassTargets(Document):
    """Latency targets of a class; null for none."""

    ttft_ms: Milliseconds | None
    """Target of its time to first token; null for none."""
    tpot_ms: Milliseconds | None
    """Target of its time per output token; null for none."""
    e2e_ms: Milliseconds | None
    """Target of its time from arrival to last token; null for none."""


class ServedClass(Document):
    """What a class gets in its slowest pool, at its own percentile, beside its targets."""

    name: str
    """Name of the class."""
    model: str
    """Its model."""
    rate_rps: RequestsPerSecond
    """Its rate."""
    percentile: Percentile
    """Percentile of its targets and of these figures."""
    ttft_ms: Milliseconds | None
    """Time to first token."""
    tpot_ms: Milliseconds | None
    """Time per output token."""
    e2e_ms: Milliseconds | None
    """Arrival to last token."""
    targets: ClassTargets
    """Its targets."""
    meets: bool
    """Whether every target is kept."""
