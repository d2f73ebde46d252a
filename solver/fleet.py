"""Solving an instance: the cheapest fleet, and how far it is proven."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from solver.change import Bill, PoolKey, kind_of
from solver.engines.result import EngineResult, Improved, Termination
from solver.hosting import HostKey
from solver.instance import Instance
from solver.multipliers import Multipliers, multipliers_of
from solver.objective import Objective
from solver.packing import Placement, place
from solver.price_tiers import best_tiers
from solver.program import Program, compile_program
from solver.screening import fractional_prices, promising, within_reach
from solver.shares import Shares, balanced_shares


@dataclass(frozen=True)
class Fleet:
    """A fleet: replicas, nodes, and who serves what.

    Attributes
    ----------
    instance
        The instance that positions refer to.
    nodes
        Offer → nodes bought.
    shares
        (class, candidate) → share, exact decimals.
    """

    instance: Instance
    replicas: Mapping[int, int]
    nodes: Mapping[int, int]
    shares: Shares
    placements: tuple[Placement, ...]

    @property
    def cost_usd(self) -> Decimal:
        """Cost an hour, exact."""
        prices = self.instance.offers
        return sum((prices[o].hourly_usd * n for o, n in self.nodes.items()), Decimal(0))

    def value(self, objective: Objective) -> float:
        """Return what the fleet is charged by an objective (its unit).

        Where the instance has a running fleet, its cost includes the change, spread over the hours
        within which it must pay back, and commitments that stay idle.
        """
        offers = self.instance.offers
        if objective.name == "cost":
            bill = self.bill
            more = 0.0 if bill is None else bill.per_hour_usd + bill.idle_usd
            return float(self.cost_usd) + more
        charged = sum(objective.node(offers[o]) * n for o, n in self.nodes.items())
        if not objective.charges_load:
            return charged
        loads: dict[int, float] = defaultdict(float)
        for (w, c), share in self.shares.items():
            loads[c] += float(share) * (self.instance.load(w, c) or 0.0)
        for placed in self.placements:
            c, part = placed.candidate, placed.replicas / self.replicas[placed.candidate]
            busy = objective.busy(offers[placed.offer]) * self.instance.candidates[c].gpus
            charged += busy * loads[c] * part
        return charged

    @property
    def pools(self) -> dict[PoolKey, int]:
        """Replicas by kind and offer (its id)."""
        found: dict[PoolKey, int] = defaultdict(int)
        for placed in self.placements:
            kind = kind_of(self.instance.candidates[placed.candidate])
            found[kind, self.instance.offers[placed.offer].offer_id] += placed.replicas
        return dict(found)

    @property
    def nodes_by_id(self) -> dict[str, int]:
        """Nodes by the id of their offer."""
        found: dict[str, int] = defaultdict(int)
        for o, n in self.nodes.items():
            found[self.instance.offers[o].offer_id] += n
        return dict(found)

    @property
    def bill(self) -> Bill | None:
        """What the change from the running fleet costs; None without a running fleet."""
        change = self.instance.change
        return None if change is None else change.bill(self.pools, self.nodes_by_id)

    @property
    def gpus(self) -> int:
        """Accelerators bought."""
        return sum(self.instance.offers[o].gpus_per_node * n for o, n in self.nodes.items())


@dataclass
class Solved:
    """What solving an instance gave.

    Attributes
    ----------
    result
        The engine's word on the program it solved; None if there was nothing to solve.
    program
        The program that was solved last (screened).
    rated, screened_to
        Undominated candidates that were rated, and those of them in the program.
    seconds
        Wall time by stage.
    stock_usd, power_usd_per_w
        Lagrange multipliers of stock limits by offer, and of the limit on power; see
        `solver.multipliers`.
    then
        The program that decided between fleets equal by the first objective; see `solver.in_order`.
    """

    fleet: Fleet | None
    result: EngineResult
    program: Program | None
    rated: int = 0
    screened_to: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    stock_usd: Mapping[str, float] = field(default_factory=dict)
    power_usd_per_w: float = 0.0
    then: Solved | None = None


def cheapest_fleet(
    instance: Instance,
    *,
    gap: float,
    time_limit_s: float,
    screen: bool = True,
    known_usd: float | None = None,
    quick: bool = False,
    improved: Improved | None = None,
) -> Solved:
    """Return the fleet of an instance that its objective charges least: the cheapest by default.

    A first fleet comes from the few candidates that are nearly the cheapest for some class; all
    candidates that no cheaper fleet can use are dropped, and the rest is solved to the gap.

    Parameters
    ----------
    gap
        Relative gap to close.
    time_limit_s
        Wall seconds for everything.
    screen
        If False, the whole program is solved at once (to test that screening changes nothing).
    known_usd
        Objective of a fleet that the instance is known to admit: none worse is looked for, and
        none at all is returned if nothing is cheaper.
    quick
        Stop at the first fleet, with the fractional bound: good, but seldom proven.
    improved
        Told of better fleets and bounds on the whole instance as they are found.
    """
    begin = time.perf_counter()
    prices = fractional_prices(instance)
    if not np.isfinite(prices.class_usd).all():
        nothing = EngineResult("highs", Termination.INFEASIBLE, None, np.inf, None, 0.0)
        return Solved(None, nothing, None)
    if not screen:
        last = _attempt(instance.rated(), gap, time_limit_s, improved=improved)
        return _solved(last, last.result.bound, {"solve": time.perf_counter() - begin})
    if known_usd is not None:
        if known_usd - prices.bound_usd <= gap * known_usd:
            return _nothing_cheaper(instance, known_usd, prices.bound_usd)
        instance, _ = within_reach(instance, known_usd)
        prices = fractional_prices(instance)
        if not np.isfinite(prices.class_usd).all():
            return _nothing_cheaper(instance, known_usd, known_usd)
    if len(instance.candidates) * len(instance.class_names) <= SMALL:
        screening = time.perf_counter() - begin
        last = _attempt(instance.rated(), gap, time_limit_s, improved=improved)
        seconds = {"screening": screening, "solve": time.perf_counter() - begin - screening}
        return _solved(last, max(last.result.bound, prices.bound_usd), seconds, gap)
    few = promising(instance, prices)
    program = compile_program(few)
    multipliers = multipliers_of(few, program)
    first_gap = max(gap, QUICK_GAP if quick else FIRST_GAP)
    few_improved = _first(improved, prices.bound_usd)
    first = _attempt(
        few, first_gap, time_limit_s * FIRST_SHARE, program=program, improved=few_improved
    )
    if quick and first.result.objective is not None:
        bound = fractional_prices(instance, multipliers).bound_usd
        seconds = {"solve": time.perf_counter() - begin}
        return _solved(first, bound, seconds, gap, multipliers)
    whole = replace(instance, ceilings=None)
    if first.result.objective is None:
        rest = whole.rated()
        prices = fractional_prices(rest, multipliers)
    else:
        rest, prices = within_reach(whole, first.result.objective, multipliers)
    seconds = {"screening": time.perf_counter() - begin}
    begin = time.perf_counter()
    left = max(time_limit_s - seconds["screening"], 0.1)
    last = first
    if servable(rest):
        known = np.inf if first.result.objective is None else first.result.objective
        last = _attempt(
            rest, gap, left, start=first, improved=_within(improved, prices.bound_usd, known)
        )
    seconds["solve"] = time.perf_counter() - begin
    floor = max(last.result.bound, prices.bound_usd) if last is not first else np.inf
    if first.result.objective is not None:
        floor = min(floor, first.result.objective)
    solved = _solved(_cheaper(first, last), floor, seconds, gap, multipliers)
    solved.rated = prices.replica_usd.size
    return solved


def _within(improved: Improved | None, floor_usd: float, known_usd: float) -> Improved | None:
    """Return `improved` for a program that leaves out what cannot beat a known fleet.

    Parameters
    ----------
    floor_usd
        A bound on the whole instance.
    known_usd
        Cost of a known fleet, up to which the program's own bound holds for the whole instance.
    """
    if improved is None:
        return None

    def told(best: float | None, bound: float) -> None:
        cheapest = min(known_usd, np.inf if best is None else best)
        proven = min(max(bound, floor_usd), known_usd)
        improved(cheapest if np.isfinite(cheapest) else None, proven)

    return told


def _first(improved: Improved | None, floor_usd: float) -> Improved | None:
    """Return `improved` for a program of a few candidates, whose own bound holds for them alone."""
    return None if improved is None else lambda best, bound: improved(best, floor_usd)


def _nothing_cheaper(instance: Instance, known_usd: float, bound: float) -> Solved:
    """Return the verdict that no fleet is cheaper than the known one, within the gap."""
    result = EngineResult("highs", Termination.GAP_CLOSED, None, min(bound, known_usd), None, 0.0)
    return Solved(None, result, None)


def servable(instance: Instance) -> bool:
    """Whether every class has a candidate that some offer can hold."""
    return bool(np.isfinite(fractional_prices(instance).class_usd).all())


SMALL = 60
"""Instances of no more (candidate, class) pairs are solved at once, without a first fleet."""

FIRST_GAP = 5e-3
"""Gap at which the first fleet is good enough to screen with."""

QUICK_GAP = 2e-2
"""Gap of a first fleet that is all that is wanted."""

FIRST_SHARE = 0.2
"""Share of the time limit that the first fleet may take."""


@dataclass(frozen=True)
class _Attempt:
    """An instance, its program, and what the engine said of it."""

    instance: Instance
    program: Program
    result: EngineResult


def _attempt(
    instance: Instance,
    gap: float,
    time_limit_s: float,
    *,
    program: Program | None = None,
    start: _Attempt | None = None,
    improved: Improved | None = None,
) -> _Attempt:
    """Solve an instance, from the solution of another one over the same offers if given."""
    from solver.engines.highs import solve_highs

    program = program or compile_program(instance)
    guess = None if start is None else _carried_over(start, instance, program)
    result = solve_highs(
        program, gap=gap, time_limit_s=time_limit_s, start=guess, improved=improved
    )
    return _Attempt(instance, program, result)


def _labels(instance: Instance, program: Program) -> list[Hashable]:
    """Name each column by what it stands for, whatever the instance's positions are."""
    keys = list(instance.hosts)
    names: list[Hashable] = []
    for kind, key in zip(program.kind, program.key, strict=True):
        if kind in ("n", "y"):
            names.append((kind, instance.candidates[key[0]].key))
        elif kind == "x":
            names.append((kind, key[0], instance.candidates[key[1]].key))
        elif kind == "h":
            names.append((kind, keys[key[0]], *_named(instance, key[1])))
        elif kind == "v":
            names.append((kind, instance.providers[key[0]]))
        elif kind in ("d", "s", "z", "r"):
            names.append((kind, key))
        elif kind == "a":
            first = instance.candidates[instance.hosts[keys[key[0]]][0][0]]
            names.append((kind, kind_of(first), instance.offers[key[1]].offer_id))
        else:
            names.append((kind, *_named(instance, key[0])))
    return names


def _named(instance: Instance, o: int) -> tuple[str, int]:
    """Return what tells an offer from all others, and from its own other prices."""
    return instance.offers[o].offer_id, instance.offers[o].min_nodes


def _carried_over(
    start: _Attempt, instance: Instance, program: Program
) -> NDArray[np.float64] | None:
    """Write a solution in the columns of another program; None if it does not fit there."""
    if start.result.values is None:
        return None
    known = dict(zip(_labels(start.instance, start.program), start.result.values, strict=True))
    labels = _labels(instance, program)
    missing = set(known) - set(labels)
    if any(known[name] > 1e-9 for name in missing):
        return None
    return np.array([known.get(name, 0.0) for name in labels])


def _cheaper(first: _Attempt, last: _Attempt) -> _Attempt:
    """Return the attempt with the cheaper fleet."""
    if first.result.objective is None:
        return last
    if last.result.objective is None or first.result.objective < last.result.objective:
        return first
    return last


def _solved(
    best: _Attempt,
    bound: float,
    seconds: dict[str, float],
    gap: float = 0.0,
    multipliers: Multipliers | None = None,
) -> Solved:
    """Read the fleet of an attempt; it is proven if `bound` closes the gap."""
    result = replace(best.result, bound=bound)
    if result.objective is not None and result.gap <= gap:
        result = replace(result, termination=Termination.GAP_CLOSED)
    fleet = None
    if result.values is not None:
        begin = time.perf_counter()
        fleet = read_fleet(best.instance, best.program, result)
        seconds["shares"] = time.perf_counter() - begin
    count = len(best.instance.candidates)
    found = multipliers or Multipliers()
    raised = {best.instance.offers[o].offer_id: usd for o, usd in found.stock_usd.items()}
    power = found.power_usd_per_w
    return Solved(fleet, result, best.program, count, count, seconds, raised, power)


def read_fleet(instance: Instance, program: Program, result: EngineResult) -> Fleet:
    """Read the integers of a solution, settle the shares, and place every replica."""
    assert result.values is not None
    replicas: dict[int, int] = {}
    nodes: dict[int, int] = {}
    hosted: dict[tuple[HostKey, int], int] = {}
    keys = list(instance.hosts)
    for kind, key, value in zip(program.kind, program.key, result.values, strict=True):
        count = round(float(value))
        if count <= 0 or kind not in ("n", "m", "h"):
            continue
        if kind == "n":
            replicas[key[0]] = count
        elif kind == "m":
            nodes[key[0]] = count
        else:
            hosted[keys[key[0]], key[1]] = count
    nodes, hosted = _at_best_price(instance, nodes, hosted)
    shares = balanced_shares(instance, replicas)
    busy = {c for _, c in shares}
    replicas = {c: n for c, n in sorted(replicas.items()) if c in busy}
    placements = place(instance, replicas, hosted, nodes)
    nodes = _in_use(instance, nodes, placements)
    return Fleet(instance, replicas, nodes, shares, tuple(placements))


def _in_use(
    instance: Instance, nodes: Mapping[int, int], placements: Sequence[Placement]
) -> dict[int, int]:
    """Return the nodes that are of use: of committed ones, which are paid anyway, none too many."""
    last: dict[int, int] = defaultdict(int)
    for placed in placements:
        stops = [last[placed.offer], *(span.stop for span in placed.nodes)]
        last[placed.offer] = max(stops)
    sunk = {} if instance.change is None else instance.change.sunk
    return {
        o: max(last[o], instance.offers[o].min_nodes)
        if instance.offers[o].offer_id in sunk
        else count
        for o, count in nodes.items()
        if o in last
    }


def _at_best_price(
    instance: Instance, nodes: dict[int, int], hosted: dict[tuple[HostKey, int], int]
) -> tuple[dict[int, int], dict[tuple[HostKey, int], int]]:
    """Move what was bought at several prices of an offer to the lowest that all of it reaches."""
    target = best_tiers(instance.offers, nodes)
    moved: dict[int, int] = defaultdict(int)
    placed: dict[tuple[HostKey, int], int] = defaultdict(int)
    for o, count in nodes.items():
        moved[target[o]] += count
    for (key, o), count in hosted.items():
        placed[key, target.get(o, o)] += count
    return dict(moved), dict(placed)
