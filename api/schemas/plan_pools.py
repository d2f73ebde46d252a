"""The pools of a plan: replicas of one kind and role, and where they run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from api.schemas.base import Document
from api.schemas.prediction import ReplicaPrediction
from api.schemas.units import (
    Accelerators,
    BytesPerSecond,
    Degree,
    GigabitsPerSecond,
    Nodes,
    Percent,
    Replicas,
    RequestsPerSecond,
    Sequences,
    Share,
    Stages,
    UsdPerHour,
)
from api.schemas.words import ClassName, PoolKv, PoolWeights, Role
from solver.workload import Engine, Pricing


class PlannedPool(Document):
    """Replicas of one candidate on the nodes of one offer."""

    name: str
    """Name of the pool, unique in the plan."""
    role: Role
    """`aggregated`, `prefill` or `decode`."""
    model: str
    """Model it serves, as the workload names it."""
    accelerator: str
    """Catalogue name of the accelerator."""
    offer_id: str
    """Offer whose nodes it runs on."""
    provider: str
    """Provider of that offer."""
    region: str
    """Region of that offer."""
    pricing: Pricing
    """`on_demand`, `spot` or `committed`."""
    engine: Engine
    """Serving engine: `vllm`, `sglang` or `trtllm`."""
    weight_precision: PoolWeights
    """Format of the weights; `measured` with measured capacities."""
    kv_precision: PoolKv
    """Format of the KV cache; `measured` with measured capacities."""
    tp: Degree
    """Tensor-parallel degree; with measured capacities, accelerators of a replica."""
    pp: Stages
    """Pipeline-parallel degree."""
    ep: Degree
    """Expert-parallel degree; 1 for none."""
    cross_node: bool
    """Whether the stages of a pipeline may sit on different nodes."""
    cross_node_gbps: GigabitsPerSecond
    """Network between nodes that the pipeline was planned with; 0 if it stays in one."""
    batch_cap: Sequences
    """Most sequences decoded at once (the engine's limit to set); 0 with measured capacities."""
    replicas: Annotated[Replicas, Field(ge=1)]
    """Replicas of the pool."""
    spare_replicas: Replicas
    """Those of the candidate's replicas that the load does not need."""
    nodes: Nodes
    """Nodes that hold any of its replicas; pools may share nodes."""
    gpus: Annotated[Accelerators, Field(ge=1)]
    """Accelerators its replicas use."""
    cost_per_hour_usd: UsdPerHour
    """Its part of the nodes' cost, by accelerators in use; idle ones are shared out."""
    serves: dict[ClassName, Share]
    """Share of the class that the pool serves. For each class, aggregated and prefill shares sum
    to 1."""
    admits_rps: dict[ClassName, RequestsPerSecond]
    """Most requests of the class that one replica admits within the targets. Loads of different
    classes add up as fractions."""
    tier: list[str]
    """Classes whose strictest promise the pool keeps."""
    tightened: Annotated[Share, Field(gt=0)]
    """Factor on the admissible rates: below 1 where the mix would have missed a target at the full
    ones."""
    quality_loss_pct: Percent
    """Quality that its formats lose against the published checkpoint."""
    network_bytes_per_s: BytesPerSecond
    """Network of one replica for KV caches; 0 for aggregated pools."""
    predicted: ReplicaPrediction | None
    """What one replica does under its share of the load; null with measured capacities."""
