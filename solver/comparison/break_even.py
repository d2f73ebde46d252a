"""Break-even prices: where an offer enters the optimum, and where it takes it over.

A fleet that buys the amount a of a lever at level t costs C + t·a (see `solver.comparison.lever`);
F is the set of all fleets, V the least cost without the lever, N the least amount of a fleet of
the lever alone.

**Enters.** Some fleet with the lever is cheaper than V at level t if and only if
t < t_in = max {(V − C)/a : fleets in F with a > 0}. Each fleet bounds t_in from below, so start at
the best bound known and ask for a fleet cheaper than V: one that is found raises the bound to its
own (V − C)/a > t; where there is none, t is t_in.

**Takes over.** A fleet of the lever alone costs N·t, and nothing is cheaper if and only if
t ≤ t_over = min {C/(N − a) : fleets in F with a < N}. Each fleet bounds t_over from above; ask for
one cheaper than N·t until there is none.

These are Newton's (Dinkelbach's) iterations on a piecewise linear function of t, here of finitely
many pieces, so they end, at the exact level. Each is one program; its last answer is the proof. A
budget B is part of the market: nothing may cost more, so V is at most B, and t_over at most B/N.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from solver.comparison.bench import Bench, Found
from solver.comparison.lever import Lever

STEPS = 50
"""Programs after which a break-even price is given up; five are many."""

NOTHING = Fraction(1, 10**6)
"""Level that stands for free: no program is solved at zero, where nothing bounds purchases."""

BEYOND = 10**4
"""Multiple of today's level up to which it is asked whether anything could replace a part."""

SAME = Fraction(1, 10**9)
"""Levels nearer to one another than this, relatively, are one."""

Reason = Literal["exact", "any_price", "no_price", "alone_infeasible", "not_proven"]


@dataclass(frozen=True)
class BreakEven:
    """A break-even level, or why there is none.

    Attributes
    ----------
    level
        The level; None unless `reason` is ``exact``.
    reason
        ``any_price``: above every level. ``no_price``: below every one. ``alone_infeasible``: the
        lever cannot serve alone. ``not_proven``: a program hit its time limit.
    """

    level: Fraction | None
    reason: Reason


def enters_at(bench: Bench, lever: Lever, joint: Found, without: Found) -> BreakEven:
    """Return the highest level at which some optimal fleet buys of a lever.

    Parameters
    ----------
    joint, without
        The cheapest fleets with and without it, at today's prices.
    """
    if not (without.proven and joint.proven):
        return BreakEven(None, "not_proven")
    if joint.bought is None:
        return BreakEven(None, "no_price")
    least = without.cost_usd
    if least is None or not bench.affordable(least):
        least = bench.budget_usd
    if least is None:
        return BreakEven(None, "any_price")
    with_it = [b for b in bench.known if lever.amount(b) > 0]
    bounds = [(least - lever.rest_usd(b, bench)) / lever.amount(b) for b in with_it]
    level = max([*bounds, NOTHING * lever.level])
    for _ in range(STEPS):
        answer = bench.keep(bench.solve(lever.at(level, bench), below_usd=least))
        amount = Fraction(0) if answer.bought is None else lever.amount(answer.bought)
        higher = level
        if answer.bought is not None and amount > 0:
            higher = (least - lever.rest_usd(answer.bought, bench)) / amount
        if higher <= level * (1 + SAME):
            if not answer.proven:
                return BreakEven(None, "not_proven")
            free = level <= NOTHING * lever.level
            return BreakEven(None, "no_price") if free else BreakEven(level, "exact")
        level = higher
    return BreakEven(None, "not_proven")


def takes_over_at(bench: Bench, lever: Lever, alone: Found) -> BreakEven:
    """Return the highest level at which a fleet of a lever alone is optimal.

    Parameters
    ----------
    alone
        Its cheapest fleet, whether within the budget or not.
    """
    if not alone.proven:
        return BreakEven(None, "not_proven")
    if alone.bought is None:
        return BreakEven(None, "alone_infeasible")
    need = lever.amount(alone.bought)
    fewer = [b for b in bench.known if lever.amount(b) < need]
    bounds = [lever.rest_usd(b, bench) / (need - lever.amount(b)) for b in fewer]
    if bench.budget_usd is not None:
        bounds.append(bench.budget_usd / need)
    level = min(bounds, default=BEYOND * lever.level)
    for _ in range(STEPS):
        answer = bench.keep(bench.solve(lever.at(level, bench), below_usd=need * level))
        lower = level
        if answer.bought is not None and lever.amount(answer.bought) < need:
            part = need - lever.amount(answer.bought)
            lower = lever.rest_usd(answer.bought, bench) / part
        if lower >= level * (1 - SAME):
            if not answer.proven:
                return BreakEven(None, "not_proven")
            beyond = level >= BEYOND * lever.level and not bounds
            return BreakEven(None, "any_price") if beyond else BreakEven(level, "exact")
        level = lower
        bounds.append(level)
    return BreakEven(None, "not_proven")
