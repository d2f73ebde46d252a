"""The clairvoyant optimum: the cheapest sequence of fleets for prices that are all known.

Nothing that decides day by day can cost less, as long as it changes fleets at the prices of the day
and moves within a stretch only to a fleet that is cheaper there: the last fleet of each stretch is
then its cheapest, and running it from the first hour costs no more, nor does the way to it, since
what a change from A to C costs is at most the sum of those from A to B and from B to C.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from solver.engines.highs import solve_highs
from solver.engines.result import EngineResult
from solver.fleet import Fleet, read_fleet
from solver.planner import TIGHTENING_ROUNDS
from solver.replay.change import ChangeCost
from solver.replay.known import best_known, sequence_usd
from solver.replay.linked import Linked, link
from solver.replay.reach import within
from solver.replay.stage import Cheapest, Stage
from solver.replay.standing import Standing


@dataclass(frozen=True)
class Clairvoyant:
    """The cheapest sequence of fleets, and how far it is proven.

    Attributes
    ----------
    usd
        What it costs, changes included.
    bound_usd
        What no sequence costs less than.
    sequence
        A fleet for each stretch.
    proven
        Whether the gap asked for is closed.
    columns, rows
        Size of the program; 0 where known fleets were proven the best without it.
    wall_s
        Seconds that it took.
    """

    usd: float
    bound_usd: float
    sequence: tuple[Standing, ...]
    proven: bool
    columns: int
    rows: int
    wall_s: float

    @property
    def gap(self) -> float:
        """Relative gap (usd − bound)/usd."""
        return max(self.usd - self.bound_usd, 0.0) / self.usd


def clairvoyant(
    stage: Stage,
    change: ChangeCost,
    cheapest: Sequence[Cheapest],
    known: Sequence[Standing] = (),
    *,
    gap: float,
    time_limit_s: float,
) -> Clairvoyant:
    """Return the cheapest sequence of fleets, one a stretch.

    Parameters
    ----------
    cheapest
        The cheapest fleet of each stretch alone.
    known
        Fleets that are known besides; a sequence of them is what the program has to beat.
    gap
        Relative gap to close.
    time_limit_s
        Wall seconds; what is found then is returned with its bound.
    """
    begin, path = time.perf_counter(), stage.path
    fleets = _distinct([*(c.standing for c in cheapest), *known])
    usd, sequence = best_known(path, change, fleets)
    least = [path.hours(t) * c.bound_usd for t, c in enumerate(cheapest)]
    floor = min(sum(least), usd)
    columns = rows = 0
    for round_ in range(TIGHTENING_ROUNDS + 1):
        left_s = time_limit_s - (time.perf_counter() - begin)
        if usd - floor <= gap * usd or left_s <= 0:
            break
        spare = usd - sum(least)
        instances = [
            within(stage.instance(t), (least[t] + spare) / path.hours(t)) for t in range(len(path))
        ]
        linked = link(instances, path, change, [c.bound_usd for c in cheapest])
        columns, rows = linked.program.columns, len(linked.program.row_low)
        result = solve_highs(linked.program, gap=gap, time_limit_s=left_s)
        if round_ == 0:
            # What a sequence of no more than `usd` costs at least; all others cost more.
            floor = max(floor, min(result.bound * path.total_hours, usd))
        if result.values is None:
            break
        found = _fleets(linked, result)
        standings = tuple(linked.standing(result.values, t) for t in range(len(path)))
        late = next((p for f in found if (p := stage.missed(f)) is not None), None)
        if late is None:
            usd, sequence = min(
                (usd, sequence), (sequence_usd(path, change, standings), standings), key=_first
            )
            break
        stage = replace(stage, problem=late)
    floor = min(floor, usd)
    return Clairvoyant(
        usd,
        floor,
        sequence,
        usd - floor <= gap * usd * (1 + 1e-9),
        columns,
        rows,
        time.perf_counter() - begin,
    )


def _first(found: tuple[float, tuple[Standing, ...]]) -> float:
    return found[0]


def _distinct(fleets: Sequence[Standing]) -> list[Standing]:
    found: list[Standing] = []
    for fleet in fleets:
        if fleet not in found:
            found.append(fleet)
    return found


def _fleets(linked: Linked, result: EngineResult) -> list[Fleet]:
    assert result.values is not None
    return [
        read_fleet(
            instance, linked.blocks[t], replace(result, values=linked.part(result.values, t))
        )
        for t, instance in enumerate(linked.instances)
    ]
