"""Why a plan is what it is: what binds, what was left out, what else there is, what to relax."""

from __future__ import annotations

from typing import Literal

from api.schemas.base import Document, Omittable
from api.schemas.units import (
    Accelerators,
    Degree,
    Milliseconds,
    PercentMore,
    Replicas,
    Stages,
    UsdPerHour,
    UsdPerHourMore,
)
from api.schemas.words import LimitValue, PoolKv, PoolWeights, Role, Target


class BindingLimit(Document):
    """A limit that holds the cost up, and what relaxing it alone is worth."""

    limit: str
    """A limit that holds the cost up, worth most first: a field of the workload, or the stock of an
    offer."""
    from_: LimitValue | None
    """Its value; null where only classes set it."""
    to: LimitValue | None
    """The value it was relaxed to, alone; null means lifted."""
    cost_per_hour_usd: UsdPerHour | None
    """Cost of the best fleet then; null where the program is too large to be solved again: the
    saving is then that of a fleet in fractional replicas and nodes."""
    worth_per_hour_usd: UsdPerHour
    """What that saves."""
    worth_pct: PercentMore
    """The same as a share of the cost."""
    proven: bool
    """Whether that is proven, to the gap of explanations."""


class LeftOut(Document):
    """Why the plan does not buy an accelerator."""

    accelerator: str
    """An accelerator of the catalogue that the plan does not buy."""
    reason: Literal[
        "dearer",
        "outdone",
        "misses_target",
        "does_not_fit",
        "unsupported",
        "filtered",
        "power_unknown",
        "not_on_sale",
        "excluded",
        "no_offer",
        "not_in_plan",
    ]
    """`dearer`, `outdone` (the same, where the plan makes something else than cost smallest),
    `misses_target`, `does_not_fit`, `unsupported` (no allowed format runs), `filtered` (by
    provider, region or pricing), `power_unknown` (not published, while
    `hardware.max_power_kw` is set), `not_on_sale` (on the day of the plan), `excluded` (by
    `hardware.accelerators`), `no_offer`, or `not_in_plan` (there is no plan)."""
    sentence: str
    """The reason in words."""
    cost_per_hour_usd: Omittable[UsdPerHour] = None
    """Where dearer: cost of the cheapest fleet of one configuration on one offer of it; left out
    where no single one serves every class."""
    cost_at_least_usd_per_hour: Omittable[UsdPerHour] = None
    """Where dearer: lower bound on any fleet of it alone."""
    extra_per_hour_usd: Omittable[UsdPerHourMore] = None
    """Where dearer: how much more than the plan."""
    class_: Omittable[str] = None
    """Where it cannot serve a class: that class."""
    limit: Omittable[Target] = None
    """The target it misses."""
    best: Omittable[Milliseconds] = None
    """The best an idle replica reaches."""
    target: Omittable[Milliseconds] = None
    """The target."""


class AlternativePool(Document):
    """A pool of an alternative, in short."""

    role: Role
    """`aggregated`, `prefill` or `decode`."""
    model: str
    """Model it serves."""
    accelerator: str
    """Catalogue name of the accelerator."""
    offer_id: str
    """Offer whose nodes it runs on."""
    tp: Degree
    """Tensor-parallel degree."""
    pp: Stages
    """Pipeline-parallel degree."""
    weight_precision: PoolWeights
    """Format of the weights."""
    kv_precision: PoolKv
    """Format of the KV cache."""
    replicas: Replicas
    """Replicas of the pool."""


class Alternative(Document):
    """The cheapest fleet of a kind that differs from the plan."""

    kind: Literal["one_accelerator", "one_provider", "aggregated", "disaggregated", "cheapest"]
    """`one_accelerator`, `one_provider`, `aggregated` or `disaggregated`; `cheapest` beside a plan
    that makes something else than cost smallest."""
    sentence: str
    """The kind in words."""
    cost_per_hour_usd: UsdPerHour
    """Cost of the cheapest fleet of that kind."""
    extra_per_hour_usd: UsdPerHourMore
    """How much more than the plan."""
    extra_pct: PercentMore
    """The same as a share of the plan's cost."""
    objective_value: Omittable[float] = None
    """Its value by the plan's objective, where that is not cost."""
    gpus: Accelerators
    """Accelerators bought."""
    proven: bool
    """Whether it is proven to be the cheapest of its kind, to the gap of explanations."""
    pools: list[AlternativePool]
    """Its pools, in short."""


class Conflict(Document):
    """A limit that takes part in the conflict."""

    limit: str
    """A limit that takes part in the conflict: a field of the workload, `stock`, `memory`,
    `precision`, or `measured`."""
    value: Omittable[LimitValue] = None
    """Its value; left out of `memory`, `precision` and `measured`."""
    class_: Omittable[str] = None
    """Where no configuration serves a class: that class."""
    best: Omittable[Milliseconds] = None
    """The nearest miss, of an idle replica."""
    accelerator: Omittable[str] = None
    """The accelerator that comes nearest."""
    sentence: Omittable[str] = None
    """The same in words."""


class LeastRelaxation(Document):
    """The least relaxation of one limit alone that makes a plan possible."""

    field: str
    """A limit that, relaxed alone, makes a plan possible."""
    from_: LimitValue
    """Its value; by class or offer where several are relaxed together."""
    to: LimitValue | None
    """The least relaxed value that was found to do; null means lifted."""
    cost_per_hour_usd: UsdPerHour
    """Cost of the plan then."""


class Infeasibility(Document):
    """Why no plan exists, and what to relax."""

    conflicts: list[Conflict]
    """Limits that conflict: no fleet keeps them all."""
    relaxations: list[LeastRelaxation]
    """For each limit that helps, the least relaxation of it alone that gives a plan."""
