"""Candidates by grid: where load is charged by where it runs, each grid has candidates of its own.

A share of a class then runs in one grid, so what it is charged is linear in the program; replicas
of one layout in two grids are two pools, which a router can send different loads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace

from data.offers import Offer
from solver.candidates import Candidate
from solver.hosting import HostKey
from solver.market import Location, location_of
from solver.objective import Objective


def by_grid(
    candidates: Sequence[Candidate],
    fitting: Callable[[HostKey], Sequence[int]],
    offers: Sequence[Offer],
    objective: Objective,
) -> tuple[Candidate, ...]:
    """Return the candidates, those that offers of several charges can hold once for each charge.

    Parameters
    ----------
    fitting
        Positions of the offers that can hold replicas of a key.
    objective
        What charges load by where it runs.
    """
    known: dict[HostKey, tuple[frozenset[Location] | None, ...]] = {}
    found = []
    for c in candidates:
        if c.grid is not None or c.location is not None:
            found.append(c)
            continue
        if c.host not in known:
            known[c.host] = _grids([offers[o] for o in fitting(c.host)], objective)
        found += [c if grid is None else replace(c, grid=grid) for grid in known[c.host]]
    return tuple(found)


def _grids(offers: Sequence[Offer], objective: Objective) -> tuple[frozenset[Location] | None, ...]:
    """Return the locations of each charge; (None,) where all are charged alike."""
    charges: dict[float, set[Location]] = defaultdict(set)
    for offer in offers:
        charges[objective.busy(offer)].add(location_of(offer))
    if len(charges) < 2:
        return (None,)
    return tuple(frozenset(places) for _, places in sorted(charges.items()))
