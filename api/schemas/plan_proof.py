"""How far a plan is proven, and what was searched."""

from __future__ import annotations

from typing import Literal

from api.schemas.base import Document, Omittable
from api.schemas.units import Count, Fraction, ObjectiveValue, Seconds
from solver.aim import Aim
from solver.engines.result import Termination


class Check(Document):
    """What the independent checker found."""

    passed: bool
    """Whether every condition holds."""
    rows_checked: Count
    """Number of conditions recomputed."""
    failures: list[str]
    """One sentence for each that does not hold."""


class SecondEngine(Document):
    """The second engine's word on the plan."""

    engine: Literal["cp-sat"]
    """Its name."""
    objective: ObjectiveValue | None
    """Its own best solution, of a relaxation: not a plan; null if it found none."""
    bound: ObjectiveValue | None
    """Its lower bound, in the unit of the plan's objective; null if it has none."""
    agrees: bool | None
    """true: its bound closes the gap too. null: it ran out of work first. false: it contradicts."""
    verdict: Literal["confirmed", "not certified", "contradicts"]
    """The same in words: `confirmed`, `not certified` or `contradicts`."""


class ThenProof(Document):
    """How far it is proven that no fleet, equal by what comes first, is better by what is next."""

    minimize: Aim
    """What decides between fleets equal by what comes first."""
    unit: str
    """Its unit."""
    engine: Literal["highs"]
    """Engine that solved the program."""
    objective: ObjectiveValue | None
    """Its value for the fleet of the plan."""
    bound: ObjectiveValue | None
    """No fleet that is as good by what comes first can have less."""
    gap: Fraction | None
    """(objective − bound)/objective; null if either is."""
    gap_asked: Fraction
    """Gap that counts as proven."""
    termination: Termination
    """Why the engine stopped."""
    second_engine: SecondEngine | None
    """The second engine's word; null where bounds alone prove it, or none was asked."""


class Certificate(Document):
    """How far the plan is proven, and by whom."""

    engine: Literal["highs"]
    """Engine that solved the program."""
    objective: ObjectiveValue | None
    """Objective of the best fleet found, in the unit of `objective`: its cost by default; null
    without one."""
    bound: ObjectiveValue | None
    """No fleet of the program can have less; null if there is no bound."""
    gap: Fraction | None
    """(objective − bound)/objective; null if either is."""
    gap_asked: Fraction
    """Gap that counts as proven."""
    termination: Termination
    """Why the engine stopped: `gap_closed`, `infeasible`, `limit` or `failed`."""
    wall_s: Seconds
    """Wall time of screening and solving."""
    check: Check | None
    """What the independent checker found; null without a fleet."""
    second_engine: SecondEngine | None
    """The second engine's word; null without a fleet or with `--no-second-engine`."""
    then: ThenProof | None = None
    """The proof of what decides between equal fleets; null where nothing does."""


class SearchSeconds(Document):
    """Wall time by stage; a stage that was not reached is left out."""

    market: Seconds
    """Wall time of reading and filtering offers."""
    candidates: Seconds
    """Of evaluating candidates."""
    screening: Omittable[Seconds] = None
    """Of the first fleet and the bounds."""
    solve: Omittable[Seconds] = None
    """Of the program."""
    shares: Omittable[Seconds] = None
    """Of settling who serves what."""
    certificate: Omittable[Seconds] = None
    """Of the checker and the second engine."""
    explain: Seconds
    """Of the explanations."""


class Search(Document):
    """What was searched, and how long that took."""

    offers_considered: Count
    """Offers that pass the filters and are on sale."""
    offers_undominated: Count
    """Those that no other offer replaces."""
    candidates_considered: Count
    """Configurations looked at."""
    candidates_fitting: Count
    """Those evaluated under load, after configurations that another outpaces are dropped."""
    candidates_feasible: Count
    """Candidates that serve some class within its targets; a configuration counts once for each set
    of classes it may serve."""
    candidates_undominated: Count
    """Those that no other candidate dominates."""
    candidates_in_program: Count
    """Those left in the program after screening."""
    columns: Count
    """Columns of that program; 0 if there was nothing to solve."""
    rows: Count
    """Its rows."""
    seconds: SearchSeconds
    """Wall time by stage."""
