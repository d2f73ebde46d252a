"""The comparison document, ``minfleet/comparison/v1``: offers side by side, for those who buy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.plan_assumptions import CatalogUsed
from api.schemas.plan_explanation import AlternativePool
from api.schemas.units import (
    Accelerators,
    Count,
    Kilowatts,
    Months,
    Nodes,
    NodesLeft,
    Percent,
    PriceFactor,
    Usd,
    UsdPerHour,
    UsdPerMillionTokens,
)
from api.schemas.words import Day, Status
from solver.workload import Pricing, Workload

BreakEvenReason = Literal["exact", "any_price", "no_price", "not_proven"]
TakeOverReason = Literal["exact", "any_price", "alone_infeasible", "not_proven"]
WorthReason = Literal["exact", "unlimited", "makes_possible", "no_fleet", "not_proven"]


class ComparedPurchase(Document):
    """Nodes of one offer that a fleet buys."""

    offer_id: str
    """Offer to buy, dearest item first."""
    nodes: Nodes
    """Nodes of it."""
    cost_per_hour_usd: UsdPerHour
    """Cost of all of them, their part of what is paid upfront included."""


class JointFleet(Document):
    """The cheapest fleet of all offers that compete; without one, its figures are null."""

    status: Status
    """As in a plan: `optimal` is proven to the gap asked for, checked, and keeps every target."""
    cost_per_hour_usd: UsdPerHour | None
    """Cost of all nodes, their part of what is paid upfront included."""
    cost_per_month_usd: Usd | None
    """The same for 730 hours."""
    cost_per_million_output_tokens_usd: UsdPerMillionTokens | None
    """Cost over the output tokens of the whole workload at its full rate; null where output lengths
    are not known, too."""
    gpus: Accelerators | None
    """Accelerators bought."""
    nodes: Nodes | None
    """Nodes bought."""
    gpu_power_kw: Kilowatts | None
    """Rated power (TDP) of the accelerators bought; null where one's is not published, too."""
    purchases: list[ComparedPurchase]
    """What to buy, dearest first; empty without a fleet."""
    pools: list[AlternativePool]
    """What runs on it, in short; empty without a fleet."""
    warnings: list[str]
    """What to know before buying it: commitments, interruptible offers, unverified figures, what
    lies outside of what the model was fitted on; empty without a fleet."""


class FleetAlone(JointFleet):
    """The cheapest fleet that buys nothing else; without one, its figures are null."""

    status: Status | Literal["filtered"]
    """As in a plan, and `filtered` where the workload's filters leave the offer out. A fleet above
    the budget is `infeasible`; the sentence says so."""


class ComparedOffer(Document):
    """An offer, and what the cheapest fleets make of it."""

    rank: Annotated[int, Field(ge=1)]
    """Place by the cost alone, those without a fleet last; equal ones by name."""
    offer_id: str
    """The offer."""
    provider: str
    """Who rents it out."""
    region: str
    """Where it is."""
    accelerator: str
    """Catalogue name of its accelerator."""
    gpus_per_node: Annotated[Accelerators, Field(ge=1)]
    """Accelerators of a node."""
    pricing: Pricing
    """`on_demand`, `spot` or `committed`."""
    price_per_node_hour_usd: UsdPerHour
    """Price of a node as listed, without what is paid upfront."""
    full_price_per_node_hour_usd: UsdPerHour
    """The same with its part of what is paid upfront; break-even prices compare with this."""
    stock: NodesLeft | None
    """Nodes that can be had; null for no limit."""
    min_nodes: Nodes
    """Fewest nodes that are sold."""
    term_months: Months | None
    """Length of the commitment; null for none."""
    observed_at: Day
    """Day on which the price was seen."""
    alone: FleetAlone
    """The cheapest fleet that buys nothing else: fields as of `joint`, and the status `filtered`
    where the workload's filters leave the offer out."""
    joint_share_pct: Percent | None
    """Its part of the joint optimum's cost per hour; null without a joint optimum."""
    joint_nodes: NodesLeft | None
    """Nodes of it in the joint optimum; null without one."""
    enters_at_usd_per_node_hour: UsdPerHour | None
    """Highest price at which some optimal fleet buys of it, what is paid upfront included; null
    where there is none."""
    enters_reason: BreakEvenReason | None
    """`exact`: the price is given. `any_price`: no fleet does without it. `no_price`: no optimal
    fleet buys it. `not_proven`: time ran out. null where it is filtered."""
    takes_over_at_usd_per_node_hour: UsdPerHour | None
    """Highest price at which a fleet of it alone is optimal; null where there is none."""
    takes_over_reason: TakeOverReason | None
    """`exact`: the price is given. `any_price`: nothing else can take any of its place.
    `alone_infeasible`: it cannot serve alone. `not_proven`: time ran out. null where it is
    filtered."""
    next_node_worth_usd_per_hour: UsdPerHour | None
    """What the joint optimum would cost less with one more node of its stock; 0 where its stock has
    no limit; null where that is no figure."""
    next_node_reason: WorthReason | None
    """`exact`: the worth is given. `unlimited`: its stock has no limit. `makes_possible`: there is
    no fleet without that node. `no_fleet`: nor with it. `not_proven`: time ran out. null where it
    is filtered."""
    sentence: str
    """All this in words."""


class ComparedSubset(Document):
    """Offers reported together; their prices move by one factor."""

    rank: Annotated[int, Field(ge=1)]
    """Place among the subsets by the cost alone, as of the offers."""
    name: str
    """Name it was given."""
    offer_ids: list[str]
    """Its offers."""
    compared_offer_ids: list[str]
    """Those of them that pass the workload's filters."""
    alone: FleetAlone
    """The cheapest fleet that buys nothing else: fields as of `joint`."""
    joint_share_pct: Percent | None
    """Their part of the joint optimum's cost per hour; null without a joint optimum."""
    enters_at_price_factor: PriceFactor | None
    """Highest factor on all its prices at which some optimal fleet buys of it; null where there is
    none."""
    enters_reason: BreakEvenReason | None
    """As for an offer."""
    takes_over_at_price_factor: PriceFactor | None
    """Highest factor on all its prices at which a fleet of it alone is optimal; null where there is
    none."""
    takes_over_reason: TakeOverReason | None
    """As for an offer."""
    sentence: str
    """All this in words."""


class ComparisonSearch(Document):
    """What was solved."""

    programs: Count
    """Programs solved."""
    gap_asked: Annotated[float, Field(ge=0)]
    """Relative gap at which a fleet counts as proven; break-even prices and the worth of stock are
    proven to a gap of 1e-9, whatever this is."""


class ComparisonDocument(Document):
    """Offers side by side: alone, in the joint optimum, at which price, and what more is worth.

    Money is in US dollars; `_per_hour` is an hour of the whole item. `null` means not known or does
    not apply, never 0. Fields may be added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/comparison/v1"]
    """`minfleet/comparison/v1`."""
    status: Status
    """That of the joint optimum."""
    complete: bool
    """Whether every figure is proven; those that are not are null, and their reason is
    `not_proven`."""
    joint: JointFleet
    """The cheapest fleet of all offers that compete."""
    offers: list[ComparedOffer]
    """The offers compared, cheapest alone first."""
    subsets: list[ComparedSubset]
    """The subsets named, cheapest alone first."""
    search: ComparisonSearch
    """What was solved."""
    catalog: CatalogUsed
    """The catalogue that the comparison was made from."""
    warnings: list[str]
    """What to know of the joint optimum, and which prices of the offers compared are old."""
    workload: Workload
    """The workload, defaults filled in."""
