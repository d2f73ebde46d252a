"""Where two plans differ, ``minfleet/difference/v1``."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from api.schemas.base import Document
from api.schemas.units import (
    Accelerators,
    Degree,
    Milliseconds,
    NodesLeft,
    Replicas,
    RequestsPerSecond,
    Sequences,
    Stages,
    UsdPerHour,
    UsdPerHourMore,
    UsdPerMillionTokens,
    unit,
)
from api.schemas.words import PoolKv, PoolWeights, Role, Status

Change = Literal["added", "removed", "changed"]


class Outcome(Document):
    """What a plan comes to."""

    id: str | None
    """Name under which the service stores the plan; null for one from a file."""
    created_at: dt.datetime | None
    """When it was made, where that is known."""
    status: Status | None
    """`optimal`, `feasible`, `infeasible` or `unknown`."""
    cost_per_hour_usd: UsdPerHour | None
    """Cost of all nodes; null without a fleet."""
    cost_per_month_usd: Annotated[float, unit("USD", ge=0)] | None
    """The same over 730 hours."""
    cost_per_million_output_tokens_usd: UsdPerMillionTokens | None
    """Cost per million output tokens."""
    gpus: Accelerators | None
    """Accelerators bought."""
    catalog_id: str | None
    """Snapshot of the catalogue that it was planned over."""


class CostChange(Document):
    """How the cost changes; both are null where one of the plans has no fleet."""

    change_usd_per_hour: UsdPerHourMore | None
    """Second less first."""
    change_fraction: Annotated[float, unit("fraction")] | None
    """The same over the first."""


class AskedOtherwise(Document):
    """A field of the workload whose value differs."""

    field: str
    """Its path; that of a class begins with the name of the class."""
    first: Any
    """Its value in the first plan."""
    second: Any
    """Its value in the second."""
    in_first: bool
    """Whether the first workload has the field at all."""
    in_second: bool
    """Whether the second has it."""


class PoolSide(Document):
    """A pool in one of the plans; pools of equal settings are added up."""

    weight_precision: PoolWeights | None
    """Format of the weights."""
    kv_precision: PoolKv | None
    """Format of the KV cache."""
    tp: Degree | None
    """Tensor-parallel degree."""
    pp: Stages | None
    """Pipeline stages."""
    ep: Degree | None
    """Expert-parallel degree."""
    engine: str | None
    """Serving engine."""
    batch_cap: Sequences | None
    """Most sequences that decode at once."""
    replicas: Replicas
    """Replicas."""
    gpus: Accelerators
    """Accelerators."""
    nodes: NodesLeft
    """Nodes."""
    cost_per_hour_usd: UsdPerHour
    """Their share of the cost."""


class PoolChange(Document):
    """A pool that differs."""

    change: Change
    """`added`, `removed`, or `changed` in its replicas, its settings or its cost."""
    role: Role
    """`aggregated`, `prefill` or `decode`."""
    model: str
    """Model that it serves."""
    accelerator: str
    """Accelerator that it runs on."""
    offer_id: str | None
    """Offer that it is rented from."""
    replicas_change: Annotated[int, unit("replicas")]
    """Replicas of the second less those of the first."""
    settings_changed: list[str]
    """Settings that differ, such as `tp` or `weight_precision`."""
    first: PoolSide | None
    """The pool in the first plan; null where it is added."""
    second: PoolSide | None
    """The pool in the second; null where it is removed."""


class PurchaseSide(Document):
    """A purchase in one of the plans."""

    nodes: NodesLeft
    """Nodes."""
    price_per_node_hour_usd: UsdPerHour | None
    """Price of one."""
    cost_per_hour_usd: UsdPerHour | None
    """Cost of all."""


class PurchaseChange(Document):
    """An offer of which more, fewer, or dearer nodes are rented."""

    change: Change
    """`added`, `removed`, or `changed` in nodes or price."""
    offer_id: str
    """The offer."""
    nodes_change: Annotated[int, unit("nodes")]
    """Nodes of the second less those of the first."""
    first: PurchaseSide | None
    """In the first plan; null where it is added."""
    second: PurchaseSide | None
    """In the second; null where it is removed."""


class ClassSide(Document):
    """A class of requests in one of the plans; latencies are at its percentile."""

    rate_rps: RequestsPerSecond | None
    """Its rate."""
    ttft_ms: Milliseconds | None
    """Time to the first token."""
    tpot_ms: Milliseconds | None
    """Time per further token."""
    e2e_ms: Milliseconds | None
    """Time to the last token."""
    meets: bool | None
    """Whether it keeps its targets."""


class ClassChange(Document):
    """A class whose rate or latencies differ."""

    change: Change
    """`added`, `removed` or `changed`."""
    name: str
    """The class."""
    first: ClassSide | None
    """In the first plan; null where it is added."""
    second: ClassSide | None
    """In the second; null where it is removed."""


class DifferenceDocument(Document):
    """Where two plans differ; lists hold only what does."""

    schema_: Literal["minfleet/difference/v1"]
    """`minfleet/difference/v1`."""
    equal: bool
    """Whether nothing differs but name and time."""
    first: Outcome
    """The first plan."""
    second: Outcome
    """The second plan."""
    cost: CostChange
    """How the cost changes."""
    asked: list[AskedOtherwise]
    """What was asked otherwise."""
    pools: list[PoolChange]
    """Pools that differ."""
    purchases: list[PurchaseChange]
    """What is rented otherwise."""
    classes: list[ClassChange]
    """Classes whose rate or latencies differ."""
    words: list[str]
    """The difference in words: the whole in one sentence, then a sentence for each part."""
