"""The bench: one evaluation of all candidates, and programs over other offers, prices and stocks.

What a replica does depends on neither price nor stock, so every program of a comparison starts
from the same candidates. The budget is left out of the programs: the cheapest fleet is within it,
or none is, whichever fleet that is; who asks compares costs with `Bench.budget_usd`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from data.offers import Offer
from model.predict import Prediction
from solver.engines.result import Termination
from solver.explain.restrict import restrict
from solver.fleet import Solved
from solver.planner import Options, misses, solve_problem
from solver.price_tiers import tiers_of
from solver.problem import Problem

EXACT_GAP = 1e-9
"""Relative gap to which programs are solved: closed, a break-even price is exact for a buyer."""

Bought = Mapping[str, int]
"""Offer id → nodes of it that a fleet buys."""


@dataclass(frozen=True)
class Found:
    """What a program came to.

    Attributes
    ----------
    bought
        Nodes of the fleet found; None without one.
    cost_usd
        What they cost an hour, exact; None without a fleet.
    proven
        Whether nothing is cheaper than that fleet or, where the program was to beat a known cost
        and did not, than that cost; without either, that there is no fleet.
    """

    bought: Bought | None
    cost_usd: Fraction | None
    proven: bool


@dataclass(frozen=True)
class Answer(Found):
    """What a program gave, with the fleet itself."""

    problem: Problem
    solved: Solved
    predicted: dict[int, Prediction]

    @property
    def found(self) -> Found:
        """What it came to, alone: small enough to be sent."""
        return Found(self.bought, self.cost_usd, self.proven)


class Bench:
    """Solves programs over the offers of a problem, or over variants of them.

    Parameters
    ----------
    problem
        The evaluated workload over all offers that may matter.
    time_limit_s
        Wall seconds for each program.

    Attributes
    ----------
    known
        Fleets of the offers as they are: each bounds break-even prices.
    programs
        Number of programs solved.
    """

    def __init__(self, problem: Problem, time_limit_s: float) -> None:
        caps = replace(problem.instance.caps, max_cost_per_hour_usd=None)
        self.problem = replace(problem, instance=replace(problem.instance, caps=caps))
        # As they are quoted: the program has one offer for each price of those with several.
        quoted = {o.offer_id: o for o in problem.catalog.offers}
        self.offers = {o.offer_id: quoted[o.offer_id] for o in problem.instance.offers}
        budget = problem.instance.caps.max_cost_per_hour_usd
        self.budget_usd = None if budget is None else Fraction(str(budget))
        self.options = Options(EXACT_GAP, time_limit_s, explain="none", second_engine=False)
        self.known: list[Bought] = []
        self.programs = 0

    def solve(
        self,
        offers: Iterable[Offer],
        *,
        below_usd: Fraction | None = None,
        lift_size: bool = False,
    ) -> Answer:
        """Return the cheapest fleet over some offers.

        Parameters
        ----------
        below_usd
            Only fleets that cost less are of interest.
        lift_size
            Leave out the limits on the size of the fleet as well: accelerators and power.
        """
        self.programs += 1
        instance = restrict(self.problem.instance, offers=tiers_of(offers))
        if lift_size:
            caps = replace(instance.caps, max_gpus=None, max_power_kw=None)
            instance = replace(instance, caps=caps)
        known = None if below_usd is None else float(below_usd)
        problem, solved, predicted = solve_problem(
            replace(self.problem, instance=instance), self.options, known_usd=known
        )
        fleet, end = solved.fleet, solved.result.termination
        if fleet is None:
            none = end in (Termination.GAP_CLOSED, Termination.INFEASIBLE)
            return Answer(None, None, none, problem, solved, {})
        bought = {fleet.instance.offers[o].offer_id: n for o, n in fleet.nodes.items()}
        proven = (
            end is Termination.GAP_CLOSED
            and solved.result.gap <= EXACT_GAP
            and not misses(problem, fleet, predicted)
        )
        return Answer(bought, Fraction(fleet.cost_usd), proven, problem, solved, predicted)

    def keep(self, answer: Answer) -> Answer:
        """Note the fleet of an answer over the offers as they are, at whatever price."""
        if answer.bought is not None:
            self.known.append(answer.bought)
        return answer

    def affordable(self, cost_usd: Fraction) -> bool:
        """Whether a fleet of that cost is within the budget."""
        return self.budget_usd is None or cost_usd <= self.budget_usd
