"""The running fleet: read from its plan document, against today's workload and catalogue."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from data.catalog import Catalog
from data.errors import InputError, PlanError
from data.offers import HOURS_PER_MONTH, Offer
from solver.market import offer_filters
from solver.plan import SCHEMA, Plan
from solver.replan.memory import Commitment, Memory
from solver.workload import Workload

Document = Mapping[str, Any]

PLACE = "the current plan"

DEGREES = ("tp", "pp", "ep")

FILTERS = {
    "accelerator": "hardware.accelerators",
    "provider": "hardware.providers",
    "region": "hardware.regions",
    "pricing": "hardware.pricing",
}
"""Filters that bar a running offer → the field of the workload. Stock bars none that runs."""


@dataclass(frozen=True)
class Running:
    """A fleet that runs.

    Attributes
    ----------
    document
        Its plan document.
    offers
        Today's offers by id: those that its nodes, or commitments, are of and that are known.
    nodes
        Nodes that it has bought, by offer.
    commitments
        Nodes that are paid for whatever runs, by offer.
    lost
        Why nodes of an offer cannot stay: offer → half a sentence. Not of committed ones.
    barred
        Offers that the workload allows no more: offer → the field that bars it.
    """

    document: Document
    offers: Mapping[str, Offer]
    nodes: Mapping[str, int]
    commitments: tuple[Commitment, ...]
    lost: Mapping[str, str]
    barred: Mapping[str, str]

    @property
    def pools(self) -> list[Document]:
        """Its pools, as the plan document shows them."""
        return list(self.document["pools"])

    @cached_property
    def was_usd(self) -> Mapping[str, float]:
        """Price of a node of each offer when the plan was made (USD/h), as listed."""
        return {p["offer_id"]: p["price_per_node_hour_usd"] for p in self.document["purchases"]}

    @cached_property
    def replicas(self) -> int:
        """Replicas that run."""
        return sum(int(p["replicas"]) for p in self.pools)

    @cached_property
    def sunk(self) -> Mapping[str, int]:
        """Nodes that are paid for whatever runs, by offer."""
        found: dict[str, int] = defaultdict(int)
        for c in self.commitments:
            found[c.offer_id] += c.nodes
        return dict(found)

    def hourly_usd(self, name: str) -> float:
        """Return what a node of an offer costs an hour today; what it did if it is sold no more."""
        offer = self.offers.get(name)
        if offer is not None:
            count = max(self.nodes.get(name, 0), self.sunk.get(name, 0))
            return float(offer.hourly_usd_at(count))
        entry = next(p for p in self.document["purchases"] if p["offer_id"] == name)
        return float(entry["cost_per_hour_usd"]) / int(entry["nodes"])

    def listed_usd(self, name: str) -> float | None:
        """Return the listed price of a node today (USD/h); None if it is sold no more."""
        offer = self.offers.get(name)
        if offer is None or name in self.lost:
            return None
        return float(offer.price_at(self.nodes[name]))

    @property
    def total_usd(self) -> float:
        """What it costs an hour at today's prices, commitments that stay idle included."""
        names = {*self.nodes, *self.sunk}
        return sum(
            self.hourly_usd(n) * max(self.nodes.get(n, 0), self.sunk.get(n, 0)) for n in names
        )

    @property
    def sunk_usd(self) -> float:
        """What is paid an hour for commitments whatever runs."""
        return sum(self.hourly_usd(name) * n for name, n in self.sunk.items())


def read_running(
    current: Plan | Document,
    workload: Workload,
    catalog: Catalog,
    memory: Memory,
    moment: dt.datetime,
    *,
    strict: bool,
) -> Running:
    """Return the running fleet, seen at a moment.

    Parameters
    ----------
    strict
        Whether accelerators must be of the catalogue (not with measured capacities).

    Raises
    ------
    InputError
        If the document is no plan with a fleet, or commits to an offer that is not known.
    """
    document = current.to_dict() if isinstance(current, Plan) else current
    _check(document)
    try:
        nodes = {str(p["offer_id"]): int(p["nodes"]) for p in document["purchases"]}
        known = {o.offer_id: o for o in catalog.offers}
        commitments = _binding(document, known, memory, moment)
        sunk = {c.offer_id for c in commitments}
        chips = {p["offer_id"]: p["accelerator"] for p in document["pools"]}
        lost: dict[str, str] = {}
        offers: dict[str, Offer] = {}
        for name in {*nodes, *sunk}:
            offer = known.get(name)
            if offer is not None and chips.get(name, offer.accelerator) == offer.accelerator:
                offers[name] = offer
            if name not in sunk and (why := _lost(name, offer, chips.get(name), moment)):
                lost[name] = why
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{PLACE} is incomplete or damaged ({type(error).__name__}: {error})."
        ) from None
    filters = offer_filters(catalog, workload.hardware, strict=strict)
    barred = {
        name: next(FILTERS[field] for field in FILTERS if not filters[field](offer))
        for name, offer in offers.items()
        if not all(filters[field](offer) for field in FILTERS)
    }
    return Running(document, offers, nodes, commitments, lost, barred)


def as_it_runs(catalog: Catalog, running: Running) -> Catalog:
    """Return the catalogue with the running nodes counted as there.

    What runs is not lost because no more of it can be had: stock is at least what runs, the fewest
    nodes sold are no more, and what is committed to is there until its term ends, whether it is
    still sold or not.
    """
    changed: dict[str, Offer] = {}
    for name, offer in running.offers.items():
        if name in running.lost:
            continue
        held = max(running.nodes.get(name, 0), running.sunk.get(name, 0))
        fields: dict[str, Any] = {}
        if offer.stock is not None and offer.stock < held:
            fields["stock"] = held
        if offer.min_nodes > held > 0:
            fields["min_nodes"] = held
        if name in running.sunk and (offer.available_from or offer.available_until):
            fields |= {"available_from": None, "available_until": None}
        if fields:
            changed[name] = replaced(offer, fields)
    if not changed:
        return catalog
    return Catalog(catalog.accelerators, tuple(changed.get(o.offer_id, o) for o in catalog.offers))


def replaced(offer: Offer, fields: Mapping[str, Any]) -> Offer:
    """Return an offer with some fields changed."""
    return Offer(**{**vars(offer), **fields})


def _check(document: Document) -> None:
    """Refuse what is no plan of one fleet."""
    if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
        raise InputError(f"{PLACE}: is not a plan document (schema {SCHEMA!r} is missing).")
    for block, what in (("schedule", "rates that change"), ("batch", "a batch")):
        if document.get(block):
            raise InputError(
                f"{PLACE}: is a plan for {what}, and re-planning is for one fleet that serves "
                "steady rates."
            )
    for field in ("pools", "purchases"):
        if not document.get(field):
            raise InputError(
                f"{PLACE}: has no {field}; give the plan of a fleet that runs (status "
                f"{document.get('status')!r})."
            )
    try:
        Plan.from_dict(document)
    except PlanError as error:
        raise InputError(f"{PLACE}: {error}") from None
    counts = [(p, name) for p in document["pools"] for name in ("replicas", "nodes", *DEGREES)]
    counts += [(p, "nodes") for p in document["purchases"]]
    for entry, name in counts:
        value = entry[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(
                f"{PLACE}: {name} of {entry.get('name', entry['offer_id'])} is {value!r}, not a "
                "whole number from 1."
            )


def _lost(name: str, offer: Offer | None, chip: str | None, moment: dt.datetime) -> str:
    """Say why nodes of an offer cannot stay; "" if they can."""
    if offer is None:
        return f"{name} is not in the catalogue any more"
    if chip is not None and chip != offer.accelerator:
        return f"{name} has {offer.accelerator} now, not {chip}"
    if not offer.on_sale(moment.date()):
        if offer.available_until and offer.available_until < moment.date():
            return f"{name} has not been for sale since {offer.available_until}"
        return f"{name} is not for sale before {offer.available_from}"
    return ""


def _binding(
    document: Document, known: Mapping[str, Offer], memory: Memory, moment: dt.datetime
) -> tuple[Commitment, ...]:
    """Return the commitments that still bind."""
    held = memory.commitments
    if held is None:
        pricing = {p["offer_id"]: p["pricing"] for p in document["pools"]}
        held = tuple(
            commitment(str(p["offer_id"]), int(p["nodes"]), p["term_months"], memory.since)
            for p in document["purchases"]
            if pricing.get(p["offer_id"]) == "committed"
        )
    binding = tuple(c for c in held if c.binds(moment))
    for c in binding:
        if c.offer_id not in known:
            until = "" if c.until is None else f" until {c.until.date()}"
            raise InputError(
                f"{c.nodes} nodes of {c.offer_id} are committed to{until}, but the catalogue does "
                "not have it; add the offer, so that they count as there and paid for."
            )
    return binding


def commitment(
    name: str, nodes: int, term_months: int | None, since: dt.datetime | None
) -> Commitment:
    """Return nodes committed to from a moment on; a month has 730 hours."""
    until = None
    if since is not None and term_months is not None:
        until = since + dt.timedelta(hours=HOURS_PER_MONTH * term_months)
    return Commitment(name, nodes, until)
