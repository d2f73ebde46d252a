"""When a message that did not get through is sent again."""

from __future__ import annotations

import random

JITTER = 0.25
"""Share by which a pause is longer or shorter, so that what failed together is sent apart."""


def pause_s(
    attempt: int,
    first_s: float,
    longest_s: float,
    *,
    wanted_s: float | None = None,
    chance: random.Random | None = None,
) -> float:
    """Return the pause after an attempt: doubled each time, with jitter.

    ``min(longest, first · 2^(attempt − 1)) · U(1 − JITTER, 1 + JITTER)``, and never longer than
    ``longest · (1 + JITTER)``.

    Parameters
    ----------
    attempt
        How many there were, from 1.
    wanted_s
        What the receiver asked for (Retry-After); the pause is no shorter, up to the longest.
    chance
        Source of the jitter.
    """
    doubled = min(longest_s, first_s * 2.0 ** min(attempt - 1, 60))
    factor = (chance or random).uniform(1 - JITTER, 1 + JITTER)
    return max(doubled * factor, min(wanted_s or 0.0, longest_s))


def longest_pause_s(longest_s: float) -> float:
    """Return the longest pause that `pause_s` returns."""
    return longest_s * (1 + JITTER)


def tries_for_s(attempts: int, first_s: float, longest_s: float) -> float:
    """Return for how long something is tried, in the mean."""
    return sum(min(longest_s, first_s * 2.0 ** min(n, 60)) for n in range(attempts - 1))
