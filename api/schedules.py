"""When a registered workload is due: cron expressions in a time zone, and changes of prices.

Expressions mean what they mean to Debian's cron, read by CronSim: Sunday is 0 or 7, and a day of
the month beside a day of the week means either. Where a clock is put forward over a time of day, it
comes right after; where it is put back over one, it comes once.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from data.errors import InputError

PRICE_CHANGE = "price_change"

MAX_LENGTH = 200
"""Characters of an expression."""

READABLE = re.compile(r"[0-9A-Za-z*,/#\- ]+")


def check_times(expression: str | None, zone: str) -> None:
    """Refuse an expression that cannot be read or never comes, and a time zone that is not known.

    Raises
    ------
    InputError
        If one of them is wrong.
    """
    _zone(zone)
    if expression is not None:
        next_time(expression, zone, dt.datetime.now(dt.UTC))


def next_time(expression: str, zone: str, after: dt.datetime) -> dt.datetime:
    """Return the first time after a moment that a cron expression names, in UTC.

    Parameters
    ----------
    expression
        Minute, hour, day of the month, month, day of the week.
    zone
        Name in the IANA database, such as ``Europe/Berlin``.
    after
        With a time zone.

    Raises
    ------
    InputError
        See `check_times`.
    """
    local = after.astimezone(_zone(zone))
    if len(expression) > MAX_LENGTH or not READABLE.fullmatch(expression):
        raise _unreadable(expression, "it holds what no expression has")
    try:
        found: dt.datetime = next(CronSim(expression, local))
    except CronSimError as error:
        raise _unreadable(expression, str(error).lower()) from None
    except (StopIteration, OverflowError):
        raise InputError(f"cron: {expression[:60]!r} names no time in the next 50 years.") from None
    return found.astimezone(dt.UTC)


def next_due(schedule: Mapping[str, Any], after: dt.datetime) -> dt.datetime | None:
    """Return when a stored schedule comes next; None where the clock never makes it due."""
    if schedule.get("cron") is None:
        return None
    return next_time(schedule["cron"], schedule["timezone"], after)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown; a folder of the database; not a name
        raise _no_zone(name) from None


def _no_zone(name: str) -> InputError:
    return InputError(
        f"timezone: {name[:60]!r} is not known; write a name such as 'Europe/Berlin' or 'UTC'."
    )


def _unreadable(expression: str, why: str) -> InputError:
    return InputError(
        f"cron: {expression[:60]!r} cannot be read ({why}); write five fields, minute hour "
        "day-of-month month day-of-week, such as '0 6 * * 1-5'."
    )
