"""The gate: which changes of prices come in force by themselves, and which wait for a person."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from data.currencies import plain
from data.feeds.facts import with_known_facts
from data.feeds.gathering import machine_of
from data.feeds.reading import Reading
from data.offers import Offer

MAX_DROPPED_PCT = 30.0
"""Part of the offers that may go at once. A cloud retires machines one by one; a list cut short
loses many."""

MAX_MOVE_PCT = 60.0
"""Most that a price may move at once, up or down. Of 1,743 changes that three clouds made to prices
of accelerators, 90 were larger, all but 4 of them Google's spot prices."""

PROVIDER_LEAST = 10
"""Offers from which on a provider's own part that goes is looked at: a large one must not hide
among the others, and of three offers one is a third."""


@dataclass(frozen=True)
class Limits:
    """What a refresh may change by itself (percent)."""

    max_dropped_pct: float = MAX_DROPPED_PCT
    max_move_pct: float = MAX_MOVE_PCT


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Move:
    """An offer whose price, or machine, is another.

    Attributes
    ----------
    old_usd, new_usd
        Cost of a node-hour; of the number of nodes where it moved most, if prices have steps.
    change_pct
        (new / old − 1) · 100; None where the old price is 0.
    note
        What else is to be said, such as another machine under the same name; else "".
    """

    offer_id: str
    old_usd: Decimal
    new_usd: Decimal
    change_pct: float | None
    note: str = ""


@dataclass(frozen=True)
class Change:
    """What a refresh changes in the catalogue.

    Attributes
    ----------
    offers
        Every offer of the catalogue after it.
    added, removed
        Ids.
    moved
        Prices that change, those that move most first.
    kept
        Offers in the feed that stay as they are, but for the day they were seen.
    older
        Offers of the feed that were seen before those in force: a list that was read before.
    compared
        Offers before, of the providers and kinds of pricing that the feed tells of.
    gone
        Provider → how many offers it takes along, though the feed had it before.
    held
        Why a person must look at it, one sentence each; empty where it may come in force.
    beyond
        Moves beyond the limit, and machines that became others.
    """

    offers: tuple[Offer, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    moved: tuple[Move, ...]
    kept: int
    older: int
    compared: int
    gone: Mapping[str, int]
    held: tuple[str, ...]
    beyond: tuple[Move, ...]


def compare(
    before: Iterable[Offer],
    reading: Reading,
    *,
    limits: Limits = DEFAULT_LIMITS,
    had: Iterable[str] = (),
    partial: bool = False,
) -> Change:
    """Return what a feed would change, and whether a person must look at it.

    Compared are the offers of its providers, in the kinds of pricing that it tells of; all others
    stay.

    Parameters
    ----------
    before
        Offers in force.
    had
        Providers that the feed had the last time.
    partial
        Whether it lists only some of the offers of its providers: what it does not list stays.
    """
    known = {o.offer_id: o for o in before}
    offers = with_known_facts(reading.offers, known) if reading.prices_only else reading.offers
    given = {o.offer_id: o for o in offers}
    providers = set(reading.providers)
    gone = {} if partial else _gone(known.values(), reading, set(had) - providers)
    covered = {
        name
        for name, offer in known.items()
        if name in given
        or (offer.provider in providers | gone.keys() and offer.pricing in reading.pricing)
    }
    removed = () if partial else tuple(sorted(covered - given.keys()))
    moved = [m for n in given if n in known and (m := _move(known[n], given[n])) is not None]
    moved.sort(key=lambda m: (-_size(m), m.offer_id))
    beyond = [m for m in moved if m.note or _size(m) > Decimal(str(limits.max_move_pct))]
    held = [
        *_lost(gone, reading.missing),
        *_dropped(known, covered, removed, gone, limits.max_dropped_pct),
        *_moved_far(beyond, limits.max_move_pct),
    ]
    return Change(
        offers=tuple({**{n: o for n, o in known.items() if n not in removed}, **given}.values()),
        added=tuple(sorted(given.keys() - known.keys())),
        removed=removed,
        moved=tuple(moved),
        kept=len(covered) - len(removed) - len(moved),
        older=sum(n in known and known[n].observed_at > o.observed_at for n, o in given.items()),
        compared=len(covered),
        gone=gone,
        held=tuple(held),
        beyond=tuple(beyond),
    )


def _gone(known: Iterable[Offer], reading: Reading, lost: set[str]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for offer in known:
        if offer.provider in lost and offer.pricing in reading.pricing:
            counts[offer.provider] += 1
    return dict(sorted(counts.items()))


def _lost(gone: Mapping[str, int], missing: Mapping[str, str]) -> list[str]:
    """Say which providers are gone."""
    return [
        f"{provider} is gone: {f'its {count} offers' if count > 1 else 'its offer'} would go"
        + (f"; it {missing[provider]}" if provider in missing else "")
        + "."
        for provider, count in gone.items()
    ]


def _dropped(
    known: Mapping[str, Offer],
    covered: set[str],
    removed: tuple[str, ...],
    gone: Mapping[str, int],
    limit: float,
) -> list[str]:
    """Say of all offers, else of single providers, that too many would go."""
    if 100 * len(removed) > limit * len(covered):
        return [_share(len(removed), len(covered), "", limit)]
    before = Counter(known[name].provider for name in covered)
    lost = Counter(known[name].provider for name in removed)
    return [
        _share(lost[provider], count, f" of {provider}", limit)
        for provider, count in sorted(before.items())
        if provider not in gone and count >= PROVIDER_LEAST and 100 * lost[provider] > limit * count
    ]


def _moved_far(beyond: list[Move], limit: float) -> list[str]:
    """Say that prices move too far, or machines became others; the greatest move is named."""
    if not beyond:
        return []
    first = beyond[0]
    by = first.note or f"{first.change_pct:+,.4g} %"
    count = "1 price moves" if len(beyond) == 1 else f"{len(beyond)} prices move"
    return [
        f"{count} more than {limit:g} %, {first.offer_id} from ${plain(first.old_usd)} to "
        f"${plain(first.new_usd)} ({by})."
    ]


def _share(gone: int, all_: int, whose: str, limit: float) -> str:
    return (
        f"{gone} of {all_} offers{whose} would go ({100 * gone / all_:.3g} %), more than "
        f"{limit:g} %."
    )


def _move(old: Offer, new: Offer) -> Move | None:
    """Return how an offer moved; None where its machine and all its prices are the same."""
    note = ""
    if machine_of(old) != machine_of(new):
        note = f"was {machine_of(old)}, is {machine_of(new)}"
    steps = [1, *(s.from_nodes for o in (old, new) for s in o.price_steps)]
    moves = []
    for nodes in steps:
        was, is_ = old.hourly_usd_at(nodes), new.hourly_usd_at(nodes)
        pct = (is_ / was - 1) * 100 if was else None
        change = None if pct is None else float(pct)
        exact = Decimal("Infinity") if pct is None and is_ else abs(pct or Decimal(0))
        moves.append((exact, Move(new.offer_id, was, is_, change, note)))
    size, move = max(moves, key=lambda m: m[0])
    return move if size or note else None


def _size(move: Move) -> Decimal:
    """Return how far a price moved (percent), exactly."""
    if not move.old_usd:
        return Decimal("Infinity")
    return abs(move.new_usd / move.old_usd - 1) * 100
