"""Parts of an instance: fewer offers, fewer candidates, other limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from data.offers import Offer
from solver.candidates import Candidate
from solver.instance import Caps, Instance


def restrict(
    instance: Instance,
    *,
    offers: Callable[[Offer], bool] | None = None,
    candidates: Callable[[Candidate], bool] | None = None,
    caps: Caps | None = None,
) -> Instance:
    """Return the instance with only the offers and candidates that pass."""
    kept_offers = instance.offers
    if offers is not None:
        kept_offers = tuple(o for o in kept_offers if offers(o))
    chips = {o.accelerator for o in kept_offers}
    kept = tuple(
        c
        for c in instance.candidates
        if c.shape.accelerator.name in chips and (candidates is None or candidates(c))
    )
    return replace(instance, offers=kept_offers, candidates=kept, caps=caps or instance.caps)
