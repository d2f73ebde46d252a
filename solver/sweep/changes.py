"""Changes of a workload and its prices: fields set to a value, and quantities times a factor.

``rate``, ``isl``, ``osl``, ``ttft``, ``tpot``, ``e2e`` and ``price:NAME`` are factors on what the
workload and the offers say, of all classes at once. Any other name is a field of the workload,
``sla.ttft_ms`` or ``classes.chat.rate_rps``; of its blocks the last part is enough: ``ttft_ms``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from data.accelerators import canonical_accelerator
from data.catalog import Catalog
from data.errors import InputError, UnknownNameError
from data.offers import Offer
from solver.demand import merged_sla
from solver.workload import Hardware, PrecisionSpec, Serving, Sla, Workload

Value = float | int | str | bool | None
Changes = tuple[tuple[str, Value], ...]
"""Names and what becomes of them, in the order in which they are applied."""

LOADS = {"rate": "rate_rps", "isl": "isl", "osl": "osl"}
"""Factor → the field of every class that it multiplies."""

TARGETS = {"ttft": "ttft_ms", "tpot": "tpot_ms", "e2e": "e2e_ms"}
"""Factor → the latency target that it multiplies, of the workload and of classes of their own."""

PRICE = "price:"
"""Begins the name of a factor on prices: of an offer, an accelerator or a provider."""

EVERY_PRICE = "all"

_BLOCKS: Mapping[str, type[BaseModel]] = {
    "sla": Sla,
    "hardware": Hardware,
    "precision": PrecisionSpec,
    "serving": Serving,
}


def is_factor(name: str) -> bool:
    """Whether a name stands for a factor, not for a field."""
    return name in LOADS or name in TARGETS or name.startswith(PRICE)


def field_of(name: str) -> str:
    """Return the whole path of a field: ``ttft_ms`` is ``sla.ttft_ms``."""
    if "." in name:
        return name
    homes = [block for block, model in _BLOCKS.items() if name in model.model_fields]
    return f"{homes[0]}.{name}" if homes else name


def changed_workload(workload: Workload, changes: Changes) -> Workload:
    """Return a workload with the changes made that concern it.

    Raises
    ------
    InputError
        If a name is no factor and no field, or its value does not do.
    """
    if all(name.startswith(PRICE) for name, _ in changes):
        return workload
    document = workload.to_dict()
    for name, value in changes:
        if name in LOADS:
            for entry in document["classes"]:
                entry[LOADS[name]] = _times(entry[LOADS[name]], _factor(name, value))
        elif name in TARGETS:
            _relax(document, TARGETS[name], _factor(name, value))
        elif not name.startswith(PRICE):
            _set(document, field_of(name), value, workload)
    place = ", ".join(f"{n}={v}" for n, v in changes if not n.startswith(PRICE))
    del document["trace"]
    return Workload.parse(document, place=f"with {place}", folder=workload.folder)


def _factor(name: str, value: Value) -> float:
    if isinstance(value, (bool, str)) or value is None or not 0 < value < float("inf"):
        raise InputError(f"{name}={value}: is a factor; give a number above 0, 1 for no change.")
    return float(value)


def _times(length: Any, factor: float) -> Any:
    """Return a rate or a length times a factor; of a distribution, mean and quantile."""
    if isinstance(length, Mapping):
        return {k: None if v is None else v * factor for k, v in length.items()}
    return None if length is None else length * factor


def _relax(document: dict[str, Any], target: str, factor: float) -> None:
    holders = [document["sla"], *(c["sla"] for c in document["classes"] if c["sla"])]
    for holder in holders:
        if holder.get(target) is not None:
            holder[target] *= factor


def _set(document: dict[str, Any], path: str, value: Value, workload: Workload) -> None:
    """Set one field of a workload's document; `Workload.parse` says whether its value does."""
    *way, last = path.split(".")
    at: Any = document
    if way[:1] == ["classes"]:
        known = {c["name"]: c for c in document["classes"]}
        name, way = _class_named(".".join([*way[1:], last]), known, path)
        at = known[name]
        *way, last = way
    for step in way:
        if at.get(step) is None:
            at[step] = {}
        at = at[step]
        if not isinstance(at, dict):
            raise InputError(f"{path}: is no field of a workload, as {step!r} has none below it.")
    if path.startswith("sla.") and last != "percentile":
        _someone_listens(workload, last)
    at[last] = copy.deepcopy(value)


def _class_named(rest: str, known: Iterable[str], path: str) -> tuple[str, list[str]]:
    """Split ``NAME.field`` where a class's name may hold points itself."""
    for name in sorted(known, key=len, reverse=True):
        if rest.startswith(f"{name}."):
            return name, rest.removeprefix(f"{name}.").split(".")
    given = rest.split(".")[0]
    raise UnknownNameError("class", given, known, path, "write classes.NAME.FIELD")


def _someone_listens(workload: Workload, target: str) -> None:
    """Refuse to move a target that no class is held to."""
    own = [c for c in workload.classes if c.sla is not None and target in c.sla.model_fields_set]
    if len(own) == len(workload.classes):
        raise InputError(
            f"sla.{target}: every class has a {target} of its own, so it changes nothing; vary "
            f"classes.{own[0].name}.sla.{target}, or all of them by the factor "
            f"{target.removesuffix('_ms')}."
        )


def value_of(workload: Workload, path: str) -> float | None:
    """Return a number of a workload as it is: ``sla.tpot_ms``, or the ``sla`` of one class."""
    block, _, name = path.rpartition(".")
    owner: object = getattr(workload, block, None)
    for spec in workload.classes:
        if block == f"classes.{spec.name}.sla":
            owner = merged_sla(spec, workload.sla)
    found: float | None = getattr(owner, name)
    return found


def changed_catalog(catalog: Catalog, changes: Changes) -> Catalog:
    """Return a catalogue with the prices changed that the changes name.

    Raises
    ------
    InputError
        If a name is of no offer, accelerator or provider that is sold, or a factor does not do.
    """
    moves = [
        (priced(catalog, name), Decimal(repr(_factor(name, value))))
        for name, value in changes
        if name.startswith(PRICE)
    ]
    if not moves:
        return catalog
    offers = []
    for offer in catalog.offers:
        for concerns, factor in moves:
            if concerns(offer):
                offer = times_price(offer, factor)
        offers.append(offer)
    return catalog.with_offers(offers)


def priced(catalog: Catalog, name: str) -> Callable[[Offer], bool]:
    """Return whether ``price:NAME`` concerns an offer.

    NAME is looked for among offers, accelerators (aliases, too) and providers, in this order;
    ``all`` stands for every offer.
    """
    wanted = name.removeprefix(PRICE)
    if wanted == EVERY_PRICE:
        return lambda offer: True
    if any(o.offer_id == wanted for o in catalog.offers):
        return lambda offer: offer.offer_id == wanted
    providers = {o.provider for o in catalog.offers}
    chips = {o.accelerator for o in catalog.offers}
    chip = wanted
    if wanted not in chips | providers:
        try:
            chip = canonical_accelerator(wanted, catalog.accelerators, name)
        except UnknownNameError:
            chip = ""
    if chip in chips:
        return lambda offer: offer.accelerator == chip
    if wanted in providers:
        return lambda offer: offer.provider == wanted
    known = {*chips, *providers, *(o.offer_id for o in catalog.offers), EVERY_PRICE}
    hint = "it is none of the offers, accelerators and providers that are sold"
    raise UnknownNameError("price", wanted, known, name, hint)


def times_price(offer: Offer, factor: Decimal) -> Offer:
    """Return an offer with everything that is paid for it times a factor."""
    steps = tuple(
        replace(s, price_per_node_hour_usd=s.price_per_node_hour_usd * factor)
        for s in offer.price_steps
    )
    return replace(
        offer,
        price_per_node_hour_usd=offer.price_per_node_hour_usd * factor,
        upfront_usd=None if offer.upfront_usd is None else offer.upfront_usd * factor,
        price_steps=steps,
    )
