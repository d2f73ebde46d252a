"""minfleet: the cheapest fleet of accelerators that serves an LLM workload, with its proof.

>>> from minfleet import Catalog, Workload, plan
>>> answer = plan(Workload.load("examples/chat-70b.yaml"), Catalog.load())
>>> answer.status, answer.cost_per_hour_usd

Names are loaded when they are first used, so that ``python -m minfleet --help`` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from data.catalog import Catalog
    from data.errors import (
        CatalogError,
        EngineError,
        InputError,
        MinfleetError,
        PlanError,
        UnknownNameError,
        WorkloadError,
    )
    from solver.checker import Check, PlanChecker
    from solver.comparison.comparison import compare
    from solver.comparison.document import Comparison
    from solver.frontier.document import Frontier
    from solver.frontier.frontier import frontier
    from solver.plan import Plan
    from solver.planner import plan
    from solver.replan.decide import replan
    from solver.replan.decision import Decision
    from solver.replan.memory import Memory
    from solver.replan.policy import Policy
    from solver.sweep.document import Sweep
    from solver.sweep.factors import Factor
    from solver.sweep.sensitivity import sensitivity
    from solver.sweep.sweep import sweep
    from solver.workload import Workload

_HOMES = {
    "Catalog": "data.catalog",
    "CatalogError": "data.errors",
    "Check": "solver.checker",
    "Comparison": "solver.comparison.document",
    "Decision": "solver.replan.decision",
    "EngineError": "data.errors",
    "Factor": "solver.sweep.factors",
    "Frontier": "solver.frontier.document",
    "InputError": "data.errors",
    "Memory": "solver.replan.memory",
    "MinfleetError": "data.errors",
    "Plan": "solver.plan",
    "PlanChecker": "solver.checker",
    "PlanError": "data.errors",
    "Policy": "solver.replan.policy",
    "Sweep": "solver.sweep.document",
    "UnknownNameError": "data.errors",
    "Workload": "solver.workload",
    "WorkloadError": "data.errors",
    "compare": "solver.comparison.comparison",
    "frontier": "solver.frontier.frontier",
    "plan": "solver.planner",
    "replan": "solver.replan.decide",
    "sensitivity": "solver.sweep.sensitivity",
    "sweep": "solver.sweep.sweep",
}

__all__ = [
    "Catalog",
    "CatalogError",
    "Check",
    "Comparison",
    "Decision",
    "EngineError",
    "Factor",
    "Frontier",
    "InputError",
    "Memory",
    "MinfleetError",
    "Plan",
    "PlanChecker",
    "PlanError",
    "Policy",
    "Sweep",
    "UnknownNameError",
    "Workload",
    "WorkloadError",
    "compare",
    "frontier",
    "plan",
    "replan",
    "sensitivity",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the room it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module 'minfleet' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
