"""Speculative decoding in closed form: a draft proposes k tokens, the target checks them at once.

Source: Leviathan, Kalman and Matias 2023, "Fast Inference from Transformers via Speculative
Decoding" (arXiv 2211.17192), equation 1 and theorem 3.8. Its two assumptions are kept: each
drafted token is accepted with the same probability, independently; and checking k tokens costs one
target pass, which holds while decoding is bound by memory and fails at large batches, where the
checking competes for compute and the true gain is smaller.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from data.errors import InputError
from model.sizing import exact, not_negative, whole

MAX_DRAFT_TOKENS = 64
"""Longest draft that the search tries; engines draft far fewer."""


def speedup(accepted_tokens: float, draft_tokens: int, draft_cost_ratio: float) -> float:
    """Return (accepted + 1) / (1 + k·r): tokens a round over target passes a round.

    Parameters
    ----------
    accepted_tokens
        Drafted tokens accepted a round on average, 0 to `draft_tokens`. The target's own pass
        adds one token to them.
    draft_tokens
        k, tokens drafted a round; 0 is plain decoding.
    draft_cost_ratio
        r, time of one draft pass over one target pass, 0 or more.

    Raises
    ------
    InputError
        If more tokens are accepted than drafted, or a figure is negative or not finite.
    """
    accepted = not_negative("accepted_tokens", accepted_tokens)
    drafted = whole("draft_tokens", draft_tokens, at_least=0)
    if accepted > drafted:
        raise InputError(
            f"accepted_tokens is {float(accepted):g}, more than the {drafted} drafted; "
            "lower it or draft more tokens."
        )
    return float(
        (accepted + 1) / (1 + drafted * not_negative("draft_cost_ratio", draft_cost_ratio))
    )


def expected_accepted(acceptance: float, draft_tokens: int) -> float:
    """Return the tokens accepted a round on average: a + a² + … + a^k = a(1 − a^k)/(1 − a).

    A token counts only while all before it were accepted, hence the powers; at a = 1 all k are.

    Raises
    ------
    InputError
        If the acceptance is not in [0, 1] or `draft_tokens` is not a whole number >= 0.
    """
    return _accepted(_probability(acceptance), whole("draft_tokens", draft_tokens, at_least=0))


@dataclass(frozen=True)
class DraftLength:
    """The draft length with the highest speed-up, and how much it matters.

    `within_1_pct` and `within_5_pct` list every k (0 = no speculation included) whose speed-up is
    at least 99 % and 95 % of the best. `at_limit` says that the best k is the longest one tried,
    so that a longer draft might gain more.
    """

    draft_tokens: int
    accepted_tokens: float
    speedup: float
    within_1_pct: tuple[int, ...]
    within_5_pct: tuple[int, ...]
    at_limit: bool


def best_draft_length(
    acceptance: float, draft_cost_ratio: float, max_draft_tokens: int = MAX_DRAFT_TOKENS
) -> DraftLength:
    """Return the whole k in 0…`max_draft_tokens` that maximises (accepted(k) + 1)/(1 + k·r).

    All k are tried. The curve rises, then falls (a concave sum over a line), so the near-best k
    lie side by side; of equal speed-ups the shortest draft wins.

    Raises
    ------
    InputError
        If the acceptance is not in [0, 1], the cost ratio negative, or the limit not whole.
    """
    chance = _probability(acceptance)
    cost = float(not_negative("draft_cost_ratio", draft_cost_ratio))
    limit = whole("max_draft_tokens", max_draft_tokens)
    if limit > 10_000:
        raise InputError(f"max_draft_tokens is {limit}; give at most 10000.")
    gains = [(_accepted(chance, k) + 1) / (1 + k * cost) for k in range(limit + 1)]
    best = max(range(limit + 1), key=lambda k: (gains[k], -k))
    return DraftLength(
        draft_tokens=best,
        accepted_tokens=_accepted(chance, best),
        speedup=gains[best],
        within_1_pct=tuple(k for k, gain in enumerate(gains) if gain >= 0.99 * gains[best]),
        within_5_pct=tuple(k for k, gain in enumerate(gains) if gain >= 0.95 * gains[best]),
        at_limit=best == limit,
    )


def break_even_acceptance(draft_tokens: int, draft_cost_ratio: float) -> float | None:
    """Return the acceptance below which drafting k tokens is slower than not drafting.

    It solves accepted(a, k) = k·r by bisection (the left side rises with a). For k = 1 it is r
    itself. Longer drafts need more, because accepted(a, k) ≤ k·a; so with the best k speculation
    pays exactly when a > r (theorem 3.8's corollary). None means that no acceptance pays: r > 1.

    Raises
    ------
    InputError
        If `draft_tokens` is not a whole number above 0 or the cost ratio is negative.
    """
    drafted = whole("draft_tokens", draft_tokens)
    cost = float(not_negative("draft_cost_ratio", draft_cost_ratio))
    if cost > 1:
        return None
    if drafted == 1 or cost in (0.0, 1.0):
        return cost
    low, high = cost, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (middle, high) if _accepted(middle, drafted) < drafted * cost else (low, middle)
    return high


def _accepted(chance: float, drafted: int) -> float:
    """Evaluate a(1 − a^k)/(1 − a); `expm1` keeps its digits where a is close to 1."""
    if chance in (0.0, 1.0) or drafted == 0:
        return chance * drafted
    # The sum lies between 0 and k·a, which rounding may overstep in the last digit.
    closed = -chance * math.expm1(drafted * math.log(chance)) / (1 - chance)
    return min(closed, drafted * chance)


def _probability(acceptance: float) -> float:
    """Return `acceptance` if it is in [0, 1]."""
    if not 0 <= exact("acceptance", acceptance) <= 1:
        raise InputError(f"acceptance is {acceptance:g}; give a probability from 0 to 1.")
    return float(acceptance)
