"""The plan document, ``minfleet/plan/v1``."""

from __future__ import annotations

from typing import Literal

from api.schemas.base import Document
from api.schemas.plan_assumptions import Assumptions, CatalogUsed
from api.schemas.plan_batch import BatchDrained
from api.schemas.plan_change import ChangeToPlan
from api.schemas.plan_classes import ServedClass
from api.schemas.plan_explanation import Alternative, BindingLimit, Infeasibility, LeftOut
from api.schemas.plan_load import MostLoadServed
from api.schemas.plan_pools import PlannedPool
from api.schemas.plan_proof import Certificate, Search
from api.schemas.plan_schedule import Schedule
from api.schemas.plan_simulation import HeldInSimulation
from api.schemas.units import (
    Accelerators,
    KilogramsPerHour,
    KilowattHoursPerHour,
    Kilowatts,
    Months,
    Nodes,
    Usd,
    UsdPerHour,
    UsdPerMillionTokens,
)
from api.schemas.words import Day, Status
from solver.aim import Aim
from solver.workload import Workload


class BoughtOffer(Document):
    """Nodes of one offer."""

    offer_id: str
    """Offer to buy, dearest item first."""
    nodes: Nodes
    """Nodes of it."""
    price_per_node_hour_usd: UsdPerHour
    """Price of one as listed, without what is paid upfront."""
    upfront_usd: Usd
    """Paid in advance for all of them; 0 for nothing."""
    term_months: Months | None
    """Length of the commitment; null for none."""
    cost_per_hour_usd: UsdPerHour
    """Cost of all of them: nodes · price + upfront / (term · 730). A commitment is paid for whether
    used or not, so the payment is spread over every hour of the term."""
    observed_at: Day
    """Day on which the price was seen."""


class PlanObjective(Document):
    """What a plan makes smallest."""

    minimize: Aim
    """`cost`, `gpus`, `energy` or `carbon`."""
    unit: str
    """Unit of it, and of the certificate: `USD/h`, `accelerators`, `kWh/h` or `kg CO2e/h`."""
    value: float | None
    """Its value; null without a fleet. Of a plan made beside a running fleet, the cost with what
    `change` adds to it."""
    maximize: Literal["load"] | None = None
    """`load` where the plan serves the most load that its limits allow (see `load`): among the
    fleets that do, it makes `minimize` smallest."""
    then: Aim | None
    """What decides between fleets that are equal in that to the gap asked for; null for nothing."""


class PlanDocument(Document):
    """What to buy, what runs where, what it does, and how far it is proven.

    Money is in US dollars; `_per_hour` is an hour of the whole item. Figures predicted by the model
    have six significant digits. `null` means not known or does not apply, never 0. Fields may be
    added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/plan/v1"]
    """`minfleet/plan/v1`."""
    id: str | None = None
    """Name under which the service stores the plan; only the service adds it."""
    created_at: str | None = None
    """When the service stored it (ISO 8601, UTC); only the service adds it."""
    status: Status
    """`optimal`: proven to the gap asked for. `feasible`: there is a fleet, the gap is open and
    shown. `infeasible`: proven that none exists. `unknown`: neither was found in time."""
    cost_per_hour_usd: UsdPerHour | None
    """Cost of all nodes, their part of what is paid upfront included; null without a fleet."""
    cost_per_month_usd: Usd | None
    """The same for 730 hours."""
    cost_per_million_output_tokens_usd: UsdPerMillionTokens | None
    """Cost over the output tokens of the whole workload at its full rate; null where output lengths
    are not known (measured capacities)."""
    gpus: Accelerators
    """Accelerators bought."""
    gpus_idle: Accelerators
    """Those of them that no replica uses: nodes are bought whole."""
    objective: PlanObjective | None = None
    """What the plan makes smallest; null in plans made before there was a choice."""
    power_kw: Kilowatts | None = None
    """Board power (TDP) of all accelerators bought, idle ones too; hosts, switches and cooling are
    not in it. null where that of one is not known, likewise the next two."""
    energy_kwh_per_hour: KilowattHoursPerHour | None = None
    """What they take in an hour at their load, the building's share (PUE) included; how it is
    counted is in `assumptions.footprint`."""
    carbon_kg_per_hour: KilogramsPerHour | None = None
    """What that emits on the grids of the regions bought from (CO2 equivalent)."""
    pools: list[PlannedPool]
    """Replicas of one candidate on the nodes of one offer, each; empty without a fleet."""
    purchases: list[BoughtOffer]
    """What to buy, dearest first."""
    classes: list[ServedClass]
    """What each class gets in its slowest pool, at its own percentile; empty with measured
    capacities."""
    certificate: Certificate
    """How far the plan is proven."""
    search: Search
    """What was searched."""
    binding: list[BindingLimit]
    """Limits that hold the cost up, worth most first."""
    why_not: list[LeftOut]
    """Accelerators that the plan does not buy, and why."""
    alternatives: list[Alternative]
    """The cheapest plan of each kind that differs from this one, cheapest first."""
    infeasibility: Infeasibility | None
    """null unless the status is `infeasible`, and with `--explain none`."""
    simulation: HeldInSimulation | None
    """With `--simulate`, else null."""
    load: MostLoadServed | None = None
    """Where the workload asks for the most load (`objective.maximize`), else null."""
    batch: BatchDrained | None = None
    """Where the workload is a batch, else null."""
    schedule: Schedule | None = None
    """Where the rates change (`demand`), else null; pools, purchases and classes are then those of
    the highest load, and costs those of an average hour."""
    change: ChangeToPlan | None = None
    """Where the plan was made beside a running fleet (`minfleet replan`), what the change to it
    costs; the objective and its certificate are then about both. Else null."""
    catalog: CatalogUsed
    """The catalogue that the plan was made from."""
    assumptions: Assumptions
    """Every setting in force, defaults included, and the rules of the search."""
    warnings: list[str]
    """What to know before buying: stale prices, commitments and what is paid upfront, interruptible
    offers, unverified figures."""
    workload: Workload
    """The workload, defaults filled in; `minfleet verify` reads it back."""
