"""One row of a portfolio: a workload under the prices of a scenario, planned or re-planned.

`solve_row` is a pure function of what it is given: rows are the same wherever they are solved.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.errors import InputError, MinfleetError
from data.tables import columns
from solver.crew.work import Work
from solver.measured import MeasuredCapacity
from solver.plan import Plan
from solver.planner import plan
from solver.portfolio.entries import Entry
from solver.portfolio.scenarios import Scenario
from solver.remembered import Remembered
from solver.replan.decide import replan
from solver.replan.decision import Decision
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.sweep.entries import in_one_cell, pools_in_words
from solver.workload import Workload

Row = dict[str, Any]
"""Column of the table ``decisions`` → text, a number or None."""

REMEMBERED_OFFERS = 100_000
"""Offers of the scenarios' catalogues that a process keeps, of some 2 kB each."""

FAILED = "failed"


@dataclass(frozen=True)
class PortfolioGround:
    """What all rows of a portfolio have in common.

    Attributes
    ----------
    today
        The catalogue whose prices the scenarios move.
    moment
        When the decisions are made; offers must be on sale that day.
    """

    scenarios: tuple[Scenario, ...]
    today: Catalog
    coefficients: CoefficientTable
    measured: tuple[MeasuredCapacity, ...] | None
    policy: Policy
    moment: dt.datetime
    gap: float
    time_limit_s: float
    _known: Remembered[int, Catalog] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", _no_catalogs())

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_known"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state, _known=_no_catalogs())

    def catalog(self, scenario: int) -> Catalog:
        """Return the catalogue of a scenario, made once in each process."""
        return self._known.get(scenario, lambda: self.scenarios[scenario].catalog(self.today))


def _no_catalogs() -> Remembered[int, Catalog]:
    return Remembered(lambda catalog: len(catalog.offers), REMEMBERED_OFFERS)


@dataclass(frozen=True)
class RowTask:
    """A row to solve: a workload, and the number of its scenario."""

    entry: Entry
    scenario: int
    scenario_name: str


def solve_row(ground: PortfolioGround, task: RowTask) -> Row:
    """Plan a workload under the prices of a scenario or, where a fleet serves it, re-plan it.

    What is wrong with the workload is the row's ``error``.
    """
    entry = task.entry
    if entry.fault:
        return failed(task, entry.fault)
    try:
        workload = Workload.parse(entry.workload, place=entry.place, folder=Path(entry.folder))
        catalog = ground.catalog(task.scenario)
        if entry.current is None:
            return _row(task, **_planned(ground, workload, catalog))
        return _row(task, **_decided(ground, entry, entry.current, workload, catalog))
    except MinfleetError as error:
        return failed(task, str(error))
    except MemoryError:
        raise  # no fault of the workload: the run ends, and goes on where there is more of it
    except Exception as error:  # one workload in ten thousand must not end the others
        told = f"{type(error).__name__}: {error}".strip()
        return failed(task, f"{entry.place}: minfleet gave up ({told}); please report it.")


def failed(task: RowTask, error: str) -> Row:
    """Return the row of a workload that could not be planned."""
    return _row(task, outcome=FAILED, error=" ".join(error.splitlines()))


def _row(task: RowTask, **cells: Any) -> Row:
    empty = dict.fromkeys(c.column for c in columns("decisions"))
    return {**empty, "workload": task.entry.name, "scenario": task.scenario_name, **cells}


def _name(task: RowTask) -> str:
    return f"workload {task.entry.name} in scenario {task.scenario_name}"


ROWS = Work(solve_row, _name, failed)
"""What a crew does with the rows of a portfolio."""


def _planned(ground: PortfolioGround, workload: Workload, catalog: Catalog) -> Row:
    made = plan(
        workload,
        catalog,
        gap=ground.gap,
        time_limit_s=ground.time_limit_s,
        coefficients=ground.coefficients,
        measured=ground.measured,
        explain="none",
        second_engine=False,
        as_of=ground.moment.date(),
    )
    by_cost = made.objective is not None and made.objective["minimize"] == "cost"
    return {
        "outcome": "plan",
        "status": made.status,
        "bound_per_hour_usd": made.certificate["bound"] if by_cost else None,
        "gap": made.certificate["gap"],
        **_fleet_of(made),
    }


def _fleet_of(made: Plan) -> Row:
    return _fleet(made.cost_per_hour_usd, made.gpus, made.to_dict())


def _fleet(cost_usd: float | None, gpus: int | None, document: Mapping[str, Any]) -> Row:
    """Return the cells of a fleet; empty without one."""
    if cost_usd is None:
        return {}
    return {
        "cost_per_hour_usd": cost_usd,
        "gpus": gpus,
        "nodes": _nodes(document["purchases"]),
        "fleet": pools_in_words(document["pools"]),
        "purchases": in_one_cell(document["purchases"]),
    }


def _nodes(purchases: Sequence[Mapping[str, Any]]) -> int:
    return sum(int(p["nodes"]) for p in purchases)


def _decided(
    ground: PortfolioGround,
    entry: Entry,
    current: Mapping[str, Any],
    workload: Workload,
    catalog: Catalog,
) -> Row:
    decision = replan(
        workload,
        catalog,
        current,
        ground.policy,
        moment=ground.moment,
        memory=Memory(since=_since(entry)),
        gap=ground.gap,
        time_limit_s=ground.time_limit_s,
        coefficients=ground.coefficients,
        measured=ground.measured,
    )
    document = decision.to_dict()
    free, saving, running = (document[k] for k in ("certificates", "saving", "current"))
    free = free["free"]
    fraction = None if saving is None else saving["fraction"]
    return {
        "outcome": decision.outcome,
        "status": free["status"],
        "bound_per_hour_usd": free["bound"],
        "gap": free["gap"],
        "current_cost_per_hour_usd": running["cost_per_hour_usd"],
        "saving_usd_per_hour": None if saving is None else saving["usd_per_hour"],
        "saving_pct": None if fraction is None else round(100 * fraction, 6),
        "reasons": " ".join(document["reasons"]),
        **_to_run(decision, current, running),
    }


def _to_run(decision: Decision, current: Mapping[str, Any], running: Mapping[str, Any]) -> Row:
    """Return the cells of the fleet to run: the proposed one, or the running one where kept."""
    if decision.outcome == "keep" or decision.plan is None:
        return _fleet(running["cost_per_hour_usd"], current["gpus"], current)
    return _fleet(decision.plan["cost_per_hour_usd"], decision.plan["gpus"], decision.plan)


def _since(entry: Entry) -> dt.datetime | None:
    if not entry.since:
        return None
    try:
        found = dt.datetime.fromisoformat(entry.since)
    except ValueError:
        raise InputError(
            f"{entry.place}: since {entry.since!r} is no moment; write it as 2026-11-01T08:00Z."
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
