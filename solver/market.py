"""Which offers count: the filters of the workload, and offers that another one makes pointless."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from data.accelerators import canonical_accelerator
from data.catalog import Catalog
from data.errors import UnknownNameError
from data.offers import Offer
from solver.workload import Hardware

Replaces = Callable[[Offer, Offer], bool]
"""Whether an offer makes another one pointless: (better, worse)."""

Location = tuple[str, str]
"""Provider and region: KV caches travel inside one, not between two."""

CROSS_NODE_MIN_GBPS = 100.0
"""Slowest node network over which pipeline stages are planned."""

PIPELINE_GBPS = (CROSS_NODE_MIN_GBPS, 400.0, 1600.0, 3200.0)
"""Networks that pipelines are planned for; one in between counts as the next slower."""


@dataclass(frozen=True)
class Market:
    """The offers a plan may buy.

    Attributes
    ----------
    offers
        Offers that remain, cheapest first within each accelerator and node size.
    locations
        Locations where prefill and decode pools may be paired.
    considered
        Number of offers that pass the workload's filters, before dominated ones are dropped.
    """

    offers: tuple[Offer, ...]
    locations: tuple[Location, ...]
    considered: int

    def at(self, location: Location | None) -> tuple[Offer, ...]:
        """Return the offers of a location (None: all)."""
        if location is None:
            return self.offers
        return tuple(self._located.get(location, ()))

    @cached_property
    def _located(self) -> dict[Location, list[Offer]]:
        return by_location(self.offers)


def location_of(offer: Offer) -> Location:
    """Return provider and region of an offer."""
    return offer.provider, offer.region


def by_location(offers: Iterable[Offer]) -> dict[Location, list[Offer]]:
    """Return the offers of each location, in order."""
    found: dict[Location, list[Offer]] = defaultdict(list)
    for o in offers:
        found[location_of(o)].append(o)
    return found


def allowed_offers(
    catalog: Catalog, hardware: Hardware, *, strict: bool = True, as_of: dt.date | None = None
) -> tuple[Offer, ...]:
    """Return the offers that pass the filters of ``hardware`` and are on sale.

    Parameters
    ----------
    as_of
        Day on which they are to be rented; None for today.

    Raises
    ------
    UnknownNameError
        If a filter names an accelerator, provider or region that nothing is called.
    """
    day = as_of or dt.date.today()
    return tuple(o for o in filtered_offers(catalog, hardware, strict=strict) if o.on_sale(day))


def filtered_offers(
    catalog: Catalog, hardware: Hardware, *, strict: bool = True
) -> tuple[Offer, ...]:
    """Return the offers that pass the filters of ``hardware``, on sale or not.

    Raises
    ------
    UnknownNameError
        If a filter names an accelerator, provider or region that nothing is called.
    """
    filters = offer_filters(catalog, hardware, strict=strict)
    return tuple(o for o in catalog.offers if all(passes(o) for passes in filters.values()))


def offer_filters(
    catalog: Catalog, hardware: Hardware, *, strict: bool = True
) -> Mapping[str, Callable[[Offer], bool]]:
    """Return whether an offer passes, by the field that decides it: those of ``hardware``, stock.

    Raises
    ------
    UnknownNameError
        If a filter names an accelerator, provider or region that nothing is called.
    """
    chips = allowed_accelerators(catalog, hardware, strict=strict)
    _check_names("provider", hardware.providers, catalog.providers)
    _check_names("region", hardware.regions, catalog.regions)
    return {
        "accelerator": lambda o: chips is None or o.accelerator in chips,
        "provider": lambda o: hardware.providers is None or o.provider in hardware.providers,
        "region": lambda o: hardware.regions is None or o.region in hardware.regions,
        "pricing": lambda o: o.pricing in hardware.pricing,
        "stock": lambda o: o.stock != 0,
    }


def allowed_accelerators(
    catalog: Catalog, hardware: Hardware, *, strict: bool = True
) -> set[str] | None:
    """Return the catalogue names of the accelerators allowed; None means all."""
    if hardware.accelerators is None:
        return None
    offered = {o.accelerator for o in catalog.offers}
    return {
        name
        if name in offered
        else canonical_accelerator(
            name, catalog.accelerators, f"hardware.accelerators[{i}]", strict=strict
        )
        for i, name in enumerate(hardware.accelerators)
    }


def _check_names(kind: str, given: list[str] | None, known: Iterable[str]) -> None:
    known = set(known)
    for i, name in enumerate(given or ()):
        if name not in known:
            raise UnknownNameError(
                kind,
                name,
                known,
                f"hardware.{kind}s[{i}]",
                "list them with 'minfleet catalog list offers'",
            )


def open_market(
    offers: Iterable[Offer],
    *,
    pair_locations: bool,
    prune: bool = True,
    movable: Collection[str] = (),
    spot_apart: bool = False,
    committed_apart: bool = False,
    no_worse: Replaces = lambda better, worse: True,
    providers_apart: bool = False,
) -> Market:
    """Return the market of `offers` without those that another makes pointless.

    Parameters
    ----------
    pair_locations
        Whether prefill and decode pools may be paired, so that locations matter.
    prune
        If False, every offer stays (to test that dropping them changes nothing).
    movable
        Ids of offers whose price or stock is to change, or that are to be left out: they stay, and
        make no other pointless.
    spot_apart
        Whether interruptible offers are limited, or need headroom: then none of them replaces one
        that is not.
    committed_apart
        Whether nodes are needed for a part of the time only: then no commitment replaces what is
        paid by the hour, nor a shorter commitment.
    no_worse
        What a better offer must be besides cheaper, where something else than cost counts too.
    providers_apart
        Whether the number of providers is limited: then none replaces an offer of another one,
        which may come with what else is bought there.

    Notes
    -----
    Offer o is pointless beside o' of the same accelerator and node size when o' costs no more,
    has unlimited stock and no larger minimum, and is on as fast a network for pipelines: any
    plan that buys o can buy o' instead. Where pools are paired, o' must carry as many KV caches
    as o, and be of one location with it, or
    the whole location of o must be dominated by another in that sense, offer by offer; replacing
    all purchases of a location at once keeps every pair together.
    """
    offers = sorted(
        offers,
        key=lambda o: (o.accelerator, o.gpus_per_node, o.hourly_usd, o.offer_id),
    )
    if not prune:
        locations = _pairable(offers) if pair_locations else ()
        return Market(tuple(offers), tuple(sorted(locations)), len(offers))

    def replaces(better: Offer, worse: Offer) -> bool:
        fixed = better.offer_id not in movable and worse.offer_id not in movable
        apart = spot_apart and better.interruptible and not worse.interruptible
        apart |= committed_apart and _binds_longer(better, worse)
        apart |= providers_apart and better.provider != worse.provider
        return fixed and not apart and no_worse(better, worse) and _replaces(better, worse)

    general = _undominated(offers, replaces)
    located: dict[Location, list[Offer]] = {}
    if pair_locations:
        nearby = by_location(offers)
        located = _undominated_locations(
            {
                where: _undominated(nearby[where], replaces, paired=True)
                for where in _pairable(offers)
            },
            replaces,
        )
    kept = {o.offer_id for o in general}.union(
        *({o.offer_id for o in group} for group in located.values())
    )
    return Market(
        tuple(o for o in offers if o.offer_id in kept), tuple(sorted(located)), len(offers)
    )


def _pairable(offers: Iterable[Offer]) -> set[Location]:
    """Locations with an offer whose network is known: KV can travel there."""
    return {location_of(o) for o in offers if o.network_gbps is not None}


def pipeline_gbps(offer: Offer) -> float:
    """Return the network that pipelines across nodes of an offer count on; 0 for none."""
    return max((g for g in PIPELINE_GBPS if g <= (offer.network_gbps or 0.0)), default=0.0)


def _replaces(better: Offer, worse: Offer) -> bool:
    return (
        better.hourly_usd <= worse.hourly_usd
        and better.stock is None
        and better.min_nodes <= worse.min_nodes
        and pipeline_gbps(better) >= pipeline_gbps(worse)
    )


def _binds_longer(better: Offer, worse: Offer) -> bool:
    """Return whether an offer is paid for when the other one no longer need be."""
    if better.pricing != "committed":
        return False
    if worse.pricing != "committed":
        return True
    return (better.term_months or math.inf) > (worse.term_months or math.inf)


def _carries(better: Offer, worse: Offer) -> bool:
    return (better.network_gbps or 0.0) >= (worse.network_gbps or 0.0)


def _undominated(
    offers: Iterable[Offer], replaces: Replaces, *, paired: bool = False
) -> list[Offer]:
    """Drop offers that an earlier (no dearer) one of the same kind of node replaces.

    Where pools are paired, its network must carry as much.
    """
    kept: dict[tuple[str, int], list[Offer]] = defaultdict(list)
    for o in offers:
        rivals = kept[o.accelerator, o.gpus_per_node]
        if not any(replaces(r, o) and (_carries(r, o) or not paired) for r in rivals):
            rivals.append(o)
    return [o for group in kept.values() for o in group]


def _undominated_locations(
    groups: dict[Location, list[Offer]], replaces: Replaces
) -> dict[Location, list[Offer]]:
    """Drop locations all of whose offers another location replaces one by one."""

    def replaced(worse: list[Offer], better: list[Offer]) -> bool:
        return all(
            any(
                b.accelerator == w.accelerator
                and b.gpus_per_node == w.gpus_per_node
                and _carries(b, w)
                and replaces(b, w)
                for b in better
            )
            for w in worse
        )

    names = sorted(groups)
    kept = dict(groups)
    for name in names:
        for other in names:
            if other in kept and other != name and replaced(groups[name], groups[other]):
                del kept[name]
                break
    return kept
