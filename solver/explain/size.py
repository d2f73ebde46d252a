"""The size of a fleet, in accelerators or in power: the least that does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from solver.engines.result import Termination
from solver.explain.restrict import restrict
from solver.fleet import Fleet, Solved, cheapest_fleet
from solver.instance import Caps, Instance
from solver.power import WATTS_PER_KW


@dataclass(frozen=True)
class Size:
    """A measure of fleets that a limit is set on.

    Attributes
    ----------
    name
        The limit, as in ``hardware`` and in `Caps`.
    per_unit
        Steps of the measure in one unit of the limit.
    of_node
        Size of one node of an offer (by position) in steps; None where it is not known.
    """

    name: str
    per_unit: int
    of_node: Callable[[Instance, int], float | None]

    def limit(self, caps: Caps) -> float | None:
        """Return the limit that is set."""
        found: float | None = getattr(caps, self.name)
        return found

    def limited(self, instance: Instance, steps: int | None) -> Instance:
        """Return an instance with the limit at so many steps; None for none."""
        most = None if steps is None else steps / self.per_unit
        whole = most if most is None or self.per_unit > 1 else steps
        changes: dict[str, Any] = {self.name: whole}
        return replace(instance, caps=replace(instance.caps, **changes))

    def of(self, fleet: Fleet) -> int:
        """Return the size of a fleet in steps, rounded up."""
        found = sum(
            (self.of_node(fleet.instance, o) or 0.0) * nodes for o, nodes in fleet.nodes.items()
        )
        return math.ceil(found - 1e-6)


GPUS = Size("max_gpus", 1, lambda instance, o: instance.offers[o].gpus_per_node)
POWER = Size("max_power_kw", WATTS_PER_KW, lambda instance, o: instance.node_power_w(o))

SIZES = (GPUS, POWER)


def fewest(instance: Instance, size: Size, *, time_limit_s: float) -> Solved:
    """Return the smallest fleet, whatever it costs and however large it may be.

    The same program with each node priced by its size; those of unknown size are left out.
    """
    sizes = [size.of_node(instance, o) for o in range(len(instance.offers))]
    counted = [
        replace(offer, price_per_node_hour_usd=Decimal(repr(each)), upfront_usd=None)
        for offer, each in zip(instance.offers, sizes, strict=True)
        if each is not None
    ]
    caps = replace(size.limited(instance, None).caps, max_cost_per_hour_usd=None)
    changed = replace(restrict(instance, offers=counted), caps=caps)
    return cheapest_fleet(changed, gap=0.0, time_limit_s=time_limit_s)


def smallest(
    instance: Instance, size: Size, *, gap: float, time_limit_s: float
) -> tuple[float, Fleet] | None:
    """Return the least limit that a fleet exists with, and the cheapest fleet within it.

    The least size whatever it costs comes from `fewest`; where a budget asks for more of something
    cheaper, the size is halved towards. None without a fleet or a proof.
    """
    solved = fewest(instance, size, time_limit_s=time_limit_s)
    if solved.fleet is None or solved.result.termination is not Termination.GAP_CLOSED:
        return None

    def within(steps: int | None) -> Fleet | None:
        limited = size.limited(instance, steps)
        return cheapest_fleet(limited, gap=gap, time_limit_s=time_limit_s).fleet

    least = size.of(solved.fleet)
    fleet = within(least)
    if fleet is None:
        fleet = within(None)
        if fleet is None:
            return None
        low, least = least, size.of(fleet)
        while least - low > 1:
            middle = (low + least) // 2
            smaller = within(middle)
            if smaller is None:
                low = middle
            else:
                fleet, least = smaller, size.of(smaller)
    return least if size.per_unit == 1 else least / size.per_unit, fleet
