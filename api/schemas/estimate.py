"""The estimate document, ``minfleet/estimate/v1``: one replica, term by term."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.prediction import ReplicaPrediction
from api.schemas.units import (
    Accelerators,
    Bytes,
    Gigabytes,
    GigabytesLeft,
    Milliseconds,
    Percent,
    RequestsPerSecond,
    Tokens,
)
from api.schemas.words import Role, Target
from solver.workload import WeightFormat


class MemoryParts(Document):
    """Memory of each accelerator."""

    reported: Gigabytes
    """As the driver reports it."""
    usable: Gigabytes
    """What the engine may use of it."""
    weights: Gigabytes
    """Weights."""
    workspace: Gigabytes
    """Workspace of a step."""
    reserve: Gigabytes
    """What the engine keeps for itself."""
    kv: GigabytesLeft
    """What is left for the KV cache; below zero where the weights alone do not fit."""


class PrefillParts(Document):
    """Time to prefill one prompt on an idle replica; the parts add up."""

    matrices_and_collectives: Milliseconds
    """Everything but attention: matrix products, and collectives between tensor-parallel ranks."""
    attention: Milliseconds
    """Attention of the prompt's tokens to one another."""


class StepParts(Document):
    """Time of one decode step, by term."""

    engine: Milliseconds
    """Scheduler and sampling."""
    layers: Milliseconds
    """Launches and small kernels of the layers."""
    weights: Milliseconds
    """Streaming what every token passes; of `weights` and `compute` the root of the summed squares
    is paid."""
    compute: Milliseconds
    """Multiplying by what every token passes."""
    experts: Milliseconds
    """Streaming the routed experts that are visited, and multiplying by them."""
    kv: Milliseconds
    """Reading the KV cache."""
    collectives: Milliseconds
    """Collectives between tensor-parallel ranks."""
    hops: Milliseconds
    """Hops between pipeline stages."""
    total: Milliseconds
    """The whole step."""


class TargetMissed(Document):
    """A target that even an idle replica misses."""

    limit: Target
    """`ttft_ms`, `tpot_ms` or `e2e_ms`."""
    value_ms: Milliseconds | None
    """What the idle replica reaches; null where it has no end."""
    target_ms: Milliseconds
    """The target; of a prefill or decode replica the part of it that is its own, 0 where moving the
    KV cache uses it up."""


class EstimateDocument(Document):
    """What one replica does: memory, step time and latency, every term of each sum.

    Figures have six significant digits. `null` means not known or does not apply, never 0. Fields
    may be added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/estimate/v1"]
    """`minfleet/estimate/v1`."""
    model: str
    """Name of the model; of a config, its name or path."""
    accelerator: str
    """Catalogue name of the accelerator."""
    gpus: Annotated[Accelerators, Field(ge=1)]
    """Accelerators of the replica: TP · PP."""
    role: Role
    """`aggregated`, `prefill` or `decode`."""
    fits: bool
    """Whether one sequence fits at all; without it there is no prediction."""
    compute_format: WeightFormat
    """Format whose peak rate bounds matrix products: weight-only formats compute in 16 bits."""
    quality_loss_pct: Percent
    """Quality that its formats lose against the published checkpoint."""
    memory_gb: MemoryParts
    """Memory of each accelerator; `kv` is `usable` less `weights`, `workspace` and `reserve`."""
    kv_bytes_per_token: Bytes
    """KV cache of one token on the whole replica."""
    kv_capacity_tokens: Tokens
    """Tokens that the cache of the replica holds, in sequences of ISL + OSL."""
    prefill_ms: PrefillParts
    """Time to prefill one prompt on an idle replica."""
    idle_step_ms: StepParts | None
    """Decode step of one sequence alone; null where nothing fits."""
    step_ms: StepParts | None
    """Decode step under the load; null without a prediction."""
    admissible_rps: RequestsPerSecond
    """Most requests within the targets; 0 where even an idle replica misses one."""
    missed: list[TargetMissed]
    """The targets that even an idle replica misses."""
    remarks: list[str]
    """What a plan would not do like this, or the model counts only roughly."""
    predicted: ReplicaPrediction | None
    """What the replica does under the load asked for, or the most it admits; null where nothing
    fits or nothing is admitted. The class is called `requests`."""
