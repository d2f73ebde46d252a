"""Refreshes of prices as the service takes and shows them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from api.schemas.base import Document, Omittable
from api.schemas.requests import Day, Request
from api.schemas.units import Count, Percent, PercentMore, UsdPerHour, unit
from data.feeds.gate import MAX_DROPPED_PCT, MAX_MOVE_PCT
from data.feeds.read import MAX_IMPOSSIBLE_PCT

FeedName = Literal["gpuhunt", "skypilot-csv", "csv", "focus-json"]

StateName = Literal["accepted", "unchanged", "held", "refused", "rejected"]

Name = Annotated[str, Field(max_length=100, pattern=r"^[\w./+ -]*$")]


class ListingRequest(Request):
    """One price list."""

    content: str
    """The file, as text."""
    place: Annotated[str, Field(min_length=1, max_length=400)] = "content"
    """What to call it in reports, such as the name of the file."""
    provider: Annotated[str, Field(max_length=200)] = ""
    """Cloud of a SkyPilot list; it does not say."""


class RefreshRequest(Request):
    """Prices to compare with those in force, and to bring in force where the gate lets them."""

    feed: FeedName
    """How the lists are written. `gpuhunt` has none: the server reads its GPUHUNT_CATALOG_URL."""
    files: Annotated[list[ListingRequest], Field(max_length=100, default_factory=list)]
    """The lists."""
    name: Name = ""
    """Tells feeds of one kind apart. Where a feed had a provider before and has it no more, it is
    held, so that lists of other providers need another name. The kind by default."""
    observed_at: Day | None = None
    """Day of the prices, where the list does not say; today by default."""
    source: Annotated[str, Field(max_length=400)] = ""
    """Who published a SkyPilot list."""
    partial: bool = False
    """Whether the lists hold only some of the offers of their providers; the others stay then."""
    max_dropped_pct: Annotated[float, unit("percent", ge=0, le=100)] = MAX_DROPPED_PCT
    """Part of the offers that may go without a person."""
    max_move_pct: Annotated[float, unit("percent", ge=0, le=1e6)] = MAX_MOVE_PCT
    """Most that a price may move, up or down, without a person."""
    max_impossible_pct: Annotated[float, unit("percent", ge=0, le=100)] = MAX_IMPOSSIBLE_PCT
    """Part of the prices that may be impossible before all of them are refused."""


class RefreshCounts(Document):
    """How many of what. Offers are those of the feed's providers, in its kinds of pricing."""

    rows: Count
    """Rows read."""
    offers: Count
    """Offers that they gave."""
    without_accelerator: Count
    """Rows that name no accelerator."""
    skipped: Count
    """Rows, or prices, that name one and gave no offer."""
    compared: Count
    """Offers in force before."""
    added: Count
    """Offers that were not there."""
    removed: Count
    """Offers that are there no more."""
    moved: Count
    """Offers at another price."""
    kept: Count
    """Offers that stay as they were, but for the day they were seen."""
    older: Count
    """Offers that the feed saw before the day of those in force: is it an old list?"""


class RefreshLimits(Document):
    """The gate."""

    max_dropped_pct: Percent
    """Part of the offers that may go without a person."""
    max_move_pct: Percent
    """Most that a price may move without one."""


class ProviderProvenance(Document):
    """Where the prices of a provider come from."""

    provider: str
    """The provider."""
    feed: str
    """The feed."""
    sources: list[str]
    """What its offers name as their source."""
    observed_at: dict[str, dt.date]
    """Days of the `oldest` and the `newest` price."""
    offers: Count
    """Offers of it."""
    rows: Count | None
    """Rows of it; null where the feed does not tell."""


class PriceMove(Document):
    """An offer whose price, or machine, is another."""

    offer_id: str
    """The offer."""
    old_usd: UsdPerHour
    """What a node cost."""
    new_usd: UsdPerHour
    """What it costs."""
    change_pct: PercentMore | None
    """The difference; null where the old price was 0."""
    note: str
    """What else there is to say, such as another machine under the same name."""


class SkippedRow(Document):
    """A row that gave no offer."""

    place: str
    """Where it is."""
    what: str
    """Its machine."""
    reason: str
    """Why."""


class RefreshReport(Document):
    """What was read and what changes. A refused refresh has `reasons` and `faults` alone.

    Lists name the first thousand; `counts` is of all.
    """

    reasons: list[str]
    """Why it was held or refused, a sentence each; empty where it was not."""
    faults: Omittable[Count] = None
    """How many reasons there are for refusing it."""
    counts: Omittable[RefreshCounts] = None
    """How many of what."""
    limits: Omittable[RefreshLimits] = None
    """The gate that it was held against."""
    partial: Omittable[bool] = None
    """Whether offers that it does not list stay."""
    line_end: Omittable[bool] = None
    """Whether the lists ended with a line end; one that did before and does not is cut short."""
    pricing: Omittable[list[str]] = None
    """Kinds of pricing that the feed tells of; offers of others stay."""
    providers: Omittable[list[ProviderProvenance]] = None
    """Where the prices come from."""
    missing: Omittable[dict[str, str]] = None
    """Providers that could not be read, with the reason."""
    gone: Omittable[dict[str, int]] = None
    """Providers that the feed had before, and how many offers go with them."""
    beyond: Omittable[list[PriceMove]] = None
    """Moves beyond the gate, the largest first."""
    added: Omittable[list[str]] = None
    """Offers that were not there."""
    removed: Omittable[list[str]] = None
    """Offers that are there no more."""
    moved: Omittable[list[PriceMove]] = None
    """Every price that moves, the largest move first."""
    skipped: Omittable[list[SkippedRow]] = None
    """Rows that gave no offer."""
    skipped_by_reason: Omittable[dict[str, int]] = None
    """How many rows gave none, by reason."""
    compared_again: Omittable[bool] = None
    """Whether something else came in force since, so that it was compared once more."""
    superseded_by: Omittable[str] = None
    """The newer refresh that took its place."""


class RefreshDocument(Document):
    """An attempt to refresh prices."""

    id: str | None
    """Its id; null for a dry run."""
    number: Annotated[int, Field(ge=1)] | None
    """Counts up; null for a dry run."""
    feed: FeedName
    """How the lists were written."""
    name: str
    """Tells feeds of one kind apart."""
    place: str
    """What was read."""
    state: StateName
    """`accepted`: in force. `unchanged`: nothing to change. `held`: waits for a person.
    `refused`: could not be read or believed. `rejected`: a person said no, or newer prices came."""
    base_id: str | None
    """Snapshot that it was compared with."""
    catalog_id: str | None
    """Snapshot that it makes; null where it was refused."""
    report: RefreshReport
    """What was read and what changes."""
    created_at: dt.datetime | None
    """When; null for a dry run."""
    decided_at: dt.datetime | None
    """When a person decided on it; null where nobody was asked, or has answered."""
    decided_by: str | None
    """Who decided: the name of an API key, or of a user of the command line."""


class RefreshList(Document):
    """Refreshes, the latest first."""

    refreshes: list[RefreshDocument]
    """The refreshes."""
    next: str | None
    """Path of the next page; null on the last."""


class PricePoint(Document):
    """The price of an offer from one snapshot on."""

    number: Annotated[int, Field(ge=1)]
    """Number of the snapshot in the history."""
    catalog_id: str
    """The snapshot."""
    since: dt.datetime
    """When it came in force."""
    price_per_node_hour_usd: UsdPerHour | None
    """Price of a node; null where the snapshot does not hold the offer."""
    price_per_gpu_hour_usd: UsdPerHour | None
    """Price of one of its accelerators."""


class PricesOfOffer(Document):
    """The prices that an offer had."""

    offer_id: str
    """The offer."""
    provider: str
    """Who rents it out."""
    region: str
    """Where."""
    accelerator: str
    """Catalogue name of the accelerator."""
    gpus_per_node: Annotated[int, unit("accelerators", ge=1)]
    """Accelerators of a node."""
    pricing: Literal["on_demand", "spot", "committed"]
    """How it is sold."""
    points: list[PricePoint]
    """The earliest first; snapshots that left the price as it was are left out."""


class PriceHistory(Document):
    """Prices over the snapshots that were in force."""

    snapshots: Count
    """Snapshots looked at, the latest ones."""
    total: Count
    """Offers within the filters."""
    offers: list[PricesOfOffer]
    """Those of this page: the cheapest accelerator-hour of the newest price first."""
