"""The replay document, ``minfleet/replay/v1``: what a policy would have cost over price history."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.decision import ChangeCost, EvaluatedRule, Moment, Outcome, Saving
from api.schemas.units import (
    Count,
    Fraction,
    Hours,
    Nodes,
    Seconds,
    Usd,
    UsdPerHour,
    unit,
)
from api.schemas.words import NAME, Day
from solver.replan.policy import Policy
from solver.workload import Workload

UsdMore = Annotated[float, unit("USD")]
FractionMore = Annotated[float, unit("fraction")]
OfferName = Annotated[str, Field(json_schema_extra={NAME: "offer"})]
"""Keys of a mapping: offers."""


class ReplayCost(Document):
    """What each course cost, nodes and changes."""

    policy: Usd
    """Following the policy."""
    never: Usd
    """Keeping the first fleet; where an offer of it is withdrawn, the cheapest from then on."""
    always: Usd
    """Moving to the cheapest fleet whenever prices change."""
    clairvoyant: Usd
    """The cheapest sequence of fleets for prices that are all known."""


class BoughtNodes(Document):
    """Nodes of one offer."""

    offer_id: str
    """The offer."""
    nodes: Nodes
    """Nodes of it."""


class FleetInShort(Document):
    """What a fleet is bought from."""

    purchases: list[BoughtNodes]
    """Offers, by name."""
    text: str
    """The same in words."""


class ReplayedDecision(Document):
    """A look at the prices, and what was decided."""

    moment: Moment
    """When."""
    outcome: Outcome
    """As in a decision."""
    looks: Count
    """Looks that it stands for: this one, and those after it that repeat it."""
    reasons: list[str]
    """As in a decision."""
    cost_per_hour_usd: UsdPerHour
    """What the running fleet cost then."""
    proposed: FleetInShort | None
    """The fleet that is switched to; null where the running one is kept."""
    proposed_cost_per_hour_usd: UsdPerHour | None
    """What the other fleet that was weighed would have cost; null where none was."""
    saving: Saving
    """As in a decision."""
    change: ChangeCost | None
    """As in a decision."""
    rules: list[EvaluatedRule]
    """As in a decision."""


class ReplaySaving(Document):
    """What the policy saved against never switching."""

    usd: UsdMore
    """Cost of never switching less that of the policy."""
    fraction: FractionMore
    """The same as a part of the cost of never switching."""


class Regret(Document):
    """What the policy cost more than the clairvoyant optimum."""

    usd: UsdMore
    """Cost of the policy less that of the best sequence found."""
    fraction: FractionMore
    """The same as a part of the latter."""
    at_most_usd: UsdMore
    """Cost of the policy less the bound: no sequence would have saved more."""


class ReplayCertificate(Document):
    """What is proven of the clairvoyant optimum."""

    status: Literal["optimal", "feasible"]
    """`optimal`: proven to the gap asked for. `feasible`: the gap is open."""
    objective: Usd
    """Cost of the best sequence found."""
    bound: Usd
    """What no sequence costs less than."""
    gap: Fraction
    """(objective − bound)/objective."""
    columns: Count
    """Columns of the program; 0 where known fleets were proven the best without it."""
    rows: Count
    """Rows of it."""
    wall_s: Seconds
    """Time it took."""
    decisions_proven: bool
    """Whether every decision was proven to the gap asked for."""


class CourseStep(Document):
    """From a moment on, a fleet runs."""

    moment: Moment
    """When it was put in place."""
    fleet: FleetInShort
    """The fleet."""
    cost_per_hour_usd: UsdPerHour
    """What it cost then."""
    change_usd: Usd
    """What the change to it cost; 0 for the first."""
    forced: bool
    """Whether the fleet before could not stay, or a price in use had jumped."""
    why: str
    """Reasons; empty where none is given."""


class PaidUntil(Document):
    """What a course has paid until a moment."""

    moment: Moment
    """A change of prices, or of the fleet: before and after it."""
    usd: Usd
    """Nodes and changes until then; between two moments it grows evenly."""


class ReplayCourse(Document):
    """A way through the history."""

    cost_usd: Usd
    """All of it."""
    run_usd: Usd
    """Hours times price, over all nodes."""
    change_usd: Usd
    """What its changes cost."""
    switches: Count
    """Changes of the fleet."""
    forced: Count
    """Those of them that had to be."""
    steps: list[CourseStep]
    """Fleets, in the order of time."""
    paid: list[PaidUntil]
    """What was paid until when."""


class OtherCourse(ReplayCourse):
    """A way through the history that the policy is compared with."""


class ReplayCourses(Document):
    """The four ways through the history."""

    policy: ReplayCourse
    """Following the policy."""
    never: OtherCourse
    """Keeping the first fleet: fields as of `policy`."""
    always: OtherCourse
    """Moving whenever prices change: fields as of `policy`."""
    clairvoyant: OtherCourse
    """The best sequence: fields as of `policy`."""


class ReplayedPrices(Document):
    """The history that was replayed."""

    from_: Day
    """First day."""
    to: Day
    """First day that no longer counts."""
    hours: Hours
    """Hours in between."""
    changes: Count
    """Prices that change in between, offers that come or go included."""
    offers: Count
    """Offers that are on sale at some time."""
    dates: list[Day]
    """First day of each stretch without a change."""
    prices: dict[OfferName, list[UsdPerHour | None]]
    """Price of a node in each stretch, of every offer that some course buys; null where it is not
    on sale."""


class SkippedInstance(Document):
    """An instance type of the history that was left out."""

    instance_type: str
    """Its name."""
    reason: str
    """Why nothing can be planned on it."""
    rows: Count
    """Rows of it."""


class ReplaySeconds(Document):
    """Where time went."""

    decisions: Seconds
    """All decisions."""
    clairvoyant: Seconds
    """The clairvoyant optimum."""
    total: Seconds
    """Everything."""


class ReplaySearch(Document):
    """What was looked at."""

    looks: Count
    """Looks at the prices."""
    every_h: Hours
    """Hours between two of them where prices stand still."""
    decisions: Count
    """Looks that were solved: the others had nothing new before them."""
    decisions_per_second: float | None
    """Of those, how many a second."""
    seconds: ReplaySeconds
    """Where time went."""


class ReplayDocument(Document):
    """What a policy of re-planning would have cost over a history of prices.

    Money is in US dollars, over the whole time unless it says `_per_hour`. `null` means not known
    or does not apply, never 0. Fields may be added within v1; none changes its meaning.
    """

    schema_: Literal["minfleet/replay/v1"]
    """`minfleet/replay/v1`."""
    cost_usd: ReplayCost
    """What each course cost."""
    switches: Count
    """Times that the policy changed the fleet."""
    decisions: list[ReplayedDecision]
    """What the policy decided, in the order of time."""
    saving: ReplaySaving
    """What the policy saved against never switching."""
    regret: Regret
    """What it cost more than the optimum."""
    certificate: ReplayCertificate
    """What is proven of the optimum."""
    courses: ReplayCourses
    """The four ways through the history."""
    path: ReplayedPrices
    """The history."""
    workload: Workload
    """The workload, defaults filled in."""
    policy: Policy
    """The policy, defaults filled in."""
    skipped: list[SkippedInstance]
    """What of the history was left out."""
    search: ReplaySearch
    """What was looked at, and how long it took."""
    warnings: list[str]
    """What to know of the history."""
