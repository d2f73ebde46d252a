"""Prefill and decode workers, as the notes of measured rows name them.

``P:2x(tp8 dp1 ep8) | D:1x(tp1 dp16 ep16)``: two prefill workers of TP 8 and EP 8, one decode worker
whose attention is data-parallel over 16 ranks. Further words inside the parentheses are not read;
``Nonex`` stands where the number of workers is not recorded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from data.measurements import Unusable

_PART = re.compile(r"^(?P<role>[PD]):(?P<count>[\w.?]*)x\((?P<degrees>[^)]*)\)$")
_DEGREE = re.compile(r"^(tp|pp|dp|ep)(\d+(?:\.0+)?)$")


@dataclass(frozen=True)
class WorkerNote:
    """Workers of one role.

    Attributes
    ----------
    count
        How many there are; None where it is not recorded.
    tp, pp, dp, ep
        Degrees of each: tensor, pipeline, attention data, expert parallelism.
    """

    count: int | None
    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1


def read_workers(notes: str) -> dict[str, WorkerNote]:
    """Return the workers that notes name: ``prefill`` and ``decode`` → what they are.

    Raises
    ------
    Unusable
        If either role is missing, or a part cannot be read.
    """
    found = {}
    for part in (p.strip() for p in notes.split("|")):
        if not (read := _PART.match(part)):
            continue
        degrees = {}
        for word in read["degrees"].split():
            if degree := _DEGREE.match(word):
                degrees[degree[1]] = max(int(float(degree[2])), 1)
        role = "prefill" if read["role"] == "P" else "decode"
        found[role] = WorkerNote(_count(read["count"], part), **degrees)
    if missing := [role for role in ("prefill", "decode") if role not in found]:
        raise Unusable(
            f"notes name no {' and no '.join(missing)} workers, as in 'P:2x(tp8 dp1 ep8)'"
        )
    return found


def _count(text: str, part: str) -> int | None:
    if text in ("", "?", "None"):
        return None
    try:
        count = float(text)
    except ValueError:
        count = 0.0
    if count < 1 or count != int(count):
        raise Unusable(f"{part[:40]!r}: the number of workers is not a whole one above zero")
    return int(count)
