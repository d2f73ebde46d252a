"""The stage of a replay: one evaluation of all candidates, and an instance for each stretch.

What a replica can do does not depend on prices, so that a workload is evaluated once over every
offer that is ever on sale; a stretch has its offers, at its prices.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from data.coefficients import CoefficientTable
from data.errors import InputError
from data.offers import Offer
from solver.assemble import predictions
from solver.engines.result import Termination
from solver.fleet import Fleet, cheapest_fleet, servable
from solver.instance import Instance
from solver.measured import MeasuredCapacity
from solver.planner import TIGHTENING_ROUNDS, misses
from solver.problem import Problem, build_problem, tightened
from solver.replay.path import PricePath
from solver.replay.standing import Standing
from solver.workload import Workload


@dataclass(frozen=True)
class Cheapest:
    """The cheapest fleet of a stretch alone.

    Attributes
    ----------
    usd_per_hour
        What it costs.
    bound_usd
        What no fleet there costs less than (USD/h).
    """

    standing: Standing
    usd_per_hour: float
    bound_usd: float


@dataclass(frozen=True)
class Stage:
    """A workload over a price path, evaluated.

    Attributes
    ----------
    problem
        Over all offers that are ever on sale.
    """

    path: PricePath
    problem: Problem

    def instance(self, t: int) -> Instance:
        """Return the instance of a stretch."""
        now = {o.offer_id: o for o in self.path.on_sale(t)}
        offers = tuple(
            replace(o, price_per_node_hour_usd=now[o.offer_id].price_per_node_hour_usd)
            for o in self.problem.instance.offers
            if o.offer_id in now
        )
        return self.problem.instance.keep(offers=offers)

    def serves(self, t: int) -> bool:
        """Whether every class has a configuration that some offer of a stretch can hold."""
        return bool(self.path.prices[t]) and servable(self.instance(t))

    def missed(self, fleet: Fleet) -> Problem | None:
        """Return the problem tightened where the mix of a pool misses a target; None if none."""
        factors = misses(self.problem, fleet, predictions(self.problem, fleet))
        return tightened(self.problem, factors) if factors else None

    def cheapest(self, t: int, *, gap: float, time_limit_s: float) -> Cheapest:
        """Return the cheapest fleet of a stretch alone.

        The bound is that of the capacities before any was tightened: it holds for every fleet that
        some other program would accept.

        Raises
        ------
        InputError
            If nothing on sale serves the workload, or no fleet was found in time.
        """
        stage, bound = self, None
        for _ in range(TIGHTENING_ROUNDS + 1):
            solved = cheapest_fleet(stage.instance(t), gap=gap, time_limit_s=time_limit_s)
            if solved.fleet is None:
                raise self._nothing(t, solved.result.termination)
            if bound is None:
                bound = min(solved.result.bound, float(solved.fleet.cost_usd))
            problem = stage.missed(solved.fleet)
            if problem is None:
                break
            stage = replace(stage, problem=problem)
        assert solved.fleet is not None
        assert bound is not None
        return Cheapest(Standing.of_fleet(solved.fleet), float(solved.fleet.cost_usd), bound)

    def _nothing(self, t: int, end: Termination) -> InputError:
        day = self.path.dates[t]
        if end is Termination.INFEASIBLE:
            return InputError(
                f"no fleet of the {len(self.path.prices[t])} offers on sale on {day} serves the "
                "workload; let the replay begin later or end earlier, or widen hardware."
            )
        return InputError(f"no fleet was found for {day} in time; give more time.")


def prepare(
    workload: Workload,
    path: PricePath,
    coefficients: CoefficientTable,
    *,
    measured: tuple[MeasuredCapacity, ...] | None = None,
) -> Stage:
    """Evaluate a workload over all offers of a price path.

    Raises
    ------
    InputError
        If no offer passes the filters of the workload.
    """
    kept = never_replaced(path, workload.hardware.pricing)
    catalog = path.catalog.with_offers(kept)
    problem = build_problem(
        workload,
        catalog,
        coefficients,
        measured=measured,
        as_of=path.dates[0],
        # Which offer is the cheapest changes over time: none makes another one pointless here.
        movable={o.offer_id for o in kept},
    )
    return Stage(path, problem)


def never_replaced(path: PricePath, pricing: Collection[str]) -> tuple[Offer, ...]:
    """Return the offers that no other makes pointless at all times.

    Offer b is pointless beside a of the same machine, place and kind of pricing that is on sale
    whenever b is and never costs more: with all nodes of b replaced by nodes of a, every fleet of a
    sequence serves the same and costs no more, and no more nodes leave, at prices no higher.
    """
    found: list[Offer] = []
    for group in _alike(path, pricing):
        kept: list[Offer] = []
        for b in sorted(group, key=_rank(path)):
            if not any(_always_no_dearer(path, a, b) for a in kept):
                kept.append(b)
        found += kept
    names = {o.offer_id for o in found}
    return tuple(o for o in path.catalog.offers if o.offer_id in names)


def _alike(path: PricePath, pricing: Collection[str]) -> list[list[Offer]]:
    """Group the offers of one kind of node at one place."""
    groups: dict[tuple[object, ...], list[Offer]] = {}
    for o in path.catalog.offers:
        if o.pricing in pricing:
            key = (
                o.provider,
                o.region,
                o.pricing,
                o.interruptible,
                o.accelerator,
                o.gpus_per_node,
            )
            groups.setdefault(key, []).append(o)
    return list(groups.values())


def _rank(path: PricePath) -> Callable[[Offer], tuple[int, float, str]]:
    """Return a rank that puts an offer before all that it makes pointless."""

    def rank(offer: Offer) -> tuple[int, float, str]:
        name = offer.offer_id
        paid = [float(p[name]) for p in path.prices if name in p]
        return -len(paid), sum(paid), name

    return rank


def _always_no_dearer(path: PricePath, a: Offer, b: Offer) -> bool:
    network = (a.network_gbps or 0.0) >= (b.network_gbps or 0.0) and (
        a.network_gbps is not None or b.network_gbps is None
    )
    return (
        network
        and a.stock is None
        and a.min_nodes <= b.min_nodes
        and all(
            a.offer_id in p and p[a.offer_id] <= p[b.offer_id]
            for p in path.prices
            if b.offer_id in p
        )
    )
