"""One period apart from the others: its program under any charges and limits of commitments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from data.offers import Offer
from solver.engines.highs import solve_highs
from solver.engines.result import EngineResult, Termination
from solver.fleet import Fleet, cheapest_fleet, read_fleet
from solver.horizon.prices import charge
from solver.instance import Instance
from solver.program import Program, compile_program


@dataclass(frozen=True)
class Source:
    """A solution, and the program that a fleet is read from."""

    instance: Instance
    program: Program
    result: EngineResult


@dataclass(frozen=True)
class Answer:
    """A fleet of a period, and what nothing there can be below.

    Attributes
    ----------
    bound_usd
        Lower bound on the charged cost of the period (USD an hour of it); infinite if no fleet
        keeps the limits.
    flexible_usd
        What the fleet costs without its committed nodes (USD an hour of the period).
    committed
        Committed offer → nodes in use.
    source
        What the fleet is read from; None without one.
    """

    bound_usd: float
    flexible_usd: float
    committed: Mapping[int, int]
    source: Source | None

    @property
    def fleet(self) -> Fleet:
        """The fleet, read and placed."""
        assert self.source is not None
        return read_fleet(self.source.instance, self.source.program, self.source.result)


@dataclass
class Apart:
    """One period, solved under many charges and limits of its commitments.

    Attributes
    ----------
    instance
        The period's instance, as `solver.horizon.prices.priced` makes it; its committed offers
        have any price.
    few
        Whether the candidates are few: then the program is compiled once and solved whole each
        time; else each question is screened on its own.
    """

    instance: Instance
    few: bool
    _program: Program | None = field(init=False, default=None)
    _most: dict[int, int] = field(init=False)
    _known: list[tuple[dict[int, float], dict[int, int], Answer]] = field(
        init=False, default_factory=list
    )

    def __post_init__(self) -> None:
        if self.few:
            self._program = compile_program(self.instance)
        held = {o for key in self.instance.hosts for o in self.instance.hosts[key][1]}
        self._most = {
            o: self.instance.most_nodes(o)
            for o in sorted(held)
            if self.instance.offers[o].pricing == "committed"
        }

    def most(self, o: int) -> int:
        """Return the most committed nodes of an offer that the period can use."""
        return self._most.get(o, 0)

    def solve(
        self,
        charges: Mapping[int, float],
        most: Mapping[int, int],
        *,
        gap: float,
        time_limit_s: float,
    ) -> Answer:
        """Return the cheapest fleet under charges and limits.

        Parameters
        ----------
        charges
            Committed offer → USD an hour for a node of it in use.
        most
            Committed offer → nodes of it that there are.
        """
        charged, limits = self._asked(charges, most)
        answer = self._remembered(charged, limits)
        if answer is not None:
            return answer
        ask = self._solve_few if self._program is not None else self._solve_screened
        answer = ask(charged, limits, gap, time_limit_s)
        self._known.append((charged, limits, answer))
        return answer

    def floor_usd(self, charges: Mapping[int, float], most: Mapping[int, int]) -> float:
        """Return a lower bound on the charged cost from what was solved before.

        A bound V under charges c and limits no narrower holds for others up to what they charge
        less: V − Σ_o max(c_o − c'_o, 0)·u_o.
        """
        charged, limits = self._asked(charges, most)
        floors = [
            answer.bound_usd
            - sum(max(usd - charged[o], 0.0) * limits[o] for o, usd in before.items())
            for before, wider, answer in self._known
            if all(n <= wider[o] for o, n in limits.items())
        ]
        return max(floors, default=0.0)

    def _asked(
        self, charges: Mapping[int, float], most: Mapping[int, int]
    ) -> tuple[dict[int, float], dict[int, int]]:
        limits = {o: min(self.most(o), most.get(o, 0)) for o in self._most}
        # What is not there is charged nothing, so that equal questions look alike.
        return {o: charges.get(o, 0.0) if limits[o] else 0.0 for o in self._most}, limits

    def _remembered(self, charged: Mapping[int, float], limits: Mapping[int, int]) -> Answer | None:
        """Return the best under wider limits, where it keeps the narrower: it is the best there."""
        for before, wider, answer in self._known:
            same = all(charged[o] == before[o] for o, n in limits.items() if n)
            if same and all(answer.committed.get(o, 0) <= n <= wider[o] for o, n in limits.items()):
                return answer
        return None

    def _solve_few(
        self, charged: Mapping[int, float], limits: Mapping[int, int], gap: float, limit_s: float
    ) -> Answer:
        assert self._program is not None
        cost, high = self._program.cost.copy(), self._program.col_high.copy()
        for j in self._program.find("m"):
            o = self._program.key[j][0]
            if o in charged:
                cost[j], high[j] = charged[o], limits[o]
        program = replace(self._program, cost=cost, col_high=high)
        result = solve_highs(program, gap=gap, time_limit_s=limit_s)
        if result.values is None:
            empty = result.termination is Termination.INFEASIBLE
            return Answer(np.inf if empty else max(result.bound, 0.0), np.inf, {}, None)
        return self._answer(Source(self.instance, program, result))

    def _solve_screened(
        self, charged: Mapping[int, float], limits: Mapping[int, int], gap: float, limit_s: float
    ) -> Answer:
        offers = list(self.instance.offers)
        for o, usd in charged.items():
            # At no charge, what is not there would still make the fractional prices worthless.
            due = usd if limits[o] else float(offers[o].hourly_usd)
            offers[o] = charge(offers[o], due, stock=limits[o])
        instance = self.instance.keep(offers=offers)
        solved = cheapest_fleet(instance, gap=gap, time_limit_s=limit_s)
        if solved.fleet is None or solved.program is None:
            empty = solved.result.termination is Termination.INFEASIBLE
            return Answer(np.inf if empty else max(solved.result.bound, 0.0), np.inf, {}, None)
        return self._answer(Source(solved.fleet.instance, solved.program, solved.result))

    def _answer(self, source: Source) -> Answer:
        return answer_of(source, self.instance.offers)


def answer_of(source: Source, offers: Sequence[Offer]) -> Answer:
    """Return what a solution says of committed nodes, and of the cost without them."""
    program, values = source.program, source.result.values
    assert values is not None
    committed: dict[int, int] = {}
    flexible = 0.0
    for j in program.find("m"):
        o, n = program.key[j][0], round(float(values[j]))
        if offers[o].pricing == "committed":
            committed[o] = n
        else:
            flexible += float(offers[o].hourly_usd) * n
    return Answer(source.result.bound, flexible, committed, source)
