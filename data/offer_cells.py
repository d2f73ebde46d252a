"""Offers as the rows of a file, which read back as the same offers."""

from __future__ import annotations

from data.cells import cell_of
from data.currencies import Rate
from data.offers import Offer
from data.price_steps import steps_text
from data.tables import columns


def offer_cells(offer: Offer) -> dict[str, str]:
    """Return an offer as the cells of its row.

    Amounts are in the currency that they were quoted in, and prices are those of a node.
    """
    rate = Rate(offer.currency, offer.usd_per_unit, offer.rate_date)
    suffix = "_usd" if offer.currency == "USD" else ""
    upfront = offer.upfront_usd
    prices = {
        "price_per_node_hour_usd": "",
        "price_per_gpu_hour_usd": "",
        "price_per_node_hour": "",
        "price_per_gpu_hour": "",
        "upfront_usd": "",
        "upfront": "",
        f"price_per_node_hour{suffix}": cell_of(rate.from_usd(offer.price_per_node_hour_usd)),
        f"upfront{suffix}": "" if upfront is None else cell_of(rate.from_usd(upfront)),
        "price_steps": steps_text(offer.price_steps, rate.from_usd),
        "confirmed": "true" if offer.confirmed else "",
    }
    names = [c.column for c in columns("offers")]
    return {n: prices[n] if n in prices else cell_of(getattr(offer, n)) for n in names}
