"""What the fleet of one stretch can still use, if the whole is not to cost more than known.

A known sequence costs U, and no fleet of stretch s costs less than L_s an hour, so that a sequence
of at most U has in stretch t a fleet of at most

    U_t = (U − Σ_{s ≠ t} h_s·L_s) / h_t

an hour: what it saves elsewhere is at most that, and changes cost nothing or more. Candidates are
screened at U_t as in `solver.screening`. Offers are, too: with ẽ_o the dearest price of usable
accelerators among the cheapest places of the keys that fit o, replacing each price p_o = e_o·G'_o
by ẽ_o·G'_o changes no κ_c (ẽ_o is no lower than any of these cheapest places, and no higher than
e_o), so that

    cost ≥ Σ_w π_w + Σ_o (e_o − ẽ_o)·G'_o·m_o,

and an offer with Σ_w π_w + (e_o − ẽ_o)·G'_o > U_t is in no such fleet.
"""

from __future__ import annotations

from solver.instance import Instance
from solver.screening import fractional_prices, within_reach

ROUNDING = 1e-9


def within(instance: Instance, most_usd_per_hour: float) -> Instance:
    """Return what of an instance a fleet of at most `most_usd_per_hour` can use."""
    rest, _ = within_reach(instance, most_usd_per_hour)
    kept = offers_within(rest, most_usd_per_hour)
    return rest.keep(offers=[rest.offers[o] for o in kept])


def offers_within(instance: Instance, most_usd_per_hour: float) -> list[int]:
    """Return the offers that a fleet of at most `most_usd_per_hour` can use."""
    keys = {instance.host_of(c) for c in instance.candidates}
    fitting = {key: instance.fitting(key) for key in keys}
    smallest: dict[int, int] = {}
    for key, places in fitting.items():
        smallest.update({o: min(key.group_size, smallest.get(o, key.group_size)) for o in places})
    usable = {o: instance.offers[o].gpus_per_node // t * t for o, t in smallest.items()}
    each = {o: instance.node_weight(o) * instance.room_factor(o) / usable[o] for o in usable}
    cheapest: dict[int, float] = {}
    for places in fitting.values():
        least = min((each[o] for o in places), default=0.0)
        cheapest.update({o: max(least, cheapest.get(o, 0.0)) for o in places})
    room = most_usd_per_hour - fractional_prices(instance).bound_usd
    room += ROUNDING * (1 + most_usd_per_hour)
    return sorted(o for o in usable if (each[o] - cheapest[o]) * usable[o] <= room)
