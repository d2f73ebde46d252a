"""What a committed node is charged in each period: Lagrange multipliers of its availability.

A commitment M_o is paid in every hour of its term, used or not: m_ot ≤ M_o. For any μ_ot ≥ 0 with
Σ_t μ_ot ≤ p_o·(share of the horizon that the term covers),

    p_o·M_o·share ≥ Σ_t μ_ot·M_o ≥ Σ_t μ_ot·m_ot,

so that the horizon costs at least Σ_t s_t·V_t, s_t the share of period t and V_t the cheapest fleet
of period t alone when a committed node costs μ_ot/s_t an hour in it. The duals of the linear
relaxation make this bound a good one: the peak pays for what only the peak needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from data.offers import Offer
from solver.horizon.periods import Period, block_of, block_share
from solver.instance import Instance

EVEN = 0.02
"""Part of the price that every hour is charged alike: an hour that is free would tell no two
candidates apart."""

DIGITS = Decimal("1e-9")

Multipliers = Mapping[tuple[int, int], float]
"""(offer, period) → what the use of a committed node is worth, USD an hour of the horizon."""


def priced(
    instance: Instance, periods: Sequence[Period], duals: Multipliers | None = None
) -> tuple[Instance, ...]:
    """Return the instance of each period: its rates, and committed offers at its multipliers.

    Parameters
    ----------
    duals
        What use is worth; committed offers that none names are charged alike in every hour.
    """
    charged = [_charges(o, n, periods, duals or {}) for n, o in enumerate(instance.offers)]
    found = []
    for t, period in enumerate(periods):
        offers = tuple(
            o if charges is None else charge(o, charges[t])
            for o, charges in zip(instance.offers, charged, strict=True)
        )
        rates = tuple(r * period.factor for r in instance.rates_rps)
        found.append(replace(instance.keep(offers=offers), rates_rps=rates))
    return tuple(found)


def _charges(
    offer: Offer, number: int, periods: Sequence[Period], duals: Multipliers
) -> list[float] | None:
    """Return the price of an hour of a committed node in each period; None for other offers."""
    if offer.pricing != "committed":
        return None
    price = float(offer.hourly_usd)
    worth = [max(duals.get((number, t), 0.0), 0.0) for t in range(len(periods))]
    blocks = [block_of(offer, p) for p in periods]
    total = {b: sum(w for w, c in zip(worth, blocks, strict=True) if c == b) for b in blocks}
    found = []
    for period, block, value in zip(periods, blocks, worth, strict=True):
        assert block is not None
        if total[block] <= 0:
            found.append(price)
            continue
        due = price * block_share(offer, block, periods)
        found.append(EVEN * price + (1 - EVEN) * due * value / total[block] / period.share)
    return found


def charge(offer: Offer, usd: float, *, stock: int | None = None) -> Offer:
    """Return a committed offer at a charge for its use, sold node by node.

    Its minimum and its stock are limits of the commitment; `stock` nodes are there (None: any).
    """
    # Rounded down: what is charged over all periods is never more than what is paid.
    amount = (Decimal(usd) * (1 - Decimal("1e-12"))).quantize(DIGITS, rounding="ROUND_FLOOR")
    return replace(
        offer,
        # Several prices of one offer are apart here: which one is reached depends on the
        # commitment, not on the nodes in use.
        offer_id=f"{offer.offer_id} from {offer.min_nodes}",
        price_per_node_hour_usd=max(amount, DIGITS),
        upfront_usd=None,
        min_nodes=1,
        stock=offer.stock if stock is None else stock,
    )
