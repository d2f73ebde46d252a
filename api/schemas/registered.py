"""Registered workloads and the decisions on them, as the service shows them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.base import Document, Omittable
from api.schemas.decision import (
    ChangeCost,
    Confirmations,
    ConsideredFleet,
    DecisionCatalog,
    EvaluatedRule,
    ProgramProof,
    Proofs,
    RunningFleet,
    Saving,
    Step,
)
from api.schemas.plan import PlanDocument
from solver.replan.policy import Policy

Trigger = Literal["schedule", "price_change", "request", "first"]

Outcome = Literal["keep", "switch", "must_switch", "failed"]


class ScheduleDocument(Document):
    """When a workload is due."""

    cron: str | None
    """Cron expression; null where the clock never makes it due."""
    timezone: str
    """Time zone of it."""
    on: Literal["price_change"] | None
    """`price_change` where another catalogue makes it due."""


class RegisteredEntry(Document):
    """A registered workload without its parts."""

    name: str
    """Name of the registration."""
    revision: Annotated[int, Field(ge=1)]
    """Counts the changes that people make, acceptances among them; it is the ETag."""
    model: str
    """The workload's model."""
    schedule: ScheduleDocument | None
    """When it is due; null where only a request plans it."""
    paused: bool
    """Whether its schedule rests: because somebody wants it to, or until its first fleet is
    accepted."""
    due_at: dt.datetime | None
    """When the clock makes it due next (UTC); null for never, or not before its first fleet is
    accepted."""
    plan_id: str | None
    """The stored plan that its fleet is; null where there is no fleet, or it came as a document."""
    created_at: dt.datetime
    """When it was registered."""
    updated_at: dt.datetime
    """When a person, or a policy that accepts by itself, changed it last."""


class RegisteredList(Document):
    """Registered workloads by name."""

    workloads: list[RegisteredEntry]
    """The workloads."""
    next: str | None
    """Path of the next page; null on the last."""


class RegisteredDocument(RegisteredEntry):
    """A registered workload."""

    schema_: Literal["minfleet/registered/v1"]
    """Version of this document."""
    workload: dict[str, Any]
    """What is to be served, as it was checked."""
    policy: dict[str, Any]
    """What a change must bring, with every default."""
    fleet: dict[str, Any] | None
    """Plan document of what runs; null until the first proposal is accepted."""
    memory: dict[str, Any]
    """What the next decision knows of those before it."""
    basis: dict[str, Any]
    """What else it is planned with: `measured`, `coefficients`, `settings`."""
    job_id: str | None
    """The job that plans it at the moment; null where none does."""


class DecisionEntry(Document):
    """A decision without its parts."""

    id: str
    """Name of the decision."""
    workload: str
    """The registered workload."""
    revision: Annotated[int, Field(ge=1)]
    """Its revision then."""
    trigger: Trigger
    """What made it due: its `schedule`, a `price_change`, a `request`; or it was the `first`."""
    outcome: Outcome
    """`keep`, `switch`, `must_switch`; or `failed`, where no decision was come to."""
    reasons: list[str]
    """Why, in sentences."""
    saving: Saving | None
    """What the other fleet saves; null where no decision was come to."""
    proposed_plan_id: str | None
    """The stored plan that is proposed; null for none."""
    job_id: str | None
    """The job that decided."""
    catalog_id: str | None
    """Snapshot of the catalogue that it was decided over."""
    accepted_at: dt.datetime | None
    """When its proposal became the fleet that runs; null where it did not."""
    accepted_by: str | None
    """Id of the API key that accepted it, or `policy`; null where no keys are asked for."""
    created_at: dt.datetime
    """When it was stored."""


class DecisionList(Document):
    """Decisions, the latest first."""

    decisions: list[DecisionEntry]
    """The decisions."""
    next: str | None
    """Path of the next page; null on the last."""


class StoredProofs(Proofs):
    """The programs that were solved."""

    held: ProgramProof | None  # type: ignore[assignment]
    """The running fleet with its shares free and everything else fixed; null where none runs
    yet."""


class StoredDecisionDocument(Document):
    """A decision on a registered workload: `minfleet/decision/v1`, and what became of it."""

    schema_: Literal["minfleet/decision/v1"]
    """Version of this document."""
    id: str
    """Name of the decision."""
    created_at: dt.datetime
    """When it was stored."""
    workload: str
    """The registered workload."""
    revision: Annotated[int, Field(ge=1)]
    """Its revision then; only while it stands can the proposal be accepted."""
    trigger: Trigger
    """What made it due: its `schedule`, a `price_change`, a `request`; or it was the `first`."""
    job_id: str | None
    """The job that decided."""
    outcome: Outcome
    """`keep`, `switch`, `must_switch`; or `failed`, where no decision was come to."""
    reasons: list[str]
    """Why, in sentences."""
    decided_at: Omittable[str] = None
    """When it was decided; stored right after. This and what follows is left out where no decision
    was come to."""
    catalog: Omittable[DecisionCatalog] = None
    """The catalogue that it was made over."""
    policy: Omittable[Policy] = None
    """The policy, defaults filled in."""
    current: RunningFleet | None = None
    """The running fleet, at today's prices; null where none runs yet."""
    program: Literal["free", "within_rules"] | None = None
    """Which program the other fleet is the best of; null without another fleet."""
    proposed: PlanDocument | None
    """The proposed plan with its `id`, under which it is stored; null for none."""
    considered: ConsideredFleet | None = None
    """The fleet that was weighed, whether it is proposed or not; null without one."""
    saving: Omittable[Saving] = None
    """What it saves."""
    change: ChangeCost | None = None
    """What the change to it costs; null without one."""
    rules: Omittable[list[EvaluatedRule]] = None
    """Every rule, whatever the outcome; none where no fleet runs yet."""
    steps: Omittable[list[Step]] = None
    """How to get from the running to the proposed fleet."""
    certificates: Omittable[StoredProofs] = None
    """What is proven."""
    confirmations: Omittable[Confirmations] = None
    """How often the fleet was found in a row."""
    warnings: Omittable[list[str]] = None
    """What to know before acting on it."""
    problem: Omittable[dict[str, Any]] = None
    """Why no decision was come to, as a problem document (RFC 9457)."""
    memory_if_accepted: dict[str, Any] | None
    """What the next decision knows if the proposal is accepted; null without one."""
    accepted_at: dt.datetime | None
    """When its proposal became the fleet that runs; null where it did not."""
    accepted_by: str | None
    """Id of the API key that accepted it, or `policy`; null where no keys are asked for."""


class ReplanningBatch(Document):
    """What is planned at the moment, and what is due still."""

    jobs: dict[str, str]
    """Workload → the job that plans it: those that were due, and those planned already."""
    left: Annotated[int, Field(ge=0)]
    """How many are due still: the queue has no room for them yet, or they are being planned."""
