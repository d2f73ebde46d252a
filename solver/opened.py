"""The market of a workload, remembered: portfolios ask for the same few again and again.

Neither rates, lengths nor targets decide which offers may be bought and which of them another makes
pointless, so workloads that filter alike share a market under the prices of one catalogue.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from data.catalog import Catalog
from data.offers import Offer
from solver.market import Market, open_market
from solver.objective import COST, Objective
from solver.price_tiers import tiers_of
from solver.remembered import Remembered
from solver.workload import Workload

_BUDGET = 100_000
"""Offers of all markets that are remembered."""


@dataclass(frozen=True)
class _Question:
    """All that decides a market, where cost alone counts and rates stay."""

    catalog_id: str
    day: dt.date
    strict: bool
    filters: tuple[tuple[str, ...] | None, ...]
    paired: bool
    prune: bool
    movable: frozenset[str]
    guarded: bool
    providers_apart: bool


def market_of(
    workload: Workload,
    catalog: Catalog,
    known: tuple[Offer, ...],
    *,
    day: dt.date,
    strict: bool,
    prune: bool,
    movable: Collection[str],
    order: tuple[Objective, ...],
) -> Market:
    """Return the market of offers that pass the filters of a workload.

    Parameters
    ----------
    known
        Offers that pass, of the catalogue.
    day, strict
        With which they were filtered; see `solver.market.allowed_offers`.
    prune, movable
        See `solver.market.open_market`.
    order
        What counts, first things first.
    """
    hardware = workload.hardware
    paired = workload.serving.disaggregation != "off" and strict
    guarded = hardware.max_spot_share is not None or hardware.spot_headroom > 0

    def open_() -> Market:
        return open_market(
            tiers_of(known),
            pair_locations=paired,
            prune=prune,
            movable=movable,
            spot_apart=guarded,
            committed_apart=workload.demand is not None,
            no_worse=lambda better, worse: all(o.no_worse(better, worse) for o in order),
            providers_apart=hardware.max_providers is not None,
        )

    if order != (COST,) or workload.demand is not None:
        return open_()
    filters = (hardware.accelerators, hardware.providers, hardware.regions, hardware.pricing)
    question = _Question(
        catalog_id=catalog.id,
        day=day,
        strict=strict,
        filters=tuple(None if names is None else tuple(names) for names in filters),
        paired=paired,
        prune=prune,
        movable=frozenset(movable),
        guarded=guarded,
        providers_apart=hardware.max_providers is not None,
    )
    return _MARKETS.get(question, open_)


def _size(market: Market) -> int:
    return len(market.offers) + 1


_MARKETS: Remembered[_Question, Market] = Remembered(_size, _BUDGET)
