"""Filters that narrow offers down, for the command line and the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data.catalog import Catalog
    from data.offers import Offer


def matching(catalog: Catalog, filters: Mapping[str, Any], place: str = "--{}") -> list[Offer]:
    """Return the offers within `filters`, cheapest accelerator-hour first.

    Parameters
    ----------
    filters
        `provider`, `region`, `vendor`, `pricing` and `accelerator`: names, none for all of them;
        `max_price`: dollars an accelerator-hour, or None.
    place
        What errors call a filter of a name: its option by default.

    Raises
    ------
    InputError
        If a name is unknown, or the price no price.
    """
    from data.accelerators import canonical_accelerator
    from data.errors import InputError

    most = filters["max_price"]
    if most is not None and not 0 < most < float("inf"):
        raise InputError(
            f"{place.format('max-price')} is {most:g}; it must be a number of dollars above 0."
        )
    vendors = {a.vendor for a in catalog.accelerators.values()}
    wanted = {
        "provider": _known("provider", filters, catalog.providers, place),
        "region": _known("region", filters, catalog.regions, place),
        "vendor": _known("vendor", filters, vendors, place),
        "pricing": set(filters["pricing"]),
        "accelerator": {
            canonical_accelerator(name, catalog.accelerators, place.format("accelerator"))
            for name in filters["accelerator"]
        },
    }

    def fits(offer: Offer) -> bool:
        known = catalog.accelerators.get(offer.accelerator)
        facts = {
            "provider": offer.provider,
            "region": offer.region,
            "vendor": known.vendor if known else "",
            "pricing": offer.pricing,
            "accelerator": offer.accelerator,
        }
        if most is not None and offer.price_per_gpu_hour_usd > most:
            return False
        return all(facts[name] in names for name, names in wanted.items() if names)

    found = [offer for offer in catalog.offers if fits(offer)]
    return sorted(found, key=lambda o: (o.price_per_gpu_hour_usd, o.offer_id))


def _known(kind: str, filters: Mapping[str, Any], names: Any, place: str) -> set[str]:
    """Return the names of a filter as `names` spell them; letter case does not matter."""
    from data.errors import UnknownNameError

    given = filters[kind]
    spelled: dict[str, set[str]] = {}
    for name in names:
        spelled.setdefault(name.lower(), set()).add(name)
    for name in given:
        if name.lower() not in spelled:
            raise UnknownNameError(kind, name, sorted(names), place.format(kind))
    return {known for name in given for known in spelled[name.lower()]}
