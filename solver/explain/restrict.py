"""Parts of an instance: other offers, fewer candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from data.offers import Offer
from solver.candidates import Candidate
from solver.instance import Instance


def restrict(
    instance: Instance,
    *,
    offers: Sequence[Offer] | None = None,
    candidates: Callable[[Candidate], bool] | None = None,
) -> Instance:
    """Return the instance over `offers`, with only the candidates they can hold and that pass."""
    sold = instance.offers if offers is None else offers
    chips = {o.accelerator for o in sold}
    kept = [
        c.shape.accelerator.name in chips and (candidates is None or candidates(c))
        for c in instance.candidates
    ]
    return instance.keep(np.array(kept, dtype=bool), sold)
