"""What a buyer should know of an offer, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from data.offers import Offer
from solver.comparison.alone import Alone
from solver.comparison.break_even import BreakEven
from solver.comparison.lever import Lever
from solver.comparison.stock import Worth

EQUAL = Fraction(1, 10**6)
"""Levels and shares that differ by no more are told as one."""


@dataclass(frozen=True)
class Findings:
    """All that was found of a lever.

    Attributes
    ----------
    status, warnings
        Those of its fleet alone, as in the document.
    gpus, nodes
        Of its fleet alone; None without one.
    share
        Its part of the cost of the joint optimum; None without one.
    offer
        The offer whose price its level is; None for a subset, whose level is a factor on prices.
    """

    lever: Lever
    alone: Alone
    status: str
    warnings: tuple[str, ...]
    gpus: int | None
    nodes: int | None
    share: Fraction | None
    enters: BreakEven
    takes_over: BreakEven
    worth: Worth | None
    offer: Offer | None


def sentence_of(found: Findings) -> str:
    """Return one sentence: alone, in the joint optimum, at which prices, and its stock."""
    text = "; ".join((_alone(found), *_joint(found), *_stock(found)))
    return text + "."


def _alone(found: Findings) -> str:
    cost = found.alone.answer.cost_usd
    if found.alone.why_not:
        return f"Alone it cannot serve the workload: {found.alone.why_not}"
    if cost is None or found.nodes is None:
        return "Alone no fleet was found in time" if found.status == "unknown" else "Alone no fleet"
    nodes = f"{found.nodes} node{'s' if found.nodes != 1 else ''}"
    gpus = f"{found.gpus} GPU{'s' if found.gpus != 1 else ''}"
    least = "" if found.status == "optimal" else "at most "
    unproven = "" if found.status == "optimal" else ", which is not proven"
    return f"Alone {least}${float(cost):,.2f}/h on {nodes} ({gpus}){unproven}"


def _joint(found: Findings) -> Iterator[str]:
    enters, over, share = found.enters, found.takes_over, found.share
    if "not_proven" in (enters.reason, over.reason):
        yield "its break-even prices were not proven in time"
    if share is None:
        yield from _without_joint(found)
    elif share == 0:
        yield from _left_out(found)
    elif share > 1 - EQUAL:
        yield from _everything(found)
    else:
        yield from _part(found, share)


def _without_joint(found: Findings) -> Iterator[str]:
    """All offers together cannot serve, or only above the budget."""
    if found.enters.reason == "exact":
        yield f"the offers together can serve it within the budget at {_at(found, found.enters)}"
    elif not found.alone.why_not:
        yield "the offers together have no proven fleet"


def _left_out(found: Findings) -> Iterator[str]:
    enters, over = found.enters, found.takes_over
    if enters.reason == "no_price":
        yield "at no price would it be part of the joint optimum"
    if enters.level is None:
        return
    if enters.level >= found.lever.level * (1 - EQUAL):
        yield "as good as the joint optimum, which does without it: any cheaper, it would enter it"
    elif over.level is None:
        yield f"not in the joint optimum: it would enter at {_at(found, enters)}"
    elif over.level >= enters.level * (1 - EQUAL):
        yield f"not in the joint optimum: at {_at(found, over)} it would take over all of it"
    else:
        yield (
            f"not in the joint optimum: it would enter at {_at(found, enters)} and serve "
            f"everything alone at {_at(found, over, again=True)}"
        )


def _everything(found: Findings) -> Iterator[str]:
    enters, over = found.enters, found.takes_over
    buys = "the joint optimum buys nothing else"
    if enters.reason == over.reason == "any_price":
        yield f"{buys}: nothing else could serve the workload, whatever it cost"
    elif over.level is None:
        yield buys
    elif enters.reason == "any_price":
        yield f"{buys} up to {_at(found, over)}, and needs some of it at any price"
    elif enters.level is None:
        yield f"{buys} up to {_at(found, over)}"
    elif enters.level <= over.level * (1 + EQUAL):
        yield f"{buys}: it would be left out above {_at(found, over)}"
    else:
        yield (
            f"{buys}: it would share the load above {_at(found, over)} and be left out above "
            f"{_at(found, enters, again=True)}"
        )


def _part(found: Findings, share: Fraction) -> Iterator[str]:
    enters, over = found.enters, found.takes_over
    then = []
    if enters.level is not None:
        then.append(f"be left out above {_at(found, enters)}")
    if over.level is not None:
        again = enters.level is not None
        then.append(f"serve everything alone at {_at(found, over, again=again)} or less")
    part = f"{_percent(share)} of the joint optimum's cost"
    if enters.reason == "any_price":
        part += ", needed at any price since nothing else can do its part"
    yield f"{part}: it would {' and '.join(then)}" if then else part


def _percent(share: Fraction) -> str:
    return "less than 1%" if share < Fraction(1, 200) else f"{float(share):.0%}"


def _stock(found: Findings) -> Iterator[str]:
    worth = found.worth
    if worth is None:
        return
    if worth.reason == "exact" and worth.usd_per_hour:
        yield f"one more node in stock would save ${float(worth.usd_per_hour):,.2f}/h"
    elif worth.reason == "makes_possible":
        yield "one more node in stock would make a fleet possible"


def _at(found: Findings, where: BreakEven, *, again: bool = False) -> str:
    """Write a break-even level, and how far it is from today's price.

    Parameters
    ----------
    again
        Whether its unit was said before.
    """
    assert where.level is not None
    level = float(where.level)
    if found.offer is None:
        return f"{level:,.4g} times its prices"
    change = float(where.level / found.lever.level) - 1
    upfront = " all in" if found.offer.upfront_usd else ""
    every = " for every node" if found.offer.price_steps else ""
    unit = "" if again else f" a node-hour{upfront}{every}"
    return f"${_price(level)}{unit} ({change:+.1%})"


def _price(amount: float) -> str:
    """Write a price: cents, and further digits only where it has them."""
    whole, _, rest = f"{amount:,.4f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"
