"""The certificate of a plan: what was found, what is proven, and who else says so."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from solver.checker import PlanChecker
from solver.engines.result import EngineResult, Termination
from solver.fleet import Solved
from solver.objective import Objective
from solver.problem import Problem

SECOND_ENGINE_WORK = 0.15
"""CP-SAT's deterministic time for a second opinion."""

Opinions = list[Future[dict[str, Any]]]
"""What the second engine says of each program, first things first."""


def certificate_of(
    problem: Problem, solved: Solved, gap: float, document: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the certificate of what was solved, without the second engine's word.

    Parameters
    ----------
    gap
        Relative gap asked for.
    document
        The plan, which is checked; None without a fleet.
    """
    certificate = {
        **_proof(solved, problem.order[0], gap),
        "wall_s": round(sum(solved.seconds.values()), 4),
        "check": None,
        "second_engine": None,
        "then": None,
    }
    if solved.then is not None:
        then = problem.order[1]
        certificate["then"] = {
            "minimize": then.name,
            "unit": then.unit,
            **_proof(replace(solved.then, fleet=solved.fleet), then, gap),
            "second_engine": None,
        }
    if document is not None:
        check = PlanChecker(
            document,
            problem.workload,
            problem.catalog,
            problem.coefficients,
            measured=problem.measured,
        ).check()
        certificate["check"] = {
            "passed": check.passed,
            "rows_checked": check.rows_checked,
            "failures": list(check.failures),
        }
    return certificate


def _proof(solved: Solved, objective: Objective, gap: float) -> dict[str, Any]:
    result = solved.result
    if solved.fleet is not None:  # nodes of the engine's solution that hold nothing are not bought
        result = replace(result, objective=solved.fleet.value(objective))
    return {
        "engine": result.engine,
        "objective": result.objective,
        "bound": _finite(result.bound),
        "gap": _finite(result.gap),
        "gap_asked": gap,
        "termination": result.termination.value,
    }


def second_opinions(solved: Solved, gap: float, time_limit_s: float) -> Opinions:
    """Ask the second engine on a thread of its own, once for each program."""
    asked = (solved,) if solved.then is None else (solved, solved.then)
    programs = [(s.program, s.result.objective) for s in asked]
    if programs[0][0] is None or programs[0][1] is None:
        return []
    from solver.engines.cpsat import bound_cpsat

    def ask(program: Any, value: float) -> dict[str, Any]:
        second = bound_cpsat(
            program,
            at_most_usd=value,
            gap=gap / 2,
            work_limit=SECOND_ENGINE_WORK,
            time_limit_s=time_limit_s,
        )
        return _verdict(second, value, gap)

    pool = ThreadPoolExecutor(1)
    answers = [
        pool.submit(ask, program, value)
        for program, value in programs
        if program is not None and value is not None
    ]
    pool.shutdown(wait=False)
    return answers


def with_opinions(certificate: dict[str, Any], opinions: Opinions) -> dict[str, Any]:
    """Return a certificate with the second engine's word on each program."""
    words = [answer.result() for answer in opinions]
    first = words[0] if words else None
    then = certificate["then"]
    if then is not None and len(words) > 1:
        then = {**then, "second_engine": words[1]}
    return {**certificate, "second_engine": first, "then": then}


def proven(certificate: dict[str, Any]) -> bool:
    """Whether every program's gap is closed, the check passed, and nothing contradicts."""
    then = certificate["then"]
    return certificate["check"]["passed"] and all(
        part["termination"] == Termination.GAP_CLOSED.value
        and part["gap"] is not None
        and part["gap"] <= part["gap_asked"]
        and (part["second_engine"] or {}).get("agrees") is not False
        for part in ((certificate,) if then is None else (certificate, then))
    )


def _verdict(second: EngineResult, value: float, gap: float) -> dict[str, Any]:
    confirms = second.bound >= value * (1 - gap) - 1e-9
    contradicts = second.termination is Termination.INFEASIBLE or second.bound > value * (1 + 1e-6)
    return {
        "engine": second.engine,
        "objective": second.objective,
        "bound": _finite(second.bound),
        "agrees": False if contradicts else (True if confirms else None),
        "verdict": "contradicts" if contradicts else "confirmed" if confirms else "not certified",
    }


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
