"""The decision document, ``minfleet/decision/v1``: keep a running fleet or switch, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.plan import PlanDocument
from api.schemas.units import (
    Count,
    Fraction,
    Nodes,
    NodesLeft,
    PercentMore,
    Replicas,
    Sequences,
    Stages,
    Usd,
    UsdPerHour,
    UsdPerHourMore,
    unit,
)
from api.schemas.words import NAME, ClassName, Day, PoolKv, PoolWeights, Role, Status
from solver.replan.policy import Policy

Outcome = Literal["keep", "switch", "must_switch"]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
HoursUntil = Annotated[float, unit("h", ge=0)]
FractionMore = Annotated[float, unit("fraction")]
OfferName = Annotated[str, Field(json_schema_extra={NAME: "offer"})]
"""Keys of mappings."""


class DecisionCatalog(Document):
    """The catalogue that the decision was made over."""

    id: str
    """Hash of every accelerator and offer."""
    observed_at: dict[Annotated[str, Field(json_schema_extra={NAME: "oldest|newest"})], Day]
    """Days of the oldest and the newest price."""


class ShortPool(Document):
    """A pool in short."""

    role: Role
    """`aggregated`, `prefill` or `decode`."""
    model: str
    """What it serves."""
    accelerator: str
    """Accelerator of its nodes."""
    offer_id: str
    """Offer that its nodes are of."""
    weight_precision: PoolWeights
    """Format of the weights."""
    kv_precision: PoolKv
    """Format of the KV cache."""
    tp: Stages
    """Tensor-parallel degree."""
    pp: Stages
    """Pipeline stages."""
    ep: Stages
    """Expert-parallel degree."""
    batch_cap: Sequences
    """Most sequences decoded at once."""
    replicas: Replicas
    """Replicas of it."""


class RunningPool(ShortPool):
    """A running pool in short."""

    name: str
    """What the plan calls it."""
    nodes: Nodes
    """Nodes that hold any of its replicas."""


class RunningPurchase(Document):
    """Running nodes of one offer, at today's price."""

    offer_id: str
    """The offer."""
    nodes: Nodes
    """Nodes of it."""
    price_per_node_hour_usd: UsdPerHour | None
    """Price of one today, as listed; null where it is not for sale any more."""
    was_price_per_node_hour_usd: UsdPerHour
    """The same when the plan was made."""
    price_change_pct: PercentMore | None
    """Today's over that, less 1; null where it is not for sale any more."""
    withdrawn: bool
    """Whether it is not in the catalogue, or not for sale on the day; never of nodes committed
    to."""
    sunk_nodes: NodesLeft
    """Nodes of it that are committed to: paid for until their term ends, whatever runs."""


class HeldCommitment(Document):
    """Nodes that are paid for until a day, used or not."""

    offer_id: str
    """The offer."""
    nodes: Nodes
    """Nodes of it."""
    until: Moment | None
    """End of the term; null where it is not known, which counts as not yet."""


class RunningFleet(Document):
    """The running fleet, at today's prices."""

    cost_per_hour_usd: UsdPerHour
    """What it costs today beside what is sunk."""
    was_cost_per_hour_usd: UsdPerHour | None
    """What the plan said that it costs, commitments included."""
    sunk_per_hour_usd: UsdPerHour
    """What commitments cost, whatever runs."""
    holds: bool
    """Whether it still serves the workload within targets and limits, on offers that are still
    there."""
    carries: Fraction
    """Multiple of today's load that its replicas carry within the targets."""
    replicas: Replicas
    """Replicas that run."""
    pools: list[RunningPool]
    """Its pools."""
    purchases: list[RunningPurchase]
    """Its nodes."""
    commitments: list[HeldCommitment]
    """What it is committed to, idle nodes included."""


class ConsideredPurchase(Document):
    """Nodes that another fleet buys."""

    offer_id: str
    """The offer."""
    nodes: Nodes
    """Nodes of it."""


class ConsideredFleet(Document):
    """The fleet that was weighed against the running one, in short."""

    cost_per_hour_usd: UsdPerHourMore
    """What it costs beside what is sunk."""
    interruptible: bool
    """Whether it has interruptible offers."""
    pools: list[ShortPool]
    """Its pools."""
    purchases: list[ConsideredPurchase]
    """Its nodes."""


class Saving(Document):
    """What the other fleet saves."""

    usd_per_hour: UsdPerHourMore | None
    """Less than the running fleet; below zero where it costs more, null without another fleet."""
    fraction: FractionMore | None
    """The same as a part of what the running fleet costs beside what is sunk; null where that is
    nothing, too."""


class ChangeCost(Document):
    """What the change to the other fleet costs, and how much it disturbs."""

    overlap_usd: Usd
    """Nodes that leave, paid while both fleets run."""
    fixed_usd: Usd
    """Pools that appear, disappear or change."""
    total_usd: Usd
    """Both."""
    spread_per_hour_usd: UsdPerHour
    """The same over the policy's `payback_h`."""
    payback_h: HoursUntil | None
    """Hours until the saving has paid for it; null where nothing is saved."""
    pools_changed: Count
    """Pools that appear, disappear or change."""
    replicas_added: Replicas
    """Replicas that start."""
    replicas_removed: Replicas
    """Running replicas that do not run on."""
    replicas_changed: Replicas
    """The larger of the two: one that is replaced is changed once."""
    changed_fraction: Fraction
    """replicas_removed over the replicas that run."""


class EvaluatedRule(Document):
    """A rule, its figure beside its limit."""

    name: str
    """The field of the policy, or what else is looked at."""
    figure: float | None
    """The figure; null where it is not known or there is no other fleet to weigh."""
    limit: float
    """Its limit."""
    unit: str
    """Unit of both."""
    comparison: Literal[">=", "<="]
    """How the figure must stand to the limit."""
    passed: bool | None
    """Whether it does; null where there is no other fleet to weigh."""
    decides: Literal["must_switch", "switch"]
    """`must_switch`: where one of these fails another fleet is looked for at once, and the others
    do not count. `switch`: all of these must pass for a switch that saves money."""
    meaning: str
    """What is compared."""


class StepChange(Document):
    """What a step does to one pool."""

    action: Literal["add", "remove"]
    """Additions come before removals."""
    pool: str
    """What its plan calls the pool: the proposed one where the pool is new, else the current."""
    offer_id: str
    """Offer that its nodes are of."""
    replicas: Replicas
    """Replicas that are added or removed."""
    replicas_before: Replicas
    """Replicas of the pool before."""
    replicas_after: Replicas
    """Replicas of the pool after."""
    nodes_before: NodesLeft
    """Nodes of the offer before the additions, or the removals, of the step."""
    nodes_after: NodesLeft
    """The same after them."""
    nodes: NodesLeft
    """The difference, of the whole offer."""


class Step(Document):
    """One step from the running to the proposed fleet."""

    number: Count
    """From 1 on."""
    changes: list[StepChange]
    """What is done, in order."""
    replicas_changed: Replicas
    """The larger of the replicas added and removed: one that is replaced is changed once."""
    capacity: dict[ClassName, Fraction]
    """Multiple of its load that each class finds room for after the step, at its lowest; within the
    step it is no less."""
    nodes: dict[OfferName, NodesLeft]
    """Nodes of each offer after the step."""
    cost_per_hour_usd: UsdPerHour
    """Cost of all nodes after the step, committed ones in use included."""
    peak_cost_per_hour_usd: UsdPerHour
    """The same between its additions and its removals."""


class ProgramProof(Document):
    """How far a program is proven; costs are beside what is sunk."""

    engine: Literal["highs"]
    """Engine that solved it."""
    objective: UsdPerHourMore | None
    """Cost an hour, with the change spread over `payback_h`; null without a fleet."""
    bound: UsdPerHourMore | None
    """Lower bound on it for any fleet that the program allows; null without one."""
    gap: Fraction | None
    """(objective − bound)/objective."""
    gap_asked: Fraction
    """Gap at which it counts as proven."""
    status: Status
    """As in a plan."""


class Proofs(Document):
    """The programs that were solved."""

    held: ProgramProof
    """The running fleet with its shares free and everything else fixed; `infeasible` if it cannot
    stay."""
    free: ProgramProof
    """Any fleet, with the cost of the change to it."""
    within_rules: ProgramProof | None
    """Any fleet that keeps the policy's rules on saving and disruption, with the cost of the
    change; null where the best of all kept them, or they did not count. `infeasible`: none is worth
    its change."""


class Confirmations(Document):
    """Decisions in a row that found the same fleet worth its change."""

    needed: Count
    """As many as the policy asks for where interruptible offers are in it, else 0."""
    had: Count
    """This one included."""


class DecisionDocument(Document):
    """Whether a running fleet is kept or switched, why, and by which steps.

    Money is in US dollars; `_per_hour` is an hour of the whole item. `null` means not known or does
    not apply, never 0. Fields may be added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/decision/v1"]
    """`minfleet/decision/v1`."""
    outcome: Outcome
    """`keep`: the running fleet stays. `switch`: another saves enough to be worth its change.
    `must_switch`: the running one cannot stay as it is, or a price jumped and another is better."""
    reasons: list[str]
    """Why, the decisive reason first."""
    decided_at: Moment
    """When."""
    catalog: DecisionCatalog
    """The catalogue that it was made over."""
    policy: Policy
    """The policy, defaults filled in."""
    current: RunningFleet
    """The running fleet, at today's prices."""
    program: Literal["free", "within_rules"] | None
    """Which program the other fleet is the best of; null without another fleet."""
    proposed: PlanDocument | None
    """The plan to switch to, with its `change` and its certificate; null where the fleet is kept,
    or none was found."""
    considered: ConsideredFleet | None
    """The fleet that was weighed, whether it is proposed or not; null without one."""
    saving: Saving
    """What it saves."""
    change: ChangeCost | None
    """What the change to it costs; null without one."""
    rules: list[EvaluatedRule]
    """Every rule, whatever the outcome."""
    steps: list[Step]
    """How to get from the running to the proposed fleet; empty where nothing is proposed."""
    certificates: Proofs
    """What is proven."""
    confirmations: Confirmations
    """How often the fleet was found in a row."""
    warnings: list[str]
    """What to know before acting on it."""
