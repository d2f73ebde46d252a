"""Whether the figures of a run can be true: units off by 1,000 above all.

Two kinds of check. By size: a token takes 0.1 ms to 5 s, a first token 1 ms to an hour. By
consistency: e2e = ttft + (osl − 1)·tpot; by Little's law the requests in flight, request rate ·
e2e, are no more than the clients; output rate = request rate · osl. Means are compared where they
are known, since they add up; medians otherwise, with more room.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from data.errors import CatalogError
from data.results.run import Spread
from data.results.values import MS_PER

LEAST_MS = {"ttft": 1.0, "tpot": 0.1}
"""Shortest central figure that an engine behind a network endpoint reaches."""

MOST_MS = {"ttft": 3.6e6, "tpot": 5e3}
"""Longest central figure of a run worth reading."""

ROOM = 3.0
"""Factor by which sums of means may differ from what they should be; medians get twice as much."""

OUTPUT_RATIO = (0.02, 3.0)
"""Bounds of output rate / (request rate · osl); outputs may end long before a nominal osl."""

LADDER = {"ns": 0, "µs": 1, "ms": 2, "seconds": 3}
"""Units a factor of 1,000 apart."""

NAMES = {"ttft": "a first token", "tpot": "a token"}


@dataclass(frozen=True)
class Figures:
    """What is compared; None is unknown.

    Attributes
    ----------
    place
        For error messages.
    unit
        Unit that the file holds latencies in.
    ttft, tpot, e2e_ms
        Latencies, converted to ms.
    osl
        Output length.
    req_per_s, output_tok_per_s
        Rates.
    clients
        Clients of a closed loop; None for any other run.
    """

    place: str
    unit: str = "ms"
    ttft: Spread = field(default_factory=Spread)
    tpot: Spread = field(default_factory=Spread)
    e2e_ms: float | None = None
    osl: float | None = None
    req_per_s: float | None = None
    output_tok_per_s: float | None = None
    clients: float | None = None


def check_plausible(run: Figures) -> None:
    """Refuse figures that cannot be true.

    Raises
    ------
    CatalogError
        Saying which figure looks like which unit, or which figures do not belong together.
    """
    _check_zero(run)
    _check_rates(run)
    _check_whole(run)
    _check_little(run)
    _check_sizes(run)
    _check_percentiles(run)


def _spreads(run: Figures) -> Iterator[tuple[str, Spread]]:
    yield "ttft", run.ttft
    yield "tpot", run.tpot


def _check_zero(run: Figures) -> None:
    for name, spread in _spreads(run):
        if 0.0 in (spread.median, spread.mean):
            hint = "was it measured without streaming?" if name == "ttft" else "was osl 1?"
            raise CatalogError(f"{run.place}: {name} is zero, which no run measures; {hint}")


def _check_rates(run: Figures) -> None:
    if not (run.req_per_s and run.output_tok_per_s and run.osl):
        return
    ratio = run.output_tok_per_s / (run.req_per_s * run.osl)
    low, high = OUTPUT_RATIO
    if low <= ratio <= high:
        return
    looks = "looks like thousands of tokens" if ratio < low else "does not fit the request rate"
    raise CatalogError(
        f"{run.place}: output_tok_per_s {looks}: it is {run.output_tok_per_s:,.4g} where "
        f"{run.req_per_s:.4g} requests/s of {run.osl:.4g} tokens make "
        f"{run.req_per_s * run.osl:,.4g}; correct the rate, or the output length."
    )


def _check_whole(run: Figures) -> None:
    """Compare the parts of a request with its measured whole."""
    if run.e2e_ms is None:
        return
    if run.e2e_ms == 0:
        raise CatalogError(f"{run.place}: the request latency is zero, which no run measures.")
    room = _room(run)
    ratio = _ratio(run, run.e2e_ms)
    if ratio is None or 1 / room <= ratio <= room:
        return
    text = f"a request took {run.e2e_ms:,.4g} ms"
    each_ms = _each_ms(run)
    fits = each_ms is not None and 1 / room <= ratio * run.e2e_ms / each_ms <= room
    if not fits:
        _raise_unit(run, run.e2e_ms, text)
    if any(1 / room <= ratio * factor <= room for factor in (1e3, 1e-3)):
        side = "short" if ratio > 1 else "long"
        raise CatalogError(
            f"{run.place}: the request latency looks 1,000 times too {side}: {_sum(run)} where "
            f"{text}; correct the unit."
        )
    raise CatalogError(
        f"{run.place}: {_sum(run)} where {text}; the figures are not of one run, so export the "
        "file again."
    )


def _check_little(run: Figures) -> None:
    """Compare the time in a request with the time that the clients had for each.

    Fewer requests may be in flight than there are clients (at the end of a short run), so parts
    that are too short are refused only where a unit explains them.
    """
    each_ms = _each_ms(run)
    if each_ms is None or not run.clients:
        return
    room = _room(run)
    ratio = _ratio(run, each_ms)
    if ratio is None or 1 / (10 * room) <= ratio <= room:
        return
    rate = run.clients / each_ms * 1e3
    text = f"{rate:.4g} requests/s at concurrency {run.clients:g} leave {each_ms:,.4g} ms for each"
    _raise_unit(run, each_ms, text)
    if ratio > room:
        raise CatalogError(
            f"{run.place}: {_sum(run)} where {text}; the concurrency or a rate is not that of "
            "this run."
        )


def _check_sizes(run: Figures) -> None:
    for factor in (1e3, 1e-3):
        wrong = [
            name
            for name, spread in _spreads(run)
            for value in (spread.median, spread.mean)
            if value is not None
            and (value < LEAST_MS[name] if factor > 1 else value > MOST_MS[name])
        ]
        names = list(dict.fromkeys(wrong))
        if not names:
            continue
        first = names[0]
        value = (run.ttft if first == "ttft" else run.tpot).typical or 0.0
        limit = (LEAST_MS if factor > 1 else MOST_MS)[first]
        side = "at least" if factor > 1 else "at most"
        raise CatalogError(
            f"{run.place}: {_looks(names, run.unit, factor)}: {first} is {_shown(value, run.unit)} "
            f"where {NAMES[first]} takes {side} {_shown(limit, run.unit)}; correct the unit."
        )


def _check_percentiles(run: Figures) -> None:
    for name, spread in _spreads(run):
        low, high = spread.median, spread.p99
        if low is not None and high is not None and high < 0.99 * low:
            raise CatalogError(
                f"{run.place}: the p99 of {name}, {high:.4g} ms, is below its median, {low:.4g} "
                "ms; are the columns swapped?"
            )


def _each_ms(run: Figures) -> float | None:
    """Time that the clients of a closed loop had for each request (ms)."""
    rate = run.req_per_s
    if not rate and run.output_tok_per_s and run.osl:
        rate = run.output_tok_per_s / run.osl
    return run.clients / rate * 1e3 if run.clients and rate else None


def _room(run: Figures) -> float:
    means = all(s.mean is not None for _, s in _spreads(run) if s.known)
    return ROOM if means else 2 * ROOM


def _whole(run: Figures, ttft_factor: float = 1.0, tpot_factor: float = 1.0) -> float | None:
    """Time of a request from its parts (ms); None where one is unknown."""
    ttft, tpot = run.ttft.typical, run.tpot.typical
    if ttft is None or run.osl is None or (tpot is None and run.osl > 1.5):
        return None
    return ttft_factor * ttft + max(run.osl - 1, 0) * tpot_factor * (tpot or 0.0)


def _ratio(run: Figures, target_ms: float) -> float | None:
    whole = _whole(run)
    return None if whole is None else whole / target_ms


def _raise_unit(run: Figures, target_ms: float, text: str) -> None:
    """Raise if parts in another unit add up to the target: the fewest parts, then the nearest."""
    best: tuple[int, float, float, float] | None = None
    for a, b in itertools.product((1.0, 1e3, 1e-3), repeat=2):
        whole = _whole(run, a, b)
        if not whole or a == b == 1 or (a != 1 and b != 1 and a != b):
            continue
        off = abs(math.log(whole / target_ms))
        if off <= math.log(2 * ROOM if run.clients else ROOM) and _possible(run, a, b):
            found = (int(a != 1) + int(b != 1), off, a, b)
            best = found if best is None else min(best, found)
    if best is None:
        return
    _, _, a, b = best
    names = [n for n, f in (("ttft", a), ("tpot", b)) if f != 1]
    factor = b if a == 1 else a
    raise CatalogError(
        f"{run.place}: {_looks(names, run.unit, factor)}: {_sum(run)} where {text}; correct the "
        "unit."
    )


def _possible(run: Figures, ttft_factor: float, tpot_factor: float) -> bool:
    """Whether the parts, in the unit that is tried, are of a size that occurs."""
    factors = {"ttft": ttft_factor, "tpot": tpot_factor}
    return all(
        LEAST_MS[n] <= (s.typical or LEAST_MS[n]) * factors[n] <= MOST_MS[n]
        for n, s in _spreads(run)
    )


def _sum(run: Figures) -> str:
    return f"ttft + (osl − 1)·tpot is {_whole(run) or 0.0:,.4g} ms"


def _word(unit: str) -> str:
    """Name of a unit on the ladder."""
    scale = MS_PER.get(unit.strip().lower(), 1.0)
    return list(LADDER)[round(math.log10(scale) / 3) + LADDER["ms"]]


def _looks(names: list[str], unit: str, factor: float) -> str:
    """``tpot looks like seconds, not ms``; the true unit is larger where the factor is."""
    stated = _word(unit)
    rung = LADDER[stated] + (1 if factor > 1 else -1)
    verb = "looks" if len(names) == 1 else "look"
    if rung in LADDER.values():
        return f"{' and '.join(names)} {verb} like {list(LADDER)[rung]}, not {stated}"
    return f"{' and '.join(names)} {verb} 1,000 times too {'small' if factor > 1 else 'large'}"


def _shown(ms: float, unit: str) -> str:
    """A time as the file holds it."""
    word = _word(unit)
    return f"{ms / MS_PER.get(unit.strip().lower(), 1.0):,.4g} {'s' if word == 'seconds' else word}"
